# METADATA
# scope: package
# title: A person approves what confidential work asks of the strongest models
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   Confidential requests stay on our own machines, but for the most capable models of operators
#   that do not train on them: there, each one waits for a person (`situs approvals`). Without a
#   word within ten minutes it goes nowhere else than to our own machines.
#   public        anywhere configured
#   internal      owned loci; elsewhere, where nobody trains on it and retention is stated
#   confidential  owned loci
#   restricted    owned device, edge or on-prem only
package situs

import rego.v1

# METADATA
# description: public may run anywhere configured.
allow contains d.name if {
	input.label == "public"
	some d in input.deployments
}

# METADATA
# description: internal may run where nobody trains on it and retention is stated.
allow contains d.name if {
	input.label == "internal"
	some d in input.deployments
	stated(d.locus)
}

# METADATA
# description: confidential may run on loci we own.
allow contains d.name if {
	input.label == "confidential"
	some d in input.deployments
	d.locus.owned
}

# METADATA
# description: restricted may run on premises we own.
allow contains d.name if {
	input.label == "restricted"
	some d in input.deployments
	premises(d.locus)
}

# METADATA
# description: Strong models elsewhere may be used for what is confidential, once a person says yes.
allow contains d.name if {
	some d in input.deployments
	for_a_person(d)
}

# METADATA
# description: The person is asked, and has ten minutes.
obligations contains {"kind": "hold_for_approval", "deployment": d.name, "limit": 600} if {
	some d in input.deployments
	for_a_person(d)
}

for_a_person(d) if {
	input.label == "confidential"
	d.model.capability == "frontier"
	not d.locus.owned
	stated(d.locus)
}

# METADATA
# description: What is taken from a data set goes no farther than the data set says.
deny contains {"deployment": d.name, "code": "data_may_not_leave"} if {
	some source in input.data
	some d in input.deployments
	not may_leave(source, d.locus)
}

may_leave(source, _) if source.leaves == "anywhere"

may_leave(source, locus) if locus.name in source.loci

may_leave(source, locus) if {
	source.leaves == "jurisdiction"
	locus.jurisdiction == source.jurisdiction
}

stated(locus) if locus.owned

stated(locus) if {
	locus.training_use == "none"
	locus.retention != "unknown"
	locus.retention != ""
}

premises(locus) if {
	locus.owned
	locus.kind in {"device", "edge", "on_prem"}
}

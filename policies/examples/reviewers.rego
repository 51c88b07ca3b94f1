# METADATA
# scope: package
# title: Reviewers take a session down again
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   Labels of a session only rise. Who is in the group `reviewers` may say that a session is done
#   with what was confidential in it; it is internal from then on. Nobody takes `restricted` back.
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
# description: A reviewer's request takes a confidential session down to internal.
declassify contains "internal" if {
	input.session
	input.session_label == "confidential"
	"reviewers" in input.principal.groups
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

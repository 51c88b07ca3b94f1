# METADATA
# scope: package
# title: Health records in the manner of HIPAA
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   Protected health information is what has a health identifier in it, what a clinical tenant asks
#   and what draws on a clinical data set. It goes to our own machines, and to operators with a
#   business associate agreement, who are told to keep nothing, and get pseudonyms for identifiers.
#   public        anywhere configured
#   internal      owned loci; elsewhere, where nobody trains on it and retention is stated
#   confidential  owned loci; business associates
#   restricted    owned device, edge or on-prem only
package situs

import rego.v1

associates := {"Example Cloud", "Example Cloud Inc."}

clinical_tenants := {"clinic"}

clinical_data := {"charts"}

protected if input.findings.health_id > 0

protected if input.principal.tenant in clinical_tenants

protected if {
	some source in input.data
	source.name in clinical_data
}

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
# description: confidential may run where we own or have an agreement.
allow contains d.name if {
	input.label == "confidential"
	some d in input.deployments
	agreed(d.locus)
}

# METADATA
# description: restricted may run on premises we own.
allow contains d.name if {
	input.label == "restricted"
	some d in input.deployments
	premises(d.locus)
}

# METADATA
# description: Protected health information stays with us and our business associates, whatever the label.
deny contains {"deployment": d.name, "code": "no_agreement"} if {
	protected
	some d in input.deployments
	not agreed(d.locus)
}

# METADATA
# description: Nor may somebody without an agreement be on the way.
deny contains {"deployment": d.name, "code": "passed_on"} if {
	protected
	some d in input.deployments
	not d.locus.owned
	d.locus.transit != "none"
}

# METADATA
# description: An associate keeps no protected health information.
obligations contains {"kind": "no_retention", "deployment": d.name} if {
	protected
	some d in input.deployments
	not d.locus.owned
}

# METADATA
# description: An associate gets no more than it needs - pseudonyms in place of what identifies.
obligations contains {"kind": "pseudonymise", "deployment": d.name, "scope": "session"} if {
	protected
	some d in input.deployments
	not d.locus.owned
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

agreed(locus) if locus.owned

agreed(locus) if {
	locus.operator in associates
	locus.training_use == "none"
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

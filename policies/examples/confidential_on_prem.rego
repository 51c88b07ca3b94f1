# METADATA
# scope: package
# title: Confidential stays on premises
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE.
#   Stricter than the default: what is confidential or above never leaves an owned on-prem locus.
#   public        anywhere configured
#   internal      anywhere that does not train on it and states its retention
#   confidential  owned on-prem only
#   restricted    owned on-prem only
package situs

import rego.v1

# METADATA
# description: The rule of the field, in one line.
deny contains {"deployment": d.name, "code": "confidential_off_prem"} if { some d in input.deployments; confidential; not on_prem(d) }

# METADATA
# description: Whatever is configured may serve what is public or confidential; the line above holds.
allow contains d.name if {
	input.label in {"public", "confidential", "restricted"}
	some d in input.deployments
}

# METADATA
# description: internal may run where nobody trains on it and retention is stated.
allow contains d.name if {
	input.label == "internal"
	some d in input.deployments
	d.locus.training_use == "none"
	d.locus.retention != "unknown"
	d.locus.retention != ""
}

confidential if input.label in {"confidential", "restricted"}

on_prem(d) if {
	d.locus.kind == "on_prem"
	d.locus.owned
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

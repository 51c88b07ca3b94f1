# METADATA
# scope: package
# title: No request may cost more than so much
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   The cap is on what one request is expected to cost, in the currency of the configuration, and is
#   higher where work stops without an answer (`x-situs-criticality: operational`). What has no price
#   may not be used.
#   public        anywhere configured
#   internal      owned loci; elsewhere, where nobody trains on it and retention is stated
#   confidential  owned loci
#   restricted    owned device, edge or on-prem only
package situs

import rego.v1

cap := {"advisory": 0.01, "operational": 0.1}

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
# description: Why it may not run there - it would cost too much, or nobody knows how much.
deny contains {"deployment": d.name, "code": "over_cost_cap"} if {
	some d in input.deployments
	not affordable(d)
}

affordable(d) if input.expected_cost[d.name] <= cap[input.criticality]

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

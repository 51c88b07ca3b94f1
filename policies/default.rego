# METADATA
# scope: package
# title: The default policy
# description: |
#   label         may run
#   public        anywhere configured
#   internal      owned loci; elsewhere, where nobody trains on it and retention is stated
#   confidential  owned loci; a sovereign cloud only if same jurisdiction and customer-held keys
#   restricted    owned device, edge or on-prem only
#
#   Any other label may run nowhere. What the `allow` rules do not name is out; the `deny` rules
#   add the reason.
package situs

import rego.v1

# METADATA
# description: public may run anywhere configured.
allow contains d.name if {
	input.label == "public"
	some d in input.deployments
}

# METADATA
# description: internal may run on loci we own, and where nobody trains on it and retention is stated.
allow contains d.name if {
	input.label == "internal"
	some d in input.deployments
	no_training(d.locus)
	retention_stated(d.locus)
}

# METADATA
# description: confidential may run on loci we own, and in a sovereign cloud of our own law and keys.
allow contains d.name if {
	input.label == "confidential"
	some d in input.deployments
	under_our_control(d.locus)
}

# METADATA
# description: restricted may run on premises we own.
allow contains d.name if {
	input.label == "restricted"
	some d in input.deployments
	owned_premises(d.locus)
}

# METADATA
# description: Why internal may not run there - the operator trains on it, or does not rule it out.
deny contains {"deployment": d.name, "code": "training_not_excluded"} if {
	input.label == "internal"
	some d in input.deployments
	not no_training(d.locus)
}

# METADATA
# description: Why internal may not run there - nobody says how long it is kept.
deny contains {"deployment": d.name, "code": "retention_not_stated"} if {
	input.label == "internal"
	some d in input.deployments
	not retention_stated(d.locus)
}

# METADATA
# description: Why confidential may not run there - neither owned nor a qualifying sovereign cloud.
deny contains {"deployment": d.name, "code": "not_under_our_control"} if {
	input.label == "confidential"
	some d in input.deployments
	not under_our_control(d.locus)
}

# METADATA
# description: Why restricted may not run there - not owned, or not a device, edge or on-prem.
deny contains {"deployment": d.name, "code": "not_owned_premises"} if {
	input.label == "restricted"
	some d in input.deployments
	not owned_premises(d.locus)
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

no_training(locus) if locus.owned

no_training(locus) if locus.training_use == "none"

retention_stated(locus) if locus.owned

retention_stated(locus) if {
	locus.retention != "unknown"
	locus.retention != ""
}

under_our_control(locus) if locus.owned

under_our_control(locus) if {
	locus.kind == "sovereign_cloud"
	locus.key_custody == "customer"
	input.home_jurisdiction != ""
	locus.jurisdiction == input.home_jurisdiction
}

owned_premises(locus) if {
	locus.owned
	locus.kind in {"device", "edge", "on_prem"}
}

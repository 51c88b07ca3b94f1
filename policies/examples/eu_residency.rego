# METADATA
# scope: package
# title: Residency in the European Union, of the rack and of its operator
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   A rack in Frankfurt that a company under foreign law runs is not in the Union: that law reaches
#   the operator. So the region counts, and apart from it the jurisdiction, for owned loci too.
#   public        anywhere configured
#   internal      racks in the Union, operator under the law of a member state, no training
#   confidential  the same, owned or with keys held by us
#   restricted    owned device, edge or on-prem in the Union
package situs

import rego.v1

member_states := {
	"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
	"IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
}

# As your configuration names them. No prefix will do: eu-west-2 is London, eu-central-2 Zurich.
regions := {
	"Frankfurt", "Paris", "Stockholm", "Dublin", "eu-central", "eu-central-1", "eu-west-1",
	"eu-west-3", "eu-north-1", "eu-south-1", "germanywestcentral", "francecentral", "europe-west3",
}

# METADATA
# description: public may run anywhere configured.
allow contains d.name if {
	input.label == "public"
	some d in input.deployments
}

# METADATA
# description: internal may run in the Union.
allow contains d.name if {
	input.label == "internal"
	some d in input.deployments
	resident(d.locus)
	not_trained_on(d.locus)
}

# METADATA
# description: confidential may run in the Union, under our keys.
allow contains d.name if {
	input.label == "confidential"
	some d in input.deployments
	resident(d.locus)
	not_trained_on(d.locus)
	our_keys(d.locus)
}

# METADATA
# description: restricted may run on premises we own in the Union.
allow contains d.name if {
	input.label == "restricted"
	some d in input.deployments
	resident(d.locus)
	premises(d.locus)
}

# METADATA
# description: Why it may not run there - another law reaches the operator.
deny contains {"deployment": d.name, "code": "operator_outside_union"} if {
	input.label != "public"
	some d in input.deployments
	not d.locus.jurisdiction in member_states
}

# METADATA
# description: Why it may not run there - the rack stands elsewhere, or nobody says where.
deny contains {"deployment": d.name, "code": "rack_outside_union"} if {
	input.label != "public"
	some d in input.deployments
	not d.locus.region in regions
}

# METADATA
# description: Why confidential may not run there - somebody else can read what is stored.
deny contains {"deployment": d.name, "code": "keys_not_ours"} if {
	input.label == "confidential"
	some d in input.deployments
	not our_keys(d.locus)
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

resident(locus) if {
	locus.jurisdiction in member_states
	locus.region in regions
}

not_trained_on(locus) if locus.owned

not_trained_on(locus) if locus.training_use == "none"

our_keys(locus) if locus.owned

our_keys(locus) if locus.key_custody == "customer"

premises(locus) if {
	locus.owned
	locus.kind in {"device", "edge", "on_prem"}
}

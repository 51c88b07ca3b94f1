# METADATA
# scope: package
# title: Japan, APPI: third parties in a foreign country (Article 28)
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   Personal data goes to operators in Japan, or in a country designated as having an equivalent
#   system; data that needs special care stays in Japan under our keys; an Individual Number
#   (findings of national_id) stays on our own machines.
#   public        anywhere configured
#   internal      owned loci; Japan and designated countries, where nobody trains on it
#   confidential  owned loci; operators under Japanese law, keys held by us
#   restricted    owned device, edge or on-prem only
package situs

import rego.v1

# Designated by the Personal Information Protection Commission: the EEA and the United Kingdom.
designated := {
	"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE",
	"IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
}

# METADATA
# description: public may run anywhere configured.
allow contains d.name if {
	input.label == "public"
	some d in input.deployments
}

# METADATA
# description: Personal data may run where it is protected as in Japan.
allow contains d.name if {
	input.label == "internal"
	some d in input.deployments
	equivalent(d.locus)
}

# METADATA
# description: What needs special care stays in Japan, under our keys.
allow contains d.name if {
	input.label == "confidential"
	some d in input.deployments
	in_our_hands(d.locus)
}

# METADATA
# description: restricted may run on premises we own.
allow contains d.name if {
	input.label == "restricted"
	some d in input.deployments
	premises(d.locus)
}

# METADATA
# description: Why personal data may not run there - no equivalent system, or it is trained on.
deny contains {"deployment": d.name, "code": "foreign_third_party"} if {
	input.label == "internal"
	some d in input.deployments
	not equivalent(d.locus)
}

# METADATA
# description: Why data that needs special care may not run there.
deny contains {"deployment": d.name, "code": "special_care"} if {
	input.label == "confidential"
	some d in input.deployments
	not in_our_hands(d.locus)
}

# METADATA
# description: An Individual Number stays on our own machines, whatever the label.
deny contains {"deployment": d.name, "code": "individual_number"} if {
	input.findings.national_id > 0
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

equivalent(locus) if locus.owned

equivalent(locus) if {
	locus.jurisdiction in designated | {"JP"}
	locus.training_use == "none"
}

in_our_hands(locus) if locus.owned

in_our_hands(locus) if {
	locus.jurisdiction == "JP"
	locus.key_custody == "customer"
	locus.training_use == "none"
}

premises(locus) if {
	locus.owned
	locus.kind in {"device", "edge", "on_prem"}
}

# METADATA
# scope: package
# title: Australian Privacy Principles: disclosure across the border (APP 8)
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   Personal information (internal and above) goes to an operator under Australian law, or under a
#   law that the organisation has found to protect it as well; sensitive information, tax file and
#   Medicare numbers (confidential) to racks in Australia under Australian law.
#   public        anywhere configured
#   internal      owned loci; operators under Australian or a comparable law that do not train on it
#   confidential  owned loci; racks in Australia, Australian operator, keys held by us
#   restricted    owned device, edge or on-prem only
package situs

import rego.v1

# The laws found to be substantially similar (APP 8.2(a)), and the names of Australian regions.
comparable := {"AU", "NZ"}

regions := {"Sydney", "Melbourne", "Canberra", "Perth", "ap-southeast-2", "ap-southeast-4", "australiaeast"}

# METADATA
# description: public may run anywhere configured.
allow contains d.name if {
	input.label == "public"
	some d in input.deployments
}

# METADATA
# description: Personal information may run where the recipient is as bound as we are.
allow contains d.name if {
	input.label == "internal"
	some d in input.deployments
	accountable(d.locus)
}

# METADATA
# description: Sensitive information stays in Australia, under our keys.
allow contains d.name if {
	input.label == "confidential"
	some d in input.deployments
	in_australia(d.locus)
}

# METADATA
# description: restricted may run on premises we own.
allow contains d.name if {
	input.label == "restricted"
	some d in input.deployments
	premises(d.locus)
}

# METADATA
# description: Why personal information may not run there - the recipient is not as bound as we are.
deny contains {"deployment": d.name, "code": "cross_border_disclosure"} if {
	input.label == "internal"
	some d in input.deployments
	not accountable(d.locus)
}

# METADATA
# description: Why sensitive information may not run there.
deny contains {"deployment": d.name, "code": "outside_australia"} if {
	input.label == "confidential"
	some d in input.deployments
	not in_australia(d.locus)
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

accountable(locus) if locus.owned

accountable(locus) if {
	locus.jurisdiction in comparable
	locus.training_use == "none"
	locus.retention != "unknown"
}

in_australia(locus) if locus.owned

in_australia(locus) if {
	locus.jurisdiction == "AU"
	locus.region in regions
	locus.key_custody == "customer"
	locus.training_use == "none"
}

premises(locus) if {
	locus.owned
	locus.kind in {"device", "edge", "on_prem"}
}

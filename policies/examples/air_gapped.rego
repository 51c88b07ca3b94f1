# METADATA
# scope: package
# title: A site without a way out
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   Whatever the label: owned devices, edges and racks, reached without anybody else on the way. The
#   configuration must say so (`transit: none`); what it does not say is not so.
package situs

import rego.v1

# METADATA
# description: Everything runs on the site.
allow contains d.name if {
	input.label in {"public", "internal", "confidential", "restricted"}
	some d in input.deployments
	premises(d.locus)
	d.locus.transit == "none"
}

# METADATA
# description: Why it may not run there - not our own machines on the site.
deny contains {"deployment": d.name, "code": "off_site"} if {
	some d in input.deployments
	not premises(d.locus)
}

# METADATA
# description: Why it may not run there - somebody else is on the way, or nobody says that nobody is.
deny contains {"deployment": d.name, "code": "passed_on"} if {
	some d in input.deployments
	d.locus.transit != "none"
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

premises(locus) if {
	locus.owned
	locus.kind in {"device", "edge", "on_prem"}
}

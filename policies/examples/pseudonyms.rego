# METADATA
# scope: package
# title: A cloud sees pseudonyms in place of persons and identifiers
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   What identifies somebody gets a pseudonym before it leaves our own machines, the same throughout
#   a session; the answer has the originals again. What is confidential for such findings alone may
#   then go to operators that do not train on it; secrets, what cannot be read and what somebody has
#   declared confidential may not.
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
# description: What is confidential for what was found in it alone may run elsewhere, under pseudonyms.
allow contains d.name if {
	only_for_findings
	some d in input.deployments
	stated(d.locus)
}

# METADATA
# description: Everything that was found gets a pseudonym, wherever we do not own the machine.
obligations contains {"kind": "pseudonymise", "deployment": d.name, "scope": "session"} if {
	input.label in {"internal", "confidential"}
	some d in input.deployments
	not d.locus.owned
}

only_for_findings if {
	input.label == "confidential"
	count(input.findings) > 0
	every reason in input.label_reasons { mild(reason) }
}

mild(reason) if reason.label in {"public", "internal"}

mild(reason) if {
	reason.source == "finding"
	reason.detail != "unread"
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

# METADATA
# scope: package
# title: Card numbers in the manner of PCI DSS
# description: |
#   AN EXAMPLE, NOT LEGAL ADVICE. Whether it is what your law and your contracts ask for is for
#   your counsel to say; the names and the lists in it are yours to change.
#
#   A card number is seen by our own machines only: what goes elsewhere goes without it. So what is
#   confidential for its card numbers alone may go elsewhere redacted; what is so for another reason
#   may not.
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
# description: What is confidential for its card numbers alone may run elsewhere, without them.
allow contains d.name if {
	only_for_cards
	some d in input.deployments
	stated(d.locus)
}

# METADATA
# description: No card number leaves our own machines, whatever the label.
obligations contains {"kind": "redact", "deployment": d.name, "findings": ["card"]} if {
	input.findings.card > 0
	some d in input.deployments
	not d.locus.owned
}

only_for_cards if {
	input.label == "confidential"
	input.findings.card > 0
	every reason in input.label_reasons { mild(reason) }
}

mild(reason) if reason.label in {"public", "internal"}

mild(reason) if {
	reason.source == "finding"
	reason.detail == "card"
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

package pci_cards_test

import data.situs
import rego.v1

base := {
	"kind": "public_cloud", "owned": false, "jurisdiction": "US", "region": "us-east",
	"operator": "Example Cloud", "key_custody": "operator", "retention": "30d",
	"training_use": "none", "transit": "none",
}

at(name, facts) := {"name": name, "model": {"capability": "small"}, "locus": object.union(
	object.union(base, {"name": name}),
	facts,
)}

rack := at("rack", {"kind": "on_prem", "owned": true, "jurisdiction": "AU", "region": "Sydney"})

cloud := at("cloud", {})

asked(label, deployments) := {"label": label, "data": [], "findings": {}, "deployments": deployments}

left(document) := names if {
	allowed := situs.allow with input as document
	denied := situs.deny with input as document
	names := allowed - {one.deployment | some one in denied}
}

codes(document) := {one.code | some one in found} if found := situs.deny with input as document

test_public_runs_anywhere if left(asked("public", [rack, cloud])) == {"rack", "cloud"}

test_restricted_stays_on_our_own_rack if {
	left(asked("restricted", [rack, cloud, at("theirs", {"kind": "on_prem"})])) == {"rack"}
}

test_an_unknown_label_runs_nowhere if left(asked("secret", [rack, cloud])) == set()

test_no_label_runs_nowhere if {
	left({"data": [], "findings": {}, "deployments": [rack, cloud]}) == set()
}

test_data_that_may_not_leave_stays_where_it_lies if {
	ledgers := {"name": "ledgers", "loci": ["rack"], "leaves": "never", "jurisdiction": "AU"}
	document := object.union(asked("public", [rack, cloud]), {"data": [ledgers]})
	left(document) == {"rack"}
	codes(document) == {"data_may_not_leave"}
}

test_data_may_leave_as_far_as_it_says if {
	ledgers := {"name": "ledgers", "loci": [], "leaves": "anywhere", "jurisdiction": "US"}
	left(object.union(asked("public", [rack, cloud]), {"data": [ledgers]})) == {"rack", "cloud"}
	lawful := object.union(ledgers, {"leaves": "jurisdiction"})
	left(object.union(asked("public", [rack, cloud]), {"data": [lawful]})) == {"cloud"}
}

reason(label, source, detail) := {"label": label, "source": source, "detail": detail}

with_cards(reasons) := object.union(asked("confidential", [rack, cloud]), {
	"findings": {"card": 2},
	"label_reasons": reasons,
})

card := reason("confidential", "finding", "card")

test_card_numbers_stay_or_go_redacted if {
	document := with_cards([card, reason("internal", "finding", "email")])
	left(document) == {"rack", "cloud"}
	owed := situs.obligations with input as document
	owed == {{"kind": "redact", "deployment": "cloud", "findings": ["card"]}}
}

test_what_is_confidential_for_another_reason_stays if {
	others := {
		reason("confidential", "finding", "iban"),
		reason("confidential", "declared", "header"),
		reason("confidential", "session", "session"),
		reason("confidential", "data", "ledgers"),
		reason("confidential", "unread", "image"),
	}
	every other in others { left(with_cards([card, other])) == {"rack"} }
}

test_without_a_card_nothing_confidential_leaves if {
	document := object.union(asked("confidential", [rack, cloud]), {"label_reasons": []})
	left(document) == {"rack"}
}

test_a_card_is_redacted_whatever_the_label if {
	document := object.union(asked("internal", [rack, cloud]), {"findings": {"card": 1}, "label_reasons": []})
	owed := situs.obligations with input as document
	{one.deployment | some one in owed} == {"cloud"}
}

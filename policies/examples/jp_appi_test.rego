package jp_appi_test

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

rack := at("rack", {"kind": "on_prem", "owned": true, "jurisdiction": "JP", "region": "Tokyo"})

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
	ledgers := {"name": "ledgers", "loci": ["rack"], "leaves": "never", "jurisdiction": "JP"}
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

test_personal_data_goes_to_japan_and_designated_countries if {
	fleet := [rack, cloud, at("paris", {"jurisdiction": "FR"}), at("london", {"jurisdiction": "GB"})]
	left(asked("internal", fleet)) == {"rack", "paris", "london"}
	codes(asked("internal", fleet)) == {"foreign_third_party"}
}

test_what_needs_special_care_stays_in_japan_under_our_keys if {
	fleet := [
		at("tokyo", {"jurisdiction": "JP", "key_custody": "customer"}),
		at("their_keys", {"jurisdiction": "JP"}),
		at("paris", {"jurisdiction": "FR", "key_custody": "customer"}),
	]
	left(asked("confidential", fleet)) == {"tokyo"}
	codes(asked("confidential", fleet)) == {"special_care"}
}

test_an_individual_number_stays_on_our_machines_whatever_the_label if {
	tokyo := at("tokyo", {"jurisdiction": "JP", "key_custody": "customer"})
	every label in {"public", "internal", "confidential"} {
		document := object.union(asked(label, [rack, tokyo]), {"findings": {"national_id": 1}})
		left(document) == {"rack"}
		"individual_number" in codes(document)
	}
}

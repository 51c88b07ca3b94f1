package au_privacy_test

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

test_personal_information_goes_to_who_is_as_bound_as_we_are if {
	auckland := at("auckland", {"jurisdiction": "NZ"})
	left(asked("internal", [rack, cloud, auckland])) == {"rack", "auckland"}
	codes(asked("internal", [cloud])) == {"cross_border_disclosure"}
}

test_it_goes_nowhere_where_it_is_trained_on if {
	every use in {"opt_out", "allowed", "unknown"} {
		left(asked("internal", [at("sydney", {"jurisdiction": "AU", "training_use": use})])) == set()
	}
}

test_sensitive_information_stays_in_australia_under_our_keys if {
	ours := {"jurisdiction": "AU", "region": "ap-southeast-2", "key_custody": "customer"}
	fleet := [
		at("sydney", ours),
		at("abroad", object.union(ours, {"region": "ap-southeast-1"})),
		at("foreign", object.union(ours, {"jurisdiction": "US"})),
		at("their_keys", object.union(ours, {"key_custody": "operator"})),
		at("auckland", object.union(ours, {"jurisdiction": "NZ", "region": "Auckland"})),
	]
	left(asked("confidential", fleet)) == {"sydney"}
	codes(asked("confidential", fleet)) == {"outside_australia"}
}

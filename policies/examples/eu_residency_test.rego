package eu_residency_test

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

rack := at("rack", {"kind": "on_prem", "owned": true, "jurisdiction": "DE", "region": "Frankfurt"})

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
	ledgers := {"name": "ledgers", "loci": ["rack"], "leaves": "never", "jurisdiction": "DE"}
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

test_a_rack_in_frankfurt_with_an_operator_under_us_law_is_not_in_the_union if {
	frankfurt := at("frankfurt", {"region": "eu-central-1"})
	left(asked("internal", [frankfurt])) == set()
	codes(asked("internal", [frankfurt])) == {"operator_outside_union"}
}

test_nor_is_a_rack_elsewhere_of_an_operator_in_the_union if {
	ashburn := at("ashburn", {"jurisdiction": "FR"})
	codes(asked("internal", [ashburn])) == {"rack_outside_union"}
}

test_nor_is_one_of_which_nobody_says_where_it_stands if {
	codes(asked("internal", [at("somewhere", {"jurisdiction": "FR", "region": "unknown"})])) == {"rack_outside_union"}
}

test_london_and_zurich_are_not_in_the_union_whatever_they_are_called if {
	every region in {"eu-west-2", "eu-central-2"} {
		left(asked("internal", [at("x", {"jurisdiction": "IE", "region": region})])) == set()
	}
}

test_our_own_rack_abroad_is_not_in_the_union_either if {
	left(asked("confidential", [rack, at("ny", {"kind": "on_prem", "owned": true})])) == {"rack"}
}

test_internal_runs_in_the_union_where_nobody_trains if {
	paris := {"jurisdiction": "FR", "region": "eu-west-3"}
	fleet := [at("paris", paris), at("curious", object.union(paris, {"training_use": "allowed"}))]
	left(asked("internal", fleet)) == {"paris"}
}

test_confidential_needs_our_keys if {
	paris := {"jurisdiction": "FR", "region": "eu-west-3"}
	fleet := [at("theirs", paris), at("ours", object.union(paris, {"key_custody": "customer"}))]
	left(asked("confidential", fleet)) == {"ours"}
	codes(asked("confidential", fleet)) == {"keys_not_ours"}
}

package air_gapped_test

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
	"data_may_not_leave" in codes(document)
}

test_data_may_leave_as_far_as_it_says if {
	ledgers := {"name": "ledgers", "loci": [], "leaves": "anywhere", "jurisdiction": "US"}
	left(object.union(asked("public", [rack, cloud]), {"data": [ledgers]})) == {"rack"}
	lawful := object.union(ledgers, {"leaves": "jurisdiction"})
	left(object.union(asked("public", [rack, cloud]), {"data": [lawful]})) == set()
}

test_our_own_machines_serve_every_label if {
	every label in {"public", "internal", "confidential", "restricted"} {
		left(asked(label, [rack, at("laptop", {"kind": "device", "owned": true})])) == {"rack", "laptop"}
	}
}

test_nothing_else_serves_any if {
	others := [
		cloud,
		at("sovereign", {"kind": "sovereign_cloud", "key_custody": "customer", "jurisdiction": "AU"}),
		at("rented_rack", {"kind": "on_prem"}),
		at("our_cloud", {"kind": "sovereign_cloud", "owned": true}),
	]
	every label in {"public", "internal", "confidential", "restricted"} {
		left(asked(label, others)) == set()
		codes(asked(label, others)) == {"off_site"}
	}
}

test_nor_does_what_others_pass_on_or_nobody_says if {
	every way in {"third_party", "unknown"} {
		far := at("far", {"kind": "on_prem", "owned": true, "transit": way})
		codes(asked("public", [far])) == {"passed_on"}
	}
}

package cost_cap_test

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

asked(label, deployments) := {"label": label, "data": [], "findings": {}, "deployments": deployments,
	"criticality": "advisory", "expected_cost": {d.name: 0 | some d in deployments}}

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

test_internal_runs_where_nobody_trains_and_retention_is_stated if {
	curious := at("curious", {"training_use": "allowed"})
	silent := at("silent", {"retention": "unknown"})
	left(asked("internal", [rack, cloud, curious, silent])) == {"rack", "cloud"}
}

test_confidential_runs_on_what_we_own if {
	left(asked("confidential", [rack, cloud])) == {"rack"}
}

test_what_would_cost_more_than_the_cap_is_left_out if {
	document := object.union(costing(0.02), {"criticality": "advisory"})
	left(document) == {"rack"}
	codes(document) == {"over_cost_cap"}
}

test_the_cap_itself_is_within if {
	left(object.union(costing(0.01), {"criticality": "advisory"})) == {"rack", "cloud"}
}

test_it_is_higher_where_work_stops if {
	left(object.union(costing(0.02), {"criticality": "operational"})) == {"rack", "cloud"}
	left(object.union(costing(0.2), {"criticality": "operational"})) == {"rack"}
}

test_what_has_no_price_is_left_out if {
	document := object.union(costing(0.001), {"deployments": [rack, at("gift", {})]})
	left(document) == {"rack"}
}

costing(cost) := object.union(asked("public", [rack, cloud]), {"expected_cost": {"rack": 0.001, "cloud": cost}})

package reviewers_test

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

test_internal_runs_where_nobody_trains_and_retention_is_stated if {
	curious := at("curious", {"training_use": "allowed"})
	silent := at("silent", {"retention": "unknown"})
	left(asked("internal", [rack, cloud, curious, silent])) == {"rack", "cloud"}
}

test_confidential_runs_on_what_we_own if {
	left(asked("confidential", [rack, cloud])) == {"rack"}
}

session(label, groups) := object.union(asked("public", [rack]), {
	"session": true,
	"session_label": label,
	"principal": {"groups": groups},
})

test_a_reviewer_takes_a_session_down if {
	situs.declassify == {"internal"} with input as session("confidential", ["reviewers"])
}

test_nobody_else_does if {
	situs.declassify == set() with input as session("confidential", ["staff"])
	situs.declassify == set() with input as session("confidential", [])
}

test_nobody_takes_restricted_back if {
	situs.declassify == set() with input as session("restricted", ["reviewers"])
}

test_what_is_lower_already_is_not_raised_by_it if {
	situs.declassify == set() with input as session("public", ["reviewers"])
}

test_without_a_session_there_is_nothing_to_lower if {
	document := object.union(session("confidential", ["reviewers"]), {"session": false})
	situs.declassify == set() with input as document
}

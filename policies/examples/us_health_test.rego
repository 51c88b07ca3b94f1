package us_health_test

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

rack := at("rack", {"kind": "on_prem", "owned": true, "jurisdiction": "US", "region": "Boston"})

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
	ledgers := {"name": "ledgers", "loci": ["rack"], "leaves": "never", "jurisdiction": "US"}
	document := object.union(asked("public", [rack, cloud]), {"data": [ledgers]})
	left(document) == {"rack"}
	codes(document) == {"data_may_not_leave"}
}

test_data_may_leave_as_far_as_it_says if {
	ledgers := {"name": "ledgers", "loci": [], "leaves": "anywhere", "jurisdiction": "US"}
	left(object.union(asked("public", [rack, cloud]), {"data": [ledgers]})) == {"rack", "cloud"}
	lawful := object.union(ledgers, {"leaves": "jurisdiction"})
	left(object.union(asked("public", [rack, cloud]), {"data": [lawful]})) == {"rack", "cloud"}
}

records := object.union(asked("confidential", [rack, cloud]), {"findings": {"health_id": 1}})

stranger := at("stranger", {"operator": "Other Cloud"})

test_health_records_go_to_us_and_to_business_associates if {
	document := object.union(records, {"deployments": [rack, cloud, stranger]})
	left(document) == {"rack", "cloud"}
	codes(document) == {"no_agreement"}
}

test_an_associate_is_told_to_keep_nothing_and_gets_pseudonyms if {
	owed := situs.obligations with input as records
	owed == {
		{"kind": "no_retention", "deployment": "cloud"},
		{"kind": "pseudonymise", "deployment": "cloud", "scope": "session"},
	}
}

test_what_a_clinical_tenant_asks_is_protected_whatever_the_label if {
	document := object.union(asked("public", [rack, stranger]), {"principal": {"tenant": "clinic"}})
	left(document) == {"rack"}
}

test_what_draws_on_charts_is_protected if {
	charts := {"name": "charts", "loci": ["rack"], "leaves": "anywhere", "jurisdiction": "US"}
	document := object.union(asked("public", [rack, stranger]), {"data": [charts]})
	left(document) == {"rack"}
}

test_nobody_without_an_agreement_is_on_the_way if {
	every way in {"third_party", "unknown"} {
		document := object.union(records, {"deployments": [rack, at("brokered", {"transit": way})]})
		left(document) == {"rack"}
		codes(document) == {"passed_on"}
	}
}

test_an_associate_that_trains_on_it_is_none if {
	curious := at("curious", {"training_use": "allowed"})
	left(object.union(records, {"deployments": [curious]})) == set()
}

test_what_is_no_health_record_owes_nothing if {
	count(situs.obligations) == 0 with input as asked("internal", [rack, cloud])
}

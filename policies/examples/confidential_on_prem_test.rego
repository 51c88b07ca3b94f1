package confidential_on_prem_test

import data.situs
import rego.v1

at(name, kind, owned) := {"name": name, "locus": {
	"kind": kind, "owned": owned, "retention": "none", "training_use": "none",
}}

fleet := [
	at("laptop", "device", true),
	at("rack", "on_prem", true),
	at("their_rack", "on_prem", false),
	at("sovereign", "sovereign_cloud", false),
	at("hyperscaler", "public_cloud", false),
]

left(label) := names if {
	allowed := situs.allow with input as {"label": label, "deployments": fleet}
	denied := situs.deny with input as {"label": label, "deployments": fleet}
	names := allowed - {one.deployment | some one in denied}
}

test_confidential_runs_on_our_own_rack_only if left("confidential") == {"rack"}

test_restricted_runs_on_our_own_rack_only if left("restricted") == {"rack"}

test_public_and_internal_run_anywhere if {
	count(left("public")) == 5
	count(left("internal")) == 5
}

test_an_unknown_label_runs_nowhere if left("secret") == set()

test_data_that_may_not_leave_stays_where_it_lies if {
	ledgers := {"name": "ledgers", "loci": ["x"], "leaves": "never", "jurisdiction": "AU"}
	found := situs.deny with input as {"label": "public", "data": [ledgers], "deployments": fleet}
	{one.code | some one in found} == {"data_may_not_leave"}
}

test_data_may_leave_as_far_as_it_says if {
	ledgers := {"name": "ledgers", "loci": [], "leaves": "anywhere", "jurisdiction": "AU"}
	count(situs.deny) == 0 with input as {"label": "public", "data": [ledgers], "deployments": fleet}
	lawful := object.union(ledgers, {"leaves": "jurisdiction"})
	here := {"name": "here", "locus": {"name": "here", "jurisdiction": "AU"}}
	abroad := {"name": "abroad", "locus": {"name": "abroad", "jurisdiction": "US"}}
	found := situs.deny with input as {"label": "public", "data": [lawful], "deployments": [here, abroad]}
	{one.deployment | some one in found} == {"abroad"}
}

package situs_test

import data.situs
import rego.v1

owned(kind) := {"name": kind, "locus": {
	"kind": kind, "owned": true, "jurisdiction": "DE", "key_custody": "customer",
	"retention": "none", "training_use": "none",
}}

cloud(kind, facts) := {"name": kind, "locus": object.union(
	{
		"kind": kind, "owned": false, "jurisdiction": "DE", "key_custody": "customer",
		"retention": "30d", "training_use": "none",
	},
	facts,
)}

asked(label, deployments) := {
	"label": label, "home_jurisdiction": "DE", "deployments": deployments,
}

premises := {owned("device"), owned("edge"), owned("on_prem")}

everywhere := premises | {cloud("sovereign_cloud", {}), cloud("public_cloud", {})}

test_public_runs_anywhere if {
	every d in everywhere {
		d.name in situs.allow with input as asked("public", [d])
	}
}

test_public_has_no_denials if {
	count(situs.deny) == 0 with input as asked("public", everywhere)
}

test_internal_runs_where_nobody_trains_and_retention_is_stated if {
	count(situs.allow) == 5 with input as asked("internal", everywhere)
}

test_internal_stays_away_from_training if {
	every use in {"opt_out", "allowed", "unknown"} {
		denied("internal", cloud("public_cloud", {"training_use": use}), "training_not_excluded")
	}
}

test_internal_needs_a_stated_retention if {
	denied("internal", cloud("public_cloud", {"retention": "unknown"}), "retention_not_stated")
}

test_internal_runs_on_owned_loci_whatever_they_state if {
	situs.allow == {"device", "edge", "on_prem"} with input as asked("internal", [
	object.union(d, {"locus": object.union(d.locus, {"retention": "unknown", "training_use": "unknown"})}) |
		some d in premises
	])
}

test_confidential_runs_on_owned_loci if {
	situs.allow == {"device", "edge", "on_prem"} with input as asked("confidential", premises)
}

test_confidential_runs_in_a_sovereign_cloud_of_ours if {
	situs.allow == {"sovereign_cloud"} with input as asked(
		"confidential",
		[cloud("sovereign_cloud", {})],
	)
}

test_confidential_stays_out_of_other_clouds if {
	others := {
		cloud("public_cloud", {}),
		cloud("sovereign_cloud", {"jurisdiction": "US"}),
		cloud("sovereign_cloud", {"key_custody": "operator"}),
		cloud("sovereign_cloud", {"key_custody": "unknown"}),
	}
	every d in others {
		denied("confidential", d, "not_under_our_control")
	}
}

test_without_a_home_no_sovereign_cloud_qualifies if {
	facts := {"jurisdiction": ""}
	count(situs.allow) == 0 with input as {
		"label": "confidential", "home_jurisdiction": "",
		"deployments": [cloud("sovereign_cloud", facts)],
	}
}

test_restricted_stays_on_owned_premises if {
	situs.allow == {"device", "edge", "on_prem"} with input as asked("restricted", everywhere)
}

test_restricted_needs_premises_even_where_owned if {
	denied("restricted", owned("public_cloud"), "not_owned_premises")
	denied("restricted", owned("sovereign_cloud"), "not_owned_premises")
}

test_restricted_needs_ownership_even_on_premises if {
	denied("restricted", cloud("on_prem", {}), "not_owned_premises")
}

test_an_unknown_label_runs_nowhere if {
	count(situs.allow) == 0 with input as asked("secret", everywhere)
}

test_no_label_runs_nowhere if {
	count(situs.allow) == 0 with input as {"deployments": everywhere}
}

ledgers(leaves, loci) := object.union(asked("public", [owned("on_prem"), foreign]), {"data": [{
	"name": "ledgers", "leaves": leaves, "loci": loci, "jurisdiction": "DE",
}]})

foreign := cloud("public_cloud", {"jurisdiction": "US", "name": "abroad"})

test_data_stays_within_its_law if {
	situs.deny == {{"deployment": "public_cloud", "code": "data_may_not_leave"}} with input as ledgers("jurisdiction", [])
}

test_data_that_may_not_leave_stays_where_a_copy_lies if {
	count(situs.deny) == 2 with input as ledgers("never", [])
	situs.deny == {{"deployment": "on_prem", "code": "data_may_not_leave"}} with input as ledgers("never", ["abroad"])
}

test_data_that_may_go_anywhere_denies_nothing if {
	count(situs.deny) == 0 with input as ledgers("anywhere", [])
}

denied(label, d, code) if {
	situs.allow == set() with input as asked(label, [d])
	{"deployment": d.name, "code": code} in situs.deny with input as asked(label, [d])
}

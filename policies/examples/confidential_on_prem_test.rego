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

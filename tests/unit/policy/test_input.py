"""The input document: its schema, its stability, and that it holds no content."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests import make

from situs.core.data import DataSet, Leaves
from situs.core.fleet import DeploymentState, LocusKind
from situs.core.label import Finding, Label, LabelReason
from situs.core.request import Ask, Principal
from situs.placement.estimates import estimate
from situs.policy.input import (
    FIELDS,
    Facts,
    InputDocument,
    deployments,
    input_document,
    input_schema,
    unknown_field,
)
from situs.policy.memory import Memory
from situs.rego.sample import sample_facts

REFERENCE = Path(__file__).parents[3] / "docs/reference/policy-input.md"


def facts(text: str = "hello", **ask) -> Facts:
    analysis = make.analysis(
        label=Label.CONFIDENTIAL,
        reasons=(LabelReason(Label.CONFIDENTIAL, "finding", "iban"),),
        findings=(
            Finding("iban", 0, 0, 4, 1.0, "iban", checked=True),
            Finding("email", 0, 5, 9, 1.0, "email"),
            Finding("iban", 0, 9, 12, 1.0, "iban"),
        ),
    )
    request = make.request(text, ask=Ask(**ask), principal=Principal("acme", "k1", ("eng",)))
    return Facts(request, analysis, make.snapshot(make.view(make.deployment("d")), home="DE"), 1.5)


def test_the_document_is_what_its_schema_says():
    for label in Label:
        msgspec.json.decode(input_document(sample_facts(label)), type=InputDocument, strict=True)
    assert tuple(FIELDS) == InputDocument.__struct_fields__


def test_what_a_policy_is_told():
    told = msgspec.json.decode(input_document(facts(session="s-1")))
    assert told["label"] == "confidential"
    assert told["label_reasons"] == [
        {"label": "confidential", "source": "finding", "detail": "iban"}
    ]
    assert told["findings"] == {"email": 1, "iban": 2}
    assert told["principal"] == {"tenant": "acme", "key": "k1", "groups": ["eng"]}
    assert (told["session"], told["session_label"], told["home_jurisdiction"]) == (
        True,
        "public",
        "DE",
    )
    assert (told["time"], told["time_unix"]) == ("1970-01-01T00:00:01Z", 1.5)
    assert (told["needs"], told["objective"], told["version"]) == ("tiny", None, 1)
    [one] = told["deployments"]
    assert (one["name"], one["locus"]["kind"], one["model"]["capability"]) == (
        "d",
        "device",
        "small",
    )


def test_what_it_would_cost_is_told_and_what_nobody_knows_is_more_than_any_cap():
    found = facts()
    sea = make.locus("sea", LocusKind.PUBLIC_CLOUD, egress_price=2.0)
    priced = make.deployment("priced", locus=sea, price=(10.0, 20.0))
    fleet = make.view(priced, make.deployment("gift", price=None))
    analysis = replace(found.analysis, data=("ledgers",))
    ledgers = DataSet("ledgers", Label.CONFIDENTIAL, ("rack",), "DE", moved_mb=0.5)
    snapshot = replace(found.snapshot, fleet=fleet, data={"ledgers": ledgers})
    told = msgspec.json.decode(input_document(Facts(found.request, analysis, snapshot, 0.0)))
    assert told["expected_cost"]["gift"] == 1e300
    cost = told["expected_cost"]["priced"]
    option = estimate(priced, DeploymentState(), found.request, analysis, snapshot)
    assert cost == option.cost
    assert cost == pytest.approx(0.001 + 0.002 + 1.0, rel=1e-3)


@pytest.mark.parametrize("price", [float("inf"), float("nan"), 1e308])
def test_a_cost_that_is_no_number_is_more_than_any_cap(price):
    found = facts()
    locus = make.locus("odd", egress_price=price)
    fleet = make.view(make.deployment("odd", locus=locus, price=(price, price)))
    snapshot = replace(found.snapshot, fleet=fleet)
    document = input_document(replace(found, snapshot=snapshot), {"expected_cost"})
    assert msgspec.json.decode(document) == {"expected_cost": {"odd": 1e300}}


def test_data_sets_are_told_with_what_is_declared_and_an_undeclared_one_lies_nowhere():
    found = facts()
    ledgers = DataSet("ledgers", Label.CONFIDENTIAL, ("rack",), "DE", Leaves.NEVER, 5.0, 0.5)
    known = replace(
        found,
        analysis=replace(found.analysis, data=("ledgers", "rumours")),
        snapshot=replace(found.snapshot, data={"ledgers": ledgers}),
    )
    first, second = msgspec.json.decode(input_document(known))["data"]
    assert (first["loci"], first["leaves"], first["moved_mb"]) == (["rack"], "never", 0.5)
    assert (second["name"], second["loci"], second["leaves"]) == ("rumours", [], "never")
    assert (second["label"], second["jurisdiction"]) == ("restricted", "ZZ")


def test_no_content_and_no_session_name_is_told():
    document = input_document(facts("canary in the prompt", session="canary-session"))
    assert b"canary" not in document


def test_only_the_fields_asked_for():
    document = input_document(facts(), frozenset({"label", "tools"}))
    assert msgspec.json.decode(document) == {"label": "confidential", "tools": False}


def test_the_deployments_are_encoded_once_for_a_fleet():
    memory = Memory()
    fleet = make.view(make.deployment("d"))
    assert deployments(fleet, memory) is deployments(fleet, memory)
    assert deployments(fleet, None) == deployments(fleet, memory)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("label", None),
        ("lable", "lable"),
        ("findings.whatever", None),
        ("findings.whatever.more", "findings.whatever.more"),
        ("principal.groups.*", None),
        ("principal.groups.0", None),
        ("principal.groups.first", "principal.groups.first"),
        ("principal.tennant", "principal.tennant"),
        ("deployments.*.locus.kind", None),
        ("deployments.*.locus.kid", "deployments.*.locus.kid"),
        ("deployments.*.price.prompt", None),
        ("deployments.*.price.promt", "deployments.*.price.promt"),
        ("deployments.*.*", None),
        ("label.word", "label.word"),
    ],
)
def test_where_a_path_leaves_the_schema(path, wrong):
    found = unknown_field(tuple(path.split(".")))
    assert (found and ".".join(found.path)) == wrong


def test_the_schema_is_published():
    """If this fails: situs policy schema > docs/reference/policy-input.schema.json"""
    published = REFERENCE.with_name("policy-input.schema.json").read_bytes()
    made = msgspec.json.encode(input_schema())
    assert msgspec.json.decode(published) == msgspec.json.decode(made)


def test_the_reference_names_every_field_and_no_other():
    fields = REFERENCE.read_text("utf-8").partition("## The verdict")[0]
    written = set(re.findall(r"^\| `([a-z_.]+)` \|", fields, re.MULTILINE))
    definitions = input_schema()["$defs"]
    wanted = set(FIELDS)
    for prefix, kind in {
        "principal": "Principal",
        "data": "DataSet",
        "label_reasons": "LabelReason",
        "deployments": "DeploymentFacts",
        "deployments.model": "ModelFacts",
        "deployments.locus": "Locus",
        "deployments.price": "Price",
    }.items():
        wanted |= {f"{prefix}.{name}" for name in definitions[kind]["properties"]}
    assert written == wanted

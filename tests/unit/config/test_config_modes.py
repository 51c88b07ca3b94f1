"""Modes in the configuration: what is refused, with its line, and what holds where."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from msgspec.structs import replace

from situs.config.build import aim_of, said
from situs.config.check import check_file
from situs.config.load import parse
from situs.core.aim import Aim, Mode
from situs.core.request import Objective
from situs.errors import ConfigError

LOCUS = {"jurisdiction": "AU", "retention": "none", "training_use": "none", "operator": "x"}
MODEL = {"capability": "small", "context_tokens": 1000}
PRICE = {"currency": "USD", "prompt": 1.0, "completion": 1.0}


def config(**sections):
    def deployment(locus):
        endpoint = {"url": "https://llm.example.org/v1"}
        return {"model": "m", "locus": locus, "endpoint": endpoint, "price": PRICE}

    base = {
        "version": 1,
        "home": "AU",
        "loci": {
            "office": {"kind": "on_prem", "owned": True, **LOCUS},
            "cloud": {"kind": "public_cloud", "owned": False, **LOCUS},
        },
        "models": {"m": MODEL},
        "deployments": {"mine": deployment("office"), "theirs": deployment("cloud")},
    }
    return {**copy.deepcopy(base), **sections}


def refused(document):
    with pytest.raises(ConfigError) as problem:
        parse(json.dumps(document, indent=1))
    return str(problem.value)


ROUTE = {"rules": [{"exact": "hi"}]}
PILOT = {"mode": "pilot", "baseline": "theirs", "share": 0.1}


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"defaults": {"mode": "observe"}}, "defaults.mode: observe needs a baseline"),
        ({"defaults": {"mode": "shadow"}}, "defaults.mode: shadow needs a baseline"),
        (
            {"defaults": {"mode": "observe", "baseline": "their"}},
            "defaults.baseline: no such deployment is configured; did you mean theirs?",
        ),
        (
            {"defaults": {"mode": "pilot", "baseline": "theirs"}},
            "defaults.mode: pilot needs a share",
        ),
        (
            {"defaults": {"mode": "observe", "baseline": "theirs", "share": 0.1}},
            "defaults.share: has no effect: it takes the mode pilot",
        ),
        ({"defaults": {"baseline": "theirs"}}, "defaults.baseline: has no effect"),
        (
            {"defaults": {"mode": "local_default", "guard": {"metric": "errors"}}},
            "defaults.guard: has no effect",
        ),
        ({"tenants": {"t": {"share": 0.5}}}, "tenants.t.share: has no effect"),
        ({"tenants": {"t": {"mode": "shadow"}}}, "tenants.t.mode: shadow needs a baseline"),
        (
            {"routes": {"r": {**ROUTE, **PILOT, "deployments": ["mine"]}}},
            "routes.r.baseline: the baseline is not among the route's deployments",
        ),
        (
            {
                "defaults": {"baseline": "theirs"},
                "routes": {"r": {**ROUTE, "mode": "observe", "deployments": ["mine"]}},
            },
            "routes.r.mode: the baseline is not among the route's deployments",
        ),
        *(
            (
                {"defaults": {"mode": mode, "baseline": "theirs", "objective": "private"}},
                "defaults.mode: the baseline is not owned",
            )
            for mode in ("observe", "shadow")
        ),
        (
            {"defaults": {"objective": "private"}, "tenants": {"t": {"mode": "cloud_default"}}},
            "tenants.t.mode: has no effect: the objective private leaves only owned places",
        ),
        (
            {"defaults": {**PILOT, "guard": {"metric": "unsure"}}},
            "defaults.guard: unsure takes a cascade",
        ),
        ({"defaults": {"mode": "none"}}, "defaults.mode: none has no effect"),
        ({"tenants": {"t": {"mode": "none"}}}, "tenants.t.mode: none has no effect"),
        (
            {"defaults": {"mode": "none"}, "routes": {"r": {**ROUTE, "mode": "none"}}},
            "routes.r.mode: none has no effect",
        ),
        (
            {"defaults": PILOT, "tenants": {"t": {"mode": "none", "share": 0.2}}},
            "tenants.t.share: has no effect",
        ),
        (
            {
                "defaults": {"objective": "private"},
                "tenants": {"t": {"objective": "best", "mode": "cloud_default"}},
            },
            "tenants.t.mode: has no effect: the objective private leaves only owned places",
        ),
        (
            {"defaults": {**PILOT, "guard": {"metric": "speed"}}},
            "defaults.guard.metric: ",
        ),
    ],
)
def test_what_is_refused(sections, told):
    assert told in refused(config(**sections))


def test_a_mode_that_nothing_can_follow_is_refused():
    owned = config(defaults={"mode": "cloud_default"})
    owned["deployments"]["theirs"]["locus"] = "office"
    del owned["loci"]["cloud"]
    assert "defaults.mode: has no effect: every deployment is at an owned locus" in refused(owned)
    rented = config(defaults={"mode": "local_default"})
    rented["deployments"]["mine"]["locus"] = "cloud"
    del rented["loci"]["office"]
    assert "defaults.mode: has no effect: no deployment is at an owned locus" in refused(rented)


def test_a_problem_stands_at_its_line():
    text = json.dumps(config(defaults={"mode": "observe", "baseline": "nobody"}), indent=1)
    with pytest.raises(ConfigError) as problem:
        parse(text)
    line = int(str(problem.value).split(":")[1])
    assert '"baseline": "nobody"' in text.splitlines()[line - 1]


@pytest.mark.parametrize(
    "sections",
    [
        {"defaults": {"mode": "observe", "baseline": "theirs"}},
        {"defaults": {"mode": "cloud_default"}},
        {"defaults": {"mode": "local_default"}},
        {"defaults": {**PILOT, "share": 0.0}},
        {"defaults": {"mode": "observe", "baseline": "mine", "objective": "private"}},
        {"defaults": {**PILOT, "guard": {"metric": "unsure"}, "cascade": {}}},
        {"defaults": {**PILOT, "guard": {"metric": "errors", "least": 20}}},
        {"defaults": {"baseline": "theirs"}, "tenants": {"t": {"mode": "shadow"}}},
        {
            "defaults": {"baseline": "theirs", "share": 0.1},
            "routes": {"r": {**ROUTE, "mode": "pilot"}},
        },
        {"defaults": PILOT, "tenants": {"t": {"share": 0.5}}},
        {"defaults": PILOT, "routes": {"r": {**ROUTE, "mode": "observe"}}},
        {"defaults": PILOT, "tenants": {"t": {"mode": "none"}}},
        {"defaults": PILOT, "routes": {"r": {**ROUTE, "mode": "none"}}},
        {
            "tenants": {"t": {"mode": "cloud_default"}},
            "routes": {"r": {**ROUTE, "mode": "none"}},
        },
        {"defaults": PILOT, "routes": {"r": {**ROUTE, "deployments": ["mine"]}}},
    ],
)
def test_what_is_taken(sections):
    assert parse(json.dumps(config(**sections))).version == 1


def test_a_scope_says_where_its_mode_was_said():
    found = parse(json.dumps(config(defaults=PILOT, tenants={"t": {"share": 0.5}})))
    aim = Aim(mode=Mode.PILOT, baseline="theirs", share=0.1, scope="defaults")
    assert aim_of(found) == aim
    assert said(found.tenants["t"], "tenants.t") == {"share": 0.5}
    found = parse(json.dumps(config(tenants={"t": {"objective": "best", "mode": "cloud_default"}})))
    assert said(found.tenants["t"], "tenants.t") == {
        "objective": Objective.BEST,
        "mode": Mode.CLOUD_DEFAULT,
        "scope": "tenants.t",
    }


def test_none_takes_back_what_a_wider_place_says():
    found = parse(json.dumps(config(defaults=PILOT, tenants={"t": {"mode": "none"}})))
    aim = replace(aim_of(found), **said(found.tenants["t"], "tenants.t"))
    assert (aim.mode, aim.scope) == (None, "tenants.t")


MINE = {**ROUTE, "deployments": ["mine"]}
THEIRS = {**ROUTE, "deployments": ["theirs"]}
OBSERVE = {"mode": "observe", "baseline": "theirs"}


@pytest.mark.parametrize(
    ("sections", "mode", "at", "why"),
    [
        (
            {"defaults": {"mode": "cloud_default"}, "tenants": {"t": {"objective": "private"}}},
            "cloud_default",
            "tenants.t.objective",
            "private leaves only owned places; say mode: none if that is meant",
        ),
        (
            {"defaults": OBSERVE, "routes": {"r": {**ROUTE, "objective": "private"}}},
            "observe",
            "routes.r.objective",
            "private never lets the baseline serve, for it is not owned; say",
        ),
        (
            {"defaults": PILOT, "routes": {"r": MINE}},
            "pilot",
            "routes.r.deployments",
            "the baseline is not among them",
        ),
        (
            {"defaults": {"mode": "cloud_default"}, "routes": {"r": MINE}},
            "cloud_default",
            "routes.r.deployments",
            "they are all owned",
        ),
        (
            {"defaults": OBSERVE, "routes": {"r": {**MINE, "answer": "Asked for by name."}}},
            "observe",
            "routes.r.deployments",
            "the baseline is not among them",
        ),
        (
            {"defaults": {"mode": "local_default"}, "routes": {"r": THEIRS}},
            "local_default",
            "routes.r.deployments",
            "none of them is owned",
        ),
    ],
)
def test_a_mode_that_can_do_nothing_in_a_nearer_place_is_a_warning(
    tmp_path, sections, mode, at, why
):
    def warnings(document):
        path = tmp_path / "situs.yaml"
        path.write_text(json.dumps(document, indent=1))
        reading = check_file(path, {})
        assert reading.problems == ()
        return [str(one).split(": ", 1)[1] for one in reading.warnings]

    document: dict[str, Any] = config(**copy.deepcopy(sections))
    (warning,) = warnings(document)
    assert warning.startswith(f"{at}: the mode {mode} of defaults has no effect here: {why}")
    nearer = [*document.get("tenants", {}).values(), *document.get("routes", {}).values()]
    assert len(nearer) == 1
    nearer[0]["mode"] = "none"
    assert warnings(document) == []


@pytest.mark.parametrize(
    "sections",
    [
        {"defaults": OBSERVE, "routes": {"r": {**ROUTE, "answer": "Hello."}}},
        {"routes": {"r": {**ROUTE, "answer": "Hello.", "mode": "local_default"}}},
        {"routes": {"r": {**ROUTE, "answer": "Hello.", "samples": ["hi"], **PILOT}}},
        {"defaults": OBSERVE, "routes": {"r": THEIRS}, "tenants": {"t": {"objective": "best"}}},
        {"defaults": {"mode": "cloud_default"}, "routes": {"r": {**MINE, "mode": "local_default"}}},
    ],
)
def test_no_warning_where_it_has_an_effect(tmp_path, sections):
    path = tmp_path / "situs.yaml"
    path.write_text(json.dumps(config(**sections), indent=1))
    reading = check_file(path, {})
    assert (reading.problems, reading.warnings) == ((), ())

"""Reload: all of a new configuration and policy, or none of it, and no request in between."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time

import pytest
from tests.e2e import stage
from tests.e2e.test_workers import Load, two_workers, until, verified

from situs.cli.admin import SOCKET, OverSocket, ask

ONLY = """package situs
import rego.v1
allow contains d.name if {{
    some d in input.deployments
    d.locus.kind == "{kind}"
}}
deny contains denial if {{
    some d in input.deployments
    d.locus.kind != "{kind}"
    denial := {{"deployment": d.name, "code": "elsewhere"}}
}}
"""
KINDS = {"office": "on_prem", "us": "public_cloud"}


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    with stage.fakes(tmp_path_factory.mktemp("fakes"), "office", "us") as both:
        yield both


def fleet(fakes, **changes):
    """With time for upstreams to answer: what is lost here must be lost by a reload."""
    patient = dict.fromkeys(("first_byte", "answer", "stall", "connect"), 15.0)
    defaults = {f"{name}_timeout_s": seconds for name, seconds in patient.items()}
    return stage.fleet(fakes, **changes, defaults=defaults)


def only(directory, fakes, name):
    """Configuration and policy under which all goes to one locus; the price tells which."""
    folder = directory / f"policy-{name}"
    folder.mkdir(exist_ok=True)
    (folder / "main.rego").write_text(ONLY.format(kind=KINDS[name]))
    price = {"currency": "USD", "prompt": 7.0 if name == "us" else 0.5, "completion": 1.0}
    deployments = {"us-llm": {"price": price}}
    config = fleet(fakes, policy={"paths": [folder.name]}, deployments=deployments)
    return stage.write_config(directory, config)


def reload(gateway, *options):
    return subprocess.run(
        stage.command("reload", "--data", str(gateway.data), *options), capture_output=True
    )


def chose(gateway):
    return gateway.chat().headers.get("x-situs-deployment")


def test_another_policy_and_price_hold_after_a_reload_in_every_worker(tmp_path, fakes):
    with two_workers(tmp_path, fleet(fakes)) as gateway:
        only(tmp_path, fakes, "us")
        done = reload(gateway)
        assert done.returncode == 0, done.stderr
        assert b"policy" in done.stdout
        assert b"generation 1" in done.stdout
        assert {chose(gateway) for _ in range(20)} == {"us-llm"}
        only(tmp_path, fakes, "office")
        told = json.loads(reload(gateway, "--json").stdout)
        assert told["generation"] == 2
        assert any(change["path"] == "policy" for change in told["changes"])
        assert {chose(gateway) for _ in range(20)} == {"office-llm"}
        assert b"nothing changed" in reload(gateway).stdout


def test_what_is_wrong_is_told_with_its_place_and_nothing_changes(tmp_path, fakes):
    with two_workers(tmp_path, fleet(fakes)) as gateway:
        before = gateway.chat().headers["x-situs-policy"]
        path = only(tmp_path, fakes, "us")
        (tmp_path / "policy-us" / "main.rego").write_text("package situs\nallow contains x if {")
        done = reload(gateway)
        assert done.returncode == 2
        assert b"main.rego:2" in done.stderr
        path.write_text("version: 1\nlocii: {}\n")
        done = reload(gateway)
        assert done.returncode == 2
        lines = done.stderr.decode().splitlines()
        assert "Nothing was reloaded:" in lines[0]
        assert any(one.endswith(":2: locii: no such setting; did you mean loci?") for one in lines)
        assert "answered" not in done.stderr.decode()
        stage.write_config(tmp_path, fleet(fakes, server={"max_body_mb": 3}))
        done = reload(gateway)
        assert done.returncode == 2
        assert b"restart" in done.stderr
        answers = [gateway.chat() for _ in range(10)]
        assert {a.headers["x-situs-policy"] for a in answers} == {before}


def test_a_tenant_and_a_data_set_that_come_hold_in_every_worker(tmp_path, fakes):
    with two_workers(tmp_path, fleet({"office": fakes["office"]})) as gateway:
        tenants = {"local": {"objective": "private"}}
        data = {"notes": {"label": "public", "jurisdiction": "AU", "leaves": "anywhere"}}
        stage.write_config(tmp_path, fleet(fakes, tenants=tenants, data=data))
        done = reload(gateway)
        assert done.returncode == 0, done.stderr
        assert b"data.notes: added" in done.stdout
        assert {gateway.chat(headers={"x-situs-data": "notes"}).status for _ in range(8)} == {200}


def test_a_deployment_that_comes_serves_and_one_that_goes_does_not(tmp_path, fakes):
    with two_workers(tmp_path, fleet({"office": fakes["office"]})) as gateway:
        assert gateway.chat(model="us-llm").status == 404
        stage.write_config(tmp_path, fleet(fakes))
        assert reload(gateway).returncode == 0
        assert {gateway.chat(model="us-llm").status for _ in range(8)} == {200}
        stage.write_config(tmp_path, fleet({"us": fakes["us"]}))
        assert reload(gateway).returncode == 0
        assert {gateway.chat(model="office-llm").status for _ in range(8)} == {404}


def test_a_stream_ends_on_what_it_began_with(tmp_path, fakes):
    with two_workers(tmp_path, fleet({"office": fakes["office"]})) as gateway:
        fakes["office"].set(mode="slow", delay_s=0.2, once=True)
        with Load(gateway, callers=1) as load:
            time.sleep(0.3)
            stage.write_config(tmp_path, fleet({"us": fakes["us"]}))
            assert reload(gateway).returncode == 0
            until(lambda: len(load.answers) > 5)
        assert set(load.statuses()) == {200}
        assert load.answers[0][1]["x-situs-deployment"] == "office-llm"
        assert load.answers[-1][1]["x-situs-deployment"] == "us-llm"


def test_no_request_is_lost_or_judged_by_half_of_a_reload(tmp_path, fakes):
    """Each decision holds the policy and the fleet of one and the same generation."""
    only(tmp_path, fakes, "office")
    with contextlib.ExitStack() as stack:
        config = json.loads(only(tmp_path, fakes, "office").read_text())
        gateway = stack.enter_context(two_workers(tmp_path, config))
        load = stack.enter_context(Load(gateway, callers=6))
        for turn in range(30):
            only(tmp_path, fakes, ("us", "office")[turn % 2])
            socket = gateway.data / SOCKET
            status, body = ask(OverSocket(socket, 30.0), "", "POST", "/situs/v1/reload")
            assert (status, json.loads(body)["generation"]) == (200, turn + 1)
        load.__exit__()
        assert load.lost == []
        assert set(load.statuses()) == {200}
    decisions = gateway.lines("decision")
    seen = {(d["policy"]["policy"], d["fleet"]["digest"]) for d in decisions}
    assert len(seen) == 2
    assert len({policy for policy, _ in seen}) == len({fleet for _, fleet in seen}) == 2
    went = {o["id"]: o["attempts"][-1]["deployment"] for o in gateway.lines("outcome")}
    by_policy = {(d["policy"]["policy"], went[d["id"]]) for d in decisions}
    assert len(by_policy) == 2
    assert verified(gateway.data)["open_decisions"] == 0


def test_watching_reloads_by_itself(tmp_path, fakes):
    path = stage.write_config(tmp_path, fleet(fakes))
    arguments = ["serve", "--config", str(path), "--watch"]
    with stage.started(arguments, tmp_path / "data", tmp_path / "situs.log") as gateway:
        assert chose(gateway) == "office-llm"
        only(tmp_path, fakes, "us")
        until(lambda: chose(gateway) == "us-llm")
        (tmp_path / "policy-us" / "main.rego").write_text(ONLY.format(kind="on_prem"))
        until(lambda: chose(gateway) == "office-llm")
        (tmp_path / "policy-us" / "main.rego").write_text("package nonsense")
        until(lambda: "not reloaded" in gateway.log.read_text())
        assert chose(gateway) == "office-llm"

"""What `situs doctor` says of the gateway that runs on the data directory."""

import json
import os
import time

import msgspec
import pytest
from tests.fakes.json_server import json_server
from tests.unit.learning.small import trained
from tests.unit.stores.test_comparisons import ROW
from tests.unit.stores.writing import indexed, serve, writing

from situs.app.plan import fleet_view
from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.config.analysis import Analysis
from situs.config.load import default_config
from situs.config.policy import Opa, Policy
from situs.config.receipts import Anchor, Receipts
from situs.config.routing import Route
from situs.config.tree import Defaults, Otlp, Telemetry
from situs.core.aim import Mode
from situs.doctor import Standing, examine
from situs.placement.latency import beginning
from situs.stores import approvals, comparisons, feedback, pilots, sessions, times
from situs.stores.anchor_places import place
from situs.stores.anchors import Anchoring
from situs.stores.layout import receipts_dir
from situs.stores.lock import DataLock


def gateway(data, url=None):
    found = {one.feature: one for one in examine(Setting(default_config(), data, data), url)}
    return found["gateway"].condition, found["gateway"].because


def test_none_is_said_to_run_where_none_holds_the_directory(tmp_path):
    assert gateway(tmp_path) == (Standing.OFF, f"none is running on {tmp_path}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:7488", "listens on http://127.0.0.1:7488"),
        (
            "http://[::1]:9000",
            "listens on http://[::1]:9000; this configuration says port 7488",
        ),
        (None, "holds the data directory, and does not say where it listens"),
    ],
)
def test_one_that_runs_is_named_with_where_it_listens(tmp_path, url, said):
    with DataLock(tmp_path):
        found = gateway(tmp_path, url)
    assert found == (Standing.ACTIVE, f"process {os.getpid()} {said}")


def test_routes_traces_and_the_access_log_are_said_to_be_on_or_off(tmp_path):
    plain = default_config()
    watched = msgspec.structs.replace(
        plain,
        routes={"greeting": Route(samples=("hello",))},
        telemetry=Telemetry(access_log=True, otlp=Otlp(endpoint="http://127.0.0.1:4318")),
    )
    for config, condition in ((plain, Standing.OFF), (watched, Standing.ACTIVE)):
        found = {one.feature: one for one in examine(Setting(config, tmp_path, tmp_path))}
        features = ("routes", "traces", "access log")
        assert {found[feature].condition for feature in features} == {condition}


def test_evidence_that_has_expired_is_a_problem(tmp_path):
    plain = default_config()
    [locus] = plain.loci.values()

    def found(**until):
        loci = {
            one: msgspec.structs.replace(locus, evidence_until=day) for one, day in until.items()
        }
        config = msgspec.structs.replace(plain, loci={**plain.loci, **loci})
        told = examine(Setting(config, tmp_path, tmp_path))
        return [(one.condition, one.because) for one in told if one.feature == "evidence"]

    assert [condition for condition, _ in found()] == [Standing.OFF]
    over, first = found(old="2026-01-31", later="2099-12-31", sooner="2098-12-31")
    assert over[0] is Standing.PROBLEM
    assert "of old counted until 2026-01-31" in over[1]
    assert first == (Standing.ACTIVE, "the first to expire is that of sooner, after 2098-12-31")


def test_each_head_is_said_to_answer_or_why_it_cannot(tmp_path):
    digest = trained(tmp_path).digest

    def found(**settings):
        config = msgspec.structs.replace(default_config(), analysis=Analysis(**settings))
        return {one.feature: one for one in examine(Setting(config, tmp_path, tmp_path))}

    own = found(artefacts={"length": "trained-1"}, deep=False)
    assert own["head length"].condition is Standing.ACTIVE
    assert digest[:16] in own["head length"].because
    assert own["deep tier"].because == "analysis.deep is false"
    gone = found(artefacts={"length": "trained-2"})
    assert gone["head length"].condition is Standing.PROBLEM
    assert "no version trained-2" in gone["head length"].because
    assert "analysis.deep" not in gone["deep tier"].because


def test_anchors_are_said_to_be_there_or_why_they_are_not(tmp_path):
    def anchors(**receipts):
        config = msgspec.structs.replace(default_config(), receipts=Receipts(**receipts))
        [found] = [
            f for f in examine(Setting(config, tmp_path, tmp_path)) if f.feature == "anchors"
        ]
        return found

    with writing(tmp_path) as writer:
        serve(writer, 1)
    assert anchors().condition is Standing.OFF
    there = Anchor(to="anchors.jsonl")
    assert anchors(anchor=there).because == "anchors.jsonl holds checkpoints of 0 chains"
    Anchoring(receipts_dir(tmp_path), place(there.to, tmp_path, tmp_path)).run(1.0)
    assert anchors(anchor=there).because == "anchors.jsonl holds checkpoints of 1 chain"
    (tmp_path / "anchors.jsonl").write_text("garbage\n")
    assert anchors(anchor=there).condition is Standing.PROBLEM


def diagnosis(feature, config, data):
    [found] = [one for one in examine(Setting(config, data, data)) if one.feature == feature]
    return found


def policy_of(url, tmp_path):
    policy = Policy(engine=Opa(url=url, deadline_ms=5000))
    return diagnosis("policy", msgspec.structs.replace(default_config(), policy=policy), tmp_path)


def test_a_policy_server_that_gives_verdicts_is_active(tmp_path):
    verdict = {"allow": list(default_config().deployments), "deny": []}
    with json_server(200, json.dumps({"result": verdict}).encode()) as (url, asked):
        assert policy_of(url, tmp_path).condition is Standing.ACTIVE
    assert asked == ["/v1/data/situs?provenance=true&strict-builtin-errors=true"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"{}", "verdict_undefined"),
        (200, b'{"result": true}', "verdict_malformed"),
        (401, b"{}", "engine_status"),
    ],
)
def test_one_that_gives_none_is_said_to_deny_everything(tmp_path, status, body, code):
    with json_server(status, body) as (url, _):
        found = policy_of(url, tmp_path)
        gone = url
    assert (found.condition, code in found.because) == (Standing.PROBLEM, True)
    assert "every request is denied" in found.because
    assert found.do
    assert "engine_down" in policy_of(gone, tmp_path).because


@pytest.mark.parametrize("store", [sessions, approvals, feedback, comparisons])
def test_a_store_that_cannot_be_read_is_a_problem_and_what_helps_is_said(tmp_path, store):
    feature = store.FILE.removesuffix(".db")
    assert diagnosis(feature, default_config(), tmp_path).condition is not Standing.PROBLEM
    (tmp_path / store.FILE).write_bytes(b"nothing of the kind" * 100)
    found = diagnosis(feature, default_config(), tmp_path)
    assert found.condition is Standing.PROBLEM
    assert str(tmp_path / store.FILE) in found.because
    assert "emove" in found.do
    assert "index rebuild" not in found.do


def test_pilots_that_cannot_be_known_to_be_sound_are_a_problem(tmp_path):
    assert diagnosis("pilots", default_config(), tmp_path).condition is Standing.OFF
    (tmp_path / pilots.FILE).write_text("{")
    found = diagnosis("pilots", default_config(), tmp_path)
    assert found.condition is Standing.PROBLEM
    assert f"remove {pilots.FILE}" in found.do


def test_copies_of_the_last_day_are_counted_where_a_mode_makes_some(tmp_path):
    plain = default_config()
    copying = msgspec.structs.replace(plain, defaults=Defaults(mode=Mode.SHADOW))
    assert diagnosis("comparisons", plain, tmp_path).condition is Standing.OFF
    assert diagnosis("comparisons", copying, tmp_path).because.startswith("0 in")
    for id_, at in (("req_2", time.time()), ("req_3", time.time() - 90_000)):
        comparisons.add(tmp_path, msgspec.structs.replace(ROW, id=id_, at=at))
    assert diagnosis("comparisons", copying, tmp_path).because.startswith("1 in")


def test_learned_times_that_are_damaged_are_a_problem(tmp_path):
    assert diagnosis("times", default_config(), tmp_path).because == "none were learned yet"
    times.write_times(tmp_path, {})
    assert diagnosis("times", default_config(), tmp_path).condition is Standing.ACTIVE
    (tmp_path / times.FILE).write_text("{")
    found = diagnosis("times", default_config(), tmp_path)
    assert found.condition is Standing.PROBLEM
    assert "anew" in found.do


def test_times_of_what_is_another_deployment_now_are_not_counted(tmp_path):
    config = default_config()
    plan = load_plan(Setting(config, tmp_path, tmp_path), 0, {}, secrets=False)
    [deployment, *_] = fleet_view(plan).deployments
    kept = times.Kept("another", time.time(), beginning(deployment))
    times.write_times(tmp_path, {deployment.name: kept, "gone": kept})
    said = diagnosis("times", config, tmp_path).because
    assert said.startswith("deployments whose times were learned: 0; of 2 more")


def test_an_index_that_is_damaged_is_a_problem_and_what_helps_is_said(tmp_path):
    assert diagnosis("index", default_config(), tmp_path).condition is Standing.OFF
    data = indexed(tmp_path / "data", 1)
    assert diagnosis("index", default_config(), data).because.startswith("decisions: 1")
    for path in data.glob("index.db*"):
        path.unlink()
    (data / "index.db").write_bytes(b"nothing of the kind" * 100)
    found = diagnosis("index", default_config(), data)
    assert found.condition is Standing.PROBLEM
    assert str(data / "index.db") in found.because
    assert "situs index rebuild" in found.do


def test_what_was_said_of_answers_is_counted(tmp_path):
    assert (
        diagnosis("feedback", default_config(), tmp_path).because == "nothing was said of answers"
    )
    feedback.say(indexed(tmp_path, 1), feedback.Word("req-000000001", 1.0, "me"), time.time())
    assert diagnosis("feedback", default_config(), tmp_path).because.startswith("1 said")

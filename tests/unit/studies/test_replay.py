"""What another policy would have changed, told from the record alone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make
from tests.unit.studies.replaying import (
    ANYWHERE,
    AT,
    AT_HOME,
    FAR,
    FLEET,
    NOBODY,
    OWNED,
    RACK,
    changed,
    decided,
    owing,
    policy,
    replayed,
    times,
    written,
)

from situs import __version__
from situs.core.aim import Aim, Cascade, Mode
from situs.core.capability import CapabilityClass
from situs.core.data import DataSet, Leaves
from situs.core.fleet import DeploymentState, Health, Pace, Price
from situs.core.label import Finding, Label, LabelReason
from situs.core.length import Lengths
from situs.core.request import Ask, Modality, Objective, Principal, Wire
from situs.core.route import Routed, RoutedBy
from situs.core.snapshot import (
    ANY_KIND,
    Belief,
    Beliefs,
    Confidences,
    Labels,
    Snapshot,
)
from situs.errors import SegmentError
from situs.placement.confidence import WHOLE, Calibration, View
from situs.policy.input import FIELDS, Facts
from situs.rego.embedded import load_checked
from situs.rego.library import shipped
from situs.studies.replay_record import SETTINGS, STORED, Past, decisions, record
from situs.studies.replay_report import FailOn

DATA = {"ledgers": DataSet("ledgers", Label.INTERNAL, ("rack",), "AU", Leaves.JURISDICTION, 1, 2)}
NAMES = {"person": Label.INTERNAL}
SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ASKS = st.builds(
    Ask,
    label=st.sampled_from([None, Label.INTERNAL]),
    objective=st.sampled_from([None, *Objective]),
    session=st.sampled_from([None, "talk"]),
    data=st.sampled_from([None, "ledgers"]),
    max_cost=st.sampled_from([None, 0.001]),
    slo_ttft_s=st.sampled_from([None, 0.6]),
    deadline_s=st.sampled_from([None, 5.0]),
    criticality=st.sampled_from(["advisory", "operational"]),
)
REQUESTS = st.builds(
    make.request,
    id=st.from_regex(r"req_[a-z0-9]{8}", fullmatch=True),
    wire=st.sampled_from(Wire),
    model=st.sampled_from(["auto", "far", "rack-model", "billing", "a name of nobody"]),
    ask=ASKS,
    stream=st.booleans(),
    max_completion_tokens=st.sampled_from([None, 50, 9000]),
    choices=st.integers(1, 3),
    modalities=st.sets(st.sampled_from(Modality)).map(frozenset),
    tools=st.booleans(),
    structured_output=st.booleans(),
    principal=st.builds(
        Principal,
        tenant=st.sampled_from(["default", "other"]),
        key=st.sampled_from(["-", "key_1"]),
        groups=st.sampled_from([(), ("staff",), ("staff", "audit")]),
    ),
    session_label=st.sampled_from(Label),
)
ANALYSES = st.builds(
    make.analysis,
    label=st.sampled_from(Label),
    reasons=st.sampled_from([(), (LabelReason(Label.INTERNAL, "finding", "email"),)]),
    findings=st.sampled_from([(), (Finding("email", 0, 1, 9, 0.7, "email", True),)]),
    prompt_tokens=st.integers(1, 9000),
    completion_tokens=st.integers(1, 2000),
    needs=st.sampled_from(CapabilityClass),
    tiers=st.sampled_from([{}, {"names": "skipped"}, {"names": "fast"}]),
    language=st.sampled_from(["und", "en"]),
    interactive=st.booleans(),
    routed=st.sampled_from(
        [None, Routed("billing", RoutedBy.ASKED), Routed("near", RoutedBy.RULE, 1.0, 0, ("near",))]
    ),
    longest_tokens=st.sampled_from([None, 10]),
    tokens_by=st.sampled_from([{}, {"default": 77}]),
    data=st.sampled_from([(), ("ledgers",), ("unheard of",)]),
)
STATES = st.fixed_dictionaries(
    {
        name: st.builds(
            DeploymentState,
            health=st.sampled_from(Health),
            in_flight=st.integers(0, 64),
            pace=st.none() | st.builds(Pace, *[st.floats(1e-6, 20)] * 7),
        )
        for name in ("rack", "near", "far")
    }
)
LOOKS_AT_ALL = policy(
    'allow contains d.name if { some d in input.deployments; input.label != "restricted" }',
    "allow contains d.name if "
    '{ some d in input.deployments; "audit" in input.principal.groups; d.locus.owned }',
    'deny contains {"deployment": d.name, "code": "session"} if '
    '{ some d in input.deployments; input.session_label == "restricted"; not d.locus.owned }',
    'deny contains {"deployment": d.name, "code": "late"} if '
    "{ some d in input.deployments; input.time_unix % 2 == 1; not d.locus.owned }",
    'deny contains {"deployment": d.name, "code": "data"} if '
    "{ some d in input.deployments; count(input.data) > 0; not d.locus.owned }",
    owing("redact", "email"),
)


def past_of(data):
    [segment] = record(data / "receipts", None)
    [past] = decisions(segment, None)
    assert isinstance(past, Past)
    return past


# The record says all that a decision needs.


def test_of_every_field_it_is_known_whether_the_record_has_it():
    assert frozenset(FIELDS) == STORED | SETTINGS
    assert STORED.isdisjoint(SETTINGS)


@SLOW
@given(request=REQUESTS, analysis=ANALYSES, states=STATES, at=st.integers(0, 2**31))
def test_the_record_gives_back_the_whole_input_and_the_decision(
    tmp_path_factory, request, analysis, states, at
):
    data = tmp_path_factory.mktemp("record")
    if request.ask.session is None:
        request = replace(request, session_label=Label.PUBLIC)
    fleet = make.view(*FLEET.deployments, states=states)
    one = decided(LOOKS_AT_ALL, request, analysis, fleet=fleet, at=float(at), home="AU", data=DATA)
    past = past_of(written(data, one))
    then = Snapshot(fleet, make.allow_all(fleet), Labels({}), home="AU", data=DATA)
    assert past.fleet == fleet
    for name, said in FIELDS.items():
        before = said(Facts(one.request, analysis, then, float(at)))
        now = said(Facts(past.request, past.said.analysis, then, past.said.at))
        assert msgspec.json.encode(now) == msgspec.json.encode(before), name
    found = replayed(data, LOOKS_AT_ALL, home="AU", data=DATA, names=NAMES)
    same = found.reproduced
    assert (same.verdicts, same.rankings) == (1, 1)
    assert same.verdicts_other.decisions + same.rankings_other.decisions == 0
    assert same.figures_other.decisions == 0
    assert changed(found) == {}


@SLOW
@given(request=REQUESTS, analysis=ANALYSES, states=STATES)
def test_another_policy_is_said_to_do_what_it_would_have_done(
    tmp_path_factory, request, analysis, states
):
    fleet, here = make.view(*FLEET.deployments, states=states), {"home": "AU", "data": DATA}
    then = decided(policy(AT_HOME), request, analysis, fleet=fleet, **here)
    now = decided(LOOKS_AT_ALL, request, analysis, fleet=fleet, **here)
    assume(request.ask.session is not None or request.session_label is Label.PUBLIC)
    found = replayed(written(tmp_path_factory.mktemp("record"), then), LOOKS_AT_ALL, **here)
    places = {one.name: (one.before, one.after) for one in found.places["deployment"]}
    firsts = [next(iter(one.decision.placement.ranked), None) for one in (then, now)]
    came, goes = ("nowhere" if one is None else one.deployment for one in firsts)
    assert places == {name: (int(name == came), int(name == goes)) for name in {came, goes}}
    denied = goes == "nowhere" != came
    assert found.changes["denied"].decisions == denied


def test_the_policy_that_ships_says_the_same_again(tmp_path):
    checked = load_checked((shipped(),))
    records = [
        decided(checked, make.request(id=f"req_{label}"), make.analysis(label=label), home="AU")
        for label in Label
    ]
    found = replayed(written(tmp_path, *records), checked, *FailOn, home="AU", names=NAMES)
    assert (found.reproduced.verdicts, found.failed) == (4, ())
    assert found.places["locus"] == tuple(sorted(found.places["locus"], key=lambda one: one.name))
    assert all(one.before == one.after for places in found.places.values() for one in places)


# What changes.


def one_record(tmp_path, *rules, **facts):
    return written(tmp_path, decided(policy(*rules), None, make.analysis(**facts)))


def test_what_may_leave_newly_is_told_with_where_to_and_an_example(tmp_path):
    found = replayed(one_record(tmp_path, OWNED), policy(ANYWHERE), home="AU")
    assert changed(found) == {
        "left": {"public -> far": 1, "public -> near": 1},
        "crossed": {"public -> US": 1},
        "moved": {"rack -> far": 1},
        "moved_locus": {"rack -> far": 1},
        "moved_jurisdiction": {"AU -> US": 1},
    }
    assert {one.examples for one in found.changes["left"].ways} == {("req_test",)}


def test_a_further_locus_is_told_apart_from_leaving_at_all(tmp_path):
    found = replayed(one_record(tmp_path, AT_HOME), policy(ANYWHERE), home="AU")
    assert changed(found)["widened"] == {"public -> far": 1}
    assert "left" not in changed(found)


def test_an_own_machine_under_another_law_is_no_leaving_but_a_crossing(tmp_path):
    office = make.deployment("office", locus=make.locus("office", jurisdiction="DE"))
    fleet = make.view(RACK, office)
    first = 'allow contains d.name if { some d in input.deployments; d.locus.name == "rack" }'
    data = written(tmp_path, decided(policy(first), fleet=fleet))
    found = changed(replayed(data, policy(OWNED), home="AU"))
    assert found["crossed"] == {"public -> DE": 1}
    assert "left" not in found


def test_what_stays_now_is_told(tmp_path):
    found = changed(replayed(one_record(tmp_path, AT_HOME), policy(OWNED)))
    moved = {"near -> rack": 1}
    assert found == {"kept": {"public": 1}, "moved": moved, "moved_locus": moved}


def test_what_is_denied_newly_is_told_with_the_codes(tmp_path):
    found = changed(replayed(one_record(tmp_path, OWNED), policy(NOBODY)))
    assert found == {"denied": {"out": 1}, "moved": {"rack -> nowhere": 1}}


def test_what_is_allowed_newly_is_told(tmp_path):
    found = changed(replayed(one_record(tmp_path, NOBODY), policy(OWNED)))
    assert found["allowed"] == {"public -> rack": 1}


def test_a_policy_that_gives_no_verdict_denies_with_its_error(tmp_path):
    odd = policy(
        OWNED,
        'deny contains {"deployment": d.name, "code": input.language} if '
        '{ some d in input.deployments; d.locus.kind == "on_prem" }',
    )
    found = replayed(one_record(tmp_path, OWNED, language="EN?"), odd, FailOn.DENIED)
    assert changed(found)["denied"] == {"verdict_malformed": 1}
    assert found.failed == ("newly denied: 1",)


def test_a_place_that_is_only_down_now_may_be_reached_tomorrow(tmp_path):
    down = {"far": DeploymentState(Health.UNHEALTHY), "near": DeploymentState(Health.UNHEALTHY)}
    fleet = make.view(*FLEET.deployments, states=down)
    data = written(tmp_path, decided(policy(OWNED), fleet=fleet))
    found = changed(replayed(data, policy(ANYWHERE), home="AU"))
    assert found["left"] == {"public -> far": 1, "public -> near": 1}
    assert "moved" not in found


def test_a_place_that_was_not_asked_for_is_not_reached(tmp_path):
    pinned = make.request(model="rack")
    data = written(tmp_path, decided(policy(OWNED), pinned))
    assert changed(replayed(data, policy(ANYWHERE), home="AU")) == {}


def test_obligations_are_told_by_kind(tmp_path):
    data = one_record(tmp_path, ANYWHERE, owing("redact", "email"))
    found = changed(replayed(data, policy(ANYWHERE, owing("strip_attachments"))))
    assert found["owed"] == {"strip_attachments": 1}
    assert found["released"] == {"redact": 1}
    assert found["bared"] == {"hide email": 1}


@pytest.mark.parametrize(
    "rule",
    [owing("redact"), owing("pseudonymise", "email"), owing("redact", "email", "iban")],
)
def test_what_hides_as_much_or_more_bares_nothing(tmp_path, rule):
    data = one_record(tmp_path, ANYWHERE, owing("redact", "email"))
    assert "bared" not in changed(replayed(data, policy(ANYWHERE, rule)))


def test_hiding_some_where_all_was_hidden_bares(tmp_path):
    data = one_record(tmp_path, ANYWHERE, owing("redact"))
    found = changed(replayed(data, policy(ANYWHERE, owing("redact", "email"))))
    assert found["bared"] == {"hide": 1}


def test_cost_and_latency_are_those_that_were_estimated_then(tmp_path):
    one = decided(policy(ANYWHERE))
    two = decided(policy(OWNED))
    found = replayed(written(tmp_path, one, one), policy(OWNED))
    before, after = one.decision.placement.ranked[0], two.decision.placement.ranked[0]
    assert (before.cost, after.cost) != (None, None)
    [(currency, cost)] = found.cost.items()
    assert currency == "USD"
    assert cost.before == pytest.approx(2 * before.cost)
    assert cost.after == pytest.approx(2 * after.cost)
    assert found.latency.e2e_p50_s.before == pytest.approx(before.e2e_s, rel=0.02)
    assert found.latency.ttft_p95_s.after == pytest.approx(after.ttft_s, rel=0.02)
    assert (found.priced, found.unpriced) == (2, 0)


def test_currencies_are_not_added_up(tmp_path):
    yen = replace(RACK, price=Price("JPY", 1.0, 1.0))
    data = written(tmp_path, decided(policy(ANYWHERE), fleet=make.view(yen, FAR)))
    found = replayed(data, policy(OWNED))
    assert (found.cost["USD"].after, found.cost["JPY"].before) == (0, 0)


def test_a_place_without_a_price_is_counted_apart(tmp_path):
    free = replace(RACK, price=None)
    data = written(tmp_path, decided(policy(ANYWHERE), fleet=make.view(free, FAR)))
    found = replayed(data, policy(OWNED))
    assert (found.priced, found.unpriced, found.cost) == (0, 1, {})


def test_places_are_counted_by_what_they_are(tmp_path):
    found = replayed(one_record(tmp_path, ANYWHERE), policy(NOBODY))
    told = {
        axis: {one.name: (one.before, one.after) for one in places}
        for axis, places in found.places.items()
    }
    assert told == {
        "ownership": {"not owned": (1, 0), "nowhere": (0, 1)},
        "jurisdiction": {"US": (1, 0), "nowhere": (0, 1)},
        "locus": {"far": (1, 0), "nowhere": (0, 1)},
        "deployment": {"far": (1, 0), "nowhere": (0, 1)},
    }


def test_a_group_has_ten_examples_at_most(tmp_path):
    found = replayed(written(tmp_path, *times(decided(policy(OWNED)), 12)), policy(NOBODY))
    [way] = found.changes["denied"].ways
    assert (way.decisions, len(way.examples)) == (12, 10)


def test_two_policies_are_compared_whatever_was_decided(tmp_path):
    data = one_record(tmp_path, NOBODY)
    found = replayed(data, policy(OWNED), old=policy(ANYWHERE))
    assert changed(found)["moved"] == {"far -> rack": 1}
    same = found.reproduced
    assert (same.verdicts, same.rankings) == (0, 0)
    again = replayed(data, policy(OWNED), old=policy(NOBODY)).reproduced
    assert (again.verdicts, again.rankings) == (1, 1)
    assert again.verdicts_other.decisions == again.rankings_other.decisions == 0


# What cannot be known is told, and does not pass.


def rewritten(data, change):
    """The record with each decision changed: its digests do not hold any more."""
    [path] = (data / "receipts").glob("*/*.jsonl")
    lines = []
    for line in path.read_bytes().splitlines():
        said = msgspec.json.decode(line)
        if said["type"] == "decision":
            change(said)
        lines.append(msgspec.json.encode(said))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return data


def test_groups_that_the_record_lacks_are_told_where_a_policy_asks(tmp_path):
    data = rewritten(one_record(tmp_path, OWNED), lambda said: said["request"].pop("groups"))
    asks = policy(
        OWNED,
        'allow contains d.name if { some d in input.deployments; "x" in input.principal.groups }',
    )
    assert "groups" in replayed(data, asks, FailOn.LEFT).failed[0]
    assert replayed(data, policy(OWNED), FailOn.LEFT).failed == ()


def test_data_sets_that_are_not_configured_are_told_where_a_policy_asks(tmp_path):
    data = one_record(tmp_path, OWNED, data=("ledgers",))
    checked = load_checked((shipped(),))
    assert "input.data" in replayed(data, checked, FailOn.DENIED).failed[-1]
    assert replayed(data, checked, FailOn.DENIED, data=DATA).failed == ()


def test_names_that_nobody_looked_for_are_told_where_they_would_matter(tmp_path):
    data = one_record(tmp_path, OWNED, tiers={"names": "skipped"})
    strict = policy(
        'allow contains d.name if { input.label == "public"; some d in input.deployments }'
    )
    sees = policy(
        OWNED,
        'deny contains {"deployment": d.name, "code": "out"} if '
        "{ some d in input.deployments; input.findings.person > 3 }",
    )
    for checked in (strict, sees, policy(OWNED, owing("redact", "person"))):
        remarks = replayed(data, checked, names=NAMES).remarks
        assert any("nobody looked for names" in one for one in remarks)
    remarks = replayed(data, policy(OWNED), names=NAMES).remarks
    assert not any("names" in one for one in remarks)


def test_a_verdict_that_comes_out_otherwise_is_told_with_why(tmp_path):
    checked = policy(ANYWHERE)

    def failed_then(said):
        said["policy"] = {**said["policy"], "allowed": [], "error": "engine_failed"}

    data = rewritten(one_record(tmp_path, ANYWHERE), failed_then)
    found = replayed(data, checked, FailOn.MOVED)
    [way] = found.reproduced.verdicts_other.ways
    assert way.what == "there was no verdict then: engine_failed"
    assert "1 of 1 verdicts" in found.failed[-1]


def test_the_version_that_wrote_it_may_be_why(tmp_path):
    data = one_record(tmp_path, ANYWHERE)

    def older(said):
        said["placement"]["ranked"].reverse()
        said["policy"]["exclusions"] = [{"deployment": "far", "rule": "policy", "code": "odd"}]

    rewritten(data, older)
    [path] = (data / "receipts").glob("*/*.jsonl")
    path.write_text(path.read_text().replace(f'"situs":"{__version__}"', '"situs":"0.0.1"'))
    same = replayed(data, policy(ANYWHERE)).reproduced
    assert [one.what for one in same.verdicts_other.ways] == ["written by Situs 0.0.1"]
    assert [one.what for one in same.rankings_other.ways] == ["written by Situs 0.0.1"]


def test_a_ranking_of_another_version_is_no_move(tmp_path):
    data = rewritten(
        one_record(tmp_path, ANYWHERE), lambda said: said["placement"]["ranked"].reverse()
    )
    found = replayed(data, policy(AT_HOME, ANYWHERE))
    assert found.reproduced.rankings_other.decisions == 1
    assert changed(found) == {}


def test_scores_of_another_version_are_told_apart_from_rankings(tmp_path):
    def rescored(said):
        said["placement"]["ranked"][0]["score"] += 0.25

    found = replayed(rewritten(one_record(tmp_path, ANYWHERE), rescored), policy(ANYWHERE))
    same = found.reproduced
    assert (same.rankings_other.decisions, same.figures_other.decisions) == (0, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda said: said.update(v=2), "a decision in another format"),
        (lambda said: said["request"].update(wire="telex"), "a decision that cannot be read"),
        (lambda said: said["policy"].pop("allowed"), "a decision that cannot be read"),
        (
            lambda said: said["fleet"].update(digest="x"),
            "a decision whose fleet is not in its file",
        ),
        (
            lambda said: said["fleet"]["states"].pop(),
            "a decision that does not say how its fleet was",
        ),
    ],
)
def test_a_line_that_cannot_be_decided_again_is_counted_and_does_not_pass(tmp_path, change, why):
    data = written(tmp_path, *times(decided(policy(OWNED)), 2))
    rewritten(data, lambda said: change(said) if said["id"] == "req_001" else None)
    found = replayed(data, policy(OWNED), FailOn.LEFT)
    assert (found.replayed, found.lost) == (1, {why: 1})
    assert len(found.failed) == 1
    assert replayed(data, policy(OWNED), FailOn.NEVER).failed == ()


def test_a_torn_last_line_was_never_said(tmp_path):
    data = written(tmp_path, decided(policy(OWNED)))
    [path] = (data / "receipts").glob("*/*.jsonl")
    whole = next(line for line in path.read_bytes().splitlines(True) if b'"decision"' in line)
    with path.open("ab") as file:
        file.write(whole[:-20])
    found = replayed(data, policy(OWNED))
    assert (found.replayed, found.lost) == (1, {})


def test_an_empty_record_is_an_error_not_a_pass(tmp_path):
    with pytest.raises(SegmentError, match="no decision"):
        replayed(tmp_path, policy(OWNED))
    data = written(tmp_path, decided(policy(OWNED)))
    with pytest.raises(SegmentError, match="no decision"):
        replayed(data, policy(OWNED), since=AT + 1)


# Gates.


@pytest.mark.parametrize(
    ("old", "new", "shut"),
    [
        ((OWNED,), (OWNED,), set()),
        ((OWNED,), (ANYWHERE,), {FailOn.LEFT, FailOn.MOVED}),
        ((ANYWHERE,), (OWNED,), {FailOn.MOVED}),
        ((OWNED,), (NOBODY,), {FailOn.DENIED, FailOn.MOVED}),
        ((ANYWHERE, owing("redact")), (ANYWHERE,), {FailOn.LEFT}),
    ],
)
def test_a_gate_is_shut_by_what_it_names_and_nothing_else(tmp_path, old, new, shut):
    data = one_record(tmp_path, *old)
    failed = {gate for gate in FailOn if replayed(data, policy(*new), gate, home="AU").failed}
    assert failed == shut


# Which decisions.


def test_since_is_the_first_moment_that_counts(tmp_path):
    data = written(tmp_path, *times(decided(policy(OWNED)), 4))
    found = replayed(data, policy(OWNED), since=AT + 2)
    assert (found.replayed, found.began, found.ended) == (2, AT + 2, AT + 3)


def test_a_sample_is_about_as_large_as_said_and_always_the_same(tmp_path):
    data = written(tmp_path, *times(decided(policy(OWNED)), 200))
    one, two = (replayed(data, policy(OWNED), sample=50) for _ in range(2))
    assert one == two
    assert 25 <= one.replayed <= 80
    assert one.share == pytest.approx(0.25)
    assert one.there == 200
    assert replayed(data, policy(OWNED), sample=1000).replayed == 200


def test_a_small_sample_says_how_little_it_looked_at_and_shuts_every_gate(tmp_path):
    records = [decided(policy(OWNED), make.request(id=f"r{number}")) for number in range(900)]
    data = written(tmp_path, *records)
    few = replayed(data, policy(OWNED), FailOn.LEFT, sample=30)
    share = 1 - 0.05 ** (1 / few.replayed)
    [said] = few.doubts
    assert said.startswith(f"a sample: {few.replayed} of about 900 decisions; ")
    assert f"{share:.2%}" in said
    assert not few.passed
    many = replayed(data, policy(OWNED), FailOn.LEFT, sample=600)
    assert many.replayed >= 300
    assert many.passed
    assert any(remark.startswith("a sample: ") for remark in many.remarks)


def test_a_sample_without_a_decision_is_an_error_that_says_so(tmp_path):
    data = written(tmp_path, *(decided(policy(OWNED), make.request(id=f"r{n}")) for n in (0, 1)))
    with pytest.raises(SegmentError, match="none of about 2 decisions is in so small a sample"):
        replayed(data, policy(OWNED), share=0.0, there=2)


def test_several_processes_find_what_one_finds(tmp_path):
    for _ in range(3):
        written(tmp_path, *times(decided(policy(OWNED)), 5))
    one, two = (replayed(tmp_path, policy(ANYWHERE), processes=count) for count in (1, 2))
    assert one == two
    assert one.replayed == 15


def test_the_stored_verdict_is_what_counts_before(tmp_path):
    """Also one of an engine that is not here."""

    def elsewhere(said):
        said["policy"]["policy"] = "f" * 64

    data = rewritten(one_record(tmp_path, ANYWHERE), elsewhere)
    found = replayed(data, policy(OWNED))
    assert changed(found)["kept"] == {"public": 1}
    assert found.recorded_by == {"f" * 64: 1}
    assert any("verdicts are not checked" in one for one in found.remarks)


LEARNED = Beliefs(
    {
        ("rack-model", "chat", "tiny"): Belief(0.97, 9.0),
        ("far-model", "chat", "tiny"): Belief(0.9, 9.0),
    },
    (400.0, 90.0),
    "learned",
)
LENGTHS = Lengths({"chat": (310.0, 0.9)}, {("far-model", ANY_KIND): 0.3, ("rack-model", "chat"): 4})
KNOWN = Calibration(
    False, 99, (View(WHOLE, 1, (), 0.0, (0.5,) * 100, (0.01,) * 100, (0.9,) * 100),)
)
CASCADES = Aim(quality=0.8, cascade=Cascade(), hedge=True)


@pytest.mark.parametrize(
    ("fields", "analysis"),
    [
        ({"aim": Aim(Objective.BEST, quality=0.8)}, {}),
        ({"aim": Aim(mode=Mode.LOCAL_DEFAULT)}, {}),
        ({"beliefs": LEARNED}, {}),
        ({"beliefs": LEARNED, "aim": CASCADES}, {}),
        ({"beliefs": Beliefs(digest="long", lengths=LENGTHS)}, {}),
        ({"beliefs": replace(LEARNED, lengths=LENGTHS)}, {}),
        ({}, {"acceptable": {"near-model": 0.99, "far-model": 0.5}}),
        ({"aim": CASCADES, "confidences": Confidences({("far-model", ANY_KIND): KNOWN})}, {}),
        ({"read": {"rack": 900, "far": 12}}, {}),
    ],
)
def test_a_decision_is_replayed_on_what_it_went_by(tmp_path, fields, analysis):
    checked = policy(ANYWHERE)
    one = decided(checked, analysis=make.analysis(**analysis), warm={"near": 64}, **fields)
    same = replayed(written(tmp_path, one), checked).reproduced
    assert same.rankings == 1
    assert same.rankings_other.decisions + same.figures_other.decisions == 0

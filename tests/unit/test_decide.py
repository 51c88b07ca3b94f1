"""The same inputs give the same decision, and a receipt is enough to make it again."""

from __future__ import annotations

import asyncio
import json
import time

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.analysis import DEFAULT_FLOORS
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis, Placement, PolicyDecision
from situs.core.fleet import Deployment, DeploymentState, FleetView, Health, LocusKind, Pace
from situs.core.record import Decided
from situs.core.request import Ask, Modality, Objective
from situs.core.snapshot import Labels, Snapshot
from situs.decide import decide
from situs.rego.embedded import load
from situs.rego.library import shipped
from situs.stores.layout import receipts_dir
from situs.stores.segments import SegmentWriter
from situs.trust.keys import open_signing_key

POLICY = load((shipped(),))
DEPLOYMENTS = tuple(
    make.deployment(
        kind.value,
        locus=make.locus(kind.value, kind),
        capability=list(CapabilityClass)[1 + place % 4],
        price=(1.0 + place, 2.0 + place),
        tools=place % 2 == 0,
        context_tokens=4096 * (1 + place),
    )
    for place, kind in enumerate(LocusKind)
)

states = st.builds(
    DeploymentState,
    health=st.sampled_from(Health),
    in_flight=st.integers(0, 70),
    pace=st.none() | st.builds(Pace, *[st.floats(1e-6, 20)] * 7),
)
fleets = st.tuples(*[states] * len(DEPLOYMENTS)).map(
    lambda known: FleetView(DEPLOYMENTS, known, "fleet-of-the-test")
)
requests = st.builds(
    make.request,
    st.sampled_from(["Say hello.", "My card is 4111 1111 1111 1111.", "Prove it. " * 300]),
    id=st.uuids().map(str),
    model=st.sampled_from(["auto", "edge", "public_cloud"]),
    max_completion_tokens=st.none() | st.integers(1, 20_000),
    modalities=st.sampled_from([frozenset({Modality.TEXT}), frozenset(Modality)]),
    choices=st.integers(1, 5),
    tools=st.booleans(),
    structured_output=st.booleans(),
    stream=st.booleans(),
    ask=st.builds(
        Ask,
        objective=st.none() | st.sampled_from(Objective),
        max_cost=st.none() | st.floats(0, 0.01),
        slo_ttft_s=st.none() | st.floats(0.1, 5),
    ),
)


def snapshot(fleet):
    return Snapshot(fleet, POLICY, Labels(DEFAULT_FLOORS), home="AU")


@given(requests, fleets)
def test_the_same_inputs_give_the_same_decision(request, fleet):
    first = decide(request, snapshot(fleet), 1.75e9)
    assert decide(request, snapshot(fleet), 1.75e9) == first
    allowed = set(first.policy.allowed)
    assert {candidate.deployment for candidate in first.placement.ranked} <= allowed


@given(requests, fleets)
def test_what_is_given_is_not_computed_again(request, fleet):
    analysis, verdict = make.analysis(task="given"), make.verdict("edge")
    decision = decide(request, snapshot(fleet), 1.75e9, analysis=analysis, verdict=verdict)
    assert decision.analysis is analysis
    assert decision.policy is verdict
    assert {candidate.deployment for candidate in decision.placement.ranked} <= {"edge"}


def test_a_decision_is_made_again_from_its_receipt_alone(tmp_path):
    """No prompt, no configuration: the lines of the record hold all that placement read."""
    writer = SegmentWriter(receipts_dir(tmp_path), open_signing_key(tmp_path / "keys"), time.time)
    writer.start()

    @given(requests, fleets)
    def recorded(request, fleet):
        decision = decide(request, snapshot(fleet), 1.75e9)
        asyncio.run(writer.decided(Decided(request, decision, fleet)))

    recorded()
    writer.close()
    text = b"".join(file.read_bytes() for file in receipts_dir(tmp_path).glob("*/*.jsonl"))
    lines = [json.loads(line) for line in text.splitlines()]
    fleet = next(line for line in lines if line["type"] == "fleet")
    decisions = [line for line in lines if line["type"] == "decision"]
    assert len(decisions) >= 50
    for line in decisions:
        again = replayed(line, fleet)
        assert again == msgspec.convert(line["placement"], Placement)


def replayed(line, fleet):
    facts = line["request"]
    ask = {k: v for k, v in facts["ask"].items() if k not in ("session", "data")}
    request = make.request(
        id=line["id"],
        model=facts["model"],
        size=facts["size"],
        max_completion_tokens=facts["max_completion_tokens"],
        choices=facts["choices"],
        modalities=frozenset(Modality(word) for word in facts["modalities"]),
        tools=facts["tools"],
        structured_output=facts["structured_output"],
        ask=msgspec.convert(ask, Ask),
    )
    view = FleetView(
        msgspec.convert(fleet["deployments"], tuple[Deployment, ...]),
        msgspec.convert(line["fleet"]["states"], tuple[DeploymentState, ...]),
        fleet["digest"],
    )
    decision = decide(
        request,
        snapshot(view),
        line["at"],
        analysis=msgspec.convert(line["analysis"], Analysis),
        verdict=msgspec.convert(line["policy"], PolicyDecision),
    )
    return decision.placement

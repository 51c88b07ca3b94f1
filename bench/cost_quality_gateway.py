"""What the gateway itself picks for the questions of `bench.cost_quality`.

Each of the models is one deployment, all at one place and alike but for their prices. A question is
a request of the route that is its subject; what the head says of it is in its analysis. What was
learned is in the snapshot, as `learning` works it out: from what answers were worth and how long
they were. Who comes first in the placement is the pick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from situs.core.aim import Aim
from situs.core.capability import CapabilityClass
from situs.core.decision import Analysis, PolicyDecision
from situs.core.fleet import (
    Deployment,
    DeploymentState,
    FleetView,
    KeyCustody,
    Locus,
    LocusKind,
    Model,
    Price,
    TrainingUse,
)
from situs.core.label import Label
from situs.core.request import Request, Wire
from situs.core.route import Routed, RoutedBy
from situs.core.snapshot import Beliefs, Labels, Policy, Snapshot
from situs.placement import place
from situs.placement.lengths import answer_tokens
from situs.policy.memory import Memory

Values = NDArray[np.float64]

LONG = 1_000_000
_LOCUS = Locus(
    name="one",
    kind=LocusKind.PUBLIC_CLOUD,
    jurisdiction="AU",
    owned=False,
    key_custody=KeyCustody.OPERATOR,
    retention="none",
    training_use=TrainingUse.NONE,
)


class Asked(Struct, frozen=True):
    """A question as the gateway sees it: its subject, what the head says, and tokens."""

    number: int
    subject: str
    prompt_tokens: int
    head: Sequence[float]


class Gateway:
    """Owns what was learned from some questions, and picks for others."""

    def __init__(
        self, models: Mapping[str, CapabilityClass], beliefs: Beliefs, expected: float
    ) -> None:
        """`expected`: the tokens that an analysis expects of any answer."""
        self._models = [Model(name, able, LONG) for name, able in models.items()]
        self._beliefs, self._expected = beliefs, round(expected)

    def picks(
        self, asked: Sequence[Asked], prices: Mapping[str, tuple[float, float]], share: float
    ) -> list[int]:
        """The place of the model that comes first, for each."""
        fleet = tuple(
            Deployment(one.name, one, _LOCUS, one.name, Price("USD", *prices[one.name]))
            for one in self._models
        )
        names = tuple(one.name for one in fleet)
        view = FleetView(fleet, (DeploymentState(),) * len(fleet), "bench")
        policy = Policy(lambda _: None, "bench", frozenset())
        snapshot = Snapshot(
            view, policy, Labels({}), Aim(quality=share), beliefs=self._beliefs, memory=Memory()
        )
        verdict = PolicyDecision(names, (), (), "bench")
        at = {name: place for place, name in enumerate(names)}
        found = []
        for one in asked:
            placed = place(_request(one), self._analysis(one), verdict, snapshot, {})
            found.append(at[placed.ranked[0].deployment])
        return found

    def tokens(self, asked: Sequence[Asked]) -> Values:
        """What is expected of each model's answer to each."""
        return np.array(
            [
                [
                    answer_tokens(model.name, request, analysis, self._beliefs)
                    for model in self._models
                ]
                for request, analysis in ((_request(one), self._analysis(one)) for one in asked)
            ],
            float,
        )

    def _analysis(self, one: Asked) -> Analysis:
        names = [model.name for model in self._models]
        return replace(
            _PLAIN,
            prompt_tokens=one.prompt_tokens,
            completion_tokens=self._expected,
            routed=Routed(one.subject, RoutedBy.SAMPLES),
            acceptable=dict(zip(names, one.head, strict=True)),
        )


_PLAIN = Analysis(Label.PUBLIC, (), (), 0, 0, "reasoning", CapabilityClass.MEDIUM)


def _request(one: Asked) -> Request:
    return Request(f"question-{one.number}", Wire.OPENAI_CHAT, "auto", {}, (), 0)

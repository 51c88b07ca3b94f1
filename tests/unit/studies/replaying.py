"""Records of decisions, made and written as a gateway does."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace
from tests import make
from tests.unit.stores.writing import writing

from situs.core.fleet import LocusKind
from situs.core.record import Decided
from situs.core.snapshot import Labels, Snapshot
from situs.decide import decide
from situs.rego.embedded import check_source
from situs.rego.engine import make_ready
from situs.rego.modules import Module, Source
from situs.studies.replay import replay
from situs.studies.replay_report import report
from situs.studies.replay_tally import Terms

AT = 1.75e9
RACK = make.deployment("rack", locus=make.locus("rack", LocusKind.ON_PREM), price=(3.0, 3.0))
NEAR = make.deployment(
    "near", locus=make.locus("near", LocusKind.SOVEREIGN_CLOUD, owned=False), price=(2.0, 2.0)
)
FAR = make.deployment(
    "far",
    locus=make.locus("far", LocusKind.PUBLIC_CLOUD, owned=False, jurisdiction="US"),
    price=(1.0, 1.0),
)
FLEET = make.view(RACK, NEAR, FAR)

ANYWHERE = "allow contains d.name if some d in input.deployments"
OWNED = "allow contains d.name if { some d in input.deployments; d.locus.owned }"
AT_HOME = 'allow contains d.name if { some d in input.deployments; d.locus.jurisdiction == "AU" }'
NOBODY = "allow contains d.name if { some d in input.deployments; false }"


def policy(*rules):
    """A policy of these rules, with a `deny` if it has none."""
    text = "\n\n".join(rules)
    if "deny contains" not in text:
        text += '\n\ndeny contains {"deployment": d.name, "code": "out"} if {'
        text += "\n\tsome d in input.deployments\n\tnot d.name in allow\n}"
    module = Module("p.rego", "p.rego", f"package situs\n\nimport rego.v1\n\n{text}\n")
    return check_source(Source((module,)))


def owing(kind, *findings):
    listed = ", ".join(f'"{one}"' for one in findings)
    said = f'{{"kind": "{kind}", "deployment": "*", "findings": [{listed}]}}'
    return f"obligations contains {said} if true"


def decided(checked, request=None, analysis=None, *, fleet=FLEET, at=AT, warm=None, **fields):
    """A decision as a gateway makes it; `fields` go to the snapshot."""
    request = request or make.request()
    snapshot = Snapshot(fleet, make_ready(checked), Labels({}), **fields)
    analysis = analysis or make.analysis()
    decision = decide(request, snapshot, at, analysis=analysis, warm=warm or {})
    session = None if request.ask.session is None else request.session_label
    return Decided(request, decision, fleet, session)


def written(data, *records):
    with writing(data) as writer:
        for one in records:
            asyncio.run(writer.decided(one))
    return data


def replayed(folder, new, *gates, sample=None, processes=None, **terms):
    asked = Terms(new=new, **terms)
    return report(*replay(folder, asked, sample, lambda done, whole: None, processes), gates)


def changed(found):
    """The kinds of change there are, with what exactly."""
    return {
        kind: {one.what: one.decisions for one in change.ways}
        for kind, change in found.changes.items()
        if change.decisions
    }


def times(one, count):
    """The same decision so many times, by ids of their own. Ties would be broken by the id."""
    return [
        Decided(
            replace(one.request, id=f"req_{number:03}"),
            replace(one.decision, id=f"req_{number:03}", at=AT + number),
            one.fleet,
        )
        for number in range(count)
    ]

"""What a policy would be told: of a request in a file, of a past decision, of an example."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace

from situs.app.insight import insight_of, snapshot_of
from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.core.request import Ask, Principal
from situs.core.snapshot import Snapshot
from situs.decide import decide
from situs.errors import OperatorError
from situs.http.drawn import drawing
from situs.http.inference import form_of, new_id
from situs.policy.input import Facts
from situs.stores.layout import receipts_dir
from situs.studies.replay_record import Past, decisions, record


def facts_of_request(setting: Setting, path: str, body: bytes, ask: Ask) -> Facts:
    """As the gateway would analyse it now. `path` is where it would be explained."""
    snapshot = _snapshot(setting)
    request = drawing(form_of(path).parse(body, new_id(), ask, Principal(), None), snapshot)
    now = time.time()
    return Facts(request, decide(request, snapshot, now).analysis, snapshot, now)


def facts_of_decision(setting: Setting, decision_id: str) -> Facts:
    """As it was decided: its analysis, its fleet, its time; what else is asked, from `setting`.

    Raises OperatorError where there is no such decision, or its line does not say enough.
    """
    past = _past(receipts_dir(setting.data), decision_id)
    if past is None:
        do = "`situs decisions tail` lists the newest."
        raise OperatorError(f"no decision {decision_id} in {setting.data}", do=do)
    snapshot = replace(_snapshot(setting), fleet=past.fleet)
    return Facts(past.request, past.said.analysis, snapshot, past.said.at)


def _snapshot(setting: Setting) -> Snapshot:
    plan = load_plan(setting, 0, {}, secrets=False)
    return snapshot_of(plan, insight_of(plan))


def _past(receipts: Path, decision_id: str) -> Past | None:
    found = (
        past
        for segment in reversed(record(receipts, None))
        for past in decisions(segment, None)
        if isinstance(past, Past) and past.said.id == decision_id
    )
    return next(found, None)

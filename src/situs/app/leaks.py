"""Asks what would leave: the rows of `situs eval leaks`, a fleet, a policy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from situs.app.insight import insight_of, snapshot_of
from situs.app.planning import load_plan
from situs.app.setting import Setting
from situs.config.load import load
from situs.config.policy import Opa, Policy
from situs.core.request import Ask, Principal, Request
from situs.errors import OperatorError
from situs.http import openai_chat, openai_completions, openai_embeddings
from situs.studies.eval_leaks import Row, evaluate


def leaks(setting: Setting, policy: Sequence[Path], rows: Sequence[Row]) -> dict[str, Any]:
    """The figures under the policy of the configuration, or this one; `policy` is its digest.

    Without a configuration the fleet is that of studies/leaks.yaml. Raises what loading raises, and
    what `evaluate` does.
    """
    if setting.file is None:
        with as_file(files("situs.studies") / "leaks.yaml") as path:
            setting = replace(setting, config=load(path))
    if policy:
        own = Policy(paths=tuple(str(path.resolve()) for path in policy))
        setting = replace(setting, config=replace(setting.config, policy=own))
    elif isinstance(setting.config.policy.engine, Opa):
        raise OperatorError(
            "The policy is evaluated by an OPA server, which is not asked here.",
            do="Name its files with --policy.",
        )
    plan = load_plan(setting, 1, {}, secrets=False)
    snapshot = snapshot_of(plan, insight_of(plan))
    figures = evaluate(rows, parse, snapshot, time.time())
    return {**figures, "policy": snapshot.policy.digest}


def parse(body: bytes, request_id: str) -> Request:
    """By what the document holds: messages, a prompt or an input. Raises InvalidRequest."""
    document = msgspec.json.decode(body)
    wire = openai_chat
    for field, other in (("prompt", openai_completions), ("input", openai_embeddings)):
        if field in document and "messages" not in document:
            wire = other
    return wire.parse(body, request_id, Ask(), Principal())

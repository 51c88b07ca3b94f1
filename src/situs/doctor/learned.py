"""What was learned, and what of it answers."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.heads import encoder
from situs.app.setting import Setting
from situs.doctor.finding import Condition, Finding
from situs.errors import SitusError
from situs.learning.versions import open_version, shipped_heads


def heads(setting: Setting) -> Iterator[Finding]:
    """What was learned, head by head, and the deep tier."""
    settings = setting.config.analysis
    for head in sorted(shipped_heads() | set(settings.artefacts)):
        wanted = settings.artefacts.get(head)
        try:
            found = open_version(head, wanted, setting.data)
        except SitusError as error:
            yield Finding(f"head {head}", Condition.PROBLEM, error.message, error.advice)
            continue
        where = "of the package" if wanted is None else "that the configuration names"
        what = f"version {found.card.version} {where}; digest {found.digest[:16]}"
        yield Finding(f"head {head}", Condition.ACTIVE, what)
    if not settings.deep:
        yield Finding("deep tier", Condition.OFF, "analysis.deep is false")
    elif encoder() is None:
        what = "the extra local is not installed, so the fast tier answers alone"
        yield Finding("deep tier", Condition.OFF, what)
    else:
        what = f"where the fast tier is unsure, for {settings.deep_budget_ms:g} ms at most"
        yield Finding("deep tier", Condition.ACTIVE, what)

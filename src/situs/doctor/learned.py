"""What was learned, and what of it answers."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.heads import encoder
from situs.app.setting import Setting
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.errors import SitusError
from situs.learning.versions import open_version, shipped_heads


def heads(setting: Setting) -> Iterator[Diagnosis]:
    """What was learned, head by head, and the deep tier."""
    settings = setting.config.analysis
    for head in sorted(shipped_heads() | set(settings.artefacts)):
        wanted = settings.artefacts.get(head)
        try:
            found = open_version(head, wanted, setting.data)
        except SitusError as error:
            yield Diagnosis(f"head {head}", Standing.PROBLEM, error.message, error.advice)
            continue
        where = "of the package" if wanted is None else "that the configuration names"
        what = f"version {found.card.version} {where}; digest {found.digest[:16]}"
        yield Diagnosis(f"head {head}", Standing.ACTIVE, what)
    if not settings.deep:
        yield Diagnosis("deep tier", Standing.OFF, "analysis.deep is false")
    elif encoder() is None:
        what = "the extra local is not installed, so the fast tier answers alone"
        yield Diagnosis("deep tier", Standing.OFF, what)
    else:
        what = f"where the fast tier is unsure, for {settings.deep_budget_ms:g} ms at most"
        yield Diagnosis("deep tier", Standing.ACTIVE, what)

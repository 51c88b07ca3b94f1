"""The receipts, and where else it is known how far they reach."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.setting import Setting
from situs.doctor.diagnosis import Diagnosis, Standing
from situs.stores.anchor_places import place
from situs.stores.anchors import held, newest
from situs.stores.layout import chains, receipts_dir
from situs.stores.verify import verify
from situs.trust.keys import pinned_keys


def receipts(setting: Setting) -> Iterator[Diagnosis]:
    folder, keys = receipts_dir(setting.data), pinned_keys(setting.data / "keys")
    if not chains(folder) and keys:
        what = f"{folder} is empty or gone, though there is a key that signed"
        yield Diagnosis("receipts", Standing.PROBLEM, what, "Put the receipts back.")
        return
    if not chains(folder):
        yield Diagnosis("receipts", Standing.ACTIVE, "none written yet")
        return
    report = verify(folder, keys)
    count = len(report.problems) + report.more_problems
    if count:
        yield Diagnosis(
            "receipts",
            Standing.PROBLEM,
            f"{count} problem{'' if count == 1 else 's'} in the chains",
            "Run `situs receipts verify`.",
        )
    else:
        yield Diagnosis("receipts", Standing.ACTIVE, "every chain verifies")


def anchors(setting: Setting) -> Iterator[Diagnosis]:
    anchor = setting.config.receipts.anchor
    if anchor is None:
        because = "receipts.anchor is not set, so a directory that is rolled back is not noticed"
        yield Diagnosis("anchors", Standing.OFF, because)
        return
    target = place(anchor.to, setting.data, setting.base)
    there = newest(held(target.anchors()))
    chains_ = "1 chain" if len(there) == 1 else f"{len(there)} chains"
    yield Diagnosis("anchors", Standing.ACTIVE, f"{anchor.to} holds checkpoints of {chains_}")

"""The receipts, and where else it is known how far they reach."""

from __future__ import annotations

from collections.abc import Iterator

from situs.app.setting import Setting
from situs.doctor.finding import Condition, Finding
from situs.stores.anchor_places import place
from situs.stores.anchors import held, newest
from situs.stores.layout import chains, receipts_dir
from situs.stores.verify import verify
from situs.trust.keys import pinned_keys


def receipts(setting: Setting) -> Iterator[Finding]:
    folder, keys = receipts_dir(setting.data), pinned_keys(setting.data / "keys")
    if not chains(folder) and keys:
        what = f"{folder} is empty or gone, though there is a key that signed"
        yield Finding("receipts", Condition.PROBLEM, what, "Put the receipts back.")
        return
    if not chains(folder):
        yield Finding("receipts", Condition.ACTIVE, "none written yet")
        return
    report = verify(folder, keys)
    count = len(report.problems) + report.more_problems
    if count:
        yield Finding(
            "receipts",
            Condition.PROBLEM,
            f"{count} problem{'' if count == 1 else 's'} in the chains",
            "Run `situs receipts verify`.",
        )
    else:
        yield Finding("receipts", Condition.ACTIVE, "every chain verifies")


def anchors(setting: Setting) -> Iterator[Finding]:
    anchor = setting.config.receipts.anchor
    if anchor is None:
        because = "receipts.anchor is not set, so a directory that is rolled back is not noticed"
        yield Finding("anchors", Condition.OFF, because)
        return
    target = place(anchor.to, setting.data, setting.base)
    there = newest(held(target.anchors()))
    chains_ = "1 chain" if len(there) == 1 else f"{len(there)} chains"
    yield Finding("anchors", Condition.ACTIVE, f"{anchor.to} holds checkpoints of {chains_}")

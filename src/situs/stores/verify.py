"""Checks receipts offline: links, sequence, Merkle roots, signatures, and that nothing is missing.

Everything is streamed; what is kept is one digest per line of the segments being checked, the ids
of decisions whose outcome has not come yet, and one cited line per segment and chain that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from situs.stores.audit import Audit, ChainReport, Key, Place, Problem
from situs.stores.layout import chains, cited, head, is_witness
from situs.stores.lines import Cited
from situs.stores.walk import ChainWalk

NOTHING = "nothing_to_verify"
"""The code of the problem that there is no line at all."""


class Report(Struct, frozen=True):
    """Sound when `problems` is empty. `open_decisions` never got an outcome (a crash).

    Lines, decisions and outcomes of retired segments are counted as their roots say. `keys` are the
    ids of those that were trusted: the pinned ones, and those that they name in rotations.
    """

    chains: tuple[ChainReport, ...]
    lines: int
    decisions: int
    outcomes: int
    open_decisions: int
    problems: tuple[Problem, ...]
    more_problems: int = 0
    keys: tuple[str, ...] = ()


def verify(directory: Path, keys: Iterable[Key], held: Iterable[Cited] = ()) -> Report:
    """Check every chain under a receipts directory against the pinned keys.

    `held` are lines that somebody else kept: of anchors, or receipts. A directory that is being
    written may be checked too. Where there is no line at all, that is a problem.
    """
    audit = Audit(keys)
    wanted = Citations(audit)
    wanted.add(held)
    reports: dict[str, ChainReport] = {}
    folders = wanted.gather(directory)
    # Witnesses first, and then a second look at what is there: what they cite was there before.
    for folder in filter(is_witness, folders):
        walk = ChainWalk(folder, audit, wanted.take(folder.name))
        reports[folder.name] = walk.run()
        wanted.add(walk.cites)
    for folder in wanted.gather(directory):
        if folder.name not in reports:
            reports[folder.name] = ChainWalk(folder, audit, wanted.take(folder.name)).run()
    wanted.end()
    for request_id, place in audit.orphans.items():
        if request_id not in audit.open:
            audit.problem(place, "outcome_without_decision", "no decision has this outcome's id")
    reports = {name: r for name, r in reports.items() if r.lines or r.retired or r.torn}
    lines = sum(r.lines + r.retired for r in reports.values())
    if not lines and not audit.problems:
        place = Place("", str(directory), 0, None)
        audit.problem(place, NOTHING, "no line of any chain is here")
    return Report(
        chains=tuple(reports.values()),
        lines=lines,
        decisions=audit.decisions,
        outcomes=audit.outcomes,
        open_decisions=len(audit.open.difference(audit.orphans)),
        problems=tuple(audit.problems),
        more_problems=audit.more,
        keys=tuple(audit.keys),
    )


class Citations:
    """The lines that chains must have, as heads and other chains say: digests by sequence."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._lines: dict[str, dict[int, str]] = {}
        self._seen: set[str] = set()
        self._taken: set[str] = set()

    def gather(self, directory: Path) -> list[Path]:
        """The chains of the directory; reads what those that were not seen yet begin with."""
        folders = chains(directory)
        for folder in folders:
            if folder.name not in self._seen:
                self._seen.add(folder.name)
                newest = head(folder)
                self.add((*cited(folder), *(() if newest is None else (newest,))))
        return folders

    def add(self, lines: Iterable[Cited]) -> None:
        """A chain that was walked already is past: only in a live directory do more come."""
        for line in lines:
            if line.chain in self._taken:
                continue
            known = self._lines.setdefault(line.chain, {}).setdefault(line.seq, line.digest)
            if known != line.digest:
                place = Place(line.chain, line.chain, 0, line.seq)
                self._audit.problem(place, "not_as_cited", "two different lines are cited here")

    def take(self, chain: str) -> dict[int, str]:
        """What the chain must have; asked once, when it is walked."""
        self._taken.add(chain)
        return self._lines.pop(chain, {})

    def end(self) -> None:
        """What nobody took is of chains that are not here."""
        for chain in self._lines:
            place = Place(chain, chain, 0, None)
            what = "another chain or an anchor cites it, but it is not here"
            self._audit.problem(place, "chain_missing", what)

"""Another policy on past requests: what would have gone elsewhere, been denied, or have left.

Nothing is sent and nothing is analysed: the record has what each decision was made on, but for the
texts, and `decide` is asked again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from situs.errors import SegmentError
from situs.stores.layout import receipts_dir
from situs.studies.replay_record import Segment, count_decisions, record
from situs.studies.replay_tally import Tally, Terms, counted, tally

_ALONE = 32_000_000
"""Bytes of record up to which other processes are not worth their start."""

Told = Callable[[int, int], None]
"""Told of progress: bytes done, and of how many."""


def replay(
    data: Path, terms: Terms, sample: int | None, told: Told, processes: int | None = None
) -> tuple[Tally, Terms]:
    """Decide the record again; with a `sample`, about so many of its decisions.

    Raises SegmentError when there is none.
    """
    found = record(receipts_dir(data), terms.since)
    if sample is not None:
        there = sum(count_decisions(segment) for segment in found)
        terms = replace(terms, share=min(1.0, sample / max(1, there)), there=there)
    total, done, whole = sum(one.size for one in found), 0, Tally()
    for segment, part in zip(found, _tallies(found, terms, total, processes), strict=True):
        whole.add(part)
        done += segment.size
        told(done, total)
    if not whole.replayed and terms.share < 1 and not whole.lost:
        what = f"none of about {terms.there:,} decisions is in so small a sample"
        raise SegmentError(f"{receipts_dir(data)}: {what}.", do="Take a larger --sample, or all.")
    if not whole.replayed:
        raise SegmentError(
            f"{receipts_dir(data)}: no decision there can be made again"
            + ("." if not whole.lost else f": {counted(whole.lost)}."),
            do="Name another --data, or an earlier --since.",
        )
    return whole, terms


def _tallies(
    found: Sequence[Segment], terms: Terms, total: int, processes: int | None
) -> Iterator[Tally]:
    count = min(processes or len(os.sched_getaffinity(0)), len(found))
    if count < 2 or (processes is None and total < _ALONE):
        yield from (tally(segment, terms) for segment in found)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _deaf) as pool:
        try:
            yield from pool.map(partial(tally, terms=terms), found)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _deaf() -> None:
    """An interrupt from the keyboard is the first process' to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

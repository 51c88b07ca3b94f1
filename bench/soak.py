"""Long load of every kind: memory and descriptors stay flat, and the books agree to the line.

    python -m bench soak --requests 200000 --workers 2
    python -m bench soak --requests 200000 --minutes 10      spread over ten minutes

Samples every process each second. The row says by process what it held after the warm-up, in the
middle and at the end, medians over a tenth of the run, and what does not agree in the books. The
warm-up is the first fifth. Runs of fewer than 100,000 requests tell memory and open files and do
not judge them: caches still fill, and the index is opened when it is first written.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import time
from pathlib import Path
from typing import Any

from bench import endurance
from bench.endurance import Sample, Stage, growth
from bench.endurance_books import Books, compare, read_books

MOST_GROWTH = 0.05
WARM_UP = 0.2
JUDGED_FROM = 100_000
MORE_FILES = 2
"""A segment that begins, a directory that is being synced."""

SOCKETS = 12
"""Beside one to each caller and one upstream for each: listener, link, what loops need."""

_TOLD_EVERY_S = 10

Series = dict[str, list[Sample]]


def watched(stage: Stage, load: subprocess.Popen[bytes], every_s: float) -> tuple[Series, int, int]:
    """Samples until the load ends; the greatest size of the index and of its WAL in bytes."""
    pids = {"parent": stage.gateway.pid}
    pids |= {f"worker {i}": pid for i, pid in enumerate(stage.worker_pids())}
    if len(pids) != 1 + stage.workers:
        raise RuntimeError(f"{stage.workers} workers were wanted, there are {pids}")
    series: Series = {name: [] for name in pids}
    index = wal = 0
    begun = said = time.monotonic()
    while load.poll() is None:
        for name, pid in pids.items():
            if (one := endurance.sample(pid)) is None:
                raise RuntimeError(f"{name} (process {pid}) died:\n{stage.log.read_text()[-2000:]}")
            series[name].append(one)
        index = max(index, _size(stage.data / "index.db"))
        wal = max(wal, _size(stage.data / "index.db-wal"))
        if time.monotonic() - said > _TOLD_EVERY_S:
            said = time.monotonic()
            held = {name: f"{got[-1].rss / 1024:.1f} MB" for name, got in series.items()}
            arrived = stage.arrived.read_bytes().count(b"\n")
            endurance.say(f"{said - begun:5.0f} s: {arrived} upstream, {held}")
        time.sleep(every_s)
    return series, index, wal


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def judged(series: Series, callers: int, requests: int) -> tuple[dict[str, Any], list[str]]:
    """What each process held then and now, and what of it is not flat or has no bound."""
    row: dict[str, Any] = {}
    wrong = []
    long = requests >= JUDGED_FROM
    for name, samples in series.items():
        rss, middle, later = growth(samples, "rss", WARM_UP)
        files, _, files_later = growth(samples, "files", WARM_UP)
        most = max(one.sockets for one in samples)
        change = later / rss - 1
        row[name] = {
            "rss_mb": [round(value / 1024, 1) for value in (rss, middle, later)],
            "rss_change_percent": round(100 * change, 2),
            "pss_mb": [round(value / 1024, 1) for value in growth(samples, "pss", WARM_UP)],
            "files": [files, files_later],
            "sockets": growth(samples, "sockets", WARM_UP),
            "most_sockets": most,
            "threads": growth(samples, "threads", WARM_UP),
        }
        if abs(change) > MOST_GROWTH and long:
            wrong.append(f"{name}: resident memory {100 * change:+.1f} %")
        if files_later > files + MORE_FILES and long:
            wrong.append(f"{name}: open files {files:.0f} -> {files_later:.0f}")
        if most > 2 * callers + SOCKETS:
            wrong.append(f"{name}: {most} sockets")
    return row, wrong


def counted(books: Books) -> dict[str, Any]:
    """What was done, by number."""
    statuses = collections.Counter(t.status for t in books.told if t.how == "whole")
    return {
        "sent": len(books.told),
        "arrived": books.arrived.total(),
        "decisions": len(books.decided),
        "outcomes": len(books.ended),
        "ledger": len(books.ledger),
        "ended": dict(collections.Counter(t.how for t in books.told)),
        "status": {str(status): count for status, count in sorted(statuses.items())},
    }


def run(given: argparse.Namespace) -> dict[str, Any]:
    with endurance.staged(given.workers) as stage:
        options = ["--requests", str(given.requests), "--callers", str(given.callers)]
        if given.minutes:
            options += ["--rate", str(given.requests / (60 * given.minutes))]
        begun = time.monotonic()
        with endurance.ended(stage.load(*options)) as load:
            series, index, wal = watched(stage, load, given.every)
        took = time.monotonic() - begun
        behind = stage.wait_indexed()
        in_flight = stage.in_flight()
        status = stage.stop()
        orphans = stage.orphans()
        report = stage.situs("receipts", "verify", "--json")
        books = read_books(stage.arrived, stage.told, stage.data)
        failed = stage.log.read_text().count("Traceback")
    row, wrong = judged(series, given.callers, given.requests)
    findings = compare(books)
    lost = sum(t.how in ("lost", "late") and "-cut" not in t.kind for t in books.told)
    wrong += [f"{name}: {count}" for name, count in findings.wrong.items()]
    wrong += [f"open decisions: {findings.open}"] if findings.open else []
    wrong += [f"lost requests: {lost}"] if lost else []
    wrong += ["receipts do not verify"] if report["problems"] else []
    wrong += [f"{in_flight} in flight at rest"] if in_flight else []
    wrong += [f"exit status {status}"] if status else []
    wrong += [f"orphans: {orphans}"] if orphans else []
    wrong += [f"tracebacks in the log: {failed}"] if failed else []
    return {
        "workers": given.workers,
        "seconds": round(took, 1),
        **counted(books),
        "index_mb": round(index / 1e6, 1),
        "wal_mb": round(wal / 1e6, 1),
        "index_behind_s": round(behind, 1),
        "processes": row,
        "wrong": wrong,
        "sound": not wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, help="spread the requests over so long")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--callers", type=int, default=24)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between samples")
    parser.add_argument("--dry", action="store_true", help="do not append the row")
    given = parser.parse_args()
    endurance.finish("soak", run(given), save=not given.dry)


if __name__ == "__main__":
    main()

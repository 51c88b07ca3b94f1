"""What following the receipts and indexing them costs, and how fast an index is rebuilt.

    python -m bench index [REQUESTS]

Prints one JSON line: CPU microseconds a request (a decision with 8 deployments and its outcome) for
reading and joining, for writing the index in batches of one poll at 500 requests/s, and for a
rebuild; lines rebuilt per second, and bytes of the index per request.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.receipts import decided, outcome
from situs.stores.database import INDEX_FILE
from situs.stores.follow import Follower, Join
from situs.stores.index import Index
from situs.stores.layout import receipts_dir
from situs.stores.segments import SegmentWriter
from situs.stores.upkeep import rebuild
from situs.trust.keys import open_signing_key

AT_ONCE = 250
"""Requests between two polls, half a second apart, at 500 requests/s."""


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def follow(receipts: Path) -> None:
    follower, join = Follower(receipts), Join()
    while (batch := follower.read()) is not None:
        for one in join(batch, lambda _: {}):
            one.served()


async def write(writer: SegmentWriter, first: int) -> None:
    for number in range(first, first + AT_ONCE):
        await writer.decided(decided(number, b""))
        writer.ended(outcome(number))


def live(writer: SegmentWriter, data: Path, requests: int) -> float:
    """CPU seconds of the reader while the record grows as under load."""
    index, follower, join = Index(data / INDEX_FILE), Follower(receipts_dir(data)), Join()
    took = 0.0
    for first in range(0, requests, AT_ONCE):
        asyncio.run(write(writer, first))
        began = time.thread_time()
        while (batch := follower.read()) is not None:
            joined = join(batch, index.earlier)
            index.apply(batch, joined)
            for one in joined:
                one.served()
        took += time.thread_time() - began
    index.close()
    return took


def main(requests: int) -> None:
    requests -= requests % AT_ONCE
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        writer = SegmentWriter(receipts_dir(data), open_signing_key(data / "keys"), time.time)
        writer.start()
        live_s = live(writer, data, requests)
        writer.close()
        follow_s = cpu(lambda: follow(receipts_dir(data)))
        began = time.perf_counter()
        lines = 0

        def again() -> None:
            nonlocal lines
            lines = rebuild(data)

        rebuild_s = cpu(again)
        wall_s = time.perf_counter() - began
        size = (data / INDEX_FILE).stat().st_size
    row = {
        "bench": "index",
        "requests": requests,
        "follow_cpu_us": round(follow_s / requests * 1e6, 1),
        "live_cpu_us": round(live_s / requests * 1e6, 1),
        "rebuild_cpu_us": round(rebuild_s / requests * 1e6, 1),
        "rebuilt_lines_per_s": round(lines / wall_s),
        "bytes_per_request": size // requests,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)

"""Real chains for the tests of this folder."""

import asyncio
import time
from contextlib import contextmanager
from pathlib import Path

from bench.receipts import decided, outcome

from situs.errors import CannotRecord
from situs.stores.layout import chains, receipts_dir, segments
from situs.stores.retention import retire
from situs.stores.segments import SegmentWriter
from situs.stores.signatory import Pace
from situs.stores.upkeep import rebuild
from situs.stores.verify import verify
from situs.stores.witness import Witness
from situs.trust.keys import open_signing_key, pinned_keys, rotate_signing_key

QUICK = Pace(group_s=0.002, group_lines=8)
BODY = b"the request as it came"


@contextmanager
def writing(data: Path, pace: Pace = QUICK):
    key = open_signing_key(data / "keys")
    writer = SegmentWriter(receipts_dir(data), key, time.time, pace)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def witnessing(data: Path, pace: Pace = QUICK):
    witness = Witness(receipts_dir(data), open_signing_key(data / "keys"), time.time, pace)
    witness.start()
    try:
        yield witness
    finally:
        witness.close()


def decide(writer, number):
    return asyncio.run(writer.decided(decided(number, BODY)))


def serve(writer, number):
    """One request from decision to outcome."""
    ref = decide(writer, number)
    writer.ended(outcome(number))
    return ref


def indexed(data: Path, *numbers):
    """A directory in which these were served, with the index over them."""
    with writing(data) as writer:
        for number in numbers:
            serve(writer, number)
    rebuild(data)
    return data


def refused(writer, number):
    try:
        decide(writer, number)
    except CannotRecord:
        return True
    return False


def refused_after(writer, number):
    """Decide until it is refused; the number of the refused request."""
    while not refused(writer, number := number + 1):
        pass
    return number


def retired(data: Path, older_than=1e12, ready=lambda chain, file: True, *, dry_run=False):
    key, keys = open_signing_key(data / "keys"), pinned_keys(data / "keys")
    return retire(receipts_dir(data), key, keys, older_than, ready, dry_run)


def until(condition, limit_s=20.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def report(data: Path):
    return verify(receipts_dir(data), pinned_keys(data / "keys"))


def codes(data: Path):
    return {problem.code for problem in report(data).problems}


def files(data: Path):
    return sorted(receipts_dir(data).glob("[!.]*/*.jsonl"))


def long_chain(data: Path):
    """The one of the most segments."""
    return max(chains(receipts_dir(data)), key=lambda folder: len(segments(folder)))


def several_segments(data: Path, count=3):
    """A cleanly closed chain of several segments, at least six requests in each.

    What is served in the end stays below the size at which a segment ends.
    """
    with writing(data, Pace(group_s=0.002, group_lines=4, segment_bytes=40_000)) as writer:
        number = 0
        while len(files(data)) < count:
            serve(writer, number)
            number += 1
            time.sleep(0.0005)
        for more in range(number, number + 6):
            serve(writer, more)
    return number + 6


def with_another_key(data):
    """A chain of two segments, each signed with a key of its own."""
    with writing(data) as writer:
        serve(writer, 1)
        _, new = rotate_signing_key(data / "keys", 7)
        writer.sign_with(new)
        folder = receipts_dir(data) / writer.state().chain
        serve(writer, 2)
        until(lambda: len(segments(folder)) == 2)
        serve(writer, 3)

"""Model servers are killed under load: no whole answer fails, no broken stream looks clean."""

from __future__ import annotations

import random

from bench.kills import EVERY_S, run_fake


def test_killed_nodes_fail_no_whole_answer_and_no_broken_stream_looks_clean():
    row = run_fake(seconds=5 * EVERY_S, rate=20.0, chance=random.Random(11))
    assert row["kills"] >= 4
    assert row["whole"] + row["streams"] == 5 * EVERY_S * 20
    assert row["whole_failed"] == 0, row["whole_ends"]
    assert row["streams_look_clean"] == 0, row["stream_ends"]
    assert row["sound"]

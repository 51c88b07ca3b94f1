import asyncio
import sqlite3

import pytest

from situs.core.label import Label
from situs.errors import CannotRecord
from situs.stores.sessions import FILE, SessionLabels


def over(tmp_path, run, **options):
    """What `run` gives with an open store."""

    async def go():
        store = SessionLabels(tmp_path, b"k" * 32, **options)
        try:
            return await run(store)
        finally:
            store.close()

    return asyncio.run(go())


def test_a_session_never_seen_is_public(tmp_path):
    assert over(tmp_path, lambda store: store.label("a", "s")) is Label.PUBLIC


def test_a_label_survives_the_process_and_is_the_tenants_own(tmp_path):
    over(tmp_path, lambda store: store.raised("a", "s", Label.CONFIDENTIAL))
    assert over(tmp_path, lambda store: store.label("a", "s")) is Label.CONFIDENTIAL
    assert over(tmp_path, lambda store: store.label("b", "s")) is Label.PUBLIC


def test_tenant_and_session_do_not_run_into_each_other(tmp_path):
    over(tmp_path, lambda store: store.raised("ab", "c", Label.RESTRICTED))
    assert over(tmp_path, lambda store: store.label("a", "bc")) is Label.PUBLIC


def test_two_workers_see_the_same(tmp_path):
    async def run(one):
        other = SessionLabels(tmp_path, b"k" * 32)
        await one.raised("a", "s", Label.INTERNAL)
        first = await other.label("a", "s")
        await other.raised("a", "s", Label.RESTRICTED)
        other.close()
        return first, await one.label("a", "s")

    assert over(tmp_path, run) == (Label.INTERNAL, Label.RESTRICTED)


def test_the_name_of_a_session_is_not_in_the_file(tmp_path):
    over(tmp_path, lambda store: store.raised("tenant-7", "conversation-4711", Label.INTERNAL))
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"conversation-4711" not in kept
    assert b"tenant-7" not in kept


def test_the_longest_unused_are_forgotten_first(tmp_path):
    times = iter(range(10_000))

    async def run(store):
        for number in range(1000):
            await store.raised("a", str(number), Label.INTERNAL)
        return [await store.label("a", str(number)) for number in (0, 989, 990, 999)]

    found = over(tmp_path, run, clock=lambda: float(next(times)), limit=10)
    assert found == [Label.PUBLIC, Label.PUBLIC, Label.INTERNAL, Label.INTERNAL]


def test_a_file_that_is_no_database_is_an_error_and_no_label(tmp_path):
    (tmp_path / FILE).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(CannotRecord):
        over(tmp_path, lambda store: store.label("a", "s"))


def test_one_that_cannot_be_used_is_told_until_it_is_mended(tmp_path):
    async def run(store):
        found = [store.problem()]  # there is none yet
        await store.raised("a", "s", Label.INTERNAL)
        found.append(store.problem())
        for path in tmp_path.glob(f"{FILE}*"):
            path.write_bytes(b"nothing of the kind" * 1000)
        found.append(store.problem())
        with pytest.raises(CannotRecord):
            await store.raised("a", "s", Label.CONFIDENTIAL)
        for path in tmp_path.glob(f"{FILE}*"):
            path.unlink(missing_ok=True)
        found.append(store.problem())
        await store.raised("a", "s", Label.CONFIDENTIAL)
        return [*found, store.problem()]

    none, well, junk, failed, mended = over(tmp_path, run)
    assert none is well is mended is None
    assert str(tmp_path / FILE) in junk
    assert str(tmp_path / FILE) in failed


def test_after_it_was_removed_all_workers_use_the_same_again(tmp_path):
    async def run(store):
        other = SessionLabels(tmp_path, b"k" * 32)
        await store.raised("a", "s", Label.INTERNAL)
        assert await other.label("a", "s") is Label.INTERNAL
        for path in tmp_path.glob(f"{FILE}*"):
            path.unlink(missing_ok=True)
        await store.raised("a", "s", Label.RESTRICTED)
        try:
            return await other.label("a", "s")
        finally:
            other.close()

    assert over(tmp_path, run) is Label.RESTRICTED


def test_a_label_that_is_none_is_an_error(tmp_path):
    over(tmp_path, lambda store: store.raised("a", "s", Label.INTERNAL))
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE sessions SET label = 'harmless'")
    with pytest.raises(CannotRecord):
        over(tmp_path, lambda store: store.label("a", "s"))


def test_of_two_that_raise_it_at_the_same_time_the_higher_stays(tmp_path):
    async def run(one):
        other = SessionLabels(tmp_path, b"k" * 32)
        await one.raised("a", "s", Label.CONFIDENTIAL)
        await other.raised("a", "s", Label.INTERNAL)  # it read PUBLIC before
        other.close()
        return await one.label("a", "s")

    assert over(tmp_path, run) is Label.CONFIDENTIAL


def test_it_is_lowered_only_when_that_is_said(tmp_path):
    async def run(store):
        await store.raised("a", "s", Label.RESTRICTED)
        await store.lowered("a", "s", Label.CONFIDENTIAL, Label.PUBLIC)  # it has risen since
        first = await store.label("a", "s")
        await store.lowered("a", "s", Label.RESTRICTED, Label.INTERNAL)
        return first, await store.label("a", "s")

    assert over(tmp_path, run) == (Label.RESTRICTED, Label.INTERNAL)


def test_a_session_that_is_asked_for_is_not_forgotten(tmp_path):
    day = 86400.0
    now = [0.0]

    async def run(store):
        await store.raised("a", "used", Label.INTERNAL)
        await store.raised("a", "left", Label.INTERNAL)
        now[0] = 60 * day
        await store.label("a", "used")
        now[0] = 100 * day
        for number in range(1000):  # then it is tidied
            await store.raised("a", str(number), Label.INTERNAL)
        return [await store.label("a", name) for name in ("used", "left")]

    assert over(tmp_path, run, clock=lambda: now[0]) == [Label.INTERNAL, Label.PUBLIC]

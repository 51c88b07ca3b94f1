"""Who waits for a place, and in which order."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests import make

from situs.core.request import Ask
from situs.dispatch.line import Line, urgency


class Places:
    """So many places; each is taken by name."""

    def __init__(self):
        self.free, self.taken = 0, []

    def taker(self, name):
        def take():
            if not self.free:
                return None
            self.free -= 1
            self.taken.append(name)
            return name

        return take


def waiting(line, places, *urgencies, seconds=5.0):
    """Tasks that wait, in this order."""
    tasks = []
    for number, urgent in enumerate(urgencies):
        tasks.append(asyncio.create_task(line.wait(urgent, seconds, places.taker(number))))
    return tasks


def story(line, then):
    async def told():
        return await then(line, Places())

    return asyncio.run(told())


def test_the_urgent_are_asked_first_and_of_equals_who_came_first():
    async def then(line, places):
        tasks = waiting(line, places, 2, 1, 0, 1)
        await asyncio.sleep(0)
        for _ in tasks:
            places.free = 1
            line.look()
        return await asyncio.gather(*tasks), places.taken

    assert story(Line(10, 5), then) == ([0, 1, 2, 3], [2, 1, 3, 0])


def test_when_the_line_is_full_who_is_no_more_urgent_is_sent_away_at_once():
    async def then(line, places):
        tasks = waiting(line, places, 1, 1)
        await asyncio.sleep(0)
        return await line.wait(1, 5.0, places.taker("late")), [task.done() for task in tasks]

    assert story(Line(2, 5), then) == (None, [False, False])


def test_when_the_line_is_full_who_is_more_urgent_takes_the_place_of_the_last():
    async def then(line, places):
        tasks = waiting(line, places, 1, 2, 0)
        await asyncio.wait({tasks[1]})
        places.free = 2
        line.look()
        return await asyncio.gather(*tasks)

    assert story(Line(2, 5), then) == [0, None, 2]


def test_who_waits_long_enough_gives_up_and_leaves_the_line():
    async def then(line, places):
        return await line.wait(1, 0.01, places.taker(0)), len(line)

    assert story(Line(2, 5), then) == (None, 0)


def test_nobody_waits_longer_than_the_line_allows():
    async def then(line, places):
        return await line.wait(1, 1000.0, places.taker(0)), len(line)

    assert story(Line(2, 0.01), then) == (None, 0)


def test_places_that_others_gave_back_are_found_without_a_word():
    async def then(line, places):
        [task] = waiting(line, places, 1)
        await asyncio.sleep(0)
        places.free = 1
        return await task

    assert story(Line(2, 5), then) == 0


def test_who_leaves_is_not_asked_any_more():
    async def then(line, places):
        tasks = waiting(line, places, 1, 1)
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait({tasks[0]})
        places.free = 1
        line.look()
        return await tasks[1], places.taken, len(line)

    assert story(Line(2, 5), then) == (1, [1], 0)


def test_a_line_for_nobody_sends_everybody_away():
    async def then(line, places):
        return await line.wait(0, 5.0, places.taker(0))

    assert story(Line(0, 5), then) is None


def test_what_is_given_in_the_moment_in_which_patience_ends_is_not_lost():
    async def then(line, places):
        loop, places.free = asyncio.get_running_loop(), 1
        loop.call_later(0.005, line.look)
        loop.call_later(0.001, time.sleep, 0.03)  # now both are due
        return await line.wait(1, 5.0, places.taker("mine")), places.taken

    assert story(Line(1, 0.01), then) == ("mine", ["mine"])


def test_how_long_a_line_takes_is_known_from_how_fast_others_were_served():
    async def then(line, places):
        before = line.over_s()
        tasks = waiting(line, places, *[1] * 12)
        for _ in range(8):  # one in 0.06 s or so
            await asyncio.sleep(0.06)
            places.free += 1
        known = line.over_s()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return before, known, line.over_s()

    before, known, after = story(Line(20, 5), then)
    assert (before, after) == (None, None)
    assert 0.15 < known < 3.0, "five more, at one in 0.06 s (the machine may be slow)"


def test_nobody_is_told_to_wait_for_hours():
    async def then(line, places):
        tasks = waiting(line, places, *[1] * 20_000)
        await asyncio.sleep(0)
        places.free = 1
        await asyncio.sleep(0.2)
        known = line.over_s()
        for task in tasks:
            task.cancel()
        return known

    assert story(Line(20_000, 5), then) == 60.0


@pytest.mark.parametrize(
    ("ask", "interactive", "expected"),
    [
        (Ask(criticality="operational"), False, 0),
        (Ask(), True, 1),
        (Ask(), False, 2),
    ],
)
def test_operational_before_interactive_before_what_can_wait(ask, interactive, expected):
    assert urgency(make.request(ask=ask), make.analysis(interactive=interactive)) == expected

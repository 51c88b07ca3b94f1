"""The parent's watch over pilots: what is judged, what ends one, what lets it run again."""

from __future__ import annotations

import json
import time

import pytest
from tests.unit.config.test_config_modes import config
from tests.unit.telemetry.serving import RENTED, attempt, served

from situs.app.pilot import Pilots
from situs.config.load import parse
from situs.core.aim import Mode, Moded
from situs.core.record import End, Outcome, Served
from situs.stores.pilots import FILE, reset, rolled_back

GUARD = {"metric": "errors", "worse_by": 0.2, "least": 10}


def guarded(baseline="theirs", share=0.5, **guard):
    aims = {"mode": "pilot", "baseline": baseline, "share": share, "guard": {**GUARD, **guard}}
    return parse(json.dumps(config(defaults=aims)))


def some(count, group, *, bad=0, scope="defaults", at=None, mode=Mode.PILOT):
    """So many requests of a group, the first of them `bad`: another place had to answer them."""
    for n in range(count):
        failed = (attempt(RENTED, end=End.SERVER_ERROR),) if n < bad else ()
        when = time.time() if at is None else at
        one = served(attempts=(*failed, attempt()), at=when, decided_at=when)
        outcome = {name: getattr(one.outcome, name) for name in Outcome.__struct_fields__}
        moded = Moded(mode, scope, group)
        facts = {name: getattr(one, name) for name in Served.__struct_fields__}
        yield Served(**{**facts, "outcome": Outcome(**{**outcome, "moded": moded})})


def seen(pilots, *groups):
    for group in groups:
        pilots.observe(list(group))


def test_a_pilot_that_does_worse_is_rolled_back_and_stays_so_over_a_restart(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(pilots, some(20, "pick", bad=19), some(20, "baseline"))
    assert pilots.look(fleet) == frozenset({"defaults"})
    assert pilots.look(fleet) is None
    why = rolled_back(tmp_path)["defaults"]
    assert (why.metric, why.pilot, why.baseline) == ("errors", 0.95, 0.0)
    assert (why.pilot_requests, why.baseline_requests) == (20, 20)
    assert Pilots(tmp_path).look(fleet) == frozenset({"defaults"})


def test_a_reset_lets_it_run_again_and_what_was_seen_before_is_forgotten(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(pilots, some(20, "pick", bad=19), some(20, "baseline"))
    pilots.look(fleet)
    reset(tmp_path, "defaults")
    assert pilots.look(fleet) == frozenset()
    seen(pilots, some(9, "pick"), some(9, "baseline"))
    assert pilots.look(fleet) is None
    assert pilots.report(fleet)[0].rolled_back is None


def test_a_pilot_that_does_as_well_goes_on(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(pilots, some(40, "pick", bad=2), some(40, "baseline", bad=2))
    assert pilots.look(fleet) is None
    assert pilots.rolled_back == frozenset()


@pytest.mark.parametrize("other", [{"baseline": "mine"}, {"share": 0.2}, {"worse_by": 0.1}])
def test_a_pilot_that_is_configured_otherwise_begins_anew(tmp_path, other):
    pilots, fleet = Pilots(tmp_path), guarded(least=30)
    seen(pilots, some(29, "pick", bad=29), some(29, "baseline"))
    assert pilots.look(fleet) is None
    changed = guarded(**{"least": 30, **other})
    assert pilots.look(changed) is None
    seen(pilots, some(29, "pick", bad=29), some(29, "baseline"))
    assert pilots.look(changed) is None
    assert pilots.report(changed)[0].figures is None


def test_a_reload_that_changes_nothing_of_a_pilot_forgets_nothing(tmp_path):
    pilots = Pilots(tmp_path)
    seen(pilots, some(10, "pick", bad=10))
    assert pilots.look(guarded()) is None
    seen(pilots, some(10, "baseline"))
    assert pilots.look(guarded()) == frozenset({"defaults"})


def test_nothing_is_judged_on_too_few_requests_of_either_group(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded(least=30)
    seen(pilots, some(100, "pick", bad=100), some(29, "baseline"))
    assert pilots.look(fleet) is None
    seen(pilots, some(1, "baseline"))
    assert pilots.look(fleet) == frozenset({"defaults"})


def test_between_two_looks_something_new_must_have_come(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(pilots, some(10, "pick"), some(40, "baseline"))
    assert pilots.look(fleet) is None
    seen(pilots, some(4, "pick", bad=4))
    assert pilots.look(fleet) is None
    seen(pilots, some(26, "pick", bad=26))
    assert pilots.look(fleet) == frozenset({"defaults"})


def test_what_is_old_or_of_another_scope_or_group_or_mode_does_not_count(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(
        pilots,
        some(50, "pick", bad=50, at=time.time() - 4000),
        some(50, "pick", bad=50, scope="routes.help"),
        some(50, "same", bad=50),
        some(50, "pick", bad=50, mode=Mode.OBSERVE),
        some(50, "baseline"),
    )
    assert pilots.look(fleet) is None


def test_without_a_guard_nothing_is_rolled_back(tmp_path):
    aims = {"mode": "pilot", "baseline": "theirs", "share": 0.5}
    pilots, fleet = Pilots(tmp_path), parse(json.dumps(config(defaults=aims)))
    seen(pilots, some(50, "pick", bad=50), some(50, "baseline"))
    assert pilots.look(fleet) is None


def test_a_file_that_cannot_be_read_stops_every_pilot(tmp_path):
    (tmp_path / FILE).write_text("{")
    pilots, fleet = Pilots(tmp_path), guarded()
    assert pilots.look(fleet) == frozenset({"defaults"})
    assert pilots.report(fleet)[0].unknown
    (tmp_path / FILE).unlink()
    assert pilots.look(fleet) == frozenset()
    assert not pilots.report(fleet)[0].unknown


def test_the_log_says_what_to_do_about_a_file_that_cannot_be_read(tmp_path, caplog):
    (tmp_path / FILE).write_text("{")
    Pilots(tmp_path).look(guarded())
    assert "no pilot runs" in caplog.text
    assert "remove pilots.json" in caplog.text


def test_the_report_says_of_a_reset_before_the_next_look(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(pilots, some(20, "pick", bad=19), some(20, "baseline"))
    pilots.look(fleet)
    reset(tmp_path, "defaults")
    assert pilots.report(fleet)[0].rolled_back is None


def test_the_report_says_how_it_goes(tmp_path):
    pilots, fleet = Pilots(tmp_path), guarded()
    seen(pilots, some(20, "pick", bad=1), some(30, "baseline"), some(7, "same"))
    (row,) = pilots.report(fleet)
    assert (row.scope, row.mode, row.baseline, row.share) == ("defaults", "pilot", "theirs", 0.5)
    assert row.counts == {"pick": 20, "baseline": 30, "same": 7}
    assert row.figures is not None
    assert (row.figures.pilot, row.figures.baseline) == (0.05, 0.0)
    assert Pilots(tmp_path).report(parse(json.dumps(config()))) == ()

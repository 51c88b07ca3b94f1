import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.telemetry.serving import AT, OWNED, RENTED, attempt, served, status

from situs.telemetry.report import Window


def report(*batch, now: float = AT, window: Window | None = None, **fields):
    window = window or Window(AT - 3600)
    window.add(batch, now)
    return window.report(now, status(**fields))


def test_figures_are_per_second_and_per_hour_over_the_window():
    found = report(*[served()] * 120).total
    assert (found.requests, found.rps) == (120, 2.0)
    assert found.tokens_per_s == pytest.approx(120 * 51 / 60)
    assert found.cost_per_h == pytest.approx(120 * 0.5 / 60 * 3600)
    assert found.saved_per_h == pytest.approx(120 * 0.25 / 60 * 3600)


def test_soon_after_the_start_the_window_is_as_long_as_it_ran():
    assert report(served(), window=Window(AT - 4)).total.rps == 0.25
    assert report(served(), window=Window(AT)).total.rps == 1.0


def test_requests_belong_to_the_deployment_that_was_tried_last():
    failed = attempt(OWNED, status=None)
    found = report(served(), served(attempts=(failed, attempt(RENTED)), status=502))
    by_name = {d.name: d.figures for d in found.deployments}
    assert (by_name["office-llm"].requests, by_name["office-llm"].errors) == (1, 0)
    assert (by_name["us-llm"].requests, by_name["us-llm"].errors) == (1, 1)
    assert found.total.errors == 1


def test_what_reached_no_deployment_still_counts_in_the_total():
    found = report(served(attempts=(), status=403, code="placement_denied", label="restricted"))
    assert (found.total.requests, found.denied, found.labels) == (1, 1, {"restricted": 1})
    assert sum(d.figures.requests for d in found.deployments) == 0


def test_what_analyses_were_found_by_is_counted_by_part():
    by_rule = served(tiers={"task": "rule", "names": "skipped"}, analysis_s=0.001)
    found = report(by_rule, by_rule, served(tiers={"task": "deep"}, analysis_s=None))
    assert found.tiers == {"names": {"skipped": 2}, "task": {"deep": 1, "rule": 2}}
    assert found.analysis_s.p95 == pytest.approx(0.001, rel=0.03)


def test_what_ended_before_the_window_does_not_count_and_the_future_ends_now():
    found = report(
        served(at=AT - 61), served(at=AT - 3600), served(at=AT + 900), served(at=AT - 59)
    )
    assert found.total.requests == 2


def test_what_was_counted_leaves_with_the_window():
    window = Window(AT - 3600)
    window.add([served()], AT)
    assert window.report(AT + 59, status()).total.requests == 1
    assert window.report(AT + 60, status()).total.requests == 0


def test_a_late_batch_counts_in_the_second_it_ended_in():
    window = Window(AT - 3600)
    window.add([served(at=AT)], AT + 50)
    assert window.report(AT + 61, status()).total.requests == 0


def test_memory_does_not_grow_with_requests():
    window = Window(AT - 3600)
    one = [served(overhead_s=0.001 * n, attempts=(attempt(ttft_s=0.01 * n),)) for n in range(200)]
    for second in range(200):
        at = AT + second
        window.add([served(at=at, attempts=x.outcome.attempts) for x in one], at)
    assert len(window._seconds) == 60
    tallies = [t for second in window._seconds.values() for t in second.values()]
    assert max(len(t.ttft) for t in tallies) < 200


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=60))
def test_percentiles_are_within_three_percent_of_the_true_ones(times):
    found = report(*[served(attempts=(attempt(ttft_s=t),)) for t in times]).total.ttft_s
    ordered = sorted(times)
    assert found.p50 == pytest.approx(ordered[-(-len(ordered) * 50 // 100) - 1], rel=0.03)
    assert found.p95 == pytest.approx(ordered[-(-len(ordered) * 95 // 100) - 1], rel=0.03)


def test_whole_answers_have_no_first_token():
    assert report(served(stream=False)).total.ttft_s.p50 is None


def test_the_state_of_now_stands_beside_the_figures():
    found = report(workers=3, generation=2, policy="abc", refused={"a": 2, "b": 1},
                   recording="disk full", problems=("index: behind",))  # fmt: skip
    assert (found.workers, found.generation, found.policy, found.refused) == (3, 2, "abc", 3)
    assert (found.uptime_s, found.currency, found.total.in_flight) == (600, "USD", 3)
    assert found.problems == ("receipts: disk full", "index: behind")
    assert found.deployments[0].health == "healthy"

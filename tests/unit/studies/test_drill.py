import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from situs.errors import OperatorError
from situs.studies.drill import Drill, Held, Reached, report, requests_of
from situs.studies.drill_html import page
from situs.studies.drill_run import Said


def said(place, **fields):
    defaults = {
        "seconds": 0.1,
        "status": 200,
        "id": f"req_{place}",
        "deployment": "office-llm",
        "cost": 0.5,
        "usage": (10, 5),
        "answer": "aa",
    }
    return Said(place, **{**defaults, **fields})


def refused(place):
    return Said(place, 0.1, 503, code="all_deployments_failed", message="us-llm (unreachable)")


def tried(least=1.0):
    held = Held("held", "held")
    return Drill("blackout", 0.0, ("us",), ("us-llm",), frozenset({"office-llm"}), held, least)


def test_all_answered_the_same_passes():
    found = report(tried(), [said(0), said(1)], [said(0), said(1)])
    assert (found.passed, found.continuity, found.answers_compared) == (True, 1.0, 2)
    assert found.moved == {"office-llm -> office-llm": 2}


def test_what_moves_to_an_owned_deployment_may_answer_otherwise():
    found = report(tried(), [said(0, deployment="us-llm")], [said(0, answer="bb", cost=0.1)])
    assert found.passed
    assert found.answers_compared == 0


def test_a_request_that_is_no_longer_answered_fails_and_says_why():
    found = report(tried(), [said(0), said(1)], [said(0), refused(1)])
    assert not found.passed
    assert found.continuity == 0.5
    assert [(one.request, one.code) for one in found.failed] == [(2, "all_deployments_failed")]
    assert report(tried(0.5), [said(0), said(1)], [said(0), refused(1)]).passed


def test_what_was_never_answered_is_not_counted():
    found = report(tried(), [said(0), refused(1)], [said(0), refused(1)])
    assert (found.passed, found.continuity, found.failed) == (True, 1.0, ())


def test_nothing_answered_at_all_is_no_pass():
    found = report(tried(0.0), [refused(0)], [refused(0)])
    assert (found.passed, found.continuity) == (False, None)


def test_a_request_that_was_not_asked_in_the_dark_has_failed():
    found = report(tried(), [said(0), said(1)], [said(0)])
    assert [one.code for one in found.failed] == ["not_asked"]
    assert not found.passed


@pytest.mark.parametrize("change", [{"answer": "bb"}, {"cost": 0.6}])
def test_an_owned_answer_or_price_that_changes_fails(change):
    found = report(tried(), [said(0)], [said(0, **change)])
    assert not found.passed
    assert len(found.answers_changed) + len(found.prices_changed) == 1


def test_a_connection_to_what_is_dark_fails():
    reached = [Reached("req_0", "us", "192.0.2.1", 10)]
    found = report(tried(), [said(0)], [said(0)], reached)
    assert not found.passed


def test_only_the_first_round_is_compared_and_all_rounds_are_timed():
    rounds = [said(0, seconds=1.0), said(0, seconds=2.0, answer="bb"), said(0, seconds=9.0)]
    found = report(tried(), rounds, rounds)
    assert (found.answers_compared, found.answers_changed) == (1, ())
    assert (found.normal.p50_s, found.normal.p95_s) == (2.0, 9.0)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=60))
def test_percentiles_are_by_nearest_rank(times):
    found = report(tried(), [said(n, seconds=t) for n, t in enumerate(times)], []).normal
    ordered = sorted(times)
    assert found.p50_s == ordered[(len(times) + 1) // 2 - 1]
    assert found.p95_s == ordered[-(-95 * len(times) // 100) - 1]


def test_the_bundled_requests_say_the_same_every_time():
    bodies = requests_of(None, None)
    assert len(bodies) == 20
    assert all((b["temperature"], b["stream"], b["model"]) == (0, False, "auto") for b in bodies)
    assert len({body["seed"] for body in bodies}) == 1
    assert requests_of(None, 3) == bodies[:3]


def test_own_requests_keep_what_they_say_but_for_chance_and_streams(tmp_path):
    file = tmp_path / "own.jsonl"
    body = {
        "model": "office-llm",
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 1,
        "max_completion_tokens": 9,
    }
    file.write_bytes(msgspec.json.encode(body) + b"\n\n")
    (found,) = requests_of(file, None)
    assert (found["model"], found["stream"], found["temperature"]) == ("office-llm", False, 0)
    assert found["max_completion_tokens"] == 9
    assert {"stream_options", "max_tokens"}.isdisjoint(found)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"messages": []}\nnonsense\n', ":2: no JSON object"),
        ('{"messages": []}\n[1]\n', ":2: no JSON object"),
        ('{"prompt": "x"}\n', ":1: no chat request"),
        ("\n \n", "no request"),
    ],
)
def test_a_file_that_is_wrong_is_told_by_its_line(tmp_path, text, where):
    file = tmp_path / "own.jsonl"
    file.write_text(text)
    with pytest.raises(OperatorError, match=where):
        requests_of(file, None)


def test_the_page_escapes_what_others_said_and_names_the_verdict():
    failed = Said(1, 0.1, 503, code="x", message="<script>alert(1)</script>")
    text = page(report(tried(), [said(0), said(1)], [said(0), failed]))
    assert "<script>" not in text
    assert "failed" in text
    assert "50%" in text


TRIED = "Every deployment was tried and failed: "
NONE = "No allowed deployment can take it"
LOOK = "`situs decisions show req_1` lists what each deployment lacked."


@pytest.mark.parametrize(
    ("live", "message", "told"),
    [
        (
            False,
            f"{TRIED}us-llm (unreachable). Retry; {LOOK}",
            f"{TRIED}us-llm: dark (by the drill).",
        ),
        (False, f"{TRIED}b.us-llm (unreachable).", f"{TRIED}b.us-llm (unreachable)."),
        (
            True,
            f"{NONE} (b: unhealthy; us-llm: context, unhealthy). {LOOK}",
            f"{NONE} (b: unhealthy; us-llm: context, dark (by the drill)). {LOOK}",
        ),
    ],
)
def test_what_is_dark_is_called_so_and_nobody_is_sent_to_what_is_gone(live, message, told):
    refusal = Said(1, 0.1, 503, id="req_1", code="no_capacity", message=message)
    found = report(replace(tried(), live=live), [said(1)], [refusal])
    assert [one.message for one in found.failed] == [told]

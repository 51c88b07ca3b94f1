import re
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.otlp_collector import fake_collector
from tests.unit.telemetry.serving import AT, OWNED, RENTED, attempt, served

from situs.core.record import End
from situs.telemetry.spans import parent_of, spans_of
from situs.telemetry.traces import Traces


def dial(host, port):
    return socket.create_connection((host, port), 5)


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (SAMPLED, True),
        (f"00-{TRACE}-{SPAN}-00", True),
        (f"01-{TRACE}-{SPAN}-01-what-the-future-brings", True),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (SAMPLED.upper(), False),
        (f" {SAMPLED}", False),
        ("", False),
        (None, False),
    ],
)
def test_a_traceparent_is_read_as_its_specification_says(header, known):
    assert (parent_of(header) is not None) == known


@given(st.text(max_size=60))
def test_no_header_breaks_the_reading_of_a_traceparent(header):
    found = parent_of(header)
    assert found is None or re.match(r"[0-9a-f]{2}-", header)


def test_an_attempt_is_a_child_of_its_request_and_the_request_of_its_caller():
    request, first, second = spans_of(
        served(
            trace=SAMPLED,
            attempts=(
                attempt(OWNED, end=End.UNREACHABLE, duration_s=0.1, status=None, peer=None),
                attempt(RENTED, duration_s=0.9),
            ),
        )
    )
    assert (f"{request.trace_id:032x}", f"{request.parent_id:016x}") == (TRACE, SPAN)
    assert request.server
    assert first.parent_id == second.parent_id == request.span_id
    assert {first.trace_id, second.trace_id} == {request.trace_id}
    assert len({request.span_id, first.span_id, second.span_id}) == 3
    assert first.failed
    assert not second.failed
    assert first.attributes["error.type"] == "unreachable"
    assert "server.address" not in first.attributes
    assert second.attributes["server.address"] == "192.0.2.7"
    assert second.attributes["situs.jurisdiction"] == "US"


def test_attempts_lie_end_to_end_inside_their_request():
    one = attempt(duration_s=0.5)
    request, *tries = spans_of(served(decided_at=AT - 1, duration_s=1.1, attempts=(one, one, one)))
    assert request.start_ns == pytest.approx((AT - 1.1) * 1e9, abs=1000)
    assert request.end_ns == AT * 1e9
    assert tries[0].start_ns == (AT - 1.0) * 1e9
    assert tries[0].end_ns == tries[1].start_ns
    assert tries[-1].end_ns == request.end_ns  # clocks differ: no attempt outlasts the request


def test_the_same_receipt_makes_the_same_spans_and_another_makes_others():
    assert spans_of(served()) == spans_of(served())
    assert spans_of(served())[0].trace_id != spans_of(served(id="req_2"))[0].trace_id


def test_what_the_caller_does_not_sample_makes_no_spans():
    assert spans_of(served(trace=f"00-{TRACE}-{SPAN}-00")) == []


def test_sampling_takes_its_share_and_never_overrules_the_caller():
    taken = [n for n in range(2000) if spans_of(served(id=f"req_{n}"), sample=0.25)]
    assert 400 < len(taken) < 600
    assert spans_of(served(), sample=0.0) == []
    assert spans_of(served(trace=SAMPLED), sample=0.0) != []


@pytest.mark.parametrize(
    ("wire", "asked", "name"),
    [
        ("openai.chat", "auto", "chat auto"),
        ("openai.completions", "office-model", "text_completion office-model"),
        ("openai.embeddings", "e5", "embeddings e5"),
        ("openai.chat", "sha256:" + "a" * 64, "chat"),
        ("brand.new", "auto", "brand.new auto"),
    ],
)
def test_a_span_is_named_after_the_operation_and_the_configured_model(wire, asked, name):
    assert spans_of(served(wire=wire, asked=asked))[0].name == name


def test_a_request_answered_without_a_model_has_one_span():
    [request] = spans_of(served(attempts=(), usage=None, cost=None, saved=None, route="greeting"))
    assert request.attributes["situs.route"] == "greeting"
    assert "gen_ai.usage.input_tokens" not in request.attributes


def test_only_an_error_of_the_servers_fails_the_request():
    assert not spans_of(served(status=403, code="placement_denied", attempts=()))[0].failed
    assert spans_of(served(status=503, code="no_capacity", attempts=()))[0].failed


def test_spans_reach_a_collector_with_the_names_of_the_conventions():
    with fake_collector() as collector:
        traces = Traces(collector.url + "/", {"authorization": "Bearer x"}, "1.2.3", dial=dial)
        traces.observe([served(trace=SAMPLED), served(id="req_2", status=503, code="no_capacity")])
        traces.close(10.0)
        spans = collector.wait(4)
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["authorization"] == "Bearer x"
    assert traces.dropped == 0
    request, tried, failed, _ = spans
    assert (request.name, request.kind, request.parent_id) == ("chat auto", "SERVER", SPAN)
    assert (tried.kind, tried.parent_id, tried.trace_id) == ("CLIENT", request.span_id, TRACE)
    assert request.resource["service.name"] == "situs"
    assert request.end_ns == AT * 1e9
    assert request.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "auto",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "office-llm-model",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 51,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "http.response.status_code": 200,
        "situs.request_id": "req_1",
        "situs.receipt": "c1:7",
        "situs.label": "internal",
        "situs.task": "chat",
        "situs.objective": "cheapest_adequate",
        "situs.allowed": 2,
        "situs.deployment": "office-llm",
        "situs.locus": "office",
        "situs.jurisdiction": "AU",
        "situs.cost": 0.5,
        "situs.saved": 0.25,
        "situs.currency": "USD",
        "situs.overhead_s": 0.002,
    }
    assert (failed.status, failed.attributes["error.type"]) == ("STATUS_CODE_ERROR", "no_capacity")


def test_spans_do_not_wait_for_more_of_their_kind():
    with fake_collector() as collector:
        traces = Traces(collector.url, {}, "1", dial=dial)
        traces.observe([served()])
        assert len(collector.wait(2)) == 2
        traces.close()


def test_what_a_collector_refuses_is_dropped_and_counted_and_the_next_is_sent():
    with fake_collector() as collector:
        traces = Traces(collector.url, {}, "1", dial=dial)
        collector.switch(status=400)
        traces.observe([served()])
        collector.wait_for_requests(1)
        collector.switch()
        traces.observe([served(id="req_2")])
        collector.wait(2)
        traces.close()
        assert traces.dropped == 2


def test_a_collector_that_does_not_answer_holds_up_nothing_and_memory_stays_bounded():
    with fake_collector() as collector:
        collector.hold.set()
        traces = Traces(collector.url, {}, "1", waiting=10, dial=dial)
        traces.observe([served(id="first")])
        collector.wait_for_requests(1)
        for number in range(100):
            traces.observe([served(id=f"req_{number}")])
        traces.close(0.05)
        assert traces.dropped == 200  # 190 found no room, 10 were still waiting
        collector.hold.clear()


def test_spans_are_not_sent_where_a_collector_redirects_to():
    with fake_collector() as elsewhere, fake_collector() as collector:
        collector.switch(status=307, location=f"{elsewhere.url}/v1/traces")
        traces = Traces(collector.url, {}, "1", dial=dial)
        traces.observe([served()])
        traces.close(10.0)
        assert collector.bodies
        assert elsewhere.bodies == []


def test_spans_do_not_go_through_a_proxy_of_the_environment(monkeypatch):
    with fake_collector() as proxy, fake_collector() as collector:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        traces = Traces(collector.url, {}, "1", dial=dial)
        traces.observe([served()])
        traces.close(10.0)
        assert len(collector.spans) == 2
        assert proxy.bodies == []


def test_what_comes_after_the_end_is_dropped_and_counted():
    with fake_collector() as collector:
        traces = Traces(collector.url, {}, "1", dial=dial)
        traces.close()
        traces.observe([served()])
        assert (traces.dropped, collector.bodies) == (2, [])


def test_without_the_extra_the_error_says_what_to_install():
    program = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from situs.errors import ConfigError
try:
    import situs.telemetry.traces
except ConfigError as error:
    print(error.message, error.advice)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "telemetry.otlp" in done.stdout
    assert "pip install -e '.[otel]'" in done.stdout


def test_spans_go_where_the_connections_are_opened_and_nowhere_else():
    asked = []

    def refusing(host, port):
        asked.append((host, port))
        raise PermissionError

    with fake_collector() as collector:
        traces = Traces(collector.url, {}, "1", dial=refusing)
        traces.observe([served()])
        traces.close()
        assert set(asked) == {("127.0.0.1", int(collector.url.rpartition(":")[2]))}
        assert collector.bodies == []

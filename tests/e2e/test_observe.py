"""What the running gateway shows of itself, by every way of looking; none shows content."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e import stage
from tests.fakes.otlp_collector import Collector, fake_collector

CANARY = "Quetzalcoatl-" + "58213"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def collector():
    with fake_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, collector):
    """A gateway with everything on, after one stream, one failure and two refusals."""
    directory = tmp_path_factory.mktemp("observe")
    telemetry = {
        "log": {"format": "json", "level": "debug"},
        "access_log": True,
        "tenant_label": True,
        "otlp": {"endpoint": collector.url},
    }
    with stage.fakes(directory, "office", "us") as fakes:
        config = stage.fleet(fakes, telemetry=telemetry)
        with stage.running(directory, config) as gateway:
            header = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
            assert gateway.chat(CANARY, stream=True, headers=header).status == 200
            fakes["office"].set(mode="status_500")
            fakes["us"].set(mode="status_500")
            assert gateway.chat(CANARY).status == 503
            assert gateway.chat(CANARY, model=CANARY).status == 404
            assert gateway.call("POST", stage.CHAT, CANARY.encode()).status == 400
            yield gateway


def until(look: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    """What `look` returns once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


def total(text: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def metrics(gateway: stage.Gateway) -> str:
    answer = gateway.call("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.body.decode()


def status(gateway: stage.Gateway) -> Any:
    """What `situs top` reads."""
    command = stage.command("top", "--once", "--json", "--data", str(gateway.data))
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def access_lines(gateway: stage.Gateway) -> list[Any]:
    lines = [line for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    return [x for x in map(json.loads, lines) if x["logger"] == "situs.access"]


def test_metrics_count_what_was_served_and_what_was_refused(gateway):
    text = until(lambda: (t := metrics(gateway)) and total(t, "situs_requests_total") == 2 and t)
    assert total(text, "situs_requests_total", status_class="2xx", stream="true") == 1
    assert total(text, "situs_requests_total", code="all_deployments_failed") == 1
    assert total(text, "situs_attempts_total", end="server_error") == 2
    assert total(text, "situs_tokens_total", kind="completion") > 0
    assert total(text, "situs_ttft_seconds_count") == 1
    assert total(text, "situs_analysed_total", part="task") == 2
    assert total(text, "situs_analysis_seconds_count") == 2
    assert total(text, "situs_tenant_requests_total", tenant="default") == 2
    assert total(text, "situs_workers") == 1
    until(lambda: total(metrics(gateway), "situs_refused_total") == 2)


def test_the_access_log_has_a_line_for_each(gateway):
    answered, failed = until(lambda: (x := access_lines(gateway)) and len(x) == 2 and x)
    assert (answered["status"], answered["end"], failed["status"]) == (200, "complete", 503)
    line = next(x for x in gateway.lines("outcome") if x["id"] == answered["id"])
    assert answered["cost"] == line["cost"]


def test_traces_join_the_callers_and_name_the_receipt(gateway, collector: Collector):
    spans = until(lambda: (s := list(collector.spans)) and len(s) == 5 and s)
    [request] = [s for s in spans if s.kind == "SERVER" and s.trace_id == TRACE]
    assert request.parent_id == SPAN
    decision = gateway.lines("decision")[0]
    assert request.attributes["situs.receipt"] == f"{decision['chain']}:{decision['seq']}"
    assert sum(s.kind == "CLIENT" for s in spans) == 3


def test_top_shows_the_last_minute(gateway):
    report = until(lambda: (r := status(gateway)) and r["total"]["requests"] == 2 and r)
    assert (report["workers"], report["total"]["errors"]) == (1, 1)
    assert {d["name"] for d in report["deployments"]} == {"office-llm", "us-llm"}
    command = stage.command("top", "--once", "--data", str(gateway.data))
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "office-llm" in shown


def test_nothing_that_watches_holds_content(gateway, collector: Collector):
    until(lambda: len(access_lines(gateway)) == 2 and len(collector.spans) == 5)
    for shown in (metrics(gateway), json.dumps(status(gateway)), gateway.log.read_text()):
        assert CANARY.lower() not in shown.lower()
    assert all(CANARY.encode() not in body for body in collector.bodies)

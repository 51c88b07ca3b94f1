import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tests import make
from tests.unit.telemetry.serving import OWNED, RENTED, attempt, served, status

from situs.core.record import End, Usage
from situs.telemetry import metrics as limits
from situs.telemetry.metrics import Metrics
from situs.telemetry.names import FAMILIES, TENANT_FAMILIES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def read(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """What a scraper sees: sample name and label values (by label name) to value."""
    return {
        (sample.name, tuple(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def own(metrics: Metrics) -> int:
    """How many series there are, without those of the process."""
    return sum(name.startswith("situs_") for name, _ in read(metrics))


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The sum over the samples with these labels."""
    wanted = {f"{k}={v}" for k, v in labels.items()}
    return sum(v for (n, found), v in read(metrics).items() if n == name and wanted <= set(found))


def test_a_request_is_counted_by_where_it_went_and_how_it_ended():
    metrics = Metrics(status())
    metrics.observe([served(), served(), served(stream=False, label="public")])
    assert read(metrics)[
        "situs_requests_total",
        ("code=none", "deployment=office-llm", "label=internal", "locus=office",
         "status_class=2xx", "stream=true", "wire=openai.chat"),
    ] == 2  # fmt: skip
    assert value(metrics, "situs_requests_total", deployment="office-llm") == 3


def test_what_was_done_for_a_policy_is_counted_where_it_was():
    metrics = Metrics(status())
    done = attempt(RENTED, obligations={"redact": 2, "answer_scan": 0, "made_up": 1})
    metrics.observe([served(attempts=(attempt(OWNED), done)), served(attempts=(done,))])
    there = {"deployment": "us-llm"}
    assert value(metrics, "situs_obligations_total", kind="redact", **there) == 4
    assert value(metrics, "situs_obligations_total", kind="answer_scan", **there) == 0
    assert value(metrics, "situs_obligations_total", kind="other", **there) == 2
    assert value(metrics, "situs_obligations_total", deployment="office-llm") == 0


def test_every_attempt_counts_with_its_end_and_its_bytes():
    metrics = Metrics(status())
    tries = (attempt(OWNED, end=End.STALLED, bytes_out=7), attempt(RENTED, bytes_out=5))
    metrics.observe([served(attempts=tries)])
    assert value(metrics, "situs_attempts_total", deployment="office-llm", end="stalled") == 1
    assert value(metrics, "situs_attempts_total", deployment="us-llm", end="complete") == 1
    assert value(metrics, "situs_requests_total", deployment="us-llm") == 1
    assert value(metrics, "situs_bytes_out_total", locus="office") == 7
    assert value(metrics, "situs_bytes_out_total", locus="us") == 5


def test_tokens_and_money_are_counted_where_they_were_spent():
    metrics = Metrics(status())
    metrics.observe([served(), served(usage=None, cost=None, saved=None, currency=None)])
    kinds = [value(metrics, "situs_tokens_total", kind=k) for k in ("prompt", "cached_prompt")]
    assert kinds == [100, 40]
    assert value(metrics, "situs_tokens_total", kind="completion", deployment="office-llm") == 51
    assert value(metrics, "situs_cost_total", deployment="office-llm", currency="USD") == 0.5


def test_what_cost_more_than_renting_is_not_counted_as_saved():
    metrics = Metrics(status())
    metrics.observe([served(saved=0.25), served(saved=-1.0)])
    assert value(metrics, "situs_saved_total", currency="USD") == 0.25
    assert value(metrics, "situs_overspent_total", currency="USD") == 1.0


def test_what_policy_allows_nowhere_counts_as_denied_under_its_label():
    metrics = Metrics(status())
    metrics.observe([served(status=403, code="placement_denied", attempts=(), label="restricted")])
    assert value(metrics, "situs_decisions_denied_total", label="restricted") == 1
    assert value(metrics, "situs_requests_total", deployment="none", status_class="4xx") == 1


def test_times_are_measured_in_the_bucket_that_holds_them():
    metrics = Metrics(status())
    metrics.observe([served(attempts=(attempt(ttft_s=0.25, duration_s=1.25),))])
    assert value(metrics, "situs_ttft_seconds_bucket", le="0.1") == 0
    assert value(metrics, "situs_ttft_seconds_bucket", le="0.25") == 1
    assert value(metrics, "situs_ttft_seconds_sum", deployment="office-llm") == 0.25
    assert value(metrics, "situs_tpot_seconds_sum", deployment="office-llm") == 0.02
    assert value(metrics, "situs_overhead_seconds_bucket", le="0.0025") == 1
    assert value(metrics, "situs_duration_seconds_bucket", le="+Inf", stream="true") == 1


def test_a_whole_answer_says_nothing_about_the_first_token():
    metrics = Metrics(status())
    metrics.observe([served(stream=False), served(attempts=(attempt(ttft_s=None),))])
    assert value(metrics, "situs_ttft_seconds_count") == 0


def test_parts_of_analyses_are_counted_by_what_they_were_found_by():
    metrics = Metrics(status())
    by_rule = {"task": "rule", "names": "skipped"}
    odd = {"mind": "fast", "task": "guess"}
    metrics.observe([served(tiers=by_rule), served(tiers={"task": "rule"}), served(tiers=odd)])
    assert value(metrics, "situs_analysed_total", part="task", tier="rule") == 2
    assert value(metrics, "situs_analysed_total", part="names", tier="skipped") == 1
    assert value(metrics, "situs_analysed_total", part="other", tier="fast") == 1
    assert value(metrics, "situs_analysed_total", part="task", tier="other") == 1


def test_the_time_of_an_analysis_counts_where_it_is_known():
    metrics = Metrics(status())
    metrics.observe([served(analysis_s=0.004), served(analysis_s=None)])
    assert value(metrics, "situs_analysis_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "situs_analysis_seconds_bucket", le="0.005") == 1
    assert value(metrics, "situs_analysis_seconds_count") == 1


def test_the_status_is_shown_as_it_is_now():
    metrics = Metrics(status())
    metrics.set_status(
        status(workers=4, generation=9, recording="disk full", index_lag_s=2.5, spans_dropped=6,
               refused={"origin_refused": 3, "made-up": 1, "made-up-too": 1})
    )  # fmt: skip
    assert value(metrics, "situs_workers") == 4
    assert value(metrics, "situs_generation") == 9
    assert value(metrics, "situs_receipts_problem") == 1
    assert value(metrics, "situs_index_lag_seconds") == 2.5
    assert value(metrics, "situs_spans_dropped_total") == 6
    assert value(metrics, "situs_refused_total", code="origin_refused") == 3
    assert value(metrics, "situs_refused_total", code="other") == 2
    assert value(metrics, "situs_in_flight", deployment="office-llm") == 3
    assert value(metrics, "situs_deployment_health", deployment="office-llm", health="healthy") == 1
    assert value(metrics, "situs_deployment_health", deployment="office-llm") == 1


def test_probes_and_what_they_cost_are_counted_for_what_is_configured():
    probed = {("office-llm", "well"): 3, ("office-llm", "failed"): 1, ("gone", "well"): 9}
    metrics = Metrics(status(probed=probed, probe_costs={"office-llm": 0.25, "gone": 1.0}))
    assert value(metrics, "situs_probes_total", deployment="office-llm", result="well") == 3
    assert value(metrics, "situs_probes_total") == 4
    assert value(metrics, "situs_probe_cost_total") == 0.25
    assert (
        value(metrics, "situs_deployment_info", locus="us", jurisdiction="US", owned="false") == 1
    )
    assert value(metrics, "situs_build_info", version="1.2.3") == 1


def test_the_process_itself_is_measured():
    assert value(Metrics(status()), "process_resident_memory_bytes") > 1e6


def odd(number: int):
    """A request in which everything that can be odd is."""
    text = f'odd {number} "\\\n{{}}'
    strange = make.deployment(text, locus=make.locus(text))
    return served(
        id=text, wire=text, asked=text, tenant=text, key=text, label=text, task=text, route=text,
        objective=text, code=text, status=number, currency=text, attempts=(attempt(strange),),
    )  # fmt: skip


def test_odd_values_add_no_series_after_the_first():
    metrics = Metrics(status(routes=("greeting",)))
    metrics.observe([odd(n) for n in range(1000)])
    before = own(metrics)
    metrics.observe([odd(n) for n in range(1000, 11_000)])
    metrics.set_status(status(refused={f"code {n}": 1 for n in range(10_000)}))
    assert own(metrics) == before + 1  # the one for codes that are not known
    assert b"odd" not in metrics.render()


def test_tenants_are_counted_only_where_asked_for_and_then_up_to_a_limit():
    without, by_tenant = Metrics(status()), Metrics(status(), by_tenant=True)
    batch = [served(tenant=f"t{n}") for n in range(10_000)]
    without.observe(batch)
    by_tenant.observe(batch)
    assert "tenant" not in without.render().decode()
    seen = re.findall(
        r'^situs_tenant_requests_total{tenant="(\w+)"}', by_tenant.render().decode(), re.MULTILINE
    )
    assert len(seen) == limits.TENANTS + 1
    assert (
        value(by_tenant, "situs_tenant_requests_total", tenant="other") == 10_000 - limits.TENANTS
    )
    assert value(by_tenant, "situs_tenant_requests_total") == 10_000
    assert own(by_tenant) - own(without) == (limits.TENANTS + 1) * 5


def test_no_metric_has_more_series_than_its_limit():
    fleet = [make.deployment(f"d{n}") for n in range(150)]
    metrics = Metrics(status(fleet=make.view(*fleet)), series=100)
    metrics.observe([served(attempts=(attempt(d),)) for d in fleet])
    lines = [x for x in metrics.render().splitlines() if x.startswith(b"situs_requests_total{")]
    assert len(lines) == 101
    assert value(metrics, "situs_requests_total") == 150
    assert value(metrics, "situs_requests_total", deployment="other", label="other") == 50


def test_series_of_what_is_no_longer_configured_are_dropped_and_the_others_stay():
    metrics = Metrics(status(routes=("old",)))
    metrics.observe([served(), served(route="old", attempts=(attempt(RENTED),)), odd(1)])
    metrics.set_status(status(fleet=make.view(OWNED), routes=("new",)))
    text = metrics.render().decode()
    assert "us-llm" not in text
    assert 'route="old"' not in text
    assert value(metrics, "situs_requests_total", deployment="office-llm") == 1
    assert value(metrics, "situs_requests_total", deployment="other") == 1


@settings(max_examples=30, deadline=None)
@given(
    st.floats(min_value=0, max_value=1e6),
    st.integers(0, 10**6),
    st.sampled_from([*End]),
    st.integers(100, 599),
)
def test_what_is_rendered_can_be_scraped_and_buckets_add_up(seconds, tokens, end, code):
    metrics = Metrics(status())
    metrics.observe(
        [served(duration_s=seconds, status=code, usage=Usage(tokens, tokens),
                attempts=(attempt(end=end, ttft_s=seconds / 2, duration_s=seconds),))]
    )  # fmt: skip
    samples = read(metrics)
    assert (
        samples[
            "situs_duration_seconds_bucket", ("deployment=office-llm", "le=+Inf", "stream=true")
        ]
        == 1
    )
    assert all(math.isfinite(v) for v in samples.values())


def test_the_page_of_metrics_lists_every_metric_with_its_kind_labels_and_buckets_and_no_other():
    """If this fails: correct docs/reference/metrics.md"""
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `(situs_\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    said = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    families = [*FAMILIES, *TENANT_FAMILIES]
    assert said == {f.name: (f.kind, f.labels) for f in families}
    for family in families:
        if family.buckets:
            row = re.search(rf"^\| `{family.name}` \| ([\d., ]+) \|$", text, re.MULTILINE)
            assert row is not None, family.name
            assert tuple(float(x) for x in row[1].split(",")) == family.buckets
    assert f"{limits.SERIES:,}" in text
    assert f"{limits.TENANTS} tenants" in text


def test_no_other_metric_is_rendered_than_the_named_ones():
    metrics = Metrics(status(), by_tenant=True)
    metrics.observe([served(route="x")])
    types = re.findall(r"^# TYPE (situs_\w+) (\w+)$", metrics.render().decode(), re.MULTILINE)
    assert types == [(f.name, f.kind) for f in (*FAMILIES, *TENANT_FAMILIES)]


@pytest.mark.parametrize("family", [*FAMILIES, *TENANT_FAMILIES], ids=lambda f: f.name)
def test_names_follow_the_conventions(family):
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert bool(family.buckets) == (family.kind == "histogram")
    assert list(family.buckets) == sorted(set(family.buckets))
    assert family.kind != "histogram" or family.name.endswith("_seconds")


@pytest.mark.parametrize("path", ["deploy/grafana/situs.json", "docs/how-to/observe.md"])
def test_the_dashboard_and_the_guide_ask_for_metrics_and_labels_that_exist(path):
    labels = {f.name: {*f.labels, *(["le"] if f.buckets else [])} for f in FAMILIES}
    text = (PAGE.parents[2] / path).read_text("utf-8").replace('\\"', '"')
    suffixes = "_bucket|_sum|_count"
    asked = re.findall(rf"\b(situs_[a-z_]+?)(?:{suffixes})?\b(?:{{(.*?)}})?", text)
    assert len(asked) > 5
    for name, matchers in asked:
        assert set(re.findall(r"(\w+)[!=]", matchers)) <= labels[name]

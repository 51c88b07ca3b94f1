import pytest
from tests.unit.config.test_config_load import BASE, problems

from situs.config.collector import VARIABLE, collector_of
from situs.config.load import parse
from situs.errors import ConfigError


def otlp(settings: str) -> str:
    return f"{BASE}telemetry: {{otlp: {{{settings}}}}}\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("endpoint: http://127.0.0.1:4318/v1/traces", "endpoint: expected the base URL"),
        ("endpoint: http://collector.example:4318", "http without TLS to another host"),
        ("endpoint: https://u:p@collector.example", "do not belong into a URL; use `headers`"),
        ("endpoint: 'https://collector.example:x'", "a valid host and port"),
        ("endpoint: https://c.example, insecure: true", "insecure: has no effect"),
        ("endpoint: https://c.example, sample: 1.5", "of at most 1"),
        ("endpoint: https://c.example, headers: {authorization: abc}", "a reference"),
        ("sample: 0.5", "endpoint"),
    ],
)  # fmt: skip
def test_a_collector_that_cannot_be_meant_is_refused(settings, expected):
    assert any(expected in line for line in problems(otlp(settings)))


def test_headers_are_references_and_do_not_show_themselves(tmp_path):
    value = "not-a-real-key"
    config = parse(otlp("endpoint: https://c.example, headers: {authorization: 'env:AUTH'}"))
    found = collector_of(config, tmp_path, {"AUTH": value})
    assert found is not None
    assert found.headers["authorization"].reveal() == value
    assert value not in repr(found)
    with pytest.raises(ConfigError, match=r"telemetry\.otlp\.headers\.authorization"):
        collector_of(config, tmp_path, {})


def test_without_a_section_the_variable_of_opentelemetry_counts(tmp_path):
    found = collector_of(parse(BASE), tmp_path, {VARIABLE: "http://localhost:4318"})
    assert found is not None
    assert (found.endpoint, found.headers, found.sample) == ("http://localhost:4318", {}, 1.0)
    for nothing in ({}, {VARIABLE: " "}):
        assert collector_of(parse(BASE), tmp_path, nothing) is None


def test_the_section_wins_over_the_variable(tmp_path):
    config = parse(otlp("endpoint: http://127.0.0.1:4318, sample: 0.5"))
    found = collector_of(config, tmp_path, {VARIABLE: "http://localhost:9999"})
    assert found is not None
    assert (found.endpoint, found.sample) == ("http://127.0.0.1:4318", 0.5)


@pytest.mark.parametrize(
    "url", ["collector:4318", "http://", "http://c.example:4318", "https://u:p@h", "http://h:x", "http://[::1"]
)  # fmt: skip
def test_a_variable_that_cannot_be_meant_is_refused_without_being_quoted(url, tmp_path):
    with pytest.raises(ConfigError, match=VARIABLE) as caught:
        collector_of(parse(BASE), tmp_path, {VARIABLE: url})
    assert url not in caught.value.message

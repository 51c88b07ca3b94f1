import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.config.load import default_config, load, parse
from situs.config.tree import LlamaCpp, Onnx
from situs.errors import ConfigError

EXAMPLES = Path(__file__).parents[3] / "examples"

BASE = """\
version: 1
home: AU
server: {port: 7488}
defaults: {label: public}
labels: {floors: {email: internal}}
loci:
  box: {kind: device, jurisdiction: AU, owned: true}
  cloud: {kind: public_cloud, jurisdiction: US, owned: false, retention: 30d}
models:
  tiny: {file: Tiny.Q4, capability: tiny, context_tokens: 4096}
  large: {capability: frontier, context_tokens: 128000}
deployments:
  here:
    model: tiny
    locus: box
    runtime: {kind: llama_cpp, context_tokens: 2048}
    price: {currency: USD, prompt: 0.02, completion: 0.05}
  there:
    model: large
    locus: cloud
    endpoint: {url: "https://h.example/v1", key: "env:K"}
    price: {currency: USD, prompt: 1, completion: 0}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    return caught.value.message.splitlines()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0", "::", "ai.x"]
)
def test_any_host_may_be_listened_on_as_far_as_the_configuration_knows(host):
    """Beyond loopback it takes an API key; that is asked when the listener opens."""
    assert parse(BASE.replace("port: 7488", f'host: "{host}"')).server.host == host


def test_the_base_of_these_tests_is_sound():
    assert set(parse(BASE).deployments) == {"here", "there"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Shapes.
        ("home: AU", "hoem: AU", "2: hoem: no such setting; did you mean home?"),
        ("port: 7488", "Port: 7488", "3: server.Port: no such setting; did you mean port?"),
        ("port: 7488", "port: 70000", "3: server.port: expected a whole number of at least 0"),
        ("port: 7488", 'port: "7488"', "3: server.port: .* without quotes"),
        ("port: 7488", "port: 7_488", "3: server.port: expected a whole number"),
        ("port: 7488", "port: 0x1d40", "3: server.port: expected a whole number"),
        ("port: 7488", "port: [1]", "3: server.port: expected a whole number"),
        ("port: 7488", "drain_s: .inf", "3: server.drain_s: expected a number"),
        ("port: 7488", "drain_s: -1", "3: server.drain_s: expected a number of at least 0"),
        ("port: 7488", "drain_s: 1e999", "3: server.drain_s: expected .*; this one is too large"),
        ("port: 7488", "host: http://x/", "3: server.host: expected a host name"),
        ("port: 7488", "require_key: maybe", "3: server.require_key: expected true or false"),
        ("port: 7488", "allowed_origins: ['*']", "3: server.allowed_origins.0: expected an origin"),
        ("port: 7488", "allowed_hosts: [a, a]", "3: server.allowed_hosts.1: listed twice"),
        ("port: 7488", "allowed_hosts: a", "3: server.allowed_hosts: expected a list"),
        ("port: 7488", f"{'k' * 33}: 1", "3: server.…: no such setting; known here: host, "),
        ("{port: 7488}", "", "3: server: empty"),
        ("{port: 7488}", "7488", "3: server: expected settings"),
        ("version: 1", "version: 2", "1: version: expected 1$"),
        ("version: 1\n", "", "1: version: missing"),
        ("owned: true", "owned: yes", "7: loci.box.owned: expected true or false"),
        ("owned: true", 'owned: "true"', "7: loci.box.owned: expected true or false"),
        (", owned: true", "", "7: loci.box.owned: missing"),
        ("kind: device", "kind: on-prem", "7: loci.box.kind: .*; did you mean on_prem?"),
        ("retention: 30d", "retention: 30", "8: loci.cloud.retention: expected none, unknown, or"),
        ("retention: 30d", "training_use: no", "8: loci.cloud.training_use: expected one of"),
        (
            "capability: tiny",
            "capability: huge",
            "10: models.tiny.capability: expected one of rule",
        ),
        ("cloud: {", "c d: {", "8: loci.…: expected a name"),
        ("cloud: {", "büro: {", "8: loci.büro: expected a name"),
        ("currency: USD, prompt: 1", "currency: usd, prompt: 1", "22: .*currency: expected a cur"),
        (
            "kind: llama_cpp",
            "kind: llama.cpp",
            "16: .*kind: expected one of llama_cpp, onnx; did you mean",
        ),
        ("kind: llama_cpp", "kind: llama_cpp, key: env:K", "16: .*runtime.key: no such setting"),
        (
            "context_tokens: 2048",
            "threads: 0",
            "16: .*threads: expected a whole number of at least",
        ),
        # Countries.
        ("home: AU", "home: UK", "2: home: not a country of ISO 3166-1; did you mean GB?"),
        ("home: AU", "home: ZZ", "2: home: not a country"),
        ("jurisdiction: US", "jurisdiction: EU", "8: .*jurisdiction: .*name the member state"),
        ("jurisdiction: US", r'jurisdiction: "US\n"', "8: .*jurisdiction: expected a country code"),
        ("jurisdiction: US", "jurisdiction: us", "8: .*jurisdiction: expected a country code"),
        # References and names.
        (
            "model: large",
            "model: larg",
            "19: deployments.there.model: no such .* did you mean large",
        ),
        ("locus: cloud", "locus: clowd", "20: deployments.there.locus: no such .* mean cloud"),
        ("  here:", "  auto:", "13: deployments.auto: reserved"),
        ("  here:", "  large:", "13: deployments.large: is also the name of a model"),
        ("email: internal", "emial: internal", "5: labels.floors.emial: no detector .* mean email"),
        *(
            ("floors: {email: internal}", f"lists: {{{own}}}", f"5: labels.lists.{said}")
            for own, said in (
                ("a: {label: internal, patterns: ['(']}", r"a.patterns.0: not an RE2 expression"),
                ("a: {label: internal, patterns: [x, 'y*']}", r"a.patterns.1: matches the empty"),
                ("a: {label: internal}", "a: needs keywords or patterns"),
                ("a: {label: internal, keywords: [' ']}", r"a.keywords.0: holds no word"),
                ("email: {label: internal, keywords: [x]}", "email: is also a kind"),
            )
        ),
        # What cannot be true, or has no effect.
        ("label: public", "unread_label: public", "4: defaults.unread_label: expected internal"),
        ("owned: false", "owned: true", "8: loci.cloud.owned: nobody owns"),
        ("file: Tiny.Q4, ", "", "10: models.tiny.file: missing; a runtime needs"),
        ("large: {cap", "large: {file: L, cap", "11: models.large.file: has no effect"),
        (
            "context_tokens: 2048",
            "context_tokens: 9999",
            "16: .*context_tokens: more than the model",
        ),
        (
            "loci:",
            "loci:\n  x: {kind: edge, jurisdiction: AU, owned: true}",
            "7: loci.x: no deploym",
        ),
        (
            "models:",
            "models:\n  x: {capability: rule, context_tokens: 9}",
            "10: models.x: no deploy",
        ),
        # What a runtime can serve, and the settings of the other one.
        ("large: {cap", "large: {tokenizer: T, cap", "11: models.large.tokenizer: has no effect"),
        ("file: Tiny.Q4, ", "file: Tiny.Q4, dimensions: 3, ", "10: models.tiny.dimen.*no effect"),
        (
            "file: Tiny.Q4, ",
            "file: Tiny.Q4, serves: [embeddings], ",
            "10: models.tiny.serves: a llama_cpp runtime does not",
        ),
        ("kind: llama_cpp, ", "kind: onnx, ", "16: .*runtime.context_tokens: no such setting; k"),
        ("kind: llama_cpp, ", "", "16: .*runtime.kind: missing"),
        ("{kind: llama_cpp, context_tokens: 2048}", "onnx", "16: .*runtime: expected settings"),
        # One server for each deployment.
        ("    endpoint: {", "    endpoint: {insecure: true, ", "21: .*insecure: has no effect"),
        ("https://h.ex", "http://h.ex", "21: .*endpoint.url: http without TLS"),
        ("https://h.example", "http://127.0.0.1.example", "21: .*endpoint.url: http without TLS"),
        ("https://h.example", "http://localhost.example", "21: .*url: http without TLS"),
        ("https://h.example", "http://2130706433", "21: .*endpoint.url: http without TLS"),
        (
            "https://h.example",
            "https://h.example:99999",
            "21: .*url: expected a URL with a valid h",
        ),
        ("https://h.example", "https://[::1", "21: .*url: expected a URL with a valid host"),
        ("https://h", "https://u@h", "21: .*url: credentials do not belong into a URL"),
        ("example/v1", "example/v1/chat/completions", "21: .*url: expected the base URL"),
        ("example/v1", "example/v1?a=b", "21: .*url: expected an http or https URL"),
        ("https://h", "ftp://h", "21: .*url: expected an http or https URL"),
        ('"env:K"', "K", "21: .*endpoint.key: expected a reference, env:NAME or file:PATH"),
        ('"env:K"', "{a: b}", "21: .*endpoint.key: expected a reference"),
        # Money.
        (
            "currency: USD, prompt: 1",
            "currency: AUD, prompt: 1",
            "22: .*currency: a second currency",
        ),
        ("prompt: 0.02", "prompt: 0", "17: deployments.here.price.prompt: 0 at an owned locus"),
        (
            "    price: {currency: USD, prompt: 0.02, completion: 0.05}\n",
            "",
            "13: .*price: missing",
        ),
    ],
)
def test_a_wrong_setting_is_reported_where_it_stands(old, new, expected):
    assert old in BASE
    found = problems(BASE.replace(old, new, 1))
    assert any(re.match(rf"f\.yaml:{expected}", line) for line in found), found


ONNX = BASE.replace("{kind: llama_cpp, context_tokens: 2048}", "{kind: onnx}").replace(
    "file: Tiny.Q4, ", "file: Mini, tokenizer: Mini.t, dimensions: 384, serves: [embeddings], "
)


def test_an_onnx_runtime_is_read_and_needs_no_price_for_completions():
    config = parse(ONNX.replace("completion: 0.05", "completion: 0"))
    assert config.deployments["here"].runtime == Onnx(threads=1)
    assert config.models["tiny"].dimensions == 384


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tokenizer: Mini.t, ", "", "10: models.tiny.tokenizer: missing; an onnx runtime"),
        ("dimensions: 384, ", "", "10: models.tiny.dimensions: missing; an onnx runtime"),
        ("dimensions: 384, ", "dimensions: 0, ", "10: models.tiny.dimensions: expected a whole"),
        ("serves: [embeddings], ", "", "10: models.tiny.serves: an onnx runtime serves embedd"),
        ("[embeddings]", "[embeddings, chat]", "10: models.tiny.serves: an onnx runtime serves"),
        ("[embeddings]", "[embeddings], modalities: [tokens]", "10: .*modalities: an onnx runtime"),
        ("[embeddings]", "[embeddings], tools: true", "10: models.tiny.tools: has no effect"),
        ("kind: onnx", "kind: onnx, parallel: 2", "16: .*runtime.parallel: no such setting"),
        ("kind: onnx", "kind: onnx, threads: 0", "16: .*runtime.threads: expected a whole"),
        ("prompt: 0.02", "prompt: 0", "17: deployments.here.price.prompt: 0 at an owned locus"),
    ],
)
def test_a_wrong_setting_of_an_onnx_runtime_is_reported_where_it_stands(old, new, expected):
    assert old in ONNX
    found = problems(ONNX.replace(old, new, 1))
    assert [line for line in found if not re.match(rf"f\.yaml:{expected}", line)] == []
    assert found


def test_a_deployment_has_exactly_one_of_runtime_and_endpoint():
    neither = BASE.replace('    endpoint: {url: "https://h.example/v1", key: "env:K"}\n', "")
    both = BASE.replace("    endpoint: {", "    runtime: {kind: llama_cpp}\n    endpoint: {")
    for text in (neither, both):
        expected = "f.yaml:18: deployments.there: needs exactly one of runtime and endpoint"
        assert expected in problems(text)


def test_all_problems_are_reported_at_once_in_the_order_of_the_file():
    text = BASE.replace("home: AU", "hoem: AU").replace("port: 7488", "port: x")
    text = text.replace("locus: cloud", "locus: nowhere").replace("prompt: 0.02", "prompt: -1")
    lines = [int(line.split(":")[1]) for line in problems(text)]
    assert lines == [2, 3, 17, 20]


def test_one_mistake_is_one_problem():
    """What follows from a mistake is not reported beside it."""
    for old, new in [
        ("kind: device", "kind: devise"),
        ("locus: box", "lokus: box"),
        ("prompt: 0.02", "promt: 0.02"),
        ("capability: frontier", "capability: best"),
    ]:
        lines = {line.split(":")[1] for line in problems(BASE.replace(old, new, 1))}
        text = BASE.replace(old, new, 1)
        at = text[: text.index(new)].count("\n") + 1
        parent = {"lokus: box": 13}.get(new)
        assert lines <= {str(at), str(parent)}, new


def test_runtimes_stand_at_one_locus():
    second = """\
  elsewhere:
    model: tiny
    locus: other
    runtime: {kind: llama_cpp}
    price: {currency: USD, prompt: 1, completion: 1}
"""
    other = "loci:\n  other: {kind: edge, jurisdiction: AU, owned: true}"
    (found,) = problems(BASE.replace("loci:", other, 1) + second)
    assert "deployments.elsewhere.locus: runtimes run on this machine" in found


def test_egress_has_a_price_only_in_some_currency():
    text = """\
version: 1
loci:
  cloud: {kind: public_cloud, jurisdiction: US, owned: false, egress_price: 0.1}
models:
  m: {capability: small, context_tokens: 8}
deployments:
  d: {model: m, locus: cloud, endpoint: {url: "https://h.example/v1"}}
"""
    (found,) = problems(text)
    assert found.startswith("f.yaml:3: loci.cloud.egress_price: in which currency?")


def test_norway_is_a_country():
    config = parse(
        BASE.replace("home: AU", "home: NO").replace("jurisdiction: US", "jurisdiction: NO")
    )
    assert config.home == config.loci["cloud"].jurisdiction == "NO"


def test_plain_http_is_allowed_to_loopback_and_on_request():
    for url in ("http://localhost:1/v1", "http://127.0.0.1/v1", "http://[::1]:8080/v1"):
        assert parse(BASE.replace("https://h.example/v1", url))
    allowed = BASE.replace('"https://h.example/v1"', '"http://h.example/v1", insecure: true')
    endpoint = parse(allowed).deployments["there"].endpoint
    assert endpoint is not None
    assert endpoint.insecure


def test_no_deployment_is_an_error():
    text = "version: 1\nloci: {}\nmodels: {}\ndeployments: {}\n"
    assert problems(text) == ["f.yaml:4: deployments: none: name at least one model at one locus"]


CANARY = "canary" + "7f3a" * 4
VALUES = [m.span(1) for m in re.finditer(r'[:\[{] ([\w.]+|"[^"]*")(?=[\n,}\]])', BASE)]


@settings(deadline=None)
@given(
    where=st.sampled_from(VALUES),
    wrap=st.sampled_from(
        ["{}", "'{}'", '"{}', "!{}", "!{}!", "!{}!x", "*{}", "&{}", "[{}", "{}: x", "@{}"]
    ),
)
def test_no_message_holds_a_value_of_the_file(where, wrap):
    text = BASE[: where[0]] + wrap.format(CANARY) + BASE[where[1] :]
    try:
        parse(text)
    except ConfigError as error:
        assert CANARY not in f"{error} {error.message} {error.advice}"  # noqa: PT017


@settings(deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="ab:-[]{},&*!?|>'\"#%@` \n\t\x00\ufeff", max_size=40)))
def test_any_text_is_read_or_refused_with_a_config_error(text):
    for whole in (text, BASE + text):
        try:
            parse(whole)
        except ConfigError as error:
            assert error.message.startswith("configuration:")  # noqa: PT017


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_each_example_loads(path):
    assert load(path).deployments


def test_the_default_is_owned_models_on_this_machine():
    config = default_config("AU")
    assert config.home == "AU"
    assert [d.runtime for d in config.deployments.values()] == [LlamaCpp(), Onnx()]
    assert all(config.loci[d.locus].owned for d in config.deployments.values())
    assert default_config().loci["workstation"].jurisdiction == "ZZ"


def test_the_default_refuses_a_home_that_is_no_country():
    with pytest.raises(ConfigError, match="home: not a country"):
        default_config("UK")


def test_an_effective_tree_reads_back_as_itself():
    config = parse(BASE)
    assert parse(msgspec.yaml.encode(config).decode()) == config


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, "no such file"),
        (b"\xff\xfe", ":1: not UTF-8"),
        (b"#" * ((1 << 20) + 1), "larger than"),
        (b"", ":1: the file is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path, raw, expected):
    path = tmp_path / "situs.yaml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(ConfigError, match=expected):
        load(path)


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)

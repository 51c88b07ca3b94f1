import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from situs.cli.config import config
from situs.config.check import check_file
from situs.config.imports.importing import Imported, import_litellm, write_keys
from situs.config.imports.known import family_of
from situs.config.load import parse
from situs.core.capability import CapabilityClass
from situs.core.fleet import LocusKind
from situs.core.request import Service
from situs.errors import ConfigError

SOURCES = Path(__file__).parent / "litellm"
CANARY = "canary-4f1d"


def source(tmp_path: Path, name: str) -> Path:
    """The fixtures beside it too, for `include`; keys are put in now, so that no file holds one."""
    for file in SOURCES.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace("@CANARY@", CANARY))
    return tmp_path / name


def imported(tmp_path: Path, name: str, home: str | None = "DE"):
    made = import_litellm(source(tmp_path, name), home, "keys")
    return made, parse(made.text)


def line_of(name: str, text: str) -> int:
    lines = (SOURCES / name).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def run(*args: object) -> Result:
    return CliRunner().invoke(config, ["import", "litellm", *[str(arg) for arg in args]])


@pytest.mark.parametrize(
    "name", ["simple.yaml", "providers.yaml", "router.yaml", "literal-keys.yaml", "include.yaml"]
)
def test_what_is_imported_passes_the_check(tmp_path, name):
    made, read = imported(tmp_path, name)
    write_keys(made.keys, tmp_path)
    (tmp_path / "situs.yaml").write_text(made.text)
    keys = [d.endpoint.key for d in read.deployments.values() if d.endpoint and d.endpoint.key]
    environ = {key.removeprefix("env:"): "x" for key in keys if key.startswith("env:")}
    assert check_file(tmp_path / "situs.yaml", environ).problems == ()


def test_a_simple_file_becomes_one_deployment_at_a_public_cloud(tmp_path):
    made, read = imported(tmp_path, "simple.yaml")
    (deployment,) = read.deployments.values()
    locus = read.loci[deployment.locus]
    assert (deployment.model, deployment.endpoint.model) == ("gpt-4o-mini", None)
    assert deployment.endpoint.url == "https://api.openai.com/v1"
    assert key_of(deployment) == "env:OPENAI_API_KEY"
    assert (locus.kind, locus.jurisdiction, locus.owned) == (LocusKind.PUBLIC_CLOUD, "US", False)
    assert (locus.retention, locus.training_use) == ("unknown", "unknown")
    assert read.home == "DE"
    assert f"simple.yaml:{line_of('simple.yaml', 'master_key')} general_settings.master_key" in (
        made.text
    )


def test_wires_that_are_not_spoken_are_listed_and_left_out(tmp_path):
    made, read = imported(tmp_path, "providers.yaml")
    assert set(read.models) == {"large", "fast", "vectors"}
    for name in ("anthropic", "bedrock", "vertex_ai"):
        assert f"does not speak the wire of {name} yet" in made.text
    line = line_of("providers.yaml", "model_name: claude-bedrock")
    assert f"# - providers.yaml:{line} model_list.3: claude-bedrock: " in made.text
    assert made.refused == 5


def test_facts_that_are_stated_are_kept_and_others_are_marked_as_guessed(tmp_path):
    made, read = imported(tmp_path, "providers.yaml")
    large, fast = read.models["large"], read.models["fast"]
    assert (large.context_tokens, large.tools, large.structured_output) == (131072, True, True)
    assert fast.capability is CapabilityClass.SMALL
    lines = made.text.splitlines()
    assert "    context_tokens: 131072" in lines
    assert any(line.startswith("    context_tokens: 8192 ") and "guessed" in line for line in lines)
    assert read.deployments["large-mistral"].max_in_flight == 12
    assert read.defaults.answer_timeout_s == 120


def test_prices_a_token_become_prices_a_million(tmp_path):
    _, read = imported(tmp_path, "providers.yaml")
    price = read.deployments["large-mistral"].price
    assert (price.currency, price.prompt, price.completion) == ("USD", 2.0, 6.0)
    assert read.deployments["vectors-openai"].price.prompt == 0.02
    assert read.deployments["fast-groq"].price is None


def test_models_for_embeddings_serve_nothing_else(tmp_path):
    _, read = imported(tmp_path, "providers.yaml")
    assert read.models["vectors"].serves == (Service.EMBEDDINGS,)
    assert read.models["large"].serves == (Service.CHAT,)


def test_deployments_of_one_name_stay_deployments_of_one_model(tmp_path):
    _, read = imported(tmp_path, "router.yaml")
    named = [d for d in read.deployments.values() if d.model == "assistant"]
    assert len(named) == 3
    assert read.models["assistant"].capability is CapabilityClass.MEDIUM, "the least of them"
    assert {d.endpoint.model for d in named} == {"gpt-4o", "Qwen/Qwen2.5-72B-Instruct"}


def test_fallbacks_are_told_with_their_line(tmp_path):
    made, _ = imported(tmp_path, "router.yaml")
    line = line_of("router.yaml", "  fallbacks:")
    said = f"# - router.yaml:{line} router_settings.fallbacks: assistant -> local, other."
    assert said in made.text
    assert "router_settings.context_window_fallbacks: local -> assistant." in made.text


@pytest.mark.parametrize(
    ("deployment", "kind", "owned", "jurisdiction"),
    [
        ("local-this-machine", LocusKind.ON_PREM, True, "DE"),
        ("assistant-host-gpu-1.corp.internal", LocusKind.ON_PREM, False, "ZZ"),
        ("assistant-openai", LocusKind.PUBLIC_CLOUD, False, "US"),
        ("other-host-llm.example.net", LocusKind.PUBLIC_CLOUD, False, "ZZ"),
    ],
)
def test_only_loopback_is_owned(tmp_path, deployment, kind, owned, jurisdiction):
    _, read = imported(tmp_path, "router.yaml")
    locus = read.loci[read.deployments[deployment].locus]
    assert (locus.kind, locus.owned, locus.jurisdiction) == (kind, owned, jurisdiction)


@pytest.mark.parametrize(
    ("host", "owned"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("127.0.0.1.nip.example", False),
        ("localhost.example.com", False),
        ("192.168.1.4", False),
        ("0.0.0.0", False),
        ("openai", False),
        ("host.docker.internal", False),
    ],
)
def test_a_host_is_owned_only_when_it_is_this_machine(tmp_path, host, owned):
    params = {"model": "openai/x-7b", "api_base": f"http://{host}:8000/v1"}
    file = written(tmp_path, {"model_list": [{"model_name": "x", "litellm_params": params}]})
    (locus,) = parse(import_litellm(file).text).loci.values()
    assert locus.owned is owned


def test_an_owned_machine_gets_a_price_that_says_it_is_guessed(tmp_path):
    made, read = imported(tmp_path, "router.yaml")
    price = read.deployments["local-this-machine"].price
    assert price.prompt > 0
    assert "# guessed: state what this machine costs" in made.text


def test_the_address_of_ollama_becomes_the_one_that_speaks_openai(tmp_path):
    _, read = imported(tmp_path, "router.yaml")
    assert read.deployments["local-this-machine"].endpoint.url == "http://127.0.0.1:11434/v1"


def test_http_to_another_host_is_allowed_and_said(tmp_path):
    made, read = imported(tmp_path, "router.yaml")
    assert read.deployments["assistant-host-gpu-1.corp.internal"].endpoint.insecure
    assert "http without TLS" in made.text


def key_of(deployment):
    assert deployment.endpoint is not None
    return deployment.endpoint.key


def test_a_providers_own_variable_is_not_sent_to_another_address(tmp_path):
    params = {"model": "openai/x", "api_base": "https://llm.example.net/v1"}
    file = written(tmp_path, {"model_list": [{"model_name": "x", "litellm_params": params}]})
    (deployment,) = parse(import_litellm(file).text).deployments.values()
    assert key_of(deployment) is None


def test_included_files_are_read_and_variables_of_the_file_are_put_in(tmp_path):
    made, read = imported(tmp_path, "include.yaml")
    assert set(read.models) == {"gpt-4o-mini", "near"}
    near = next(d for d in read.deployments.values() if d.model == "near")
    assert near.endpoint.url == "https://inference.example.org/v1"
    assert near.endpoint.key == "env:NEAR_KEY"
    assert "far: its model stands in the environment; write it out" in made.text
    assert f"simple.yaml:{line_of('simple.yaml', 'master_key')}" in made.text


@pytest.mark.parametrize(
    ("model", "mode", "service"),
    [
        ("openai/gpt-4o", None, Service.CHAT),
        ("openai/gpt-4o", "completion", Service.COMPLETIONS),
        ("text-completion-openai/babbage-002", None, Service.COMPLETIONS),
        ("mistral/mistral-embed", None, Service.EMBEDDINGS),
        ("openai/x", "embedding", Service.EMBEDDINGS),
        ("openai/bge-m3", None, Service.EMBEDDINGS),
    ],
)
def test_a_mode_is_a_service(tmp_path, model, mode, service):
    one = {"model_name": "x", "litellm_params": {"model": model}, "model_info": {"mode": mode}}
    file = written(tmp_path, {"model_list": [one]})
    assert parse(import_litellm(file).text).models["x"].serves == (service,)


def test_another_mode_under_the_same_name_is_not_taken_over(tmp_path):
    chat = {"model_name": "x", "litellm_params": {"model": "openai/gpt-4o"}}
    other = chat | {"model_info": {"mode": "embedding"}}
    made = import_litellm(written(tmp_path, {"model_list": [chat, other]}))
    assert (made.deployments, made.refused) == (1, 1)
    assert "x: deployments of this name before it have another mode" in made.text


@pytest.mark.parametrize(
    ("api_base", "operator", "jurisdiction"),
    [
        ("https://eu.api.openai.com/v1", "OpenAI", "US"),
        ("https://example.openai.azure.com/openai/v1", "Microsoft", "US"),
        ("https://api.mistral.ai/v1", "Mistral AI", "FR"),
        ("https://openrouter.ai/api/v1", "OpenRouter", "ZZ"),
        ("https://notopenai.com/v1", "unknown", "ZZ"),
        ("https://openai.com.example.net/v1", "unknown", "ZZ"),
    ],
)
def test_operators_are_known_by_their_domains(tmp_path, api_base, operator, jurisdiction):
    params = {"model": "openai/x", "api_base": api_base}
    file = written(tmp_path, {"model_list": [{"model_name": "x", "litellm_params": params}]})
    (locus,) = parse(import_litellm(file).text).loci.values()
    assert (locus.operator, locus.jurisdiction) == (operator, jurisdiction)
    assert locus.kind is LocusKind.PUBLIC_CLOUD


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("gpt-4o", CapabilityClass.FRONTIER),
        ("gpt-4o-mini", CapabilityClass.MEDIUM),
        ("gpt-5-nano", CapabilityClass.SMALL),
        ("Qwen2.5-0.5B-Instruct", CapabilityClass.TINY),
        ("llama3.1:8b", CapabilityClass.SMALL),
        ("Llama-3.3-70B-Instruct", CapabilityClass.MEDIUM),
        ("mixtral-8x7b", CapabilityClass.MEDIUM),
        ("llama-3.1-405b", CapabilityClass.FRONTIER),
        ("anthropic/claude-opus-4-6", CapabilityClass.FRONTIER),
        ("google/gemini-3-flash", CapabilityClass.MEDIUM),
        ("bge-m3", CapabilityClass.TINY),
        ("no-size-in-it", CapabilityClass.SMALL),
    ],
)
def test_capability_is_guessed_by_family_or_size(name, capability):
    assert family_of(name).capability is capability


# Keys


def test_literal_keys_go_to_files_of_mode_600_and_nowhere_else(tmp_path, monkeypatch):
    path = source(tmp_path, "literal-keys.yaml")
    monkeypatch.chdir(tmp_path)
    result = run(path, "--keys-dir", "keys")
    files = {file.name: file for file in (tmp_path / "keys").iterdir()}
    assert result.exit_code == 0
    assert CANARY not in result.output + result.stderr
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    assert {name: file.read_text() for name, file in files.items()} == {
        "one-openai": f"{CANARY}-one\n",
        "three-deepseek": f"{CANARY}-deepseek\n",
        "four-groq": f"{CANARY}-shared\n",
    }
    read = parse(result.stdout)
    assert key_of(read.deployments["one-openai"]) == "file:keys/one-openai"
    assert key_of(read.deployments["two-openai"]) == "file:keys/one-openai"


def test_literal_keys_without_a_place_for_them_are_refused_with_their_lines(tmp_path):
    path = source(tmp_path, "literal-keys.yaml")
    result = run(path)
    assert isinstance(result.exception, ConfigError)
    line = line_of("literal-keys.yaml", "model_name: one")
    assert f"literal-keys.yaml:{line}: one: a literal api_key" in result.exception.message
    assert "--keys-dir" in result.exception.advice
    assert CANARY not in str(result.exception) + result.exception.message
    assert result.output == ""


@pytest.mark.parametrize("word", ["EMPTY", "none", "lm-studio"])
def test_a_word_that_stands_for_no_key_is_no_key(tmp_path, word):
    params = {"model": "openai/x", "api_base": "http://localhost:1/v1", "api_key": word}
    file = written(tmp_path, {"model_list": [{"model_name": "x", "litellm_params": params}]})
    made = import_litellm(file)
    (deployment,) = parse(made.text).deployments.values()
    assert (key_of(deployment), made.keys) == (None, ())


def test_a_key_file_with_something_else_in_it_is_not_overwritten(tmp_path):
    made, _ = imported(tmp_path, "literal-keys.yaml")
    write_keys(made.keys, tmp_path)
    write_keys(made.keys, tmp_path)
    (tmp_path / "keys" / "one-openai").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write_keys(made.keys, tmp_path)
    assert (tmp_path / "keys" / "one-openai").read_text() == "mine"


# What is wrong


def test_broken_yaml_is_told_with_file_and_line(tmp_path):
    path = source(tmp_path, "broken.yaml")
    with pytest.raises(ConfigError) as caught:
        import_litellm(path)
    assert f"broken.yaml:{line_of('broken.yaml', 'api_key')}: not YAML" in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("general_settings: {}\n", "no model_list with deployments"),
        ("model_list: []\n", "no model_list with deployments"),
        ("model_list: gpt\n", ":1: model_list: expected a list"),
        ("- a\n", ":1: expected settings"),
        ("", ":1: the file is empty"),
        ("a: 1\na: 2\n", ":2: a: used twice"),
        ("include: [missing.yaml]\n", "missing.yaml: no such file"),
        ("model_list: [{model_name: c, litellm_params: {model: claude-3}}]\n", "anthropic"),
        ("model_list: [{model_name: auto, litellm_params: {model: gpt-4o}}]\n", "auto is what"),
        ("model_list: [{litellm_params: {model: gpt-4o}}]\n", "no model_name"),
        ("model_list: [1, [2]]\n", "no model_name"),
    ],
)
def test_what_cannot_be_imported_is_told(tmp_path, text, said):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        import_litellm(path)
    assert said in caught.value.message


def test_a_home_that_is_no_country_is_told(tmp_path):
    with pytest.raises(ConfigError, match="home: not a country"):
        import_litellm(source(tmp_path, "simple.yaml"), "UK")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        import_litellm(tmp_path / "none.yaml")


# Whatever comes in


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    return path


words = st.text(max_size=12) | st.sampled_from(["gpt-4o", "a b", "auto", "x" * 80, "null", "7"])
scalars = words | st.integers() | st.floats() | st.booleans() | st.none()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
secret = st.just(CANARY) | words.map(lambda word: CANARY + word)
key = st.just(CANARY) | secret | st.sampled_from(["os.environ/SOME_KEY", "os.environ/", "", None])
url = st.sampled_from(
    ["http://localhost:1/v1", "https://api.openai.com/v1", "http://openai/v1", "http://[::1", "x"]
) | st.from_regex(r"https?://[a-z0-9.]{1,9}(:[0-9]{1,6})?(/v1)?/?", fullmatch=True)  # fmt: skip
params = st.fixed_dictionaries(
    {"model": st.sampled_from(["openai/gpt-4o", "ollama/m", "azure/x", "gpt-4", "groq/b:7b"])},
    optional={
        "api_key": key, "api_base": url, "rpm": scalars,
        "extra_headers": st.dictionaries(words, secret, max_size=2),
        "max_parallel_requests": scalars, "input_cost_per_token": scalars,
        "output_cost_per_token": scalars, "aws_secret_access_key": secret,
    },
)  # fmt: skip
info = st.fixed_dictionaries(
    {}, optional={
        "mode": st.sampled_from(["chat", "embedding", "completion", "image_generation"]) | scalars,
        "max_input_tokens": scalars, "supports_vision": scalars, "base_model": scalars,
        "input_cost_per_token": st.floats(0, 1), "output_cost_per_token": st.floats(0, 1),
    },
)  # fmt: skip
model = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["gpt-4o", "m", "m-openai", "auto", "*"]),
        "litellm_params": params,
    },
    optional={"model_info": info},
)
document = st.fixed_dictionaries(
    {"model_list": st.lists(model | model | anything, min_size=1, max_size=5)},
    optional={
        "router_settings": anything, "general_settings": st.dictionaries(words, secret, max_size=2),
        "litellm_settings": st.fixed_dictionaries({"request_timeout": scalars}) | anything,
        "environment_variables": st.dictionaries(words, secret, max_size=2),
        "credential_list": anything,
    },
)  # fmt: skip


DEAR = {"model": "openai/gpt-4o", "input_cost_per_token": 1001, "output_cost_per_token": 0}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@example({"model_list": [{"model_name": "gpt-4o", "litellm_params": DEAR}]})
@given(document)
def test_whatever_comes_in_is_imported_soundly_or_refused_and_no_secret_comes_out(tmp_path, said):
    path = written(tmp_path, said)
    made = attempt(path)
    if isinstance(made, ConfigError):
        assert made.message
        assert "the imported configuration" not in made.message, made.message
        assert CANARY not in made.message + made.advice
        return
    assert parse(made.text).deployments
    assert CANARY not in made.text + repr(made)
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def attempt(path: Path) -> Imported | ConfigError:
    try:
        return import_litellm(path, "DE", "keys")
    except ConfigError as error:
        return error


def test_the_guide_shows_what_import_prints(tmp_path, monkeypatch):
    page = Path(__file__).parents[3] / "docs" / "how-to" / "migrate-from-litellm.md"
    text = page.read_text("utf-8")
    (given,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "config.yaml").write_text(given)
    monkeypatch.chdir(tmp_path)
    result = run("config.yaml", "--home", "DE", "--keys-dir", "keys")
    assert result.stdout == shown

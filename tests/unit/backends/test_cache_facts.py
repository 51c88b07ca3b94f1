"""What servers say of their caches, and that a new start is noticed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import cache_says
from tests.fakes.openai_server import FakeOpenAI

from situs.backends.cache_facts import Said, read_cache, said_by_llama_cpp, said_by_vllm
from situs.backends.openai_compatible import Endpoint, Origins
from situs.core.fleet import PrefixCache
from situs.dispatch.egress import Connector, Permit
from situs.errors import BackendUnavailable


def read(*says, key=None, servers_key=None, permitted=True, path="/v1"):
    """What is said, time after time."""

    async def story():
        async with FakeOpenAI(key=servers_key) as fake:
            place = ("127.0.0.1", fake.port)
            permits = [Permit("a", lambda: place, owned=True)] if permitted else []
            origins = Origins(Connector(permits).dial)
            endpoint = Endpoint(lambda: f"{fake.url}{path}", "m", lambda: key)
            found = []
            for one in says:
                fake.set(says=one)
                found.append(await read_cache(origins, endpoint))
            return found, fake.looks

    return asyncio.run(story())


def test_llama_cpp_says_its_slots_and_their_context():
    [said], paths = read(cache_says.llama_cpp(slots=3, context=2048))
    assert (said.cache, said.context_tokens) == (PrefixCache(slots=3), 2048)
    assert paths == ["/props", "/slots"]


def test_vllm_says_its_blocks():
    [said], _ = read(cache_says.vllm(blocks=2340))
    assert said.cache == PrefixCache(tokens=2340 * 16)


def test_the_newer_figure_of_vllm_goes_before_the_product():
    [said], _ = read(cache_says.vllm(kv_cache_size_tokens="5000"))
    assert said.cache == PrefixCache(tokens=5000)


def test_several_engines_are_one_cache():
    [said], _ = read(cache_says.vllm(blocks=100, engines=3))
    assert said.cache == PrefixCache(tokens=4800)


def test_without_prefix_caching_nothing_is_kept():
    [said], _ = read(cache_says.vllm(enable_prefix_caching="False"))
    assert said.cache == PrefixCache(tokens=0)


@pytest.mark.parametrize(
    "says",
    [
        {},
        {"/props": "{}"},
        {"/props": "no JSON"},
        {"/props": '{"total_slots": 0, "default_generation_settings": {"n_ctx": 1}}'},
        {"/metrics": "up 1\n"},
        cache_says.vllm(blocks=None),
    ],
)
def test_who_does_not_say_is_not_known(says):
    assert read(says)[0] == [None]


def test_slots_that_are_not_shown_are_not_needed():
    says = cache_says.llama_cpp(slots=3)
    [said], _ = read({"/props": says["/props"]})
    assert said.cache == PrefixCache(slots=3)


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        (cache_says.llama_cpp(marker="a"), cache_says.llama_cpp(marker="a", task=9), False),
        (cache_says.llama_cpp(marker="a"), cache_says.llama_cpp(marker="b"), True),
        (cache_says.llama_cpp(marker="", task=9), cache_says.llama_cpp(marker="", task=9), False),
        (cache_says.llama_cpp(marker="", task=9), cache_says.llama_cpp(marker="", task=2), True),
        (cache_says.llama_cpp(marker="", task=9), cache_says.llama_cpp(marker=""), True),
        (cache_says.vllm(read=100.0), cache_says.vllm(read=1.2e6), False),
        (cache_says.vllm(read=1.2e6), cache_says.vllm(read=100.0), True),
    ],
)
def test_a_new_start_is_noticed(before, after, anew):
    (one, other), _ = read(before, after)
    assert other.began_anew(one) is anew


def test_its_key_is_shown_to_it():
    assert read(cache_says.llama_cpp(), key="k", servers_key="k")[0][0] is not None
    assert read(cache_says.llama_cpp(), key="l", servers_key="k")[0][0] is None


def test_what_lies_under_a_path_is_asked_there():
    says = {f"/there{path}": body for path, body in cache_says.llama_cpp(slots=2).items()}
    [said], _ = read(says, path="/there/v1")
    assert said.cache == PrefixCache(slots=2)


def test_nobody_is_asked_who_is_not_permitted():
    with pytest.raises(BackendUnavailable):
        read(cache_says.llama_cpp(), permitted=False)


@pytest.mark.parametrize("path", ["/props", "/slots", "/metrics"])
def test_of_what_is_too_long_nothing_is_known(path):
    too_long = (cache_says.llama_cpp(task=9) if path != "/metrics" else {}) | {path: "x" * 600_000}
    [said], _ = read(too_long)
    assert (said and said.count) == (0.0 if path == "/slots" else None)


@pytest.mark.parametrize(
    "line",
    [
        "vllm:cache_config_info{" + "a" * 400_000 + "} 1.0",
        "vllm:cache_config_info{" + 'a="' * 100_000 + "} 1.0",
        "vllm:cache_config_info{" + 'num_gpu_blocks="9",block_size="1",' * 9_000 + "} 1.0",
        "\n".join(["vllm:cache_config_info{" + "a" * 4_000 + "} 1.0"] * 100),
    ],
)
def test_a_line_that_is_too_long_says_nothing(line):
    assert said_by_vllm(line) is None


@pytest.mark.parametrize(
    ("slots", "context"), [(10**30, 1024), (65_537, 1024), (4, -5), (4, 0), (4, 10**30)]
)
def test_slots_and_context_that_cannot_be_say_nothing(slots, context):
    settings = f'{{"n_ctx": {context}}}'
    props = f'{{"total_slots": {slots}, "default_generation_settings": {settings}}}'
    assert said_by_llama_cpp(props.encode()) is None


def test_tokens_that_cannot_be_say_nothing():
    for labels in ({"blocks": 10**13}, {"kv_cache_size_tokens": "0"}, {"engines": 20}):
        whole = {"kv_cache_size_tokens": "99999999999"} | labels
        says = cache_says.vllm(**(whole if "blocks" not in labels else labels))
        assert said_by_vllm(says["/metrics"]) is None


def test_what_is_read_of_prompts_is_bounded():
    metrics = cache_says.vllm(read=1e99)["/metrics"]
    said = said_by_vllm(metrics)
    assert said is not None
    assert said.count == 1e15


def test_a_last_task_that_cannot_be_is_none():
    says = cache_says.llama_cpp()
    [said], _ = read(says | {"/slots": f'[{{"id_task": {10**30}}}]'})
    assert said.count == 0.0


@pytest.mark.parametrize("inside", [b"[" * 30_000, b'"' + b"\xff" * 9 + b'"'])
def test_what_cannot_be_read_says_nothing(inside):
    settings = b'"default_generation_settings": {"n_ctx": 9}'
    props = b'{"total_slots": 1, ' + settings + b', "media_marker": ' + inside + b"}"
    assert said_by_llama_cpp(props) is None


@given(st.binary(max_size=300) | st.text("0123456789e+.", max_size=9).map(str.encode))
def test_whatever_is_said_does_not_raise(data):
    assert isinstance(said_by_llama_cpp(data), Said | None)
    metrics = "vllm:cache_config_info{" + data.decode(errors="replace") + "} 1.0\n"
    assert isinstance(said_by_vllm(metrics), Said | None)
    told = "vllm:prompt_tokens_total " + data.decode(errors="replace") + "\n"
    assert isinstance(said_by_vllm(cache_says.vllm()["/metrics"] + told), Said | None)

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


def test_an_endless_answer_is_refused():
    with pytest.raises(BackendUnavailable):
        read({"/props": "x" * 5_000_000})


@given(st.binary(max_size=300) | st.text("0123456789e+.", max_size=9).map(str.encode))
def test_whatever_is_said_does_not_raise(data):
    assert isinstance(said_by_llama_cpp(data), Said | None)
    metrics = "vllm:cache_config_info{" + data.decode(errors="replace") + "} 1.0\n"
    assert isinstance(said_by_vllm(metrics), Said | None)
    told = "vllm:prompt_tokens_total " + data.decode(errors="replace") + "\n"
    assert isinstance(said_by_vllm(cache_says.vllm()["/metrics"] + told), Said | None)

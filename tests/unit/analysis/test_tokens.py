"""Tokens of a request: what is counted, what a template adds, and that estimates stay sane."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.make import request

from situs.analysis.token_counts import counter, counters, pieces
from situs.analysis.token_families import TEMPLATES, UNKNOWN, family_of
from situs.analysis.token_units import MOST, kinds, units
from situs.analysis.tokens import prompt_tokens, tokens_by
from situs.core.request import Ask, Modality, Principal, Wire
from situs.http import openai_chat, openai_completions, openai_embeddings
from situs.learning.artefacts import load, shipped

ARTEFACT = load(shipped("tokens"))
COUNT = counter(ARTEFACT.arrays, ARTEFACT.card.settings)
KINDS = kinds()


def cut(text):
    """The units of a text, as texts."""
    found = units(text.encode(), KINDS)
    edges = [*found.starts.tolist(), len(found.padded) - 3]
    return [text[one:two] for one, two in pairwise(edges)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Hello, world", ["Hello", ",", " world"]),
        ("  two  spaces", [" ", " two", " ", " spaces"]),
        ("rows.sort()", ["rows", ".sort", "()"]),
        ('{"id": 4711}', ['{"', "id", '":', " ", "4711", "}"]),
        ("end.\n\nNext", ["end", ".\n\n", "Next"]),
        ("a\n    b", ["a", "\n", "   ", " b"]),
        ("用React写", ["用", "React", "写"]),
        ("नेपाल सुन्दर", ["नेपाल", " सुन्दर"]),
        ("ok 😀😀", ["ok", " 😀😀"]),
    ],
)
def test_a_text_is_cut_where_tokenizers_cut_it(text, expected):
    assert cut(text) == expected


@given(st.text(max_size=200))
def test_units_are_the_whole_text(text):
    text = text.encode("utf-8", "replace").decode()
    assert "".join(cut(text)) == text


@given(st.text(max_size=200), st.sampled_from(["o200k", "gemma", "bert", "no such model"]))
def test_an_estimate_is_finite_and_in_proportion(text, family):
    data = text.encode("utf-8", "replace")
    assert 0 <= COUNT(data, family) <= 6 * len(data)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_text_are_counted_all_the_same(data):
    assert COUNT(data, "qwen") <= 6 * len(data)


def test_one_function_for_several_families_says_what_it_says_for_each():
    data = "Grüße, 北京! def f(x): return x\n".encode()
    names = ("cl100k", "llama2", "a model nobody knows")
    many = counters(ARTEFACT.arrays, ARTEFACT.card.settings)(data, names)
    assert many == [COUNT(data, name) for name in names]


def test_an_unknown_family_is_counted_at_the_most_of_the_families_of_today():
    data = "नेपालको राजधानी काठमाडौं हो।".encode()
    wide = [COUNT(data, name) for name in ARTEFACT.card.settings[UNKNOWN]]
    assert COUNT(data, "unheard-of") == max(wide)


@given(st.integers(0, 3 * MOST), st.sampled_from(["a", "é", "語", "😀"]))
def test_long_texts_are_cut_between_characters(size, character):
    data = (character * size).encode()
    parts = list(pieces(data))
    assert b"".join(parts) == data
    assert all(len(part) <= MOST and part.decode() for part in parts)


@pytest.mark.parametrize(
    ("text", "family", "tokens"),
    [
        # Counted with the tokenizers themselves.
        ("The quick brown fox jumps over the lazy dog.", "cl100k", 10),
        ("The quick brown fox jumps over the lazy dog.", "bert", 10),
        ("for i in range(10):\n    print(i)\n", "cl100k", 11),
        ("12345678", "qwen", 8),
        ("12345678", "o200k", 3),
    ],
)
def test_frequent_words_and_numbers_are_counted_as_they_are(text, family, tokens):
    assert COUNT(text.encode(), family) == pytest.approx(tokens, rel=0.1)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4o-mini", "o200k"),
        ("openai/gpt-oss-20b", "o200k"),
        ("gpt-4-turbo", "cl100k"),
        ("cl100k_base", "cl100k"),
        ("o3-mini", "o200k"),
        ("text-embedding-3-small", "cl100k"),
        ("gpt2", "gpt2"),
        ("gpt-35-turbo", "cl100k"),
        ("gpt", "o200k"),
        ("llama", "llama3"),
        ("llama-13b", "llama2"),
        ("ollama/mistral", "mistral"),
        ("bge-small-en-v1.5", "bert"),
        ("multilingual-e5-small", UNKNOWN),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("llama-2-7b-chat", "llama2"),
        ("Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("mistral-nemo", "tekken"),
        ("gemma-3-270m-it", "gemma"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("qwen3.5-9b", "qwen35"),
        ("deepseek-r1-distill-qwen-7b", "qwen"),
        ("deepseek-chat", "deepseek"),
        ("anthropic.claude-sonnet-4", "claude"),
        ("SmolLM2-135M-Instruct.Q4_1", "smollm2"),
        ("all-MiniLM-L6-v2.int8", "bert"),
        ("our-own-model", UNKNOWN),
        ("pro1", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_model_s_name_says_its_family(name, family):
    assert family_of(name) == family


def test_every_family_of_the_artefact_has_a_template_and_is_its_own():
    families = ARTEFACT.card.settings["families"]
    assert set(families) | {UNKNOWN} == set(TEMPLATES)
    assert all(family_of(family) == family for family in families)


def by_letters(data, families):
    """A head that counts bytes: what it was given can be read off."""
    return [float(len(data))] * len(families)


def tokens_of(request, family):
    counted = tokens_by(request, by_letters, ("llama3", family))
    assert list(counted) == ["llama3", family]
    return counted[family]


def chat(**document):
    body = msgspec.json.encode({"model": "auto", **document})
    return openai_chat.parse(body, "r", Ask(), Principal())


def test_a_chat_is_its_contents_and_what_the_template_adds():
    asked = chat(
        messages=[{"role": "system", "content": "abc"}, {"role": "user", "content": "defgh"}],
        user="somebody",
        stop=["never"],
    )
    assert tokens_of(asked, "cl100k") == 8 + 2 * 4 + 3


def test_a_default_system_message_counts_where_there_is_none():
    own = chat(messages=[{"role": "system", "content": "a"}, {"role": "user", "content": "b"}])
    none = chat(messages=[{"role": "user", "content": "ab"}])
    with_own, without = (tokens_of(r, "smollm2") for r in (own, none))
    assert without - with_own == TEMPLATES["smollm2"].system - TEMPLATES["smollm2"].message


def test_tools_are_counted_as_the_json_that_a_model_reads():
    messages = [{"role": "user", "content": "x"}]
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    more = tokens_of(chat(messages=messages, tools=[tool]), "qwen")
    less = tokens_of(chat(messages=messages), "qwen")
    assert more - less == len(
        '[[{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]]'
    )


def test_completions_and_embeddings_have_no_messages():
    body = msgspec.json.encode({"model": "auto", "prompt": ["abc", "de"]})
    asked = openai_completions.parse(body, "r", Ask(), Principal())
    assert asked.wire is Wire.OPENAI_COMPLETIONS
    assert tokens_of(asked, "qwen") == 5
    body = msgspec.json.encode({"model": "auto", "input": ["abc", "de"]})
    asked = openai_embeddings.parse(body, "r", Ask(), Principal())
    assert tokens_of(asked, "bert") == 5 + 2 * 2


def test_token_ids_are_counted_and_not_read():
    body = msgspec.json.encode({"model": "auto", "prompt": [11, 22, 33]})
    asked = openai_completions.parse(body, "r", Ask(), Principal())
    assert Modality.TOKENS in asked.modalities
    assert tokens_of(asked, "qwen") == 3


def test_without_a_head_a_rule_answers():
    asked = request("What is the capital of France?")
    assert 5 < prompt_tokens(asked, asked.texts[0].text.encode()) < 15

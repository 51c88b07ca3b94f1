"""The analysis as a whole: labels, reasons, bounds, and nothing of the content in it."""

import base64

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS, analyse
from situs.core.capability import CapabilityClass
from situs.core.label import Label
from situs.core.request import Ask, Modality, Request, Text, Wire
from situs.core.snapshot import Labels

LABELS = Labels(DEFAULT_FLOORS)
CARD = "4111 1111 1111 1111"


def request(*texts, **fields):
    messages = [{"role": "user", "content": text} for text in texts]
    parts = tuple(Text(f"messages[{i}].content", text) for i, text in enumerate(texts))
    document = {"model": "auto", "messages": messages}
    return Request("r", Wire.OPENAI_CHAT, "auto", document, parts, 0, **fields)


def reasons(analysis):
    return [(reason.label.value, reason.source, reason.detail) for reason in analysis.reasons]


def test_a_clean_text_has_the_default_label():
    analysis = analyse(request("hello there"), LABELS)
    assert (analysis.label, analysis.findings) == (Label.PUBLIC, ())
    assert reasons(analysis) == [("public", "default", "public")]


def test_findings_are_counted_in_the_reasons():
    analysis = analyse(request(f"{CARD} a@b.example", CARD), LABELS)
    assert analysis.label is Label.CONFIDENTIAL
    assert reasons(analysis) == [
        ("confidential", "finding", "card ×2"),  # noqa: RUF001
        ("internal", "finding", "email"),
    ]
    assert [finding.part for finding in analysis.findings] == [0, 0, 1]


def test_a_kind_without_a_floor_is_restricted():
    assert analyse(request(CARD), Labels({})).label is Label.RESTRICTED


def test_what_cannot_be_read_is_never_clean():
    seen = request("look", modalities=frozenset({Modality.TEXT, Modality.IMAGE}))
    analysis = analyse(seen, LABELS)
    assert reasons(analysis) == [("internal", "unread", "image")]


@pytest.mark.parametrize("unread", [Label.INTERNAL, Label.CONFIDENTIAL])
def test_media_in_a_text_are_what_cannot_be_read(unread):
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256))).decode()
    analysis = analyse(request(f"see {picture}"), Labels(DEFAULT_FLOORS, unread=unread))
    assert reasons(analysis) == [(unread.value, "finding", "media")]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(Label)),
    st.sampled_from(list(Label)),
    st.sampled_from(["", CARD, "a@b.example"]),
)
def test_the_label_is_never_below_the_declared_one_nor_the_default(declared, default, text):
    labels = Labels(DEFAULT_FLOORS, default=default)
    analysis = analyse(request(text, ask=Ask(label=declared)), labels)
    assert analysis.label >= max(declared, default)
    assert analysis.label == max(reason.label for reason in analysis.reasons)
    assert analysis == analyse(request(text, ask=Ask(label=declared)), labels)


def test_every_text_of_the_document_is_scanned():
    hidden = Text("tools[0].function.description", CARD)
    asked = request("hello")
    whole = msgspec.structs.replace(asked, texts=(*asked.texts, hidden))
    assert [finding.part for finding in analyse(whole, LABELS).findings] == [1]


def test_a_card_that_was_a_json_number_is_found():
    number = Text("messages[0].content.card", "4111111111111111")
    assert analyse(msgspec.structs.replace(request("x"), texts=(number,)), LABELS).findings


def test_findings_are_bounded_and_the_label_is_still_from_all():
    secret = "password=" + "Tr0ub4dor&3"
    analysis = analyse(request("a@b.example " * 1200 + secret), LABELS)
    assert len(analysis.findings) == 1000
    assert analysis.label is Label.RESTRICTED
    assert ("internal", "finding", "email ×1200") in reasons(analysis)  # noqa: RUF001


def test_nothing_of_the_content_is_in_an_analysis():
    canary = "Tr0ub4dor" + "Canary77"
    texts = [f"{canary}@mail.example", f"password={canary}", f"card {CARD} {canary}"]
    analysis = analyse(request(*texts), LABELS)
    written = repr(analysis) + msgspec.json.encode(analysis).decode()
    assert analysis.findings
    assert canary not in written
    assert CARD not in written
    assert "4111" not in written


@pytest.mark.parametrize(
    ("asked", "task"),
    [
        ("Translate this into French: good morning", "translation"),
        ("Summarize the following report.", "summarisation"),
        ("Write a Python function that adds two numbers", "code"),
        ("Extract all names from the text below", "extraction"),
        ("Classify these animals as wild or tame", "classification"),
        ("Rephrase this sentence politely", "rewriting"),
        ("Write me a short poem about rain", "creative_writing"),
        ("Brainstorm names for a bakery", "brainstorming"),
        ("Solve 3x + 4 = 19", "reasoning"),
        ("How should I prepare for an interview?", "advice"),
        ("Who wrote Faust?", "open_qa"),
        ("Based on the text, who was first? " + "Once there was a race. " * 30, "closed_qa"),
        ("hello", "chat"),
        ("", "chat"),
    ],
)
def test_the_baseline_names_the_task(asked, task):
    analysis = analyse(request(asked), LABELS)
    assert (analysis.task, analysis.tiers) == (task, {"task": "rule"})


def test_a_request_with_tools_or_after_a_tool_is_an_agent_step():
    assert analyse(request("hello", tools=True), LABELS).task == "agent_step"
    asked = request("hello")
    asked.document["messages"].append({"role": "tool", "content": "42"})
    assert analyse(asked, LABELS).task == "agent_step"


def test_a_long_prompt_needs_the_next_class():
    short, long = (analyse(request("hello " * n), LABELS) for n in (1, 10_000))
    assert (short.needs, long.needs) == (CapabilityClass.TINY, CapabilityClass.SMALL)


def test_odd_documents_do_not_break_it():
    for messages in (None, 3, [], ["x"], [{"role": "user", "content": [{"text": 3}, "x"]}]):
        odd = Request("r", Wire.OPENAI_CHAT, "auto", {"messages": messages}, (), 0)
        assert analyse(odd, LABELS).task == "chat"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("word " * 400, 350, 600), ("слово " * 100, 250, 500), ("你好" * 100, 120, 300)],
)
def test_tokens_follow_the_script(text, low, high):
    assert low <= analyse(request(text), LABELS).prompt_tokens <= high


def test_completion_tokens_are_at_most_what_is_allowed():
    assert (
        analyse(request("Who wrote Faust?", max_completion_tokens=5), LABELS).completion_tokens == 5
    )
    assert analyse(request("Who wrote Faust?"), LABELS).completion_tokens > 5

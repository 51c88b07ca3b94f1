"""Redacting and pseudonymising requests: nothing found is sent, and all of it comes back."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests import make

from situs.analysis.entry import scanned
from situs.analysis.labels import DEFAULT_FLOORS
from situs.analysis.sensitivity.money import is_card, is_iban
from situs.analysis.texts import Form, rewritten, texts_of
from situs.analysis.transforms import Restorer, carry_out, survivors
from situs.analysis.transforms.swap import Pair, Swaps
from situs.core.decision import Obligation
from situs.core.label import Finding
from situs.core.request import Ask, Modality, Principal
from situs.core.snapshot import Labels

KEY = bytes(range(32))
LABELS = Labels(DEFAULT_FLOORS)
CARD, IBAN, EMAIL = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "ann.lee@firm.test"
HIDE, CUT = Obligation("pseudonymise"), Obligation("redact")


def asked(document, **fields):
    if isinstance(document, str):
        document = {"messages": [{"role": "user", "content": document}]}
    body = json.dumps(document).encode()
    return make.request(
        document=document, texts=texts_of(document), body=body, size=len(body), **fields
    )


def found_in(request, **values):
    """What the scan finds, and these values where they stand."""
    findings = list(scanned(request, LABELS).findings)
    for part, text in enumerate(request.texts):
        for kind, value in values.items():
            place = text.text.find(value)
            while place >= 0:
                findings.append(Finding(kind, part, place, place + len(value), 0.9, "names"))
                place = text.text.find(value, place + len(value))
    return findings


def sent(document, *obligations, **values):
    request = asked(document)
    return carry_out(request, found_in(request, **values), obligations or [HIDE], KEY)


def content(made):
    return made.request.document["messages"][0]["content"]


def restored(made):
    back = made.restore
    return rewritten(made.request.document, lambda text, form: back.back(text, form is Form.SOURCE))


WORDS = st.sampled_from(
    [
        *("ann", "Ann", "ANN", "Lee", "O'Neil", "4111", "123", "-", "@", "firm.test", "_", "%41"),
        *(
            "\u738b\u4f1f",
            "\u0410\u043d\u043d\u0430",
            "\u00e9t\u00e9",
            "\U0001f600",
            '"',
            "\\n",
            ".",
        ),
        *("\n", "[PERSON]", EMAIL, CARD, "straße", "İx", "a", "1"),
    ]
)
LINES = st.lists(st.one_of(WORDS, st.text(max_size=6)), min_size=1, max_size=10).map(" ".join)
KINDS = st.sampled_from(["person", "email", "card", "phone", "credential", "national_id", "own"])
SPANS = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 12), KINDS), max_size=5)


def placed(text, spans):
    findings = []
    for start, size, kind in spans:
        start = min(start, max(0, len(text) - 1))
        if text[start : start + size]:
            findings.append(Finding(kind, 0, start, min(len(text), start + size), 0.9, "any"))
    return findings


def overlapped(finding, findings):
    return any(
        one is not finding and one.start < finding.end and finding.start < one.end
        for one in findings
    )


@settings(max_examples=300, deadline=None)
@given(LINES, SPANS, st.booleans())
def test_whatever_is_found_wherever_comes_back_exactly(text, spans, session):
    assume(text.encode("utf-8", "ignore").decode() == text)
    request = asked(text)
    assume(len(request.texts) == 1)
    findings = placed(text, spans)
    made = carry_out(
        request,
        findings,
        [Obligation("pseudonymise", scope="session" if session else "request")],
        KEY,
    )
    if made.refused is not None:
        assert made.request is request
        return
    if made.restore is None:
        assert made.request is request
        assert not findings
        return
    assert restored(made) == request.document
    restorer = Restorer(made.restore)
    assert "".join(map(restorer.feed, content(made))) + restorer.close() == text
    for one in findings:
        value = text[one.start : one.end]
        if sum(map(str.isalnum, value)) >= 3 and not overlapped(one, findings):
            assert not list(Swaps([Pair(value, "")]).spans(content(made)))


def test_few_texts_are_refused():
    """The property above says nothing of what is refused."""
    chance, refused = random.Random(5), 0
    words = ["Ann Lee", EMAIL, CARD, "the", "of", "12", "-", "42 Main St", "\u738b\u4f1f", "x1"]
    for _ in range(200):
        text = " ".join(chance.choices(words, k=8))
        spans = [(chance.randrange(len(text)), chance.randrange(4, 12), "own") for _ in range(3)]
        refused += carry_out(asked(text), placed(text, spans), [HIDE], KEY).refused is not None
    assert refused <= 4


VALUES: dict[str, list[Any]] = {
    "email": [EMAIL, "bo@b.test"],
    "card": ["4111111111111111", "5555-5555-5555-4444", 4111111111111111],
    "iban": [IBAN],
    "person": ["Ann Lee", 'Jo "Max" Ö\n', "\u738b\u4f1f"],
    "own": ["Falcon Nine", "a\\b", "\u00e9\U0001f600 x7"],
}


def payload(chance, used, depth=0):
    """Some JSON value with values of `VALUES` in it, in texts, keys and numbers."""
    pick = chance.random()
    if pick < 0.45 or depth > 3:
        kind = chance.choice(list(VALUES))
        value = chance.choice(VALUES[kind])
        used.append((kind, str(value)))
        return value if chance.random() < 0.5 or not isinstance(value, str) else f"to {value}."
    if pick < 0.6:
        return chance.choice([None, True, 12, 1.5, "plain \u00fc", '"\\', ""])
    if pick < 0.8:
        return [payload(chance, used, depth + 1) for _ in range(chance.randrange(4))]
    made = {f"k{place}": payload(chance, used, depth + 1) for place in range(chance.randrange(4))}
    if chance.random() < 0.3:
        used.append(("email", EMAIL))
        made[EMAIL] = payload(chance, used, depth + 1)
    return made


def test_a_thousand_payloads_of_tool_calls_survive():
    chance = random.Random(20)
    for number in range(1000):
        used: list[tuple[str, str]] = []
        arguments = {"x": payload(chance, used), "y": payload(chance, used)}
        source = json.dumps(arguments, ensure_ascii=bool(number % 2), indent=number % 3 or None)
        call = {"type": "function", "function": {"name": "f", "arguments": source}}
        request = asked(
            {"messages": [{"role": "assistant", "tool_calls": [call], "content": str(used)}]}
        )
        findings = []
        part = next(i for i, one in enumerate(request.texts) if one.path.endswith("arguments"))
        for kind, value in dict.fromkeys(used):
            raw = json.dumps(value, ensure_ascii=bool(number % 2))[1:-1]
            start = source.find(raw)
            findings.append(Finding(kind, part, start, start + len(raw), 0.9, "any"))
        made = carry_out(request, findings, [HIDE], KEY)
        assert made.refused is None
        if not findings:
            continue
        assert made.restore is not None
        out = made.request.document["messages"][0]["tool_calls"][0]["function"]["arguments"]
        json.loads(out)
        for _, value in used:
            assert value not in out
            assert json.dumps(value)[1:-1] not in out
        cut = sorted(chance.choices(range(len(out) + 1), k=6))
        restorer = Restorer(made.restore, json=True)
        pieces = [out[one:other] for one, other in zip([0, *cut], [*cut, len(out)], strict=True)]
        back = "".join(map(restorer.feed, pieces)) + restorer.close()
        assert json.loads(back) == arguments
        restorer = Restorer(made.restore, json=True)
        other = json.dumps(json.loads(out), ensure_ascii=not number % 2)
        assert json.loads(restorer.feed(other) + restorer.close()) == arguments


def test_a_request_with_nothing_of_the_kinds_stays_as_it_is():
    request = asked(f"Write to {EMAIL}.")
    findings = found_in(request)
    for owed in ([], [Obligation("redact", findings=("card",))], [Obligation("no_log")]):
        made = carry_out(request, findings, owed, KEY)
        assert made.request is request
        assert (made.applied, made.restore, made.refused) == ({}, None, None)


def test_what_is_redacted_is_named_by_its_kind_and_does_not_come_back():
    made = sent(f"I am Ann Lee, {EMAIL}; card {CARD}. ANN LEE, or Lee.", CUT, person="Ann Lee")
    assert content(made) == "I am [PERSON], [EMAIL]; card [CARD]. [PERSON], or [PERSON]."
    assert made.restore is None
    assert made.applied == {"redact": 5}


def test_what_stands_within_a_word_once_is_replaced_within_words():
    text = f"{CARD} x{CARD}y"
    request = asked(text)
    findings = [Finding("card", 0, 0, 19, 0.9, "any"), Finding("card", 0, 21, 40, 0.9, "any")]
    made = carry_out(request, findings, [HIDE], KEY)
    assert CARD not in content(made)
    assert made.applied == {"pseudonymise": 2}
    assert restored(made) == request.document


def test_what_was_found_as_two_things_is_redacted_if_one_of_them_is():
    findings = [Finding(kind, 0, 0, 9, 0.9, "any") for kind in ("phone", "card")]
    owed = [HIDE, Obligation("redact", findings=("card",))]
    assert content(carry_out(asked("123456789"), findings, owed, KEY)) == "[CARD]"


def test_redacting_goes_before_pseudonymising():
    made = sent(f"{EMAIL} {CARD}", HIDE, Obligation("redact", findings=("card",)))
    assert content(made).endswith(" [CARD]")
    assert made.applied == {"redact": 1, "pseudonymise": 1}
    assert restored(made)["messages"][0]["content"] == f"{EMAIL} [CARD]"


def test_pseudonyms_have_the_form_of_what_they_stand_for():
    made = sent(f"{EMAIL}\n{CARD}\n{IBAN}\n+61 412 345 678\nAnn van Lee", person="Ann van Lee")
    email, card, iban, phone, person = content(made).split("\n")
    assert email.rpartition(".example.")[2] in ("org", "com")
    assert card.startswith("4000 00")
    assert is_card(card)
    assert iban.startswith("DE")
    assert iban != IBAN
    assert is_iban(iban)
    assert phone.startswith("+61 4")
    assert [len(group) for group in phone.split()] == [3, 3, 3, 3]
    assert person.split()[1] == "van"
    assert person.istitle() is False
    assert all(word[0].isupper() for word in person.split()[::2])


def test_one_value_has_one_pseudonym_in_every_place_and_case():
    text = f"{EMAIL}, {EMAIL.upper()}, Ann Lee, ANN LEE, Lee and {CARD} or {CARD.replace(' ', '')}"
    made = sent(text, person="Ann Lee")
    one, two, name, loud, rest = content(made).split(", ", 4)
    last = rest.split(" ")[0]
    card, close = rest.split(" and ")[1].split(" or ")
    assert one.lower() == two.lower()
    assert name.upper() == loud
    assert name.endswith(last)
    assert card.replace(" ", "") == close
    assert restored(made) == asked(text).document


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("email", EMAIL, EMAIL.replace("@", "%40")),
        ("person", "Ann Lee", "Ann\nLee"),
        ("person", "Ann Lee", "Ms. Lee"),
        ("person", "Ann Lee", "ANN LEE"),
        ("person", "Ann Lee", "ann lee"),
        ("person", 'Ann "Max" Lee', 'Ann \\"Max\\" Lee'),
        ("person", "Ann Lee", "Ann Lees"),
        ("organisation", "Zephyr Ltd", "Zephyr"),
        ("card", CARD, CARD.replace(" ", "")),
        ("iban", IBAN, IBAN.replace(" ", "")),
    ],
)
def test_a_model_may_write_a_pseudonym_in_another_way(kind, value, written):
    made = sent(f"This is {value}.", **{kind: value})
    stands = content(made).removeprefix("This is ").removesuffix(".")
    ways = {
        EMAIL.replace("@", "%40"): stands.replace("@", "%40"),
        "Ann\nLee": stands.replace(" ", "\n"),
        "Ms. Lee": f"Ms. {stands.split()[-1]}",
        "ANN LEE": stands.upper(),
        "ann lee": stands.lower(),
        'Ann \\"Max\\" Lee': stands.replace('"', '\\"'),
        "Zephyr": stands.split()[0],
        "Ann Lees": f"{stands}s",
    }
    answer = ways.get(written, stands.replace(" ", ""))
    assert made.restore is not None
    assert made.restore.back(f"<{answer}>") == f"<{written}>"


def test_a_word_of_an_organisation_may_mean_something_else_where_it_stands_alone():
    made = sent("United Widgets in the United States", organisation="United Widgets")
    assert content(made).endswith(" in the United States")
    assert made.restore.back(f"the {content(made).split()[0]} plan") == "the United plan"


def test_what_only_looks_like_a_pseudonym_stays():
    made = sent(f"{CARD} for Ann Lee {EMAIL}", person="Ann Lee")
    stands = content(made)
    card, word, email = stands[:19], stands.split()[-2], stands.split()[-1]
    others = [f"1{card}", f"{card}2", f"{card}a", card[:-1], card[:9] * 2]
    others += [word[:-1], f"{word[:-1]}-", f"x{word}", f"{email}a", f"b{email}", email[:-1]]
    assert made.restore is not None
    for other in others:
        assert made.restore.back(other) == other


def test_a_name_with_an_ending_goes_and_comes_back():
    text = "Meyer Lee, Meyers Hund, die Meyersche; Lees"
    made = sent(text, person="Meyer Lee")
    assert "Meyer" not in content(made)
    assert content(made).endswith("; Lees")
    assert restored(made)["messages"][0]["content"] == text


def test_pseudonyms_hold_for_the_request_or_for_the_session_of_the_tenant():
    def pseudonym(scope, request_id="one", session="s", tenant="t", key=KEY):
        fields = {"id": request_id, "ask": Ask(session=session), "principal": Principal(tenant)}
        request = asked(EMAIL, **fields)
        owed = [Obligation("pseudonymise", scope=scope)]
        return content(carry_out(request, found_in(request), owed, key))

    assert pseudonym("session") == pseudonym("session", request_id="two")
    assert pseudonym("request") == pseudonym("request")
    different = [
        pseudonym("session"),
        pseudonym("session", session="other"),
        pseudonym("session", tenant="other"),
        pseudonym("session", key=b"other"),
        pseudonym("session", session=None),
        pseudonym("session", session=None, request_id="two"),
        pseudonym("request"),
    ]
    assert len(set(different[:-2])) == 5
    assert len({different[-1], different[-2], different[0]}) == 3


def test_a_pseudonym_is_never_a_text_that_is_there():
    first = content(sent(EMAIL))
    text = f"{EMAIL} and {first}"
    made = sent(text, Obligation("pseudonymise", findings=("email",)), person="Zed")
    assert first not in content(made)
    alone = asked(f"{EMAIL} and {first}")
    finding = Finding("email", 0, 0, len(EMAIL), 0.9, "email")
    made = carry_out(alone, [finding], [HIDE], KEY)
    assert content(made).endswith(f" and {first}")
    assert not content(made).startswith(first)
    assert restored(made) == alone.document


def test_numbers_stay_numbers_and_keys_are_changed():
    document: dict[str, Any] = {
        "messages": [{"role": "user", "content": "x"}],
        "metadata": {"card": 4111111111111111, EMAIL: [4, *[1] * 15]},
        "max_tokens": 411,
    }
    for owed in (HIDE, CUT):
        made = sent(document, owed)
        metadata = made.request.document["metadata"]
        assert type(metadata["card"]) is int
        assert metadata["card"] != 4111111111111111
        assert EMAIL not in metadata
        numbers = next(value for value in metadata.values() if isinstance(value, list))
        assert len(numbers) == 16
        assert {type(one) for one in numbers} == {int}
        assert numbers != [4, *[1] * 15]
        assert made.request.document["max_tokens"] == 411
        assert survivors(made, LABELS) == ()
        if owed is HIDE:
            assert restored(made) == document


def test_numbers_in_json_source_stay_json():
    call = {"type": "function", "function": {"name": "f", "arguments": '{"n": 4111111111111111}'}}
    made = sent({"messages": [{"role": "assistant", "tool_calls": [call]}]}, CUT)
    inner = made.request.document["messages"][0]["tool_calls"][0]["function"]
    assert json.loads(inner["arguments"]) == {"n": 0}


def test_only_what_is_touched_differs():
    document: dict[str, Any] = {
        "messages": [{"role": "user", "content": EMAIL}],
        "user": "u",
        "x": [1, {"y": None}],
    }
    made = sent(document)
    assert document["messages"][0]["content"] == EMAIL
    assert {**made.request.document, "messages": document["messages"]} == document
    assert msgspec.json.decode(made.request.body) == made.request.document
    assert made.request.size == len(made.request.body)
    assert made.request.texts == texts_of(made.request.document)


HIDDEN = {
    "base64": "see " + base64.b64encode(f"my card is {CARD} ok".encode()).decode(),
    "url": "http://x.test/?q=ann%40firm.test",
    "escape": "card \\u0034111111111111111",
    "invisible": "4111\u200b1111\u200b1111\u200b1111",
    "full width": "card \uff14\uff11\uff11\uff11 1111 1111 1111",
    "key": "pw: x\npassword: Xy7#kk" + "P2q!z",
}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("owed", [HIDE, CUT])
def test_what_is_hidden_in_another_form_is_replaced_whole(name, owed):
    request = asked(HIDDEN[name])
    findings = found_in(request)
    assert findings
    made = carry_out(request, findings, [owed], KEY)
    assert made.refused is None
    assert survivors(made, LABELS) == ()
    for one in findings:
        assert HIDDEN[name][one.start : one.end] not in content(made)
    if owed is HIDE:
        assert restored(made) == request.document


def test_what_is_cut_over_two_messages_is_replaced_in_both():
    messages = [
        {"role": "user", "content": "card 4111 1111"},
        {"role": "user", "content": "1111 1111"},
    ]
    made = sent({"messages": messages})
    for one in made.request.document["messages"]:
        assert "1111" not in one["content"]
    assert survivors(made, LABELS) == ()
    assert restored(made)["messages"] == messages


def armour(*words):
    return "-----" + " ".join(words) + "-----"


def test_a_key_is_replaced_to_its_end_even_if_only_its_head_was_found():
    lines = ["Mi" + "b3Qx+/" * 9] * 40
    begin, end = armour("BEGIN", "RSA", "PRIVATE", "KEY"), armour("END", "RSA", "PRIVATE", "KEY")
    key = "\n".join([begin, "Proc-Type: 4,ENCRYPTED", "", *lines, end])
    made = sent(f"Here:\n{key}\nThanks")
    assert lines[0] not in content(made)
    assert content(made).endswith("\nThanks")
    assert survivors(made, LABELS) == ()
    putty = "PuTTY-User-Key-File-3: ssh-rsa\n" + "\n".join(lines)
    assert lines[0] not in content(sent(putty, CUT))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"messages": [], "x": {"a@firm.test": 1, "b@firm.test": 2}}, "keys_collide"),
        ({"messages": [], "x": f"data:text/plain,{EMAIL}"}, "data_url"),
        ({"messages": [], "x": [4111111111111111.5]}, "number"),
    ],
)
def test_what_cannot_be_changed_is_refused(document, code):
    made = sent(document, CUT)
    assert made.refused == code
    assert made.restore is None
    assert made.request.document == document


@pytest.mark.parametrize(
    ("kind", "findings", "refused"),
    [
        ("email", (), "unread"),
        ("unread", ("email",), "unread"),
        ("email", ("email",), "unread"),
        ("card", ("email",), None),
    ],
)
def test_where_not_all_was_read_nothing_is_sent(kind, findings, refused):
    finding = Finding(kind, 0, 0, 3, 0.5, "unread")
    made = carry_out(asked("abc"), [finding], [Obligation("redact", findings=findings)], KEY)
    assert made.refused == refused


@pytest.mark.parametrize(
    ("modality", "owed", "refused"),
    [
        (Modality.IMAGE, [CUT], "unread"),
        (Modality.TOKENS, [CUT], "unread"),
        (Modality.IMAGE, [CUT, Obligation("strip_attachments")], None),
        (Modality.TOKENS, [HIDE, Obligation("strip_attachments")], "unread"),
        (Modality.IMAGE, [Obligation("strip_attachments")], None),
    ],
)
def test_where_nobody_can_read_nothing_can_be_hidden(modality, owed, refused):
    request = asked("x", modalities=frozenset({Modality.TEXT, modality}))
    assert carry_out(request, [], owed, KEY).refused == refused


@pytest.mark.parametrize("owed", [[CUT], [HIDE], [Obligation("redact", findings=("card",))]])
def test_in_a_picture_in_a_text_nothing_can_be_hidden(owed):
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256))).decode()
    request = asked(f"{CARD} {picture}")
    assert carry_out(request, found_in(request), owed, KEY).refused == "unread"
    without = [*owed, Obligation("strip_attachments")]
    made = carry_out(request, found_in(request), without, KEY)
    assert made.refused is None
    assert "media" in survivors(made, LABELS)


@pytest.mark.parametrize("owed", [CUT, HIDE])
def test_a_tool_call_and_its_result_still_have_the_same_id(owed):
    call = {"id": "pay_4111111111111111", "type": "function"}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "ok"},
    ]
    first, second = sent({"messages": messages}, owed).request.document["messages"]
    assert first["tool_calls"][0]["id"] == second["tool_call_id"] != call["id"]


def test_half_a_character_is_refused():
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a": "x\\ud83d"}'}}
    request = asked({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    part = next(i for i, one in enumerate(request.texts) if one.path.endswith("arguments"))
    made = carry_out(request, [Finding("own", part, 7, 14, 0.9, "any")], [HIDE], KEY)
    assert made.refused == "unchangeable"


def test_what_would_take_too_long_is_refused():
    text = "a" * 300 + " " + "aaa b" * 200_000
    findings = [Finding("own", 0, 0, size, 0.9, "any") for size in range(3, 300)]
    assert carry_out(asked(text), findings, [CUT], KEY).refused == "too_much"


def test_what_was_not_found_the_first_time_survives():
    request = asked(f"{EMAIL} {CARD}")
    findings = [one for one in found_in(request) if one.kind == "email"]
    made = carry_out(request, findings, [HIDE], KEY)
    assert survivors(made, LABELS) == ("card",)
    narrow = carry_out(request, findings, [Obligation("redact", findings=("email",))], KEY)
    assert survivors(narrow, LABELS) == ()
    assert survivors(replace(narrow, placed=frozenset()), LABELS) == ()
    hidden = carry_out(request, findings, [Obligation("pseudonymise", findings=("email",))], KEY)
    assert survivors(hidden, LABELS) == ()
    assert survivors(replace(hidden, placed=frozenset()), LABELS) == ("email",)


def test_what_is_left_of_two_findings_that_overlap_survives():
    request = asked("Falcon-Nine")
    findings = [Finding("own", 0, 0, 7, 0.9, "any"), Finding("code", 0, 6, 11, 0.9, "any")]
    assert survivors(carry_out(request, findings, [HIDE], KEY), LABELS) == ("code",)


def test_an_original_in_another_writing_survives():
    request = asked("4111 1111 1111 1111 and 4111*1111*1111*1111")
    finding = Finding("card", 0, 0, 19, 0.9, "card_number", True)
    made = carry_out(request, [finding], [HIDE], KEY)
    assert survivors(made, LABELS) == ("card",)


def test_nothing_of_it_is_shown():
    made = sent(f"I am Ann Lee, {EMAIL}", person="Ann Lee")
    shown = repr(made) + str(made)
    for word in ("Ann", EMAIL, *content(made).split()):
        assert len(word) < 4 or word not in shown


def test_the_words_of_the_wire_stay_whatever_was_found():
    document = {
        "messages": [{"role": "user", "content": "user and content"}],
        "tool_choice": "auto",
    }
    made = sent(document, own="user", other="content")
    assert list(made.request.document["messages"][0]) == ["role", "content"]
    assert made.request.document["messages"][0]["role"] == "user"
    assert made.request.document["tool_choice"] == "auto"

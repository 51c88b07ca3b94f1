"""Encoded runs: what they hold, and that what holds nothing is left alone."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.analysis.sensitivity.views import Folded, decode

CARD = "4111111111111111"
NOISE = bytes(range(200, 250))


def b64(octets):
    return base64.b64encode(octets).decode().rstrip("=")


@pytest.mark.parametrize(
    ("run", "part"),
    [
        (b64(CARD.encode()), CARD),
        (CARD.encode().hex(), CARD),
        (CARD.encode().hex() + "4", CARD),
        (CARD.encode("utf-16-le").hex(), CARD),
        (CARD.encode("utf-16-be").hex(), CARD),
        ("x" + b64(CARD.encode()), CARD),
        (b64(NOISE + CARD.encode()), CARD),
        (b64(NOISE + CARD.encode() + NOISE), CARD),
        (b64(CARD.encode("utf-16-le")), CARD),
        (b64("größer als früher".encode()), "größer als früher"),
        (b64(NOISE * 400 + CARD.encode()), None),
        (b64(NOISE), None),
        ("internationalization", None),
        ("d41d8cd98f00b204e9800998ecf8427e", None),
    ],
)
def test_a_run_says_what_it_holds(run, part):
    said = decode(run) or ""
    assert (part in said) if part else CARD not in said


@settings(max_examples=200, deadline=None)
@given(st.text("abcXYZ0123456789+/_-", min_size=18, max_size=60))
def test_any_run_can_be_decoded(run):
    assert decode(run) == decode(run)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_card_in_base64_is_found_between_any_bytes(before, after):
    run = base64.b64encode(before + b" " + CARD.encode() + b" " + after).decode()
    assert scan([run], DEFAULT_FLOORS).counts


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("=34=31=31", "411"),
        ("a=12&b=34", "a=12&b=34"),
        ("&#52&#49;", "41"),
        ("&#0000052;", "4"),
        ("4&nbsp;1&shy;1&ndash;1", "4 11-1"),
        ("&amp;#52;", "&#52;"),
        ("R&amp;D &lt;b&gt;", "R&amp;D &lt;b&gt;"),
        ("\\000034\\000031", "41"),
        ("\u2777\u2474\u136a", "212"),
        ("\\x34\\u0031\\u{31}", "411"),
        ("4ОО ОО2", "400 002"),  # noqa: RUF001
        ("C:\\x\\users", "C:\\x\\users"),
    ],
)
def test_escapes_are_undone(text, folded):
    assert Folded(text).text == folded


@pytest.mark.parametrize(
    "text",
    [
        "4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1",
        "4111/1111/1111/1111",
        "3782*822463*10005",
        "\N{GRINNING FACE}".join(CARD),
        "4111</td><td>1111</td>\n  <td width=4>1111</td><td>1111",
        "4111\t\t\t\t\t1111      1111\n\n\n\n\n\n1111",
        '"4111" + "1111" +\n    "1111" + "1111"',
        "by card, 4111,1111,1111,1111, 2029",
    ],
)
def test_a_card_with_anything_between_is_found(text):
    assert scan([f"pay {text} now"], DEFAULT_FLOORS).counts == {"card": 1}


@pytest.mark.parametrize(
    "text",
    [
        "4111, 1111, 1111, 1111, 2026",
        "4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 7, 7, 7, 7",
        "0.4111111111111111 0.2500000000000001",
        "4111/1111/1111/1112",
        "<td>4111</td><td>1111</td><td>1111</td><td>1111</td><td>2026</td>",
        "cards sold: 4111, 1111, 1111, 1111, 2026, 1234, 4321, 3412",
        "<td>411</td><td>11111</td><td>1111</td><td>1111</td>",
    ],
)
def test_a_list_that_only_holds_one_is_none(text):
    assert scan([text], DEFAULT_FLOORS).counts == {}


def test_what_is_too_much_to_check_is_one_unchecked_finding():
    text = "4111 " * 120_000
    (found,) = scan([text], DEFAULT_FLOORS).findings
    assert (found.kind, found.checked, found.end) == ("card", False, len(text))

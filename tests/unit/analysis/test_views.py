"""Encoded runs: what they hold, and that what holds nothing is left alone."""

import base64

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan, views
from situs.analysis.sensitivity.views import BREAK, WRAPPED, Folded, decode, runs

CARD = "4111111111111111"
NOISE = bytes(range(200, 250))


PROSE = b"The quick brown fox jumps over the lazy dog, and pays for it with all that it has. " * 3
GROUPS = ["4111", "1111", "1111", "1111"]
BREAKS = [
    *("\n", "\r\n", "\r", "\n\n", "\n> ", "\n>> > ", "\n    ", "\n\t", "\n * ", "\n# ", "\n// "),
    *('"\n    "', '" +\n  "', "' \\\n  '", "\\n", "\\r\\n", "\\\\n", "\n+    "),
]
"""What stands between two lines: line ends, quotes, indentation, comments, code, escapes."""


def b64(octets):
    return base64.b64encode(octets).decode().rstrip("=")


def wrapped(run, columns, between):
    return between.join(run[at : at + columns] for at in range(0, len(run), columns))


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


@pytest.mark.parametrize("columns", [18, 60, 64, 76])
@pytest.mark.parametrize("between", BREAKS)
def test_a_card_in_wrapped_lines_is_found_at_every_place(columns, between):
    for place in range(2 * columns):
        octets = PROSE[:place] + b" 4111 1111 1111 1111 " + PROSE[: place % 50]
        for run in (base64.b64encode(octets), base64.urlsafe_b64encode(octets)):
            text = f"see\n{wrapped(run.decode(), columns, between)}\nthere"
            assert scan([text], DEFAULT_FLOORS).counts == {"card": 1}, (place, text)


@pytest.mark.parametrize("between", BREAKS)
def test_hexadecimal_and_bytes_before_a_card_may_be_wrapped_too(between):
    for place in range(60):
        octets = PROSE[:place] + CARD.encode()
        dump = f"octets\n{wrapped(octets.hex(), 60, between)}\nthanks"
        assert scan([dump], DEFAULT_FLOORS).counts, dump
        run = base64.b64encode(NOISE[: place % 50] + octets).decode()
        assert scan([wrapped(run, 64, between)], DEFAULT_FLOORS).counts


def test_a_patch_adds_the_lines():
    run = wrapped(b64(PROSE[:70] + CARD.encode()), 64, "\n+")
    assert scan([f"@@ -1 +1,3 @@\n+{run}\n"], DEFAULT_FLOORS).counts == {"card": 1}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60_000), st.sampled_from(["\n", "\r\n> "]))
def test_a_card_is_found_in_lines_of_any_number(place, between):
    octets = bytes(200 + at % 50 for at in range(place)) + CARD.encode() + NOISE
    text = wrapped(b64(octets), 64, between)
    (found,) = scan([text], DEFAULT_FLOORS).findings
    assert decode("".join(text[found.start : found.end].split(between)))
    assert found.end - found.start < 20_000


def test_the_span_of_wrapped_lines_is_theirs():
    run = wrapped(b64(PROSE[:40] + CARD.encode()), 64, "\r\n> ")
    before = "Größe:\r\n> "
    (found,) = scan([f"{before}{run}, so"], DEFAULT_FLOORS).findings
    assert (found.start, found.end) == (len(before), len(before) + len(run))


def test_lines_do_not_reach_over_a_break():
    run = b64(CARD.encode())
    pieces = f"ABCDEFGHIJKLMNOPQRSTUVWX{run[:10]}", f"{run[10:]}ABCDEFGHIJKLMNOPQRSTUVWX"
    assert scan(["\n".join(pieces)], DEFAULT_FLOORS).counts
    assert not scan([BREAK.join(pieces)], DEFAULT_FLOORS).counts


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
        ("**41** **11**", "**41 11**"),
        ("| **4** | _1_ |\n| _2_ | 3 |", "| 4 | 1|2_ | 3 |"),
        ("4 ----- 1 ===== 2", "4,1,2"),
        ("2**10, 2 ** 10, 4*3*2, a_1 b_2", "2**10, 2 ** 10, 4*3*2, a_1 b_2"),
        ("4.111111111111111E15", "4111111111111111"),
        ("4.11111111111e+12 4.111111111110E11", "4111111111110 4.111111111110E11"),
        ("4.1111111111111115E15", "4.1111111111111115E15"),
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
        "**" + "** **".join(GROUPS) + "**",
        "| **" + "** | **".join(GROUPS) + "** |",
        "~~" + "~~ ~~".join(GROUPS) + "~~",
        "_" + "_ _".join(GROUPS) + "_",
        "| `" + "` | `".join(GROUPS) + "` |",
        "__" + "__\r\n__".join(GROUPS) + "__",
        "**3782** **822463** **10005**",
        " ----- ".join(GROUPS) + " -----",
        "........".join(GROUPS),
        "| **" + "** |\n| **".join(GROUPS) + "** |",
        f"{CARD}.0",
        f"{CARD}.00",
        "4.111111111111111E15",
        "4.1111111111111110e+15",
        f'{{\\"a\\": {CARD}.0, \\"b\\": 5}}',
        f"1,{CARD}.0,x\n",
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
        "| **4111** | **1111** |\n| **1111** | **1111** |\n| **2026** | **1234** |",
        "4111 ----- 1111 ----- 1111 ----- 1111 ----- 2026",
        f"{CARD}.5",
        f"{CARD}.01",
        "4111111111111112.0",
        "4.1111111111111115E15",
        "4.111111111111112E15",
        "4.111111111111111E14",
    ],
)
def test_a_list_that_only_holds_one_is_none(text):
    assert scan([text], DEFAULT_FLOORS).counts == {}


PIECES = st.lists(
    st.one_of(st.text("aZ4+/_-", min_size=1, max_size=40), st.sampled_from(BREAKS)), max_size=12
)


@settings(max_examples=300, deadline=None)
@given(PIECES.map("".join))
def test_what_is_put_together_lies_where_it_says(text):
    for match in re2.finditer(WRAPPED, text):
        chain = match.group()
        for start, end, run in runs(chain):
            rest = iter(chain[start:end])
            assert (chain[start], chain[end - 1]) == (run[0], run[-1])
            assert all(char in rest for char in run)


@given(st.text(alphabet="0159 -*|=%4Ae\n\\u00&#;\u2013\u200b\uff2f\u041e.~_", max_size=300))
@settings(max_examples=300)
def test_tricks_are_found_alike_wherever_windows_end(text):
    whole = [match.span() for match in views.tricks(text, window=10_000)]
    assert [match.span() for match in views.tricks(text, window=64)] == whole

"""What is in pieces is put together, whole and no more; what only stands side by side is not."""

from __future__ import annotations

import base64
import re

import pytest
from tests.e2e.leak_attempts import API_KEY, JWT, SPACED, TOKEN, lines

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan

GITHUB = "ghp_" + "a1B2c3D4e5F6" * 3
ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
)


def found(text):
    return [(one.kind, text[one.start : one.end]) for one in scan([text], DEFAULT_FLOORS).findings]


@pytest.mark.parametrize("token", [TOKEN, API_KEY, JWT, GITHUB])
@pytest.mark.parametrize("size", [7, 10, 24, 40])
def test_a_token_in_lines_is_found_whole_and_without_what_follows(token, size):
    pieces = lines(token, min(size, len(token) - 3))
    assert found(f"it is {pieces}\nThanks for your help") == [("credential", pieces)]


@pytest.mark.parametrize("form", ['"{}" + "{}"', "('{}', '{}')", '"{}"\n  "{}"', "{}**{}"])
def test_a_token_that_code_puts_together_is_found_whole(form):
    text = form.format(API_KEY[:30], API_KEY[30:])
    [(kind, said)] = found(text)
    assert kind == "credential"
    assert said.startswith(API_KEY[:30])
    assert said.endswith(API_KEY[30:])


def test_two_tokens_below_each_other_are_two():
    assert found(f"{GITHUB}\n{GITHUB}") == [("credential", GITHUB)] * 2


CLEAN = [
    "pip install sk-learn\nscikit-learn2 pandas3\nnumpy4 is fine",
    "- sk-video\n- scikit-image2\n- torch1\n- numpy24 1 2 3",
    "github_actions\nare fine 12345, npm_config_registry\nNPM_TOKEN1 too",
    "situs_tokens_total\nsitus_requests_total\nhf_hub_download\nfrom_pretrained2",
    'x = ["2019", "2020", "2021", "2022"]',
    'y = ["4111111", "111111111"]',
    "iPhone\nMacBook\niPad\nAppleTV\nHomePod",
    "begin 644 of the files\nin the folder",
    r"\101\102\103\104\105\106\107\110\111\112\113\114\115",
    "chr(65) + chr(66) + chr(67) + chr(68)",
    "forty-two, seventeen and twelve people came in nineteen eighty-four",
    "AKIA\nand so on, eyJ is how a JWT\nbegins",
]


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_stands_side_by_side_is_nothing(text):
    assert found(text) == []


def test_counting_is_no_card():
    for start in range(20):
        for end in range(start + 7, len(ONES)):
            for words in (ONES[start:end], ONES[start:end][::-1]):
                assert ("card", ", ".join(words)) not in found(", ".join(words))


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256)) * 4).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(128, 256)) * 4).decode()


@pytest.mark.parametrize(
    "run", [PNG, JPEG, lines(PNG, 76), base64.b64encode(PNG.encode()).decode()]
)
def test_a_picture_in_a_text_is_media(run):
    [(kind, said)] = found(f"see {run} here")
    assert kind == "media"
    assert said == run.rstrip("=")


def test_what_a_picture_begins_with_is_none():
    assert found("A PNG in base64 begins with iVBORw0KGgo, a JPEG with /9j/4AAQ.") == []


def test_a_card_in_a_picture_is_a_card_all_the_same():
    octets = b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256)) + f"tEXt card {SPACED} ".encode()
    assert "card" in {kind for kind, _ in found(f"see {base64.b64encode(octets).decode()}")}

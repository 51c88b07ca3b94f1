"""Persons by their titles, where the tagger cannot read; and names of languages, which are none."""

import pytest

from situs.analysis.sensitivity.names import tagger
from situs.analysis.sensitivity.names_signs import addressed, is_nobody
from situs.learning.versions import open_version

NAMED = [
    ("田中さんに電話してください", ["田中"]),
    ("私は山田太郎です。", ["山田太郎"]),
    ("佐々木健様、こんにちは", ["佐々木健"]),
    ("张伟先生您好", ["张伟"]),
    ("我叫王小明,住在北京", ["王小明"]),
    ("请给李娜打电话", ["李娜"]),
    ("김철수 씨에게 전화해 주세요", ["김철수"]),
    ("제 이름은 박지영입니다", ["박지영"]),
    ("श्री राहुल शर्मा को पत्र लिखें", ["राहुल शर्मा"]),
    ("मेरो नाम सीता राई हो", ["सीता राई"]),
    ("डॉ. प्रिया से मिलना है और राम बहादुर थापा से", ["प्रिया", "राम बहादुर थापा"]),
    ("السيد محمد علي مريض", ["محمد علي"]),
]
NOBODY = [
    "患者さんと学生さんに説明する",
    "高中生和老师在一起",
    "고객님 안녕하세요",
    "प्रोग्राम और प्रोटोकॉल की सूची",
    "यह एक वाक्य है",
    "Mr Tanaka",
    "",
]


@pytest.fixture(scope="module")
def names():
    shipped = open_version("names", None, None)
    return tagger(shipped.arrays, shipped.card.settings)


def persons(names, text):
    return [text[one.start : one.end] for one in names([text]) if one.kind == "person"]


@pytest.mark.parametrize(("text", "expected"), NAMED)
def test_a_person_is_found_by_a_title_or_an_introduction(names, text, expected):
    assert [text[start:end] for start, end in addressed(text)] == expected
    assert persons(names, text) == expected


@pytest.mark.parametrize("text", NOBODY)
def test_nobody_is_found_where_nobody_is_named(text):
    assert addressed(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "ファイルの読み込みに失敗しました",
        "无法打开文件",
        "파일을 열 수 없습니다",
        "फ़ाइल नहीं मिली",
        "невозможно использовать значение",
        "Translate to German",
        "How do you say hello in Nepali?",
        "Convert to Danish",
    ],
)
def test_the_tagger_does_not_guess_in_what_it_cannot_read(names, text):
    assert names([text]) == []


def test_a_family_name_that_is_a_language_counts_behind_a_title():
    text = "Call Mr French or speak French"
    assert not is_nobody(text, 8, 14)
    assert is_nobody(text, 24, 30)
    assert not is_nobody("Dawn French", 0, 11)


def test_parts_of_one_request_keep_their_places(names):
    found = names(["Ask Maria Jensen", "田中さんに", "", "श्री राहुल शर्मा"])
    assert [(one.part, one.start, one.end) for one in found if one.kind == "person"] == [
        (0, 4, 16),
        (1, 0, 2),
        (3, 5, 16),
    ]

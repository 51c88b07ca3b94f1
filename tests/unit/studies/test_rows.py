"""Rows of labelled files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from situs.cli.train import train
from situs.errors import ConfigError
from situs.studies.rows import lines, rows, table

ROOT = Path(__file__).parents[3]


def written(tmp_path, data):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    return path


def test_gives_the_fields_asked_for_and_where_they_stand(tmp_path):
    path = written(
        tmp_path, b'{"text": "a", "label": "x", "more": 1}\r\n\n{"text":"b","label":null}'
    )
    assert rows(path, ("text", "label")) == [
        {"at": f"{path}:1", "text": "a", "label": "x"},
        {"at": f"{path}:3", "text": "b", "label": None},
    ]


def test_gzip_is_known_by_its_first_bytes_whatever_the_name(tmp_path):
    data = b'{"text": "a"}\n'
    path = written(tmp_path, gzip.compress(data) + gzip.compress(data))
    assert [row["text"] for row in rows(path, ("text",))] == ["a", "a"]


def test_a_field_may_have_two_names(tmp_path):
    path = written(tmp_path, b'{"text": "a", "intent": "x"}\n{"text": "b", "label": "y"}')
    assert [row["label"] for row in rows(path, ("text", "label|intent"))] == ["x", "y"]


def test_an_optional_field_that_is_missing_or_null_is_none(tmp_path):
    path = written(tmp_path, b'{"text": "a"}\n{"text": "a", "kind": null}\n{"text":"a","kind":"k"}')
    assert [row["kind"] for row in rows(path, ("text",), ("kind",))] == [None, None, "k"]


def test_a_lone_surrogate_is_replaced_one_for_one_and_a_pair_is_one_character(tmp_path):
    path = written(tmp_path, rb'{"text": "a\ud800b \ud83d\ude00"}')
    (row,) = rows(path, ("text",))
    assert row["text"] == "a\N{REPLACEMENT CHARACTER}b \N{GRINNING FACE}"


def test_a_byte_order_mark_and_separators_inside_a_string_do_no_harm(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf" + '{"text": "a\u2028b"}\n'.encode())
    assert rows(path, ("text",))[0]["text"] == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hush", "is not JSON"),
        (b'{"text": "hush"', "is not JSON"),
        (b'{"text": NaN}', "is not JSON"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b'["hush"]', "expected a JSON object, found an array"),
        (b'{"text": "hush\xff", "label": "a"}', "is not UTF-8"),
        (b'{"label": "hush"}', "the field text is missing"),
        (b'{"text": "hush"}', "the field label or intent is missing"),
        (b'{"text": null, "label": "a"}', "text: expected a string, found null"),
        (b'{"text": ["hush"], "label": "a"}', "text: expected a string, found an array"),
        (b'{"text": "hush", "intent": 7}', "intent: expected a string or null, found a number"),
    ],
)
def test_what_is_no_such_row_is_refused_with_its_place_and_without_its_content(
    tmp_path, line, said
):
    path = written(tmp_path, b'{"text": "fine", "label": "a"}\n' + line + b"\n")
    with pytest.raises(ConfigError) as refused:
        rows(path, ("text", "label|intent"))
    assert refused.value.message == f"{path}:2: {said}."
    assert "docs/reference/eval.md" in refused.value.advice


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("tokens", [0, 12], [-1, 1.5, True, "1", None]),
        ("strong_correct", [True, 0, 0.5], ["yes", None, 10**400]),
        (
            "spans",
            [[], [{"start": 0, "end": 1, "type": "PERSON"}]],
            [{}, [{"start": 1, "end": 1, "type": "P"}], [{"start": 0, "end": 1}], ["P"]],
        ),
    ],
)
def test_each_field_has_its_type(tmp_path, field, good, bad):
    for value in good:
        path = written(tmp_path, json.dumps({field: value}).encode())
        assert rows(path, (field,))[0][field] == value
    for value in bad:
        path = written(tmp_path, json.dumps({field: value}).encode())
        with pytest.raises(ConfigError, match=f":1: {field}: expected"):
            rows(path, (field,))


@pytest.mark.parametrize("data", [b"", b"\n \n", gzip.compress(b"", mtime=0)])
def test_a_file_without_rows_is_refused(tmp_path, data):
    with pytest.raises(ConfigError, match="holds no rows"):
        rows(written(tmp_path, data), ("text",))


def test_a_damaged_gzip_and_a_missing_file_are_refused(tmp_path):
    whole = gzip.compress(b'{"text": "a"}\n' * 10)
    for data in (whole[:-9], b"\x1f\x8bnonsense"):
        with pytest.raises(ConfigError, match="cut off or damaged"):
            rows(written(tmp_path, data), ("text",))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        rows(tmp_path / "none.jsonl", ("text",))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        rows(tmp_path, ("text",))


def test_lines_are_given_as_they_are_and_a_table_is_one_object_of_strings(tmp_path):
    assert lines(written(tmp_path, b'{"a": 1}\n\n{"b": [2]}')) == [{"a": 1}, {"b": [2]}]
    assert table(written(tmp_path, b'{\n"a": "b"}')) == {"a": "b"}
    for data, said in ((b'{"a": 1}', "strings to strings"), (b"[]", "expected a JSON object")):
        with pytest.raises(ConfigError, match=said):
            table(written(tmp_path, data))
    with pytest.raises(ConfigError, match="holds no rows"):
        lines(written(tmp_path, b"\n"))
    with pytest.raises(ConfigError, match="cannot be read"):
        table(tmp_path / "none")


def test_the_page_that_errors_name_has_the_fields_of_every_command_that_reads_rows(tmp_path):
    file = tmp_path / "empty.jsonl"
    file.write_text("")
    with pytest.raises(ConfigError) as caught:
        rows(file, ("prompt",))
    [page] = [word for word in caught.value.advice.split() if word.endswith(".md")]
    told = (ROOT / page).read_text("utf-8")
    learned = (f"train {name}" for name in train.commands)
    for command in ("bench --file", "train confidence --ask", *learned):
        assert f"`situs {command}`" in told

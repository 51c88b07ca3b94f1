from typing import Any

import pytest

from situs.config.document import Listing, Mapping, Scalar, Unreadable, compose
from situs.config.problems import Mark, Problem, Report


def read(text: str) -> tuple[Any, tuple[Problem, ...]]:
    report = Report("f")
    try:
        return compose(text, report), report.problems
    except Unreadable:
        return None, report.problems


def test_nodes_know_where_they_stand():
    root, found = read("a: 1\nb:\n  - x\n  - 'y'\n")
    assert not found
    (a, one), (_, items) = root.entries
    assert (a.mark, one) == (Mark(1, 1), Scalar(Mark(1, 4), "1", plain=True))
    assert isinstance(items, Listing)
    assert items.items[1] == Scalar(Mark(4, 5), "y", plain=False)


def test_an_alias_is_what_its_anchor_is():
    root, found = read("a: &x {b: 1}\nc: *x\n")
    assert not found
    assert root.entries[0][1] is root.entries[1][1]
    assert isinstance(root, Mapping)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("- a\n", 1, "expected settings"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\na: 2\n", 2, "used twice; the first is in line 1"),
        ("a:\n  b: 1\n  c: 1\n  b: 1\n", 4, "used twice"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "tags"),
        ("a: !!str x\n", 1, "tags"),
        ("!!str a: x\n", 1, "tags"),
        ("a: &a [*a]\n", 1, "refers to itself"),
        ("a: *b\n", 1, "has no anchor"),
        ("b: &b {c: 1}\na:\n  <<: *b\n", 3, "merge keys"),
        ("? [a]\n: b\n", 1, "a key must be a plain name"),
        ("a: [1\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("\ta: 1\n", 1, "not YAML"),
        ("a: 1\nb: \x07\n", 2, "control character"),
        ("a: " + "[" * 20, 1, "nested more than"),
        ("a: " + "[" * 200_000, 1, "nested more than"),
        ("? " * 200_000, 1, "a key must be"),
        ("a: '" + "x" * (1 << 20) + "'", 1, "larger than"),
    ],
)
def test_what_is_not_one_plain_document_is_refused(text, line, expected):
    _, found = read(text)
    assert found[0].line == line
    assert expected in found[0].what


def test_aliases_cannot_multiply_without_bound():
    """Nine references to nine references and so on: 9**8 values from 300 bytes."""
    rows = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for above, name in zip("abcdefg", "bcdefgh", strict=True):
        rows.append(f"{name}: &{name} [{','.join(['*' + above] * 9)}]")
    _, (problem,) = read("\n".join(rows))
    assert "with aliases expanded" in problem.what

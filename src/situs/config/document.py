"""YAML text to a tree of nodes that know where they stand; nothing is interpreted yet.

A subset of YAML 1.1 syntax: one document, no tags, no merge keys, keys are plain names used once.
Scalars stay text: the tree decides what they mean, so `NO` is Norway and not false.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct

from situs.config.problems import Mark, Path, Report

MAX_BYTES = 1 << 20
_MAX_DEPTH = 16
_MAX_NODES = 100_000
"""Counted with aliases expanded, so a file cannot be small and its tree huge."""

_QUOTED = re.compile(r"'[^'<][^']+'")
"""What PyYAML cites from the text; a password that begins with `!` is a tag to it."""


class Scalar(Struct, frozen=True):
    """`plain` is false for quoted and block scalars, which are always strings."""

    mark: Mark
    text: str
    plain: bool
    weight: int = 1


class Listing(Struct, frozen=True):
    mark: Mark
    items: tuple[Node, ...]
    weight: int


class Mapping(Struct, frozen=True):
    mark: Mark
    entries: tuple[tuple[Scalar, Node], ...]
    weight: int


Node = Scalar | Listing | Mapping


class Unreadable(Exception):
    """The text is not a document; the report says why."""


def compose(text: str, report: Report) -> Mapping:
    """Reads the one document in `text`. Raises Unreadable after adding what is wrong."""
    if len(text) > MAX_BYTES:
        raise _unreadable(report, Mark(1, 1), f"larger than {MAX_BYTES} characters")
    try:
        return _Composer(text, report).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = _QUOTED.sub("…", error.problem or error.context or "syntax error")
        what = f"not YAML: {said}"
        raise _unreadable(report, _mark(mark) if mark else Mark(1, 1), what) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unreadable(report, Mark(line, 1), "not YAML: a control character") from None


def _unreadable(report: Report, mark: Mark, what: str) -> Unreadable:
    report.add((), what, mark=mark)
    return Unreadable()


def _mark(mark: Any) -> Mark:
    """PyYAML counts from 0."""
    return Mark(mark.line + 1, mark.column + 1)


class _Composer:
    """Owns the stream of events and the anchors seen so far."""

    def __init__(self, text: str, report: Report) -> None:
        self.events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self.report = report
        self.anchors: dict[str, Node | None] = {}
        self.nodes = 0

    def document(self) -> Mapping:
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise self.stop(Mark(1, 1), "the file is empty")
        root = self.node(next(self.events), ())
        next(self.events)  # the end of the document
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self.stop(_mark(after.start_mark), "a second document; one file is one tree")
        if not isinstance(root, Mapping):
            raise self.stop(root.mark, "expected settings, as `name: value`")
        return root

    def node(self, event: Any, path: Path) -> Node:
        mark = _mark(event.start_mark)
        if len(path) > _MAX_DEPTH:
            raise self.stop(mark, f"nested more than {_MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            return self.counted(self.alias(str(event.anchor), mark))
        self.refuse_tag(event, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        node = self.fresh(event, path, mark)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def fresh(self, event: Any, path: Path, mark: Mark) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self.counted(Scalar(mark, event.value, plain=event.implicit[0]))
        if isinstance(event, yaml.SequenceStartEvent):
            items = tuple(self.items(path))
            return Listing(mark, items, 1 + sum(item.weight for item in items))
        entries = tuple(self.entries(path))
        return Mapping(mark, entries, 1 + sum(value.weight for _, value in entries))

    def items(self, path: Path) -> Iterator[Node]:
        index = 0
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self.node(event, (*path, str(index)))
            index += 1

    def entries(self, path: Path) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, Mark] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self.stop(_mark(event.start_mark), "a key must be a plain name")
            self.refuse_tag(event, path)
            key = Scalar(_mark(event.start_mark), event.value, plain=event.implicit[0])
            value = self.node(next(self.events), (*path, key.text))
            if key.text == "<<" and key.plain:
                what = "merge keys (<<) are not supported; write the settings out"
                self.report.add(path, what, mark=key.mark)
            elif key.text in seen:
                what = f"used twice; the first is in line {seen[key.text].line}"
                self.report.add((*path, key.text), what, mark=key.mark)
            else:
                seen[key.text] = key.mark
                yield key, value

    def refuse_tag(self, event: Any, path: Path) -> None:
        if event.tag is not None:
            what = "tags (!…) are not supported; text that begins with ! needs quotes"
            self.report.add(path, what, mark=_mark(event.start_mark))

    def alias(self, anchor: str, mark: Mark) -> Node:
        """Does not say its name, which may be a password that begins with `*`."""
        node = self.anchors.get(anchor)
        if node is not None:
            return node
        what = "refers to itself" if anchor in self.anchors else "has no anchor before it"
        raise self.stop(mark, f"an alias (*…) {what}; text that begins with * needs quotes")

    def counted(self, node: Node) -> Node:
        self.nodes += node.weight
        if self.nodes > _MAX_NODES:
            raise self.stop(node.mark, f"more than {_MAX_NODES} values, with aliases expanded")
        return node

    def stop(self, mark: Mark, what: str) -> Unreadable:
        return _unreadable(self.report, mark, what)

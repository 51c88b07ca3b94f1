"""Rules of routes: exact texts, key words, RE2 patterns; and the templates that answer for them."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import re2
from msgspec import Struct

from situs.core.request import Modality, Request, Service
from situs.core.route import Route, Rule

MAX_TEXT = 4096
"""A longer text (in characters) matches no rule: it is no single short request."""

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CompiledRule(Struct, frozen=True):
    """One rule of a route, by its position there, ready to match."""

    route: str
    position: int
    exact: str | None
    keywords: tuple[str, ...]
    pattern: Any | None


class Template(Struct, frozen=True):
    """Pieces of text, each followed by the name of a group, or by nothing."""

    pieces: tuple[tuple[str, str | None], ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self.pieces if name is not None)

    def fill(self, groups: Mapping[str, str]) -> str:
        """Groups are inserted as the text they are; one that took no part in the match is empty."""
        return "".join(
            text + ("" if name is None else groups.get(name, "")) for text, name in self.pieces
        )


def compile_rule(route: Route, position: int) -> CompiledRule:
    """Raises ValueError for a pattern that is not RE2."""
    rule: Rule = route.rules[position]
    return CompiledRule(
        route=route.name,
        position=position,
        exact=None if rule.exact is None else folded(rule.exact),
        keywords=tuple(worded(folded(keyword)) for keyword in rule.keywords),
        pattern=None if rule.pattern is None else compile_pattern(rule.pattern),
    )


def compile_pattern(pattern: str) -> Any:
    """The RE2 expression. Raises ValueError with RE2's reason, which quotes no part of it."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        said = error.args[0] if error.args else "not an RE2 expression"
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(reason.partition(":")[0]) from None


def template(text: str) -> Template:
    """`{name}` is a group, `{{` and `}}` are braces. Raises ValueError for anything else."""
    pieces: list[tuple[str, str | None]] = []
    for literal, name, form, conversion in string.Formatter().parse(text):
        if name is not None and (form or conversion or not _NAME.fullmatch(name)):
            raise ValueError("braces hold the name of a group and nothing else")
        pieces.append((literal, name))
    return Template(tuple(pieces))


def folded(text: str) -> str:
    """Without what rules do not tell apart: case, outer white space, forms of one character."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def worded(text: str) -> str:
    """The words of a folded text, a space before and after each."""
    return f" {' '.join(_WORD.findall(text))} "


def single_turn(request: Request) -> str | None:
    """The one thing that is said, if there is only one: no earlier turns, text only, no tools.

    A system message may stand before it.
    """
    if request.tools or request.modalities != _TEXT_ONLY:
        return None
    if request.wire.service is Service.COMPLETIONS:
        return _only(request.document.get("prompt"))
    if request.wire.service is not Service.CHAT:
        return None
    messages = request.document.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= 2:
        return None
    roles = [one.get("role") if isinstance(one, dict) else None for one in messages]
    if roles[-1] != "user" or roles[:-1] not in ([], ["system"], ["developer"]):
        return None
    return _only(messages[-1].get("content"))


_TEXT_ONLY = frozenset({Modality.TEXT})


def _only(content: Any) -> str | None:
    """A text, or the only one of a list; as a part of a message it is inside."""
    if isinstance(content, list):
        if len(content) != 1:
            return None
        content = content[0]
        if isinstance(content, dict):
            content = content.get("text") if content.get("type") == "text" else None
    return content if isinstance(content, str) else None


def first_match(rules: Iterable[CompiledRule], text: str) -> CompiledRule | None:
    """The first rule that `text` is of."""
    if len(text) > MAX_TEXT:
        return None
    whole, data = folded(text), text.encode("utf-8", "replace")
    words: str | None = None
    for rule in rules:
        if rule.exact is not None:
            matched = whole == rule.exact
        elif rule.keywords:
            words = words or worded(whole)
            matched = all(keyword in words for keyword in rule.keywords)
        else:
            matched = rule.pattern is not None and rule.pattern.search(data) is not None
        if matched:
            return rule
    return None


def groups(rule: CompiledRule, text: str) -> dict[str, str]:
    """The named groups of the rule's pattern in `text`, those that took part in the match."""
    match = None if rule.pattern is None else rule.pattern.search(text.encode("utf-8", "replace"))
    if match is None:
        return {}
    return {
        name.decode() if isinstance(name, bytes) else name: found.decode("utf-8", "replace")
        for name, found in match.groupdict().items()
        if found is not None
    }

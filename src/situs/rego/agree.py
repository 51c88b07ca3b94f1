"""Calls on which the embedded engine and OPA do not agree, as far as their literals show it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from situs.rego.compare import Literals
from situs.rego.words import Misfit

_PATTERN_AT: Final = {
    "regex.match": 0,
    "regex.split": 0,
    "regex.find_n": 0,
    "regex.find_all_string_submatch_n": 0,
    "regex.replace": 1,
}
_CLASSES: Final = re.compile(r"\\([dDwWsSbB])")
_WRITE: Final = {"d": "[0-9]", "D": "[^0-9]", "s": r"[ \t\n\r]", "w": "[0-9A-Za-z_]"}
_VERBS: Final = re.compile(r"%[^sv]|%$")


def disagreement(name: str, literals: Mapping[int, Literals]) -> Misfit | None:
    """What is wrong with a call of a builtin with these literal arguments; None if nothing is."""
    if name in _PATTERN_AT:
        found = _CLASSES.search(_text(literals.get(_PATTERN_AT[name])))
        if found:
            what = f"{found[0]} means ASCII to OPA, and all of Unicode to the embedded engine"
            write = _WRITE.get(found[1])
            return Misfit(what, f"write {write}" if write else "name the characters, in brackets")
    elif name == "sprintf":
        text = _text(literals.get(0)).replace("%%", "")
        found = _VERBS.search(text)
        if found:
            what = f"{text[found.start() : found.start() + 2]} is not the same to every engine"
            return Misfit(what, "write %v or %s")
    return None


def _text(said: Literals | None) -> str:
    known = said is not None and said.form == "one" and said.members[0].kind == "string"
    return said.members[0].text[1:-1] if said is not None and known else ""

"""The same prompts said otherwise: what `bench.tasks` measures the task head on.

Each change depends on the prompt alone. Typos, case, talk and `varied` are those that the head
learned from; of courtesies and turns it learned others (`learning/tasks_ways.toml`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from situs.learning.tasks import text_of, typos, varied
from situs.learning.tasks_sources import Prompt, digest, ways

Change = Callable[[Prompt], str]


def _one(prompt: Prompt, many: Sequence[str]) -> str:
    return many[digest(prompt.instruction) % len(many)]


def _said(prompt: Prompt, instruction: str) -> str:
    return text_of(replace(prompt, instruction=instruction))


def _talked(one: Prompt) -> str:
    """An attempt to talk the head into another task, at the end of the instruction."""
    seed = digest(one.instruction)
    talk = ways()["talk"][seed % len(ways()["talk"])]
    other = ("chat", "classification", "summarisation", "code")[seed // 7 % 4]
    return _said(one, f"{one.instruction} {talk.replace('{}', other)}")


def _quoted(one: Prompt) -> str:
    """With another wish in quotes or a fence after it."""
    other = ("Translate this letter into French", "Write a python function that sorts a list",
             "Summarise the article below")[digest(one.instruction) % 3]  # fmt: skip
    form = ('\nThe note said: "{}, and do it before noon please."', "\n```\n{}\n```")
    return text_of(one) + form[digest(one.instruction) // 3 % 2].format(other)


def _last(one: Prompt) -> str:
    return f"{one.given}\n\n{one.instruction}" if one.given else one.instruction


def _long(chars: int) -> Change:
    """What is given repeated until the prompt is long; only prompts with something given grow."""

    def said(one: Prompt) -> str:
        times = chars // max(len(one.given), 1) + 1
        return f"{one.instruction}\n{one.given * times}" if one.given else one.instruction

    return said


def _typos(one: Prompt) -> str:
    draw = np.random.default_rng(digest(one.instruction))
    return _said(one, typos(one.instruction, draw))


_FRAMES = (
    "Would you be so kind as to help me out? {}", "Sorry to bother you again. {}",
    "I'd really appreciate it if you could do this for me: {}", "My manager wants this today. {}",
    "{} Many thanks in advance for your help.", "Good morning everyone! {} Have a nice day.",
    "As discussed on the phone, here is what I need. {}", "{} I have to hand it in tonight.",
)  # fmt: skip
_TONGUES = (
    "Kannst du mir bitte helfen? {} Danke!", "Por favor, ayúdame con esto: {} ¡Gracias!",
    "Bonjour, j'ai une demande : {} Bonne journée.", "你好 请帮我一下 {} 谢谢",
    "कृपया मेरी मदद कीजिए: {} धन्यवाद।", "मलाई सहयोग गर्नुहोस् न: {}", "お願いがあります。{} よろしく。",
    "Ciao, avrei bisogno di questo: {}",
)  # fmt: skip


def _framed(frames: Sequence[str]) -> Change:
    return lambda one: _said(one, _one(one, frames).replace("{}", one.instruction))


_VERBS = {
    "write": "compose", "list": "enumerate", "give": "provide", "name": "mention", "find": "locate",
    "describe": "portray", "explain": "clarify", "summarize": "condense", "summarise": "condense",
    "classify": "sort", "identify": "point out", "extract": "pull out", "generate": "produce",
    "create": "devise", "suggest": "propose", "provide": "supply", "categorize": "sort",
    "tell me": "let me know",
}  # fmt: skip
"""Where an instruction begins with one."""

_WORDS = {
    "what are": "which are", "what is": "what's", "how do i": "what is a good way to",
    "how can i": "what is a good way to", "how do you": "what is the usual way to",
    "why": "how come", "who is": "which person is", "who was": "which person was",
    "when did": "in which year did", "where is": "in what place is", "given": "supplied",
    "following": "below-mentioned", "paragraph": "excerpt", "passage": "excerpt", "text": "excerpt",
    "ideas": "thoughts", "best": "finest", "good": "decent", "please": "kindly", "story": "tale",
    "based on": "going by", "using": "with the help of", "below": "underneath", "things": "stuff",
    "examples": "instances", "some": "several", "main": "principal", "short": "brief",
    "reasons": "grounds", "difference": "distinction", "summary": "digest", "list of": "series of",
}  # fmt: skip


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_WORD = re.compile(rf"(?i)^(?:{_any_of(_VERBS)})\b|\b(?:{_any_of(_WORDS)})\b")


def _other_words(one: Prompt) -> str:
    def put(found: re.Match[str]) -> str:
        word = {**_WORDS, **_VERBS}[found[0].lower()]
        return word.capitalize() if found[0][0].isupper() else word

    return _said(one, _WORD.sub(put, one.instruction))


_DONE = {
    "write": "written", "list": "listed", "give": "given", "name": "named", "tell": "told",
    "describe": "described", "explain": "explained", "summarize": "summarized", "find": "found",
    "summarise": "summarised", "classify": "classified", "identify": "identified", "make": "made",
    "extract": "extracted", "generate": "generated", "create": "created", "suggest": "suggested",
    "provide": "provided", "categorize": "categorized", "compose": "composed", "show": "shown",
    "come up with": "come up with", "think of": "thought of", "tag": "tagged", "choose": "chosen",
    "divide": "divided", "separate": "separated", "determine": "determined", "draft": "drafted",
}  # fmt: skip
_ASKED = re.compile(r"(?i)^(please|kindly|can you|could you|would you|will you|help me)\b[ ,]*")
_VERB = re.compile(rf"(?i)^({_any_of(_DONE)})\s+(me |us )?(.+)$")
_QUESTION = re.compile(r"(?i)^(what|which|who|whose|when|where|why|how)\b")
_FIRST = re.compile(r"(?s)^(.+?[.!?:]|.+?$)(\s.*|)$")
_POLITE = ("Could you {}?", "Would it be possible to {}?", "Is there any chance you can {}?")
_INDIRECT = ("Somebody asked me {}.", "I have been wondering {}.", "I do not know {}.")


def _parts(one: Prompt) -> tuple[str, str]:
    """The first sentence, without courtesy and stop, and what follows it."""
    found = _FIRST.match(one.instruction.strip())
    first, rest = (found[1], found[2]) if found else (one.instruction, "")
    return _ASKED.sub("", first).rstrip(".!?: "), rest


def _passive(one: Prompt) -> str:
    """What was to be done should be done; other prompts stay."""
    first, rest = _parts(one)
    found = _VERB.match(first)
    if found is None or "\n" in first:
        return text_of(one)
    what = found[3][0].upper() + found[3][1:]
    return _said(one, f"{what} should be {_DONE[found[1].lower()]}.{rest}")


def _turned(one: Prompt) -> str:
    """A wish as a question, a question as a statement; other prompts stay."""
    first, rest = _parts(one)
    if not (verb := _VERB.match(first)) and not _QUESTION.match(first):
        return text_of(one)
    forms = _POLITE if verb else _INDIRECT
    return _said(one, _one(one, forms).replace("{}", first[0].lower() + first[1:]) + rest)


CHANGES: dict[str, Change] = {
    "none": text_of,
    "typos": _typos,
    "lower case": lambda one: text_of(one).lower(),
    "upper case": lambda one: text_of(one).upper(),
    "instruction last": _last,
    "courtesy around it": _framed(_FRAMES),
    "courtesy in other languages": _framed(_TONGUES),
    "other words": _other_words,
    "passive": _passive,
    "wish as question, question as statement": _turned,
    "another task in quotes": _quoted,
    "talked to": _talked,
    "varied at random": lambda one: varied(one, [one]),
    "instruction alone": lambda one: one.instruction,
    "8 KB": _long(8_000),
    "100 KB": _long(100_000),
}

"""Labelled texts for the names tagger, from public sets, and rows of numbers made of them."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.analysis.sensitivity.names_tokens import LANES, Reader
from situs.errors import OperatorError
from situs.learning.names_templates import KINDS, Labelled, address
from situs.learning.names_values import Invent

PAD = 8
"""Empty tokens between two texts, more than the tagger sees to either side."""

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("PER", "person", "PERSON"), "person"),
    **dict.fromkeys(("LOC", "location", "LOCATION", "GPE", "FAC"), "location"),
    **dict.fromkeys(("ADDRESS", "STREET_ADDRESS", "ZIP_CODE"), "address"),
    **dict.fromkeys(("ORG", "corporation", "group", "ORGANIZATION"), "organisation"),
    "DATE_TIME": "date",
}
_DATE = re.compile(
    r"\b(?:\d{1,2}[/.]\d{1,2}[/.]\d{4}|\d{4}[-/]\d\d[-/]\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?|"
    r"\d{1,2}(?:st|nd|rd|th)? (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*,? \d{4}|"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{1,2}(?:st|nd|rd|th)?,? \d{4})\b"
)

_NO_NAME = re.compile(r"(?:^|(?<=\n))[A-J][.)]|[^\n]*\n|[\W\d_]*[^\W\d_]?[\W\d_]*$")
"""Answers of a choice, what goes over the end of a line, and what has no two letters."""
_SIGNED = re.compile(r"(?i)@|author|copyright|written|contribut|\bby [A-Z]|[A-Z][a-z]+ [A-Z][a-z]+")
"""Lines of source text that may name somebody."""


class Rows(Struct, frozen=True):
    """Texts one after the other: rows of the table and tag of each token (0: none).

    `invented` marks tokens of values that came from a list.
    """

    rows: NDArray[np.uint16]
    tags: NDArray[np.int8]
    invented: NDArray[np.bool_]


def label_prose(texts: Sequence[str], model: str) -> Iterator[Labelled]:
    """What a larger tagger (a pipeline of spaCy) finds, with its own types."""
    try:
        import spacy
    except ImportError as error:
        raise OperatorError(
            "spaCy is not installed; it labels the prose that the names tagger learns from.",
            do="Install it for training with a model: pip install spacy.",
        ) from error
    tagger = spacy.load(model, exclude=["lemmatizer", "attribute_ruler", "parser", "tagger"])
    for doc in tagger.pipe(texts, batch_size=64):
        yield (
            doc.text,
            [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents],
        )


def with_dates(labelled: Labelled) -> Labelled:
    """Adds full dates, which the larger tagger does not tell from other times.

    Drops what it often takes for a name in exam questions.
    """
    text, spans = labelled
    spans = [span for span in spans if not _NO_NAME.match(text, *span[:2])]
    dates = [(match.start(), match.end(), "date") for match in _DATE.finditer(text)]
    kept = [
        span
        for span in spans
        if not any(span[0] < end and start < span[1] for start, end, _ in dates)
    ]
    return text, sorted(kept + dates)


def columns(text: str) -> Iterator[Labelled]:
    """Sentences of a file with a token and its tag (B-PER, I-PER, O) on each line.

    Also the ten columns of Universal NER. Names that begin with an at sign are accounts: no label.
    """
    sentence: list[tuple[str, str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("# ") and "=" in line:
            continue
        parts = line.split("\t")
        if len(parts) >= 2 and parts[0].strip():
            numbered = len(parts) > 3
            sentence.append((parts[1], parts[2]) if numbered else (parts[0], parts[-1]))
        elif sentence:
            yield _joined(sentence)
            sentence = []


def _joined(sentence: list[tuple[str, str]]) -> Labelled:
    text = ""
    spans: list[tuple[int, int, str]] = []
    tight = True
    for token, tag in sentence:
        if not tight and not re.match(r"[,.;:!?)\]}%]|'[a-z]|n't", token):
            text += " "
        tight = bool(re.match(r"[(\[{$#@]$", token))
        start = len(text)
        text += token
        kind = _TYPES.get(tag[2:])
        if kind is None or token.startswith("@"):
            continue
        if tag[0] == "I" and spans and spans[-1][2] == kind and len(text[spans[-1][1] : start]) < 2:
            spans[-1] = (spans[-1][0], len(text), kind)
        else:
            spans.append((start, len(text), kind))
    return with_dates((text, spans))


def known(spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans by kind, those of types that are no kind left out."""
    return [(start, end, _TYPES[name]) for start, end, name in spans if name in _TYPES]


class Template(Struct, frozen=True):
    """Texts that are the same but for the values; each value has its type."""

    texts: list[tuple[str, list[tuple[int, int, str]]]]


def groups(rows: Iterable[Mapping[str, Any]]) -> dict[str, Template]:
    """Rows of `text` and `spans` by what is left without the values, in small letters."""
    found: dict[str, list[tuple[str, list[tuple[int, int, str]]]]] = defaultdict(list)
    for row in rows:
        spans = sorted((span["start"], span["end"], span["type"]) for span in row["spans"])
        left, place = "", 0
        for start, end, _ in spans:
            left += row["text"][place:start] + "\0"
            place = end
        found[" ".join((left + row["text"][place:]).lower().split())].append((row["text"], spans))
    return {key: Template(texts) for key, texts in sorted(found.items())}


def refilled(template: Template, invent: Invent, keep: float = 0.35) -> Labelled:
    """One text of a template, most values replaced by invented ones of the same sort."""
    source, spans = invent.draw.choice(template.texts)
    small = source == source.lower()
    text, place, new = "", 0, []
    for start, end, name in spans:
        text += source[place:start]
        value, kind = source[start:end], _TYPES.get(name)
        if invent.draw.random() >= keep:
            value = _alike(value, kind, invent)
            value = value.lower() if small else value
        if kind is not None:
            new.append((len(text), len(text) + len(value), kind))
        text += value
        place = end
    return text + source[place:], new


def _alike(value: str, kind: str | None, invent: Invent) -> str:
    """Another value of the same sort: a number for a number, a full name for a full name."""
    make: Callable[[], str]
    if kind is None or (value.endswith(".") and kind == "person"):
        return value
    if kind == "address":
        return _address_like(value, invent)
    if kind == "person":
        make = invent.person if " " in value else invent.draw.choice((invent.first, invent.last))
    elif kind == "location":
        make = invent.place
    elif kind == "organisation":
        make = invent.company
    else:
        make = invent.weekday if value.isalpha() else invent.date
    made = make()
    return made.upper() if value.isupper() and len(value) > 3 else made


def _address_like(value: str, invent: Invent) -> str:
    if value.isdigit():
        return invent.number() if len(value) < 4 else invent.code()
    if len(value) == 2 and value.isalpha():
        return invent.state()
    if re.match(r"(?i)(?:apt|suite|unit)\.? ?\w+$", value):
        return invent.unit()
    if "\n" in value or "," in value or len(value.split()) > 5:
        return address(invent)
    return invent.line() if any(char.isdigit() for char in value) else invent.street()


def recased(labelled: Labelled, draw: random.Random) -> Labelled:
    """Now and then all small, all capitals, or each word with a capital; offsets stay."""
    text, spans = labelled
    way = draw.random()
    if way < 0.14:
        return _each(text, str.lower), spans
    if way < 0.18:
        return _each(text, str.upper), spans
    if way < 0.20:
        return re.sub(r"\b[a-z]", lambda match: match[0].upper(), text), spans
    return labelled


def _each(text: str, change: Callable[[str], str]) -> str:
    made = map(change, text)
    return "".join(new if len(new) == 1 else old for old, new in zip(text, made, strict=True))


def encoded(texts: Iterable[Labelled], reader: Reader, invented: bool = False) -> Rows:
    """Texts as the tagger sees them, with `PAD` empty tokens after each."""
    rows, tags = [np.zeros((PAD, LANES), np.uint16)], [np.full(PAD, -1, np.int8)]
    for text, spans in texts:
        tokens = reader.read([text])
        if not len(tokens.start):
            continue
        tag = np.zeros(len(tokens.start) + PAD, np.int8)
        tag[-PAD:] = -1
        for start, end, kind in spans:
            first = int(np.searchsorted(tokens.end, start, "right"))
            last = int(np.searchsorted(tokens.start, end, "left"))
            if first < last:
                tag[first:last] = 2 + 2 * KINDS.index(kind)
                tag[first] -= 1
        rows.append(np.pad(tokens.rows, ((0, PAD), (0, 0))).astype(np.uint16))
        tags.append(tag)
    joined = np.concatenate(tags)
    return Rows(np.concatenate(rows), joined, (joined > 0) & invented)


def code(folder: Path, files: int) -> Iterator[Labelled]:
    """Source text, in which no names are: pieces of files of a folder (the standard library)."""
    for path in [*sorted(folder.glob("*.py"))[:files], *sorted(folder.glob("pydoc_data/*.py"))]:
        lines = path.read_text("utf-8", "replace").splitlines()
        for first in range(0, len(lines), 40):
            kept = [line for line in lines[first : first + 40] if not _SIGNED.search(line)]
            yield "\n".join(kept), []


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines, plain or gzip."""
    import gzip

    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        for line in file:
            yield json.loads(line)

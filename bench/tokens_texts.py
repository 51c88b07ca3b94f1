"""Gathers what token counts are learned from: `python -m bench.tokens_texts FOLDER`.

FOLDER/checkouts holds git directories of the repositories in tokens_texts.toml, named OWNER+NAME;
FOLDER/wordfreq is the folder `data` of the package wordfreq 3.1.1, FOLDER/dolly15k.jsonl.gz the set
databricks-dolly-15k. Writes FOLDER/learn, FOLDER/words, FOLDER/apart.jsonl and FOLDER/sources.json
for bench.tokens. The same checkouts give the same texts.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import random
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from situs.learning.artefacts import Source

CODE = r"\.(go|rs|java|js|ts|tsx|py|c|h|cc|cpp|rb|cs|kt|scala|sh|sql|html|css)$"
FLORES = "previous_releases/floresv1/data/flores_test_sets.tgz"
FENCED = re.compile(r"```.*?```|<Sandpack>.*?</Sandpack>", re.DOTALL)
INDIC = re.compile("[\u0900-\u097f]")
SMALLEST, LARGEST = 300, 60_000_000
"""Sizes of files that are read, in bytes."""

SPACED = {
    **dict.fromkeys(("de", "fr", "es", "it", "ru", "pt"), ("large", 10_000, 15_000)),
    "en": ("large", 45_000, 40_000),
    "hi": ("small", 16_000, 8_000),
    **dict.fromkeys(("nl", "pl", "uk", "ar", "bn", "sv", "he", "cs"), ("large", 3_000, 6_000)),
    **dict.fromkeys(
        ("tr", "vi", "id", "ko", "ta", "fa", "el", "ur", "ro", "da", "hu"), ("small", 3_000, 5_000)
    ),
}
"""Lists of words: their size, how many have a place in the table, and how many more are seen."""

UNSPACED = {"zh": "\uff0c", "ja": "\u3001"}
"""Languages without spaces, and what stands between stretches of their words."""


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Files of a repository whose paths match, how they become documents, and how many."""

    kind: str
    path: str
    read: str = "whole"
    budget: int = 700_000
    most: int = 12
    files: int = 400
    fifth: bool | None = None


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    repo: str
    licence: str
    learn: tuple[Part, ...] = ()
    apart: tuple[Part, ...] = ()


def main(argv: list[str]) -> int:
    folder = Path(argv[0])
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    texts = msgspec.convert(table["text"], tuple[Text, ...])
    choose = random.Random(5)
    learn: list[dict[str, str]] = []
    apart = list(dolly(folder / "dolly15k.jsonl.gz", choose))
    sources = []
    for text in texts:
        place = folder / "checkouts" / text.repo.replace("/", "+")
        before = len(learn)
        for parts, rows in ((text.learn, learn), (text.apart, apart)):
            for part in parts:
                rows.extend(
                    {"text": piece, "kind": part.kind, "source": text.repo}
                    for piece in within(part, place, choose)
                )
        if len(learn) > before:
            commit = git(place, "rev-parse", "HEAD").decode().strip()
            url = f"github.com/{text.repo} at {commit}"
            sources.append(Source(text.repo, text.licence, len(learn) - before, url))
        sys.stderr.write(f"{text.repo}: {len(learn)} to learn from, {len(apart)} apart\n")
    listed = [row for language in SPACED for row in spaced(folder, language, choose)]
    runs = [row for language in UNSPACED for row in unspaced(folder, language, choose)]
    sources.append(Source("wordfreq 3.1.1", "CC-BY-SA-4.0", len(listed) + len(runs), "PyPI"))
    write(folder / "learn" / "texts.jsonl", learn)
    write(folder / "learn" / "unspaced.jsonl", runs)
    write(folder / "words" / "words.jsonl", listed)
    write(folder / "apart.jsonl", apart)
    (folder / "sources.json").write_bytes(msgspec.json.encode(sources))
    return 0


def within(part: Part, place: Path, choose: random.Random) -> Iterator[str]:
    """Pieces of the documents, as many as the budget lets."""
    taken = 0
    for number, document in enumerate(READERS[part.read](place, part)):
        if part.fifth is not None and (number % 5 == 0) != part.fifth:
            continue
        for piece in pieces(document, part.most, choose):
            yield piece
            taken += len(piece)
        if taken > part.budget:
            return


def pieces(text: str, most: int, choose: random.Random, low: int = 80) -> Iterator[str]:
    """Pieces of log-uniform size up to 4,000 characters, cut at a line or a sentence."""
    at = count = 0
    while at < len(text) - 40 and count < most:
        size = int(math.exp(choose.uniform(math.log(low), math.log(4000))))
        piece = text[at : at + size]
        cut = max(piece.rfind(end) for end in ("\n", ". ", "\u3002", "\u0964 "))
        if at + size < len(text) and cut > size * 0.6:
            piece = piece[: cut + 1]
        at += len(piece)
        count += 1
        if piece.strip():
            yield piece


def git(place: Path, *words: str) -> bytes:
    command = ["git", "-C", str(place), "-c", "core.quotepath=off", *words]
    return subprocess.run(command, check=False, capture_output=True).stdout


def files(place: Path, part: Part) -> Iterator[str]:
    """Files of the newest commit, in the order of their paths' digests."""
    pattern = re.compile(CODE if part.path == "CODE" else part.path)
    found = []
    for line in git(place, "ls-tree", "-rlz", "HEAD").decode("utf-8", "replace").split("\0"):
        about, _, path = line.partition("\t")
        words = about.split()
        if not path or not words[3].isdigit() or not pattern.search(path):
            continue
        if SMALLEST <= int(words[3]) <= (3_000_000 if part.read == "whole" else LARGEST):
            found.append((hashlib.sha256(path.encode()).digest(), words[2]))
    for _, blob in sorted(found)[: part.files]:
        try:
            yield git(place, "cat-file", "blob", blob).decode("utf-8")
        except UnicodeDecodeError:
            continue


def strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def values(place: Path, part: Part) -> Iterator[Any]:
    """The files as JSON; what is none is left out."""
    for text in files(place, part):
        try:
            yield json.loads(text)
        except ValueError:
            continue


def lines(place: Path, part: Part) -> Iterator[str]:
    for text in files(place, part):
        for line in filter(str.strip, text.splitlines()):
            yield "\n".join(strings(json.loads(line)))


def sentences(place: Path, part: Part) -> Iterator[str]:
    """Those of a treebank, eight and eight."""
    space = "" if "Chinese" in place.name or "Japanese" in place.name else " "
    for text in files(place, part):
        found = re.findall(r"^# text = (.*)$", text, re.MULTILINE)
        for first in range(0, len(found), 8):
            yield space.join(found[first : first + 8])


def flores(place: Path, part: Part) -> Iterator[str]:
    """Sentences of Wikipedia and their translations, six and six."""
    with tarfile.open(fileobj=io.BytesIO(git(place, "show", f"HEAD:{FLORES}"))) as tar:
        for name in part.path.split():
            split, language = name.split(".")
            inner = tar.extractfile(f"flores_test_sets/wikipedia.{split}.ne-en.{language}")
            found = inner.read().decode().splitlines() if inner else []
            for first in range(0, len(found), 6):
                yield " ".join(found[first : first + 6])


def prose(place: Path, part: Part) -> Iterator[str]:
    return (FENCED.sub("", text) for text in files(place, part))


def indic(place: Path, part: Part) -> Iterator[str]:
    return (text for text in prose(place, part) if len(INDIC.findall(text)) > 200)


def answers(place: Path, part: Part) -> Iterator[str]:
    for rows in values(place, part):
        for row in rows:
            yield f"{row['instruction']}\n{row['output']}"


def talks(place: Path, part: Part) -> Iterator[str]:
    for rows in values(place, part):
        for row in rows if isinstance(rows, list) else ():
            yield " ".join(one for one in strings(row) if " " in one)


READERS: dict[str, Callable[[Path, Part], Iterable[str]]] = {
    "whole": files,
    "lines": lines,
    "sentences": sentences,
    "flores": flores,
    "prose": prose,
    "indic": indic,
    "answers": answers,
    "talks": talks,
    "long_strings": lambda place, part: (
        one for value in values(place, part) for one in strings(value) if len(one) > 150
    ),
    "minified": lambda place, part: (
        json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        for value in values(place, part)
    ),
    "poems": lambda place, part: ("".join(strings(value)) for value in values(place, part)),
    "sayings": lambda place, part: (UNSPACED["zh"].join(strings(v)) for v in values(place, part)),
    "marked": lambda place, part: (re.sub(r"<[^>]+>", " ", text) for text in files(place, part)),
}


def dolly(file: Path, choose: random.Random) -> Iterator[dict[str, str]]:
    """Every ninth prompt with its context, whole up to 4,000 characters."""
    with gzip.open(file, "rt", encoding="utf-8") as rows:
        for number, line in enumerate(rows):
            if number % 9 == 0:
                row = json.loads(line)
                text = f"{row.get('context') or ''}\n\n{row['instruction']}".strip()
                for piece in pieces(text, 1, choose, low=3000):
                    yield {"text": piece, "kind": "english", "source": "dolly15k"}


def frequent(folder: Path, language: str, size: str) -> list[tuple[str, float]]:
    """Words and their frequencies, the most frequent first."""
    with gzip.open(folder / "wordfreq" / f"{size}_{language}.msgpack.gz") as file:
        groups = msgspec.msgpack.decode(file.read())[1:]
    return [(word, 10 ** (-n / 100)) for n, words in enumerate(groups) for word in sorted(words)]


def spaced(folder: Path, language: str, choose: random.Random) -> Iterator[dict[str, str]]:
    """Three times all frequent words, also with a capital, and once some less frequent ones."""
    size, most, more = SPACED[language]
    words = [w for w, _ in frequent(folder, language, size) if not any(map(str.isdigit, w))]
    found: list[str] = []
    for _ in range(3):
        forms = [form for word in words[:most] for form in {word: 1, word.capitalize(): 1}]
        choose.shuffle(forms)
        found += forms
    found += words[most : most + more]
    for first in range(0, len(found), 300):
        text = " " + " ".join(found[first : first + 300])
        yield {"text": text, "source": f"wordfreq {language}"}


def unspaced(folder: Path, language: str, choose: random.Random) -> Iterator[dict[str, str]]:
    """Words by their frequency (flattened), one after the other, a comma after each thirteen."""
    words, often = zip(*frequent(folder, language, "large")[:60_000], strict=True)
    drawn = choose.choices(words, [one**0.75 for one in often], k=160_000)
    groups = ["".join(drawn[first : first + 13]) for first in range(0, len(drawn), 13)]
    for first in range(0, len(groups), 20):
        text = UNSPACED[language].join(groups[first : first + 20])
        yield {"text": text, "source": f"wordfreq {language}"}


def write(file: Path, rows: list[dict[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as lines_:
        for row in rows:
            lines_.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

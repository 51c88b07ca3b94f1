"""Utterances with known intents, from public sets in one folder: what the encoder is tuned on.

docs/explanation/encoder.md says which repositories the folder holds, each under its own name. Sets
that the encoder is measured on, and sets made from them, are not among these; texts that occur in
them by chance are left out by `apart`.
"""

from __future__ import annotations

import csv
import json
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from situs.errors import OperatorError
from situs.learning.artefacts import Source


class Utterance(Struct, frozen=True):
    """What somebody said, and what they wanted. Intents are told apart within a group only.

    Without an intent it is text that shows how people talk, and nothing else.
    """

    source: str
    group: str
    intent: str
    text: str


Rows = Iterator[tuple[str, str, str]]
"""Group, intent and text."""


def utterances(folder: Path) -> list[Utterance]:
    """All rows of all sets. Raises OperatorError for a set that is not there."""
    found = []
    for name, (read, *_) in _SETS.items():
        try:
            rows = [(group, intent, " ".join(text.split())) for group, intent, text in read(folder)]
        except (OSError, KeyError, ValueError, yaml.YAMLError) as error:
            raise OperatorError(
                f"the set {name} cannot be read from {folder}: {type(error).__name__}",
                do="docs/explanation/encoder.md says which repositories the folder must hold.",
            ) from error
        found += [Utterance(name, *row) for row in rows if 2 <= len(row[2]) <= 400]
    return found


def normal(text: str) -> str:
    """A text without case, punctuation and spacing."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.sub(r"[^\w\s]", "", plain).split())


def apart(rows: Iterable[Utterance], barred: Collection[str]) -> list[Utterance]:
    """The rows whose `normal` text is not barred, each text once.

    A text with two intents in a group is left out, and so is an intent with one text.
    """
    intents: dict[tuple[str, str], set[str]] = defaultdict(set)
    first: dict[tuple[str, str], Utterance] = {}
    for row in rows:
        key = (row.group, normal(row.text))
        if key[1] and key[1] not in barred:
            intents[key].add(row.intent)
            first.setdefault(key, row)
    clear = [row for key, row in first.items() if len(intents[key]) == 1]
    size = Counter((row.group, row.intent) for row in clear)
    return [row for row in clear if not row.intent or size[row.group, row.intent] > 1]


def capped(rows: Sequence[Utterance], most: int, seed: int = 0) -> list[Utterance]:
    """At most so many rows of an intent; fewer where the set gives a number of its own."""
    by: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for row in rows:
        by[row.group, row.intent].append(row)
    draw = random.Random(seed)  # noqa: S311 (no secret)
    return [
        row
        for many in by.values()
        for row in draw.sample(many, min(len(many), _most(many[0], most)))
    ]


def _most(row: Utterance, most: int) -> int:
    return _SETS[row.source][3] or most if row.intent else 5_000


def cited(rows: Iterable[Utterance]) -> tuple[Source, ...]:
    """The sets of these rows, with their licences and commits."""
    count = Counter(row.source for row in rows)
    return tuple(
        Source(name, _SETS[name][1], n, f"https://github.com/{_SETS[name][2]}")
        for name, n in sorted(count.items())
    )


def _snips(folder: Path) -> Rows:
    place = folder / "nlu-benchmark/2017-06-custom-intent-engines"
    for file in sorted([*place.glob("*/train_*_full.json"), *place.glob("*/validate_*.json")]):
        text = file.read_bytes().decode("latin-1" if "full" in file.name else "utf-8", "replace")
        for intent, many in json.loads(text).items():
            for one in many:
                yield "snips", intent, "".join(part["text"] for part in one["data"])


def _schema_guided(folder: Path) -> Rows:
    """Turns that say what the user wants; of the others every tenth, without an intent."""
    for file in sorted((folder / "dstc8-schema-guided-dialogue").glob("*/dialogues_*.json")):
        turns = [turn for one in json.loads(file.read_bytes()) for turn in one["turns"]]
        for place, turn in enumerate(turns):
            frames = turn["frames"]
            wants = [
                action["canonical_values"][0]
                for action in frames[0].get("actions", ())
                if turn["speaker"] == "USER" and action["act"] == "INFORM_INTENT"
            ]
            if wants and len(frames) == 1:
                domain = frames[0]["service"].split("_")[0]
                yield "sgd", f"{domain}.{wants[0]}", turn["utterance"]
            elif place % 10 == 0:
                yield "sgd", "", turn["utterance"]


def _braun(folder: Path) -> Rows:
    for file in sorted((folder / "NLU-Evaluation-Corpora").glob("*.json")):
        for one in json.loads(file.read_bytes())["sentences"]:
            yield f"braun/{file.stem}", one["intent"].replace("None", ""), one["text"]


_OTHER = re.compile(r"[/.](de|es|fr|it|zh|ja|pt|ar|ko)(-\w+)?[/.]", re.IGNORECASE)


def _bot_framework(folder: Path) -> Rows:
    """Files of language understanding: `# Intent`, then `- an utterance with {entity=values}`."""
    found: dict[bytes, str] = {}
    for name in ("botframework-solutions", "BotBuilder-Samples", "botframework-cli"):
        for file in sorted((folder / name).rglob("*.lu")):
            place = file.relative_to(folder).as_posix()
            tested = re.search(r"fixtures/(verified|testcases)|/test/", place)
            if not _OTHER.search(place) and (not tested or re.search("Chitchat|Skills/", place)):
                found.setdefault(file.read_bytes(), file.name.split(".")[0].lower())
    for data, name in found.items():
        intent = ""
        for line in map(str.strip, data.decode("utf-8", "replace").splitlines()):
            if line.startswith("#") and not line.startswith("##"):
                intent = line.lstrip("# ")
            elif line[:1] in ("$", "@"):
                intent = ""
            elif intent and line[:2] in ("- ", "* ", "+ "):
                text = _filled(line[2:])
                if not re.search(r"[{}]|\]\(", text):
                    known = intent.lower() not in ("none", "defer")
                    yield "bot framework", f"{name}.{intent}" if known else "", text


def _filled(text: str) -> str:
    """An utterance with its entities written out, from the innermost."""
    while (less := re.sub(r"\{@?[\w .]+=([^{}]*)\}", r"\1", text)) != text:
        text = less
    return text


def _small_talk(folder: Path) -> Rows:
    """Questions and answers: `# ? question`, its variants as a list, the answer in a fence."""
    place = folder / "botframework-solutions/samples/csharp/assistants/enterprise-assistant"
    (file,) = place.rglob("QnA/en-us/Chitchat.qna")
    asked: list[str] = []
    for line in map(str.strip, file.read_text(encoding="utf-8-sig").splitlines()):
        if re.match(r"#+ \?", line):
            asked = [line.split("?", 1)[1].strip()]
        elif asked and line.startswith("- "):
            asked.append(line[2:])
        elif asked and line.startswith("```"):
            yield from (("small talk", asked[0][:60], one) for one in asked)
            asked = []


def _rasa(folder: Path) -> Rows:
    for name in (
        "NLU-training-data", "financial-demo", "helpdesk-assistant", "small-talk-rasa-stack",
        "rasa-chatbot-templates",
    ):  # fmt: skip
        for file in sorted((folder / name).rglob("*nlu*")):
            inside = file.relative_to(folder / name)
            bot = f"rasa/{name}/{inside.parts[0]}"
            text = file.read_text(encoding="utf-8") if file.is_file() else ""
            if file.suffix == ".md":
                parts = re.findall(r"^## intent:\s*(\S+)\n((?:(?!##).*\n?)*)", text, re.MULTILINE)
            elif file.suffix in (".yml", ".yaml") and "test" not in inside.as_posix():
                kept = (yaml.safe_load(text) or {}).get("nlu") or []
                parts = [(one["intent"], one["examples"]) for one in kept if "intent" in one]
            else:
                continue
            for intent, lines in parts:
                for line in re.findall(r"^\s*[-*+] (.*)$", str(lines), re.MULTILINE):
                    yield bot, intent, re.sub(r"\[([^\]]*)\](\([^)]*\)|\{[^}]*\})", r"\1", line)


def _labelled_words(folder: Path, name: str) -> Rows:
    """Lines of `word:TAG word:TAG <=> intent`."""
    place = folder / "slot_filling_and_intent_detection_of_SLU/data" / name
    for part in ("train", "valid", "test"):
        for line in (place / part).read_text(encoding="utf-8").splitlines():
            words, _, intent = line.rpartition("<=>")
            if words and "#" not in intent:
                text = " ".join(word.rsplit(":", 1)[0] for word in words.split())
                yield name, intent.strip(), text


def _nlupp(folder: Path) -> Rows:
    """Several labels a text: together they are its intent."""
    for file in sorted((folder / "task-specific-datasets/nlupp/data").glob("*/*.json")):
        for one in json.loads(file.read_bytes()):
            group = f"nlu++/{file.parent.name}"
            yield group, "+".join(sorted(one.get("intents") or ())), one["text"]


def _star(folder: Path) -> Rows:
    """What a user says first in a dialogue about one task."""
    for file in sorted((folder / "STAR/dialogues").glob("*.json")):
        one = json.loads(file.read_bytes())
        tasks = [able["Task"] for able in one["Scenario"]["WizardCapabilities"]]
        said = [
            event["Text"]
            for event in one["Events"]
            if event["Action"] == "utter" and event["Agent"] == "User"
        ]
        start = next((text for text in said[:3] if len(text.split()) >= 5), None)
        if len(tasks) == 1 and start:
            yield "star", tasks[0], start
        yield from (("star", "", text) for text in said[-1:])


def _stack_overflow(folder: Path) -> Rows:
    place = folder / "StackOverflow/rawText"
    titles = (place / "title_StackOverflow.txt").read_text(encoding="utf-8").splitlines()
    tags = (place / "label_StackOverflow.txt").read_text(encoding="utf-8").split()
    yield from (("stackoverflow", tag, title) for tag, title in zip(tags, titles, strict=True))


def _functions(folder: Path) -> Rows:
    """Questions that a function answers, and what the function says of itself."""
    place = folder / "gorilla/berkeley-function-call-leaderboard/bfcl_eval/data"
    for name in ("simple_python", "simple_java", "simple_javascript", "live_simple"):
        for line in (place / f"BFCL_v4_{name}.json").read_text(encoding="utf-8").splitlines():
            one: dict[str, Any] = json.loads(line)
            function = one["function"][0]
            said = re.sub(r"[_.]", " ", function["name"])
            yield "functions", said, f"{said}: {function['description']}"
            asked = [part["content"] for part in one["question"][0] if part["role"] == "user"]
            yield from (("functions", said, text) for text in asked[:1])


_INSTRUCTION = re.compile(r"Instruction\W*(.*?)[\n,]\s*\W*Output", re.DOTALL)


def _model_hubs(folder: Path) -> Rows:
    """What people ask of models, by what the model is for."""
    for file in sorted((folder / "gorilla/data/apibench").glob("*_train.json")):
        for line in file.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            asked = _INSTRUCTION.search(one.get("code", ""))
            purpose = one.get("api_data", {}).get("functionality")
            if asked and purpose:
                yield f"hub/{file.stem}", str(purpose), asked[1].strip(" '\"")


def _home(folder: Path) -> Rows:
    """Templates, each filled in six ways; an intent is a file of them and a kind of device."""
    place = folder / "intents/sentences/en"
    rules = yaml.safe_load((place / "_common.yaml").read_text(encoding="utf-8"))["expansion_rules"]
    draw = random.Random(0)  # noqa: S311 (no secret)
    for file in sorted(place.rglob("*.yaml")):
        intents = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("intents", {})
        for block in [block for one in intents.values() for block in one.get("data", ())]:
            slots = block.get("slots") or {}
            kind = slots.get("device_class") or slots.get("domain") or ""
            known = {**rules, **(block.get("expansion_rules") or {})}
            for sentence in [one for one in block["sentences"] for _ in range(6)]:
                text = _expanded(sentence, known, draw)
                if not re.search(r"[<{]", text):
                    yield "home", f"{file.stem}.{kind}", text


def _expanded(text: str, rules: dict[str, str], draw: random.Random) -> str:
    """One way of saying a template: `<rule>`, `[may be]`, `(this|that)`, `{slot}`."""
    while (more := re.sub(r"<(\w+)>", lambda at: f"({rules.get(at[1], '')})", text)) != text:
        text = more
    while at := re.search(r"\[([^][()]*)\]|\(([^][()]*)\)", text):
        ways = at[2].split("|") if at[1] is None else [*at[1].split("|"), ""]
        text = text[: at.start()] + draw.choice(ways) + text[at.end() :]
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda at: draw.choice(_SLOTS.get(at[1], ("it",))), text)


_SLOTS = {
    "area": ("kitchen", "living room", "bedroom", "garage", "office"),
    "name": ("lamp", "ceiling fan", "heater", "front door", "tv", "curtain", "washing machine"),
    "brightness": ("50", "20", "80"),
    "temperature": ("21", "68", "19"),
    "floor": ("first floor", "basement"),
    "color": ("red", "blue", "warm white"),
    "volume_level": ("30", "60"),
    "position": ("40", "70"),
    "todo_list_item": ("call mum", "buy stamps"),
    "shopping_list_item": ("milk", "eggs"),
    "search_query": ("the beatles", "jazz"),
}


def _talk(folder: Path) -> Rows:
    for file in sorted((folder / "chatterbot-corpus/chatterbot_corpus/data/english").glob("*.yml")):
        for one in yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]:
            yield "talk", "", str(one[0])


def barred(files: Iterable[Path]) -> set[str]:
    """The `normal` texts of sets to keep clear of: JSON lines or CSV with `text`."""
    found = set()
    for file in files:
        with file.open(encoding="utf-8", newline="") as rows:
            many = csv.DictReader(rows) if file.suffix == ".csv" else map(json.loads, rows)
            found |= {normal(row["text"]) for row in many}
    return found


_TASKS = "multilingual_task_oriented_data/en"
_SETS: dict[str, tuple[Callable[[Path], Rows], str, str, int]] = {
    "SNIPS": (_snips, "CC0-1.0", "sonos/nlu-benchmark", 200),
    "Schema-Guided Dialogue": (
        _schema_guided,
        "CC BY-SA 4.0",
        "google-research-datasets/dstc8-schema-guided-dialogue",
        150,
    ),
    "NLU Evaluation Corpora": (_braun, "CC BY-SA 3.0", "sebischair/NLU-Evaluation-Corpora", 0),
    "Bot Framework": (_bot_framework, "MIT", "microsoft/botframework-solutions", 80),
    "small talk": (_small_talk, "MIT", "microsoft/botframework-solutions", 80),
    "Rasa assistants": (_rasa, "Apache-2.0 and MIT", "RasaHQ/NLU-training-data", 0),
    "multilingual task-oriented": (
        lambda folder: _labelled_words(folder, _TASKS),
        "CC BY-SA 4.0",
        "sz128/slot_filling_and_intent_detection_of_SLU",
        150,
    ),
    "ATIS": (
        lambda folder: _labelled_words(folder, "atis-2"),
        "Apache-2.0 (the repository's)",
        "sz128/slot_filling_and_intent_detection_of_SLU",
        0,
    ),
    "NLU++": (_nlupp, "CC BY 4.0", "PolyAI-LDN/task-specific-datasets", 0),
    "STAR": (_star, "MIT", "RasaHQ/STAR", 0),
    "Stack Overflow titles": (_stack_overflow, "CC BY-SA 3.0", "jacoxu/StackOverflow", 100),
    "function calls": (_functions, "Apache-2.0", "ShishirPatil/gorilla", 0),
    "model hubs": (_model_hubs, "Apache-2.0", "ShishirPatil/gorilla", 0),
    "Home Assistant": (_home, "CC BY 4.0", "home-assistant/intents", 15),
    "ChatterBot corpus": (_talk, "BSD-3-Clause", "gunthercox/chatterbot-corpus", 0),
}

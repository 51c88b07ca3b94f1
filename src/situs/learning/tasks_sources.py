"""Prompts with known tasks, from public sets that lie in one folder: what the task head learns.

docs/reference/tasks.md says how the folder is got. Rows come in the same order each time; who is
kept apart is decided by a hash of the instruction, so that no question is in both parts.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from situs.errors import OperatorError
from situs.learning.artefacts import Source

SCARCE = frozenset({"self-instruct seed tasks", "own, by hand"})
"""Sets of few rows that are all unlike each other."""

APART = 5
"""One instruction in so many is kept apart, and never learned from."""

DOLLY = {
    "brainstorming": "brainstorming",
    "classification": "classification",
    "closed_qa": "closed_qa",
    "creative_writing": "creative_writing",
    "general_qa": "advice",
    "information_extraction": "extraction",
    "open_qa": "open_qa",
    "summarization": "summarisation",
}
"""From the categories of dolly15k to tasks."""


class Prompt(Struct, frozen=True):
    """A labelled prompt; `given` is the text that the instruction is about, if any."""

    instruction: str
    given: str
    label: str
    source: str

    @property
    def apart(self) -> bool:
        return digest(self.instruction) % APART == 0


@cache
def ways() -> dict[str, Any]:
    """Ways to ask, from the file beside this one."""
    file = resources.files("situs.learning") / "tasks_ways.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _nth(many: list[str], index: int) -> str:
    return many[index % len(many)]


def digest(text: str) -> int:
    """A number that depends on nothing but the text, its case and outer space apart."""
    return int(hashlib.sha256(text.strip().lower().encode("utf-8", "replace")).hexdigest()[:12], 16)


def prompts(folder: Path) -> list[Prompt]:
    """All rows to learn from. Raises OperatorError for a set that is not there."""
    found: list[Prompt] = []
    for name, (read, _) in _SETS.items():
        try:
            rows = list(read(folder))
        except (OSError, KeyError, ValueError, yaml.YAMLError) as error:
            raise OperatorError(
                f"the set {name} cannot be read from {folder}: {type(error).__name__}",
                do="docs/reference/tasks.md says which repositories the folder must hold.",
            ) from error
        found += [Prompt(one[0].strip(), one[1].strip(), one[2], name) for one in rows]
    return [one for one in found if one.instruction]


def dolly(folder: Path) -> list[Prompt]:
    """Those of dolly15k alone. Raises OSError, KeyError or ValueError."""
    return [Prompt(a.strip(), b.strip(), label, "dolly15k") for a, b, label in _dolly(folder)]


def cited(rows: Iterable[Prompt]) -> tuple[Source, ...]:
    """The sets of these rows, with their licences."""
    count: dict[str, int] = {}
    for row in rows:
        count[row.source] = count.get(row.source, 0) + 1
    return tuple(
        Source(name, *_SETS[name][1][:1], n, _SETS[name][1][1]) for name, n in count.items()
    )


Rows = Iterator[tuple[str, str, str]]


def _dolly(folder: Path) -> Rows:
    for row in lines(folder / "dolly15k/train.jsonl.gz"):
        yield row["instruction"], row["context"] or "", DOLLY[row["category"]]


def _seeds(folder: Path) -> Rows:
    labels = {index: label for label, many in _SEEDS.items() for index in many}
    for index, row in enumerate(lines(folder / "self-instruct/data/seed_tasks.jsonl")):
        if index in labels:
            for one in row["instances"][:3]:
                yield row["instruction"], one["input"], labels[index]


def _p3(folder: Path) -> Rows:
    """The Public Pool of Prompts, as sampled by self-instruct: many templates, few rows of each."""
    place = folder / "self-instruct/data/finetuning/t0_train_50k/data_per_template"
    for file in sorted(place.glob("*.jsonl")):
        label = next((label for start, label in _P3 if file.stem.startswith(start)), "")
        if label:
            count = 12 if label != "rewriting" else 40
            for row in islice(lines(file), count):
                yield row["prompt"], "", label


def _code(folder: Path) -> Rows:
    for index, row in enumerate(lines(folder / "human-eval/data/HumanEval.jsonl.gz")):
        ask = _nth(ways()["code"], index) if index % 3 else ""
        yield (ask, row["prompt"], "code") if ask else (row["prompt"], "", "code")


def _mbpp(folder: Path) -> Rows:
    for index, row in enumerate(islice(lines(folder / "OckBench/data/mbpp.jsonl"), 500)):
        text = row.get("problem") or row.get("text") or row.get("prompt") or ""
        yield text, "", "code"
        if index % 4 == 0:
            code = f"```python\n{row.get('code') or text}\n```"
            yield _nth(ways()["code_fix"], index // 4), code, "code"


def _sql(folder: Path) -> Rows:
    for name in ("questions_gen_postgres.csv", "instruct_basic_postgres.csv"):
        with (folder / "sql-eval/data" / name).open(encoding="utf-8", newline="") as file:
            for index, row in enumerate(csv.DictReader(file)):
                yield _nth(ways()["sql"], index), row["question"], "code"


def _apis(folder: Path) -> Rows:
    """Questions that are answered by calling a function, half of them with the tools listed."""
    place = folder / "gorilla/berkeley-function-call-leaderboard/bfcl_eval/data"
    for name in ("BFCL_v4_live_simple", "BFCL_v4_simple_python", "BFCL_v4_multiple"):
        for index, row in enumerate(islice(lines(place / f"{name}.json"), 200)):
            asked = row["question"][0][-1]["content"]
            tools = json.dumps(row["function"], ensure_ascii=False)[:1500]
            yield _nth(ways()["tools"], index).format(asked=asked, tools=tools), "", "agent_step"
    for file in sorted((folder / "ToolBench/data_example/instruction").glob("G*_query.json")):
        for row in json.loads(file.read_bytes()):
            yield row["query"], "", "agent_step"


def _systems(folder: Path) -> Rows:
    place = folder / "AgentBench/data/os_interaction"
    tasks = json.loads((place / "train_0317/training.json").read_bytes())
    for index, row in enumerate(tasks[:250]):
        asked = row["description"]
        yield _nth(ways()["shell"], index).format(asked=asked), "", "agent_step"


def _school(folder: Path) -> Rows:
    place = folder / "grade-school-math/grade_school_math/data/train.jsonl"
    for index, row in enumerate(islice(lines(place), 500)):
        ask = _nth(ways()["reasoning"], index // 3) if index % 3 == 0 else ""
        yield (ask, row["question"], "reasoning") if ask else (row["question"], "", "reasoning")


def _hard(folder: Path) -> Rows:
    for file in sorted((folder / "BIG-Bench-Hard/bbh").glob("*.json")):
        if file.stem not in _NOT_REASONING:
            for row in islice(json.loads(file.read_bytes())["examples"], 20):
                yield row["input"], "", "reasoning"


def _exams(folder: Path) -> Rows:
    """Exam questions: those to be worked out are reasoning, those to be known are questions."""
    count: dict[str, int] = {}
    for row in lines(folder / "routellm/mmlu.jsonl.gz"):
        domain = row["domain"]
        label = "reasoning" if domain in _WORKED_OUT else "open_qa" if domain in _KNOWN else ""
        count[domain] = count.get(domain, 0) + 1
        if label and count[domain] <= 30:
            yield row["prompt"], "", label


def _talk(folder: Path) -> Rows:
    """Small talk in many languages; the first line of each conversation."""
    place = folder / "chatterbot-corpus/chatterbot_corpus/data"
    for language in sorted(place.iterdir()):
        said = [one for name in _TALK for one in _conversations(language / f"{name}.yml")]
        yield from ((one, "", "chat") for one in dict.fromkeys(said[:60]))
    with (folder / "personality-chat/CSharp/Datasets/qna_chitchat_the_friend.tsv").open(
        encoding="utf-8-sig", newline=""
    ) as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield row["Question"], "", "chat"


def _sentences(folder: Path) -> Rows:
    """Translating and rewriting: many ways to ask for it, sentences of other sets as what is given.

    Each way of asking comes from this project; see `ways`.
    """
    place = folder / "chatterbot-corpus/chatterbot_corpus/data"
    foreign = [
        one
        for language in sorted(place.iterdir())
        for one in list(_conversations(language / "conversations.yml"))[:60]
        if len(one) > 15
    ]
    english = [
        part.strip()
        for row in islice(lines(folder / "dolly15k/train.jsonl.gz"), 3000)
        if row["context"] and digest(row["instruction"]) % APART
        for part in row["context"].split(". ")[:2]
        if 40 < len(part) < 400
    ]
    for label, given in (
        ("translation", foreign + english[: len(foreign)]),
        ("rewriting", english),
    ):
        asks = ways()[label]
        if label == "translation":
            asks = [one.replace("{to}", to) for one in asks for to in ways()["languages"]]
        for one in given[:900]:
            ask = _nth(asks, digest(one))
            yield (ask, one, label) if "{}" not in ask else (ask.replace("{}", one), "", label)


def _own(folder: Path) -> Rows:
    """Instructions in English and other languages, written for this project."""
    given = [
        row["context"][:800]
        for row in islice(lines(folder / "dolly15k/train.jsonl.gz"), 2000)
        if row["context"] and digest(row["instruction"]) % APART
    ]
    own = (*ways()["english"].items(), *ways()["tongues"].items())
    for label, many in own:
        for index, one in enumerate(many):
            text = given[(digest(one) + index) % len(given)] if one.endswith(":") else ""
            yield one, text, label


def _conversations(file: Path) -> Iterator[str]:
    if not file.exists():
        return
    for one in yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]:
        if one and isinstance(one[0], str):
            yield one[0]


def lines(file: Path) -> Iterator[Any]:
    """The objects of a file of JSON lines, plain or gzip."""
    opened: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as rows:
        for line in rows:
            if line.strip():
                yield json.loads(line)


_GITHUB = "https://github.com/"
_SETS: dict[str, tuple[Callable[[Path], Rows], tuple[str, str]]] = {
    "dolly15k": (_dolly, ("CC BY-SA 3.0", "https://github.com/databrickslabs/dolly")),
    "self-instruct seed tasks": (_seeds, ("Apache-2.0", f"{_GITHUB}yizhongw/self-instruct")),
    "P3 templates": (_p3, ("Apache-2.0", f"{_GITHUB}yizhongw/self-instruct")),
    "HumanEval": (_code, ("MIT", f"{_GITHUB}openai/human-eval")),
    "MBPP": (_mbpp, ("CC BY 4.0", f"{_GITHUB}google-research/google-research")),
    "sql-eval": (_sql, ("Apache-2.0", f"{_GITHUB}defog-ai/sql-eval")),
    "BFCL and ToolBench": (_apis, ("Apache-2.0", f"{_GITHUB}ShishirPatil/gorilla")),
    "AgentBench": (_systems, ("Apache-2.0", f"{_GITHUB}THUDM/AgentBench")),
    "GSM8K train": (_school, ("MIT", f"{_GITHUB}openai/grade-school-math")),
    "BIG-Bench-Hard": (_hard, ("MIT", f"{_GITHUB}suzgunmirac/BIG-Bench-Hard")),
    "MMLU": (_exams, ("MIT", f"{_GITHUB}lm-sys/RouteLLM")),
    "small talk": (_talk, ("BSD-3-Clause and MIT", f"{_GITHUB}gunthercox/chatterbot-corpus")),
    "own ways to ask": (_sentences, ("Apache-2.0; sentences as above", "")),
    "own, by hand": (_own, ("Apache-2.0; texts as above", "")),
}

_TALK = ("greetings", "conversations", "emotion", "emociones", "psychology", "gossip", "botprofile")

_NOT_REASONING = frozenset(
    {
        "disambiguation_qa",
        "movie_recommendation",
        "ruin_names",
        "snarks",
        "sports_understanding",
        "salient_translation_error_detection",
        "README",
    }
)
_WORKED_OUT = frozenset(
    {
        "abstract_algebra",
        "college_mathematics",
        "elementary_mathematics",
        "high_school_mathematics",
        "college_physics",
        "high_school_physics",
        "formal_logic",
        "high_school_statistics",
        "econometrics",
        "electrical_engineering",
        "conceptual_physics",
        "high_school_chemistry",
    }
)
_KNOWN = frozenset(
    {
        "world_religions",
        "high_school_geography",
        "us_foreign_policy",
        "prehistory",
        "astronomy",
        "high_school_us_history",
        "sociology",
        "nutrition",
        "marketing",
        "management",
        "virology",
        "miscellaneous",
    }
)

_P3 = (
    ("ag_news_recommend", ""), ("ag_news", "classification"), ("amazon_polarity", "classification"),
    ("dbpedia", "classification"), ("imdb", "classification"), ("rotten", "classification"),
    ("trec", "classification"), ("yelp", "classification"), ("app_reviews_c", "classification"),
    ("glue_mrpc_same", "classification"), ("glue_mrpc_equivalent", "classification"),
    ("glue_qqp", "classification"), ("paws_labeled_final_paraphrase_task", "rewriting"),
    ("glue_mrpc_paraphrase", "classification"), ("glue_mrpc_generate", "rewriting"),
    ("cnn_dailymail_3_0_0_generate_story", ""), ("cnn_dailymail_3_0_0_spice", ""),
    ("cnn_dailymail_3_0_0_write_an_outline", ""), ("cnn_dailymail", "summarisation"),
    ("gigaword_in", "summarisation"), ("gigaword_TLDR", "summarisation"),
    ("gigaword_generate", "summarisation"), ("multi_news_expand", ""),
    ("multi_news", "summarisation"), ("samsum_Write", ""), ("samsum", "summarisation"),
    ("xsum_DOC_how", "summarisation"), ("xsum", "summarisation"),
    ("adversarial_qa_dbert_gen", ""), ("adversarial_qa_dbidaf_gen", ""),
    ("adversarial_qa_droberta_gen", ""), ("adversarial_qa", "closed_qa"),
    ("quoref_Guess_T", ""), ("quoref", "closed_qa"), ("duorc_SelfRC_answer", "closed_qa"),
    ("duorc_SelfRC_question", "closed_qa"), ("ropes", "closed_qa"), ("quartz", "closed_qa"),
    ("kilt_tasks_hotpotqa_formulate", "open_qa"), ("kilt_tasks_hotpotqa_straigh", "open_qa"),
    ("kilt_tasks_hotpotqa_complex", "open_qa"), ("sciq_Direct_Question_Closed", "open_qa"),
    ("sciq_Multiple_Choice_Closed", "open_qa"), ("wiki_qa_Direct", "open_qa"),
    ("common_gen_sentence", "extraction"), ("wiki_bio_key", "extraction"),
    ("common_gen_Put", "creative_writing"), ("common_gen_Example", "creative_writing"),
)  # fmt: skip
"""By how a template's name starts, the first that fits; "" leaves it out."""

_SEEDS = {
    "classification": (92, 94, 122, 149, 150, 151, 152, 154, 156, 157, 159, 160, 163, 164, 165, 166,
                       167, 168, 169, 171, 172, 173, 174),
    "extraction": (13, 26, 39, 43, 53, 67, 85, 135, 148, 170),
    "summarisation": (62, 64, 137),
    "rewriting": (42, 51, 78, 97, 98, 108, 126),
    "translation": (101, 117),
    "code": (28, 31, 37, 41, 50, 69, 72, 138, 139, 140, 141),
    "chat": (27, 34, 68),
    "closed_qa": (162,),
    "open_qa": (7, 12, 48, 54, 60, 82, 88, 95, 107, 115, 120, 143),
    "advice": (0, 5, 9, 16, 19, 32, 40, 52, 70, 73, 99, 103, 111, 116, 118, 127, 130, 131, 133,
               142),
    "brainstorming": (6, 10, 11, 17, 24, 30, 36, 38, 44, 65, 76, 80, 81, 90),
    "creative_writing": (8, 18, 20, 29, 47, 49, 55, 56, 57, 59, 63, 74, 79, 84, 86, 89, 93, 96, 100,
                         112, 119, 123, 124, 129),
    "reasoning": (1, 15, 22, 25, 35, 45, 58, 83, 109, 110, 136, 144, 155, 161),
}  # fmt: skip
"""The seed tasks of self-instruct by line, labelled by hand; those between two tasks left out."""

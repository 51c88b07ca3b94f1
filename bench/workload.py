"""The prompts a benchmark sends: distinct, about 2 KB each, the same on every machine."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

_VOCABULARY = """
account address afternoon agreement answer arrive budget building calendar capacity change
chapter check clear colour company compare complete condition contract corner cost country
decide delivery department detail device direction document draft early engine evening
example expect factory figure final finish follow forward garden general green ground group
harbour history house hundred improve include invoice island journey kitchen language large
later lesson letter library light list local machine manager market material measure meeting
member message method minute model morning mountain network north notice number office open
operate order paper payment people period person picture place plan point policy prepare
present price problem process produce program project proposal question quick quiet reason
receive record region remember repair reply report request result return review river room
schedule school season second section send series service several short simple situation
small south special station status storage story street student subject summary supply
system table team technical test theory thousand ticket together topic tower train transfer
travel under update usual value version village visit voice water weather week west window
winter without word work write yellow yesterday young
"""
_WORDS = _VOCABULARY.split()
_TASKS = (
    "Summarise the following notes in three sentences.",
    "Rewrite this text so that a child can follow it.",
    "List the open questions in this protocol.",
    "Translate the following passage into German.",
    "Which of these statements contradict each other?",
)
COUNT = 10_000
SEED = 7488


def documents(
    count: int = COUNT, *, model: str = "auto", stream: bool = False, personal: float = 0.1
) -> list[dict[str, Any]]:
    """`count` chat requests; a share of `personal` mentions an invented e-mail address."""
    chance = random.Random(SEED)
    made = []
    for number in range(count):
        words = chance.choices(_WORDS, k=235)
        if chance.random() < personal:
            words[100] = f"{words[1]}.{words[2]}{number}@example.org"
        sentences = [" ".join(words[i : i + 12]).capitalize() for i in range(0, len(words), 12)]
        prompt = f"{_TASKS[number % len(_TASKS)]} Note {number}: " + ". ".join(sentences) + "."
        system = {"role": "system", "content": "You are a careful assistant. Answer briefly."}
        document: dict[str, Any] = {
            "model": model,
            "messages": [system, {"role": "user", "content": prompt}],
            "max_tokens": 120,
        }
        if stream:
            document |= {"stream": True, "stream_options": {"include_usage": True}}
        made.append(document)
    return made


def bodies(documents: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(document, separators=(",", ":")).encode() for document in documents]


def digest(bodies: list[bytes]) -> str:
    """Names the workload in a result row."""
    return hashlib.sha256(b"\n".join(bodies)).hexdigest()[:12]

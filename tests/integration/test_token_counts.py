"""Exact counts beside the real llama.cpp, with the real weights."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from tests.weights import weights

from situs.analysis.token_counts import counters
from situs.analysis.tokens import tokens_by
from situs.core.request import Ask, Principal
from situs.http import openai_chat
from situs.learning.artefacts import load, shipped
from situs.runtimes.llama_cpp import llama_spec
from situs.runtimes.supervisor import Supervisor
from situs.runtimes.tokenizers import at_hand, from_gguf
from situs.runtimes.weights import locate

NAME = "SmolLM2-135M-Instruct.Q4_1"
FOLDER = Path(__file__).parents[2]
ODD = [
    "",
    " ",
    "\n\n\n",
    "\t x  y   z\r\n",
    "don't DON'T I'll",
    "ab12cd 3.14159 1,000,000",
    "naïve café e\u0301",
    "\U0001f600\U0001f603 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "नेपालको राजधानी काठमाडौं हो। ९८४१",
    "東京は日本の首都です。全角１２３",
    "서울은 대한민국의 수도이다.",
    "<|im_start|>user\nno chat",
    "a" * 300,
    '{"id": [1, 2, {"x": null}], "ok": true}',
]


def texts() -> list[str]:
    """Prose, code and JSON of this very project, and what is odd."""
    files = [*sorted((FOLDER / "docs").rglob("*.md")), *sorted((FOLDER / "src").rglob("*.py"))]
    cut = [file.read_text("utf-8")[at : at + 700] for file in files[::4] for at in (0, 1500)]
    return ODD + [one for one in cut if one]


CHATS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Hello!"}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is two and two?"},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "Why? " * 40},
    ],
    [
        {
            "role": "user",
            "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "2"}],
        }
    ],
]


def test_the_tokenizers_at_hand_count_for_their_families():
    exact = at_hand(weights())
    assert exact["smollm2"]("How many tokens?") == 4
    assert set(exact) <= {"smollm2", "bert"}


def test_counts_are_those_of_llama_cpp(tmp_path):
    located = locate(NAME, weights())
    spec = llama_spec("local", located, context_tokens=1024, threads=1)

    async def story() -> tuple[list[int], list[int]]:
        supervisor = Supervisor(spec, tmp_path, lambda *_: None)
        try:
            await supervisor.ensure_ready(90)
            host, port = supervisor.address or ("", 0)
            headers = {"authorization": f"Bearer {spec.api_key}"}

            async with aiohttp.ClientSession(f"http://{host}:{port}", headers=headers) as session:

                async def post(path: str, body: dict[str, Any]) -> Any:
                    async with session.post(path, json=body) as answer:
                        assert answer.status == 200
                        return await answer.json()

                counts = [
                    len((await post("/tokenize", {"content": one}))["tokens"]) for one in texts()
                ]
                chats = [
                    await post("/v1/chat/completions", {"messages": chat, "max_tokens": 1})
                    for chat in CHATS
                ]
                return counts, [chat["usage"]["prompt_tokens"] for chat in chats]
        finally:
            await supervisor.stop()

    counts, chats = asyncio.run(story())
    ours = from_gguf(located.path)
    assert [ours.count(one) for one in texts()] == counts
    assert [ours.chat(chat) for chat in CHATS] == chats
    artefact = load(shipped("tokens"))
    count = counters(artefact.arrays, artefact.card.settings)
    for chat, real in zip(CHATS, chats, strict=True):
        body = msgspec.json.encode({"model": "auto", "messages": chat})
        asked = openai_chat.parse(body, "r", Ask(), Principal())
        [counted] = tokens_by(asked, count, [NAME]).values()
        assert counted == pytest.approx(real, rel=0.1, abs=2)

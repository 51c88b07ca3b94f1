"""The real llama.cpp with the real weights, supervised."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.weights import weights

from situs.errors import WeightsError
from situs.runtimes.lifecycle import State
from situs.runtimes.llama_cpp import llama_spec
from situs.runtimes.processes import group_of
from situs.runtimes.supervisor import Supervisor
from situs.runtimes.weights import Located, locate

NAME = "SmolLM2-135M-Instruct.Q4_1"
CANARY = "canary" + "-4711"


@pytest.fixture
def located() -> Located:
    return locate(NAME, weights())


async def post(supervisor: Supervisor, body: dict[str, Any], key: str) -> tuple[int, Any]:
    host, port = supervisor.address or ("", 0)
    url = f"http://{host}:{port}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers=headers) as r,
    ):
        return r.status, await r.json()


def question(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Say hello to {CANARY}."}]
    return {"messages": messages, "max_tokens": 8, "temperature": 0, **more}


def test_the_real_server_answers_survives_a_kill_and_leaves_nothing(tmp_path, located):
    spec = llama_spec("local", located, context_tokens=1024, threads=1, parallel=2)
    states: list[str] = []

    async def story() -> int:
        supervisor = Supervisor(spec, tmp_path, lambda _, state, __: states.append(str(state)))
        try:
            await supervisor.ensure_ready(90)
            assert supervisor.facts is not None
            assert supervisor.facts.context_tokens == 1024
            assert supervisor.facts.slots == 2
            assert supervisor.facts.model == str(located.path)
            assert "xllamacpp" in supervisor.facts.build

            status, answer = await post(supervisor, question(), spec.api_key)
            assert status == 200
            assert answer["model"] == NAME
            assert answer["choices"][0]["message"]["content"]
            assert answer["usage"]["completion_tokens"] > 0
            assert (await post(supervisor, question(), "another key"))[0] == 401
            # llama.cpp prints a grammar that it cannot parse; it must not reach the log.
            bad = question(grammar=f"root ::= {CANARY} [")
            assert (await post(supervisor, bad, spec.api_key))[0] == 400

            first = supervisor.pid or 0
            os.kill(first, signal.SIGKILL)
            while "backing_off" not in states:  # noqa: ASYNC110 - the process does not say
                await asyncio.sleep(0.01)
            assert CANARY not in supervisor.detail
            await supervisor.ensure_ready(90)
            assert supervisor.pid != first
            assert (await post(supervisor, question(), spec.api_key))[0] == 200
            return supervisor.pid or 0
        finally:
            await supervisor.stop(5.0)
            assert supervisor.state is State.STOPPED

    last = asyncio.run(story())
    assert not Path(f"/proc/{last}").exists()
    assert not group_of(last)
    assert states[-2:] == ["stopping", "stopped"]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()


def test_weights_with_one_changed_byte_are_not_loaded(tmp_path, located):
    copy = tmp_path / located.path.name
    copy.write_bytes(located.path.read_bytes())
    with copy.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    spec = llama_spec("local", Located(located.weights, copy), context_tokens=512)

    async def story() -> None:
        supervisor = Supervisor(spec, tmp_path, lambda *_: None)
        try:
            with pytest.raises(WeightsError, match="not what the models lock says"):
                await supervisor.ensure_ready(90)
            assert supervisor.pid is None
        finally:
            await supervisor.stop()

    asyncio.run(story())

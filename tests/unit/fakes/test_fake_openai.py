import asyncio
import json
import subprocess

import aiohttp
import pytest
from tests.fakes.openai_answers import MODES
from tests.fakes.openai_server import FakeOpenAI, fake_process, read_log, traffic

CHAT = {"model": "m1", "messages": [{"role": "user", "content": "Grüße an alle"}]}


async def ask(fake, *, stream=False, timeout_s=5.0, **more):
    """Status, content type and body (or the name of what went wrong, with what had arrived)."""
    document = {**CHAT, "stream": stream, "stream_options": {"include_usage": True}, **more}
    got = b""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            url = f"{fake.base_url}/chat/completions"
            async with session.post(url, json=document, allow_redirects=False) as reply:
                async for piece in reply.content.iter_any():
                    got += piece
                    if len(got) > 3_000_000:
                        break
                return reply.status, reply.headers.get("content-type"), got
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__, None, got


def events(body):
    return [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]


def run(test):
    return asyncio.run(test())


def test_answers_a_chat_completion_deterministically():
    async def test():
        async with FakeOpenAI("rack") as fake:
            status, kind, body = await ask(fake)
            assert (status, kind) == (200, "application/json")
            assert (await ask(fake))[2] == body
            answer = json.loads(body)
            assert answer["model"] == "m1"
            assert answer["choices"][0]["message"]["content"] == "rack heard: Grüße an alle"
            assert answer["usage"]["total_tokens"] == 8
            assert fake.requests[0].json["model"] == "m1"
            assert fake.connections == 2

    run(test)


def test_streams_the_same_content_with_usage_and_done():
    async def test():
        async with FakeOpenAI("rack") as fake:
            _, kind, body = await ask(fake, stream=True)
            assert kind == "text/event-stream"
            *chunks, done = events(body)
            assert done == b"[DONE]"
            documents = [json.loads(chunk) for chunk in chunks]
            deltas = [c["delta"].get("content", "") for d in documents for c in d["choices"]]
            assert "".join(deltas) == "rack heard: Grüße an alle"
            assert documents[-1]["usage"]["completion_tokens"] == 5

    run(test)


def test_asks_for_its_key():
    async def test():
        async with FakeOpenAI(key="right") as fake:
            assert (await ask(fake))[0] == 401

    run(test)


EXPECTED = {
    "ok": (200, 200),
    "hang_before_head": ("ServerTimeoutError", "ServerTimeoutError"),
    "hang_after_head": ("ServerTimeoutError", "ServerTimeoutError"),
    "stall_mid_stream": ("ServerTimeoutError", "ServerTimeoutError"),
    "cut_before_first_byte": ("ServerDisconnectedError", "ServerDisconnectedError"),
    "cut_mid_body": ("ClientPayloadError", "ClientPayloadError"),
    "cut_mid_stream": ("ClientPayloadError", "ClientPayloadError"),
    "reset_mid_stream": ("ClientPayloadError", "ClientPayloadError"),
    "redirect": (307, 307),
}


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("stream", [False, True])
def test_every_mode_ends_as_it_says(mode, stream):
    async def test():
        async with FakeOpenAI() as fake:
            fake.set(mode=mode, delay_s=0.001)
            status, kind, body = await ask(fake, stream=stream, timeout_s=0.4)
            expected = EXPECTED.get(mode, (200, 200))[stream]
            if mode.startswith("status_"):
                expected = int(mode[7:])
                assert json.loads(body)["error"]["message"] == f"fake error {expected}"
            if mode == "endless_stream":
                assert len(body) > 1000
            elif expected == "ServerTimeoutError":
                assert status in ("ServerTimeoutError", "TimeoutError", "ConnectionTimeoutError")
            elif mode == "reset_mid_stream":
                assert status in ("ClientPayloadError", "ClientOSError")
            else:
                assert status == expected
            if mode == "html_200":
                assert kind == "text/html"

    run(test)


def check_broken_json(body):
    with pytest.raises(ValueError, match=r".*"):
        json.loads(body)


def test_garbage_modes_send_what_cannot_be_parsed():
    async def test():
        async with FakeOpenAI() as fake:
            fake.set(mode="garbage_body")
            check_broken_json((await ask(fake))[2])
            fake.set(mode="garbage_sse")
            check_broken_json(events((await ask(fake, stream=True))[2])[2])
            fake.set(mode="half_utf8")
            with pytest.raises(UnicodeDecodeError):
                (await ask(fake, stream=True))[2].decode()
            fake.set(mode="split_utf8")
            assert "Grüße" in (await ask(fake, stream=True))[2].decode()

    run(test)


def test_once_applies_to_one_request():
    async def test():
        async with FakeOpenAI() as fake:
            fake.set(mode="status_429", once=True)
            assert [(await ask(fake))[0], (await ask(fake))[0]] == [429, 200]

    run(test)


def test_notices_a_client_that_hangs_up():
    async def test():
        async with FakeOpenAI() as fake:
            fake.set(mode="stall_mid_stream")
            await ask(fake, stream=True, timeout_s=0.2)
            while not fake.requests[0].hung_up:  # noqa: ASYNC110 - the fake sets it, we poll
                await asyncio.sleep(0.01)

    run(test)


def test_a_process_of_its_own_logs_all_that_arrives_but_its_switch(tmp_path):
    with fake_process(tmp_path, "rack") as fake:
        fake.set(mode="wrong_model")
        assert fake.traffic() == (0, 0)
        _, _, body = asyncio.run(ask(fake))
        assert json.loads(body)["model"] == "another-model"
        connections, count = fake.traffic()
        assert connections == 1
        assert count > 100
        assert json.loads(fake.requests()[0]["body"])["model"] == "m1"
    assert fake.process.returncode == 0
    assert {"connection", "bytes", "request", "answered"} <= {
        e["event"] for e in read_log(fake.log)
    }
    assert traffic(fake.log)[0] == 1


def test_an_unknown_mode_is_refused(tmp_path):
    with fake_process(tmp_path) as fake, pytest.raises(OSError, match="400"):
        fake.set(mode="no_such_mode")
    assert isinstance(fake.process, subprocess.Popen)


async def post(fake, path, **document):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{fake.base_url}{path}", json={"model": "m1", **document}) as reply,
    ):
        return await reply.json()


def test_completes_every_prompt_and_embeds_every_input_the_same_way_again():
    async def test():
        async with FakeOpenAI("rack") as fake:
            said = await post(fake, "/completions", prompt=["a b", "c"], n=2, max_tokens=3)
            texts = [choice["text"] for choice in said["choices"]]
            assert texts == ["rack heard: a"] * 2 + ["rack heard: c"] * 2
            ends = [choice["finish_reason"] for choice in said["choices"]]
            assert ends == ["length"] * 2 + ["stop"] * 2
            first = await post(fake, "/embeddings", input=["a", "b", "a"], dimensions=3)
            vectors = [one["embedding"] for one in first["data"]]
            assert vectors[0] == vectors[2] != vectors[1]
            assert [len(vector) for vector in vectors] == [3, 3, 3]

    run(test)


def test_calls_every_tool_with_arguments_of_its_schema():
    properties = {"a": {"type": "string"}, "b": {"enum": [7]}, "c": {"type": "array"}}
    function = {"name": "f", "parameters": {"type": "object", "properties": properties}}
    tools = [{"type": "function", "function": function}] * 2

    async def test():
        async with FakeOpenAI("rack") as fake:
            _, _, body = await ask(fake, tools=tools)
            calls = json.loads(body)["choices"][0]["message"]["tool_calls"]
            wanted = {"a": "Grüße an alle", "b": 7, "c": [None]}
            assert [json.loads(one["function"]["arguments"]) for one in calls] == [wanted] * 2
            _, _, body = await ask(fake, stream=True, tools=tools)
            arguments = ["", ""]
            for event in events(body)[:-1]:
                for choice in json.loads(event)["choices"]:
                    for call in choice["delta"].get("tool_calls", []):
                        arguments[call["index"]] += call["function"]["arguments"]
            assert [json.loads(one) for one in arguments] == [wanted] * 2

    run(test)

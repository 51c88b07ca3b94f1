"""A node to kill: answers chat requests in a little while, on connections that it keeps open.

    python -m bench.kills_node --port 9000

A whole answer takes 0.15 s, a stream ten pieces of 0.03 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import suppress

PIECES = 10
_PIECE_S = 0.03
_WHOLE_S = 0.15
_USAGE = {"prompt_tokens": 12, "completion_tokens": PIECES, "total_tokens": 12 + PIECES}


def _event(document: object) -> bytes:
    data = b"data: %b\n\n" % (b"[DONE]" if document is None else json.dumps(document).encode())
    return b"%x\r\n%b\r\n" % (len(data), data)


def _choice(piece: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, **piece, "finish_reason": finish}
    return _event({"id": "x", "object": "chat.completion.chunk", "choices": [choice]})


async def _stream(writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    writer.write(head + b"\r\n")
    for _ in range(PIECES):
        await asyncio.sleep(_PIECE_S)
        writer.write(_choice({"delta": {"content": "word "}}))
    writer.write(_choice({"delta": {}}, "stop"))
    writer.write(_event({"choices": [], "usage": _USAGE}) + _event(None) + b"0\r\n\r\n")


async def _whole(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(_WHOLE_S)
    message = {"role": "assistant", "content": "word " * PIECES}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({"id": "x", "choices": [choice], "usage": _USAGE}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % len(body) + body)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length:" not in head:  # only asked about itself
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
                continue
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            document = json.loads(await reader.readexactly(length))
            await (_stream if document.get("stream") else _whole)(writer)
            await writer.drain()
    writer.close()


async def _run(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_run(parser.parse_args().port))


if __name__ == "__main__":
    main()

"""Tries what uvicorn, plain and guarded, is said to do; prints one line a claim.

A server must notice a client that left, wait for one that reads slowly, share a listening socket
between processes, finish open requests on SIGTERM, and bound what a stranger can make it hold.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import processes


def say(what: str, got: object) -> None:
    print(f"{what:62} {got}", flush=True)


UVICORN = """
import asyncio, os, socket, sys
import uvicorn

async def app(scope, receive, send):
    if scope["path"] == "/pid":
        body = b"%d" % os.getpid()
    elif scope["path"] == "/slow":
        await asyncio.sleep(0.7)
        body = b"slow done"
    elif scope["path"] == "/endless":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        watch = asyncio.ensure_future(gone(receive))
        sent = 0
        while not watch.done():
            sent += 8192
            await send({"type": "http.response.body", "body": b"x" * 8192, "more_body": True})
            print("sent", sent, flush=True)
        print("gone", flush=True)
        return
    else:
        body = b"ok"
    size = b"%d" % len(body)
    headers = [(b"content-length", size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

async def gone(receive):
    while (await receive())["type"] != "http.disconnect":
        pass

http = "httptools"
if sys.argv[3:] == ["guarded"]:
    from situs.http.guarded import GuardedProtocol
    class http(GuardedProtocol):
        head_s = 1.0
if sys.argv[1] == "reuse":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2])))
else:
    listener = socket.socket(fileno=int(sys.argv[1]))
config = uvicorn.Config(app, loop="uvloop", http=http, lifespan="off", log_level="warning",
                        timeout_keep_alive=1, timeout_graceful_shutdown=5, access_log=False)
uvicorn.Server(config).run(sockets=[listener])
"""


@contextlib.contextmanager
def uvicorns(
    folder: Path, how: str, *more: str
) -> Iterator[tuple[int, list[subprocess.Popen[bytes]]]]:
    """Two uvicorn processes on one port: an inherited socket, or one each (`reuse`)."""
    script = folder / "server.py"
    script.write_text(UVICORN)
    if how == "reuse":
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))  # only holds the number; it does not listen
    else:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    number = listener.fileno()
    first = "reuse" if how == "reuse" else str(number)
    command = [sys.executable, str(script), first, str(port), *more]
    with (folder / "out.txt").open("wb") as output:
        workers = [
            subprocess.Popen(
                command,
                pass_fds=[number],
                stdout=output,
                cwd=processes.ROOT,
                env={**os.environ, "PYTHONPATH": str(processes.ROOT)},
            )
            for _ in range(2)
        ]
        try:
            time.sleep(1.5)
            yield port, workers
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
            listener.close()


def uvicorn_claims(folder: Path) -> None:
    for how in ("inherited", "reuse"):
        with uvicorns(folder, how) as (port, _):
            say(f"uvicorn: 200 connections over two processes, {how}", shares(port))
    with uvicorns(folder, "inherited") as (port, workers):
        uvicorn_hang_up(port, folder / "out.txt")
        uvicorn_strangers("uvicorn", port, workers)
        uvicorn_drain(port, workers)
    with uvicorns(folder, "inherited", "guarded") as (port, workers):
        uvicorn_strangers("guarded", port, workers)
        uvicorn_drain(port, workers)


def shares(port: int) -> list[int]:
    """How many of 200 connections, 20 at a time, each process got."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        pids = list(pool.map(lambda _: ask(port, "/pid").rpartition(b"\r\n")[2], range(200)))
    return sorted(collections.Counter(pids).values())


def ask(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        request = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        client.sendall(request.encode())
        return client.makefile("rb").read()


def peak_mb(workers: list[subprocess.Popen[bytes]]) -> float:
    """The largest resident size any of them has had."""
    sizes = [Path(f"/proc/{worker.pid}/status").read_text() for worker in workers]
    return max(int(size.split("VmHWM:")[1].split()[0]) for size in sizes) / 1024


def uvicorn_hang_up(port: int, log: Path) -> None:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
    time.sleep(1.0)
    sent = max((int(line.split()[1]) for line in log.read_text().splitlines()), default=0)
    say("uvicorn: taken from the app while the client does not read, MB", round(sent / 1e6, 2))
    before = time.perf_counter()
    client.close()
    while "gone" not in log.read_text() and time.perf_counter() - before < 3:
        time.sleep(0.001)
    took = round(1000 * (time.perf_counter() - before), 1)
    say("uvicorn: http.disconnect after the client left, ms", took)


def uvicorn_strangers(name: str, port: int, workers: list[subprocess.Popen[bytes]]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=4) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost:")
        try:
            closed = client.recv(1) == b""
        except TimeoutError:
            closed = False
    say(f"{name}: half a head is closed within 4 s", closed)
    before = peak_mb(workers)
    with socket.create_connection(("127.0.0.1", port), timeout=4) as client:
        outcome = "accepted"
        try:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
            for number in range(640):
                client.sendall(b"x-%d: " % number + b"y" * 100_000 + b"\r\n")
            client.sendall(b"\r\n")
            outcome = client.recv(100).split(b"\r\n")[0].decode()
        except OSError as error:
            outcome = type(error).__name__
    after = peak_mb(workers)
    say(f"{name}: 64 MB of headers", f"{outcome}; {before:.0f} -> {after:.0f} MB at most")


def uvicorn_drain(port: int, workers: list[subprocess.Popen[bytes]]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(0.2)
        for worker in workers:
            os.kill(worker.pid, signal.SIGTERM)
        answer = client.makefile("rb").read()
    say("uvicorn: the open request is finished after SIGTERM", b"slow done" in answer)
    codes = [worker.wait(10) for worker in workers]
    say("uvicorn: exit codes after SIGTERM", codes)

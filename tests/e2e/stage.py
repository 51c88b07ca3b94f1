"""A stage for end-to-end tests: real fakes upstream, a real gateway process, plain HTTP."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from tests.fakes.openai_server import FakeProcess, fake_process

CHAT = "/v1/chat/completions"
ROOT = Path(__file__).resolve().parents[2]

_LOCUS = {
    "office": {"kind": "on_prem", "jurisdiction": "AU", "owned": True},
    "national": {"kind": "sovereign_cloud", "jurisdiction": "AU", "owned": False},
    "us": {"kind": "public_cloud", "jurisdiction": "US", "owned": False},
}
_CUSTODY = {"office": "customer", "national": "operator", "us": "operator"}
_CAPABILITY = {"office": "small", "national": "medium", "us": "frontier"}
_TTFT_S = {"office": 0.2, "national": 0.3, "us": 0.4}
_PRICE = {"office": 0.1, "national": 1.0, "us": 5.0}


def fleet(fakes: dict[str, FakeProcess], **changes: Any) -> dict[str, Any]:
    """A configuration over the fakes: office (owned), national (sovereign), us (public)."""
    config: dict[str, Any] = {
        "version": 1,
        "home": "AU",
        "defaults": {
            "first_byte_timeout_s": 1.0,
            "answer_timeout_s": 1.0,
            "stall_timeout_s": 1.0,
            "connect_timeout_s": 1.0,
        },
        "loci": {},
        "models": {},
        "deployments": {},
    }
    for name, fake in fakes.items():
        config["loci"][name] = {
            **_LOCUS[name],
            "key_custody": _CUSTODY[name],
            "retention": "none",
            "training_use": "none",
            "operator": name,
        }
        config["models"][f"{name}-model"] = {
            "capability": _CAPABILITY[name],
            "context_tokens": 100_000,
            "tools": True,
            "structured_output": True,
        }
        price = _PRICE[name]
        config["deployments"][f"{name}-llm"] = {
            "model": f"{name}-model",
            "locus": name,
            "endpoint": {"url": fake.base_url, "model": "fake-model"},
            "price": {"currency": "USD", "prompt": price, "completion": price},
            "speed": {"ttft_s": _TTFT_S[name]},
        }
    return merge(config, changes)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        known = merged.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            merged[key] = merge(known, value)
        else:
            merged[key] = value
    return merged


class Response(Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        code: str = self.json["error"]["code"]
        return code


class Gateway:
    """A running `situs serve` process."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, data: Path, log: Path) -> None:
        self.process, self.url, self.data, self.log = process, url, data, log

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Response:
        """One request on a connection of its own. Header names get dashes for underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent = {"content-type": "application/json", **sent}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Response(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            )
        finally:
            connection.close()

    def chat(
        self, text: str = "Hello there.", *, path: str = "/v1/chat/completions", **fields: Any
    ):
        """A chat request; `headers={...}` beside the document's fields."""
        headers = fields.pop("headers", {})
        document = {
            "model": "auto",
            "messages": [{"role": "user", "content": text}],
            **fields,
        }
        return self.call("POST", path, json.dumps(document).encode(), **headers)

    def lines(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The receipts so far, of one type or all."""
        found = [
            json.loads(line)
            for file in sorted((self.data / "receipts").glob("*/*.jsonl"))
            for line in file.read_bytes().splitlines()
        ]
        return [line for line in found if kind is None or line["type"] == kind]

    def outcome(self, request_id: str, timeout_s: float = 5.0) -> dict[str, Any]:
        """The outcome of one request; it is written a moment after the answer."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self.lines("outcome"):
                if line["id"] == request_id:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no outcome for {request_id}")

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        found = []
        for pid in children.split():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it is gone since
                if b"situs.app.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def events(response: Response) -> list[Any]:
    """The `data` of a stream's events, parsed; `[DONE]` as that text."""
    data = [line[6:] for line in response.body.decode().splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in data]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "situs.cli.main", *arguments]


def write_config(directory: Path, config: dict[str, Any] | str, name: str = "situs.yaml") -> Path:
    """JSON is YAML."""
    path = directory / name
    path.write_text(config if isinstance(config, str) else json.dumps(config, indent=1))
    return path


@contextlib.contextmanager
def running(
    directory: Path,
    config: dict[str, Any] | str,
    *,
    data: Path | None = None,
) -> Iterator[Gateway]:
    """Starts `situs serve`, waits for its greeting, stops it afterwards."""
    arguments = ["serve", "--config", str(write_config(directory, config))]
    with started(arguments, data or directory / "data", directory / "situs.log") as gateway:
        yield gateway


@contextlib.contextmanager
def started(arguments: list[str], data: Path, log: Path, port: int = 0) -> Iterator[Gateway]:
    """Any command that greets; killed if it does not stop when asked."""
    places = ("--port", str(port), "--data", str(data))
    with log.open("wb") as output:
        process = subprocess.Popen(command(*arguments, *places), stdout=output, stderr=output)
    try:
        yield Gateway(process, _greeted(process, log, 60.0), data, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _greeted(process: subprocess.Popen[bytes], log: Path, wait_s: float) -> str:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith("Situs listens on "):
                return line.split()[3].rstrip(";")
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the gateway did not start:\n{log.read_text()}")


@contextlib.contextmanager
def fakes(directory: Path, *names: str) -> Iterator[dict[str, FakeProcess]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(fake_process(directory, name)) for name in names}

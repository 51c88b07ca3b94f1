"""A process that answers like `opa run --server`, with OPA's own engine behind its Data API.

    python -m tests.fakes.opa_server --port-file FILE [--token T] SOURCE.json

SOURCE.json is a `situs.rego.modules.Source`. `POST /v1/data/PATH` with `{"input": …}` answers
`{"result": …}`, without `result` where it is undefined; `provenance=true` adds the revision of the
bundle. `GET /_connections` says how many there were.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from tests.fakes.opa import Opa, OpaError

from situs.rego.modules import Source


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, source: Source, token: str | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.opa, self.token, self.revision = Opa(source), token, source.revision
        self.lock = Lock()
        self.connections = 0


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_GET(self) -> None:
        self._answer(200, {"connections": self.server.connections})

    def do_POST(self) -> None:
        asked = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        token = self.server.token
        if token is not None and self.headers.get("authorization") != f"Bearer {token}":
            self._answer(401, {"code": "unauthorized", "message": "unauthorized"})
            return
        document = json.dumps(json.loads(body)["input"]).encode()
        path = asked.path.removeprefix("/v1/data/").replace("/", ".")
        try:
            with self.server.lock:
                result = self.server.opa.document(path, document)
        except OpaError as error:
            self._answer(500, {"code": "internal_error", "message": str(error)})
            return
        said: dict[str, Any] = {} if result is None else {"result": result}
        if parse_qs(asked.query).get("provenance") == ["true"]:
            bundles = {"situs": {"revision": self.server.revision}} if self.server.revision else {}
            said["provenance"] = {"version": "1.20.2", "bundles": bundles}
        self._answer(200, said)

    def _answer(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def opa_server(source: Source, folder: Path, token: str | None = None) -> Iterator[str]:
    """Its URL. `folder` is for its files."""
    file, port_file = folder / "source.json", folder / "port"
    file.write_bytes(msgspec.json.encode(source))
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.fakes.opa_server", "--port-file", str(port_file)]
    command += ["--token", token] if token else []
    process = subprocess.Popen([*command, str(file)])
    try:
        for _ in range(1000):
            if port_file.exists() or process.poll() is not None:
                break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text(encoding='utf-8')}"
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--token")
    parser.add_argument("source", type=Path)
    told = parser.parse_args()
    source = msgspec.json.decode(told.source.read_bytes(), type=Source)
    with Server(source, told.token) as server:
        aside = told.port_file.with_suffix(".new")
        aside.write_text(str(server.server_address[1]), encoding="utf-8")
        aside.rename(told.port_file)
        server.serve_forever()


if __name__ == "__main__":
    main()

"""A small real model server for tests of supervision: loads, answers, and misbehaves on demand.

    python model_server.py --port 0 [--load-s 0.2] [--crash-after 3] [--ignore-sigterm] ...

Answers like llama.cpp on /health (503 while loading), /props and /v1/chat/completions. Standard
library only. Environment: SITUS_RUNTIME_KEY, when set, is demanded on everything but /health.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--load-s", type=float, default=0.0, help="seconds before it is healthy")
    parser.add_argument("--crash-after", type=int, help="exit with 3 after that many completions")
    parser.add_argument("--exit-at-start", type=int, help="print a line and exit with this code")
    parser.add_argument("--never-healthy", action="store_true")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--no-props", action="store_true", help="404 on /props")
    parser.add_argument("--children", type=int, default=0, help="processes to start in its group")
    parser.add_argument("--starts", type=Path, help="append the pid of each start to this file")
    parser.add_argument("--hang-file", type=Path, help="/health answers 500 while this file exists")
    return parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/health":
            ok = self.server.healthy()
            self.reply(200 if ok else 503, {"status": "ok" if ok else "loading"})
        elif not self.server.allows(self.headers.get("authorization", "")):
            self.reply(401, {"error": "no key"})
        elif self.path == "/props" and not self.server.options.no_props:
            settings = {"n_ctx": 512}
            found = {"default_generation_settings": settings, "model_path": "fake.gguf"}
            self.reply(200, {**found, "total_slots": 1, "build_info": "fake"})
        else:
            self.reply(404, {"error": "no such path"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self.server.allows(self.headers.get("authorization", "")):
            self.reply(401, {"error": "no key"})
            return
        message = {"role": "assistant", "content": f"from {os.getpid()}"}
        self.reply(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        self.server.answered += 1
        if self.server.answered == self.server.options.crash_after:
            os._exit(3)

    def reply(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, chosen: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", chosen.port), Handler)
        self.options = chosen
        self.key = os.environ.get("SITUS_RUNTIME_KEY", "")
        self.ready_at = time.monotonic() + chosen.load_s
        self.answered = 0

    def healthy(self) -> bool:
        hung = self.options.hang_file is not None and self.options.hang_file.exists()
        return not (self.options.never_healthy or hung) and time.monotonic() >= self.ready_at

    def allows(self, authorization: str) -> bool:
        return not self.key or authorization == f"Bearer {self.key}"


def main() -> None:
    chosen = options()
    if chosen.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # children inherit that
    if chosen.starts:
        with chosen.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
    if chosen.exit_at_start is not None:
        print("no model for today", flush=True)
        sys.exit(chosen.exit_at_start)
    for _ in range(chosen.children):
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    server = Server(chosen)
    print(f"listening on {server.server_address[1]}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()

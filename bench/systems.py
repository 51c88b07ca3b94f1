"""The systems a benchmark can put under load: Situs, and others beside it.

Each is a command that listens on a port and forwards chat completions to the fast upstream. Peers
are installed by `python -m bench.peers install`, outside the project's own environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bench.processes import ROOT

PEERS = ROOT / ".cache" / "peers"


class System(Struct, frozen=True):
    """How to start one system and talk to it. No command: the upstream itself."""

    command: list[str]
    env: dict[str, str]
    ready: str = "/readyz"
    model: str = "auto"
    headers: dict[str, str] = {}
    version: str = "?"

    @property
    def installed(self) -> bool:
        return not self.command or Path(self.command[0]).exists()


def direct(port: int, upstream: int, data: Path) -> System:
    return System([], {}, ready="/", version="-")


def situs(port: int, upstream: int, data: Path) -> System:
    """`bench/situs.yaml` with the upstream's port filled in."""
    template = (ROOT / "bench" / "situs.yaml").read_text(encoding="utf-8")
    config = data / "situs.yaml"
    config.write_text(
        template.replace("127.0.0.1:19300", f"127.0.0.1:{upstream}"), encoding="utf-8"
    )
    command = [str(Path(sys.executable).with_name("situs")), "serve", "--config", str(config)]
    command += ["--port", str(port), "--data", str(data / "data")]
    return System(command, {}, version="this commit")


def envoy(port: int, upstream: int, data: Path) -> System:
    """A plain HTTP proxy: how fast forwarding can be."""
    config = data / "envoy.json"
    config.write_text(json.dumps(_envoy_config(port, upstream)), encoding="utf-8")
    found = [str(path) for path in PEERS.glob("env/lib/*/site-packages/envoy/_bin/envoy")]
    command = [*(found or ["missing-envoy"]), "-c", str(config), "--concurrency", "1"]
    command += ["--base-id", str(port), "-l", "error"]
    return System(command, {}, ready="/", version="1.40.0")


def _envoy_config(port: int, upstream: int) -> dict[str, object]:
    def address(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    kinds = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    manager = {
        "@type": f"{kinds}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{kinds}.http.router.v3.Router"},
            }
        ],
    }
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    endpoint = {"endpoint": {"address": address(upstream)}}
    cluster = {
        "name": "upstream",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    listener = {"address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def ferrogw(port: int, upstream: int, data: Path) -> System:
    """Its rate limit is on by default and would answer 429; it is lifted."""
    config = data / "ferrogw.json"
    document = {"strategy": {"mode": "single"}, "targets": [{"virtual_key": "openai"}]}
    config.write_text(json.dumps(document), encoding="utf-8")
    env = {
        "PORT": str(port),
        "GATEWAY_CONFIG": str(config),
        "OPENAI_API_KEY": "unused",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}",
        "LOG_LEVEL": "error",
        "RATE_LIMIT_RPS": "1000000",
        "RATE_LIMIT_BURST": "1000000",
        "ALLOW_UNAUTHENTICATED_PROXY": "true",
        "GOMAXPROCS": "1",
    }
    command = [str(PEERS / "env" / "bin" / "ferrogw"), "serve"]
    return System(command, env, model="gpt-4o-mini", version="1.5.10")


def portkey(port: int, upstream: int, data: Path) -> System:
    script = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    env = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
        "authorization": "Bearer unused",
    }
    command = [_node(script), str(script), "--headless", f"--port={port}"]
    return System(command, env, ready="/", model="gpt-4o-mini", headers=headers, version="1.15.2")


def _node(script: Path) -> str:
    import shutil

    return (shutil.which("node") or "missing-node") if script.exists() else "missing-portkey"


Make = Callable[[int, int, Path], System]

SYSTEMS: dict[str, Make] = {
    "direct": direct,
    "situs": situs,
    "envoy": envoy,
    "ferrogw": ferrogw,
    "portkey": portkey,
}

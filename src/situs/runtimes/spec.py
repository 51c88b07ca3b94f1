"""What a supervisor needs to know about a model server, and what it learns from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from situs.errors import ConfigError
from situs.runtimes.lifecycle import Patience, State

OnState = Callable[[str, State, str], None]

PORT = "{port}"  # stands for the chosen port in `argv`


class RuntimeSpec(Struct, frozen=True):
    """How to run one model server.

    `{port}` in `argv` becomes the port it has to listen on, on loopback. `env` is added to a small
    allowed part of the gateway's own environment, and secrets go there, never into `argv`. `check`
    runs in a thread before every load; the OperatorError it raises ends the attempt for good.
    `health_path` answers 200 when ready, without a key; `props_path` is llama.cpp's, "" for none.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    api_key: str = ""
    check: Callable[[], None] | None = None
    health_path: str = "/health"
    props_path: str = "/props"
    engine: str = ""
    patience: Patience = Patience()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name):
            raise ConfigError("a runtime's name may have letters, digits, '.', '_' and '-' only")

    def __repr__(self) -> str:
        return f"RuntimeSpec({self.name})"  # the rest may hold secrets


class Facts(Struct, frozen=True):
    """What a ready server says of itself. `context_tokens` is what one request can use."""

    context_tokens: int
    model: str
    slots: int
    build: str


class _Settings(Struct, frozen=True):
    n_ctx: int


class _Props(Struct, frozen=True):
    default_generation_settings: _Settings
    model_path: str
    total_slots: int
    build_info: str = ""


def facts_of(props: bytes, engine: str) -> Facts | None:
    """Read llama.cpp's answer to /props; None when it is not one."""
    try:
        found = msgspec.json.decode(props, type=_Props)
    except msgspec.DecodeError:
        return None
    build = " ".join(part for part in (engine, found.build_info) if part)
    return Facts(
        found.default_generation_settings.n_ctx, found.model_path, found.total_slots, build
    )

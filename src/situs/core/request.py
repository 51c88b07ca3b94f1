"""What arrived: a typed view of one request, whatever wire it came by."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from msgspec import Struct

from situs.core.label import Label

AUTO = "auto"
"""The model name that lets Situs choose."""


class Modality(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"
    TOKENS = "tokens"


READABLE = frozenset({Modality.TEXT, Modality.TOKENS})
"""What is no attachment."""


class Service(StrEnum):
    """What a model is asked for, whatever wire the request comes by."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"


class Wire(StrEnum):
    """How a request came; `service` is what it asks for."""

    service: Service

    def __new__(cls, value: str, service: Service = Service.CHAT) -> Self:
        wire = str.__new__(cls, value)
        wire._value_ = value
        wire.service = service
        return wire

    OPENAI_CHAT = "openai.chat", Service.CHAT
    OPENAI_COMPLETIONS = "openai.completions", Service.COMPLETIONS
    OPENAI_EMBEDDINGS = "openai.embeddings", Service.EMBEDDINGS


class Objective(StrEnum):
    CHEAPEST_ADEQUATE = "cheapest_adequate"
    FASTEST = "fastest"
    BEST = "best"
    PRIVATE = "private"


class Principal(Struct, frozen=True):
    """Who asks."""

    tenant: str = "default"
    key: str = "-"
    groups: tuple[str, ...] = ()


class Text(Struct, frozen=True):
    """One string that would leave, and its JSON path in the document: `messages[0].content`."""

    path: str
    text: str


class Ask(Struct, frozen=True):
    """What the caller's `x-situs-*` headers say; a client may raise a label, never lower it."""

    label: Label | None = None
    objective: Objective | None = None
    session: str | None = None
    data: str | None = None
    max_cost: float | None = None
    slo_ttft_s: float | None = None
    deadline_s: float | None = None
    criticality: str = "advisory"


class Copy(Struct, frozen=True):
    """Asked again, `at` a deployment, only to compare: the id of the request that it is `of`."""

    of: str
    at: str


class Request(Struct, frozen=True):
    """One request as the pure floors see it.

    `body` is what came, `document` the same parsed. What leaves is this document and nothing else,
    so what was analysed is what is sent. `texts` are all its strings and long numbers. `trace` is
    the caller's W3C `traceparent`, if it sent one. `session_label` is the highest that its session
    has had so far, `data` names the data sets that it draws on. Nobody waits for a `copy`.
    """

    id: str
    wire: Wire
    model: str
    document: dict[str, Any]
    texts: tuple[Text, ...]
    size: int
    body: bytes = b""
    stream: bool = False
    max_completion_tokens: int | None = None
    choices: int = 1
    modalities: frozenset[Modality] = frozenset({Modality.TEXT})
    tools: bool = False
    structured_output: bool = False
    principal: Principal = Principal()
    ask: Ask = Ask()
    trace: str | None = None
    session_label: Label = Label.PUBLIC
    data: tuple[str, ...] = ()
    copy: Copy | None = None


class Blocks(Struct, frozen=True):
    """The beginning of a prompt: `hashes[k]` stands for its first `ends[k]` bytes, all of them.

    `size` is how many bytes the prompt has. What is left after the last whole block has no hash.
    """

    hashes: tuple[bytes, ...] = ()
    ends: tuple[int, ...] = ()
    size: int = 0

"""What a LiteLLM deployment says of its model and its price, from the nodes of its file."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from msgspec import Struct

from situs.config.document import Listing, Mapping, Node, Scalar
from situs.config.imports.known import embeds, family_of
from situs.config.prices import Price
from situs.config.prices_rules import MOST
from situs.config.tree import Model
from situs.core.request import Modality, Service

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE", "yes", "Yes", "on", "On"})
_SERVICES: Final = {
    "chat": Service.CHAT,
    "completion": Service.COMPLETIONS,
    "embedding": Service.EMBEDDINGS,
}
_OTHER: Final = re.compile(r"whisper|tts|dall-e|gpt-image|rerank|moderation|transcribe|realtime")

COSTS: Final = frozenset(
    {"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"}
)
STATED: Final = COSTS | {
    "id", "mode", "base_model", "max_tokens", "max_input_tokens", "max_output_tokens",
    "supports_vision", "supports_function_calling", "supports_response_schema",
}  # fmt: skip
"""The settings of `model_info` that are read, or that say nothing Situs needs."""

Settings = dict[str, Node]


class Refused(Exception):
    """Why a deployment cannot be taken over."""


class Facts(Struct, frozen=True):
    """`guessed` names the settings of the model that the source does not state."""

    model: Model
    guessed: frozenset[str]


def facts_of(name: str, info: Settings, mode: str) -> Facts:
    """`name` is the model's at its provider, `mode` what it has unless it says another.

    Raises Refused for what Situs has no service for.
    """
    family = family_of(name)
    service = _service(name.lower(), text_of(info.get("mode")), mode)
    context = count_of(info.get("max_input_tokens"))
    image, image_said = _flag(info, "supports_vision", family.image)
    tools, tools_said = _flag(info, "supports_function_calling", family.tools)
    structured, structured_said = _flag(info, "supports_response_schema", False)
    stated = {
        "capability": False,
        "context_tokens": context is not None,
        "modalities": image_said,
        "tools": tools_said,
        "structured_output": structured_said,
    }
    model = Model(
        capability=family.capability,
        context_tokens=context or family.context_tokens,
        modalities=(Modality.TEXT, Modality.IMAGE) if image else (Modality.TEXT,),
        serves=(service,),
        tools=tools,
        structured_output=structured,
    )
    return Facts(model, frozenset(name for name, said in stated.items() if not said))


def _service(name: str, mode: str | None, usual: str) -> Service:
    if mode is None:
        if _OTHER.search(name):
            raise Refused("by its name it is neither for chat nor for embeddings")
        mode = "embedding" if embeds(name) else usual
    if mode not in _SERVICES:
        raise Refused("its mode is none of chat, completion, embedding")
    return _SERVICES[mode]


def _flag(info: Settings, name: str, guess: bool) -> tuple[bool, bool]:
    """The value, and whether the source states it."""
    said = text_of(info.get(name))
    return (guess, False) if said is None else (said in _TRUE, True)


def price_of(said: Settings, model: Model) -> Price | None:
    """Money a token to money a million; None unless prompt and completion are stated, and sane."""
    prompt = _per_million(said.get("input_cost_per_token"))
    completion = _per_million(said.get("output_cost_per_token"))
    if completion is None and model.serves == (Service.EMBEDDINGS,):
        completion = 0.0
    if prompt is None or completion is None:
        return None
    cached = _per_million(said.get("cache_read_input_token_cost"))
    return Price(currency="USD", prompt=prompt, completion=completion, cached_prompt=cached)


def _number(node: Node | None) -> Decimal | None:
    text = text_of(node)
    try:
        value = Decimal(text or "-1")
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 <= value < 10**9 else None


def _per_million(node: Node | None) -> float | None:
    value = _number(node)
    million = -1.0 if value is None else float(value * 1_000_000)
    return million if 0 <= million <= MOST else None


def count_of(node: Node | None) -> int | None:
    value = _number(node)
    return int(value) if value is not None and value >= 1 else None


def positive(node: Node | None) -> float | None:
    value = _number(node)
    return float(value) if value else None


def items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Listing) else ()


def settings(node: Node | None) -> Settings:
    return {key.text: one for key, one in node.entries} if isinstance(node, Mapping) else {}


def text_of(node: Node | None) -> str | None:
    """A scalar's text; None for none, for null, for lists and for tables."""
    return node.text or None if isinstance(node, Scalar) and not is_null(node) else None


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in _NULL

"""Members of an OpenAI document that are refused: who answers is not for them to say.

What leaves is to be answered, and read, by the deployment that was chosen and by nobody else.
Servers differ in how they read a name (Go's take any case), so a name counts in any spelling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from situs.analysis.texts import KEYS_OF_THE_WIRE
from situs.errors import ElsewhereRefused, InvalidRequest
from situs.http.drawn import METADATA

CHOOSE = """
    models fallback fallbacks fallback_models default_fallbacks context_window_fallbacks
    content_policy_fallbacks route router provider providers provider_options preset transforms
    plugins model_list user_config deployment_id custom_llm_provider safety_model api_base base_url
    api_key api_version extra_body extra_headers extra_query headers organization region
    region_name allowed_model_region inference_geo
""".split()  # noqa: SIM905 - quotes would hide the words
"""What brokers and proxies take for another model, place, account or address."""

SHOW = """
    web_search web_search_options enable_search enable_deep_search enable_enhancement
    force_search_enhancement search_options search_parameters search_settings compound_custom
    mcp_servers data_sources connectors callbacks callback_url webhook webhook_url
""".split()  # noqa: SIM905 - quotes would hide the words
"""What makes an upstream show something of the request to others: searches, servers, call-backs."""

BROKERS = ("litellm", "tensorzero", "openrouter", "portkey", "requesty", "aws", "azure", "vertex")
"""What begins with one of these speaks to a broker, or names a place or an account of a cloud."""

_TOOLS = ("function", "custom")
"""Tools that the caller runs itself; all others run with the upstream, or where it sends them."""


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


_ELSEWHERE = {_plain(name): name for name in (*CHOOSE, *SHOW)}


def check_members(document: dict[str, Any]) -> None:
    """Raises ElsewhereRefused and InvalidRequest; names that nobody knows are not quoted."""
    for name in document:
        if name not in KEYS_OF_THE_WIRE:
            _check(name)
    tools = document.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and tool.get("type") not in _TOOLS:
            where = f"tools[{index}].type"
            raise ElsewhereRefused(
                f"{where} is neither function nor custom: such a tool is not run by the caller.",
                param=where,
                do="Offer it as a function, and run it yourself.",
            )
    metadata = document.get("metadata")
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        raise InvalidRequest("metadata is no object.", param="metadata")
    if any(_is_ours(name) for name in _keys(metadata, ours=METADATA)):
        raise InvalidRequest(
            "A key in metadata begins with situs, and means nothing to Situs.",
            param="metadata",
            do=f"Did you mean metadata.{METADATA}? All else is said in headers.",
        )


def _check(name: str) -> None:
    """A member that is none of the wire's, as it is spelt."""
    plain = _plain(name)
    known = _ELSEWHERE.get(plain) or next(
        (f"{one}_*" for one in BROKERS if plain.startswith(one)), ""
    )
    if known:
        raise ElsewhereRefused(
            f"The member {known} lets others choose where the request goes, or shows it to them.",
            param=known,
        )
    if _is_ours(name):
        raise InvalidRequest(
            "A member of the request begins with situs, and means nothing to Situs.",
            do=f"Send a header such as x-situs-label; data sets may stand in metadata.{METADATA}.",
        )
    usual = name.casefold()
    if usual in KEYS_OF_THE_WIRE:
        raise InvalidRequest(
            f"The member {usual} is spelt otherwise, and not all servers read it alike.",
            param=usual,
            do=f"Write it {usual}.",
        )


def _is_ours(name: str) -> bool:
    return _plain(name).startswith(("situs", "xsitus"))


def _keys(metadata: dict[str, Any], ours: str) -> Iterator[str]:
    """All keys, however deep, but `ours` at the top."""
    waiting: list[Any] = [value for name, value in metadata.items() if name != ours]
    yield from metadata.keys() - {ours}
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)

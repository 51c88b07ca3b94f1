"""What is publicly known of providers, hosts and model families, for configurations made elsewhere.

Who operates an address and under whose law is stated here; what an operator keeps or trains on is
a matter of contract and stays unknown. What a model can do is guessed from its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from situs.config.countries import UNKNOWN
from situs.config.load import own_locus
from situs.config.terms import is_loopback
from situs.config.tree import Locus
from situs.core.capability import CapabilityClass
from situs.core.fleet import LocusKind

_C = CapabilityClass


class Provider(Struct, frozen=True):
    """A name before the `/` whose wire is OpenAI's.

    `url` and `key` (a variable) may be empty; `mode` is that of its models unless they say more.
    """

    url: str = ""
    key: str = ""
    mode: str = "chat"


class Place(Struct, frozen=True):
    """A locus for an address, and what its reader must know."""

    name: str
    locus: Locus
    note: str


class Family(Struct, frozen=True):
    """What models of this name can do, roughly."""

    capability: CapabilityClass
    context_tokens: int
    image: bool = False
    tools: bool = True


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
        "text-completion-openai": Provider(
            "https://api.openai.com/v1", "OPENAI_API_KEY", "completion"
        ),
        "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
        "together_ai": Provider("https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
        "fireworks_ai": Provider("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
        "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        "xai": Provider("https://api.x.ai/v1", "XAI_API_KEY"),
        "perplexity": Provider("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
        "deepinfra": Provider("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
        "cerebras": Provider("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
        "nvidia_nim": Provider("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
        "ovhcloud": Provider(
            "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "OVHCLOUD_API_KEY"
        ),
        "ollama": Provider("http://localhost:11434"),
        "ollama_chat": Provider("http://localhost:11434"),
        "llamafile": Provider("http://127.0.0.1:8080/v1"),
        "hosted_vllm": Provider(),
        "lm_studio": Provider(),
        "openai_like": Provider(),
        "custom_openai": Provider(),
        "xinference": Provider(),
    }
)

_OPERATORS: Final = (
    ("openai.com", "openai", "OpenAI", "US"),
    ("mistral.ai", "mistral", "Mistral AI", "FR"),
    ("groq.com", "groq", "Groq", "US"),
    ("deepseek.com", "deepseek", "DeepSeek", "CN"),
    ("together.xyz", "together", "Together AI", "US"),
    ("together.ai", "together", "Together AI", "US"),
    ("fireworks.ai", "fireworks", "Fireworks AI", "US"),
    ("openrouter.ai", "openrouter", "OpenRouter", UNKNOWN),
    ("x.ai", "xai", "xAI", "US"),
    ("perplexity.ai", "perplexity", "Perplexity", "US"),
    ("deepinfra.com", "deepinfra", "DeepInfra", "US"),
    ("cerebras.ai", "cerebras", "Cerebras", "US"),
    ("nvidia.com", "nvidia", "NVIDIA", "US"),
    ("anthropic.com", "anthropic", "Anthropic", "US"),
    ("googleapis.com", "google", "Google", "US"),
    ("azure.com", "azure", "Microsoft", "US"),
    ("amazonaws.com", "aws", "Amazon Web Services", "US"),
    ("ovh.net", "ovhcloud", "OVHcloud", "FR"),
    ("scaleway.ai", "scaleway", "Scaleway", "FR"),
    ("aliyuncs.com", "alibaba", "Alibaba Cloud", "CN"),
)
"""Domain, name of the locus, operator, jurisdiction of the operator."""

_INSIDE: Final = (".local", ".internal", ".lan", ".localdomain", ".home.arpa", ".svc", ".corp")
_BROKERS: Final = frozenset({"openrouter"})


def place_of(host: str, home: str | None) -> Place:
    """Where an address is. Owned only if it is loopback: everything else is somebody's word."""
    if is_loopback(host):
        return _here(home)
    for domain, name, operator, jurisdiction in _OPERATORS:
        if host == domain or host.endswith("." + domain):
            note = "a broker: others compute, under laws that are not known" * (name in _BROKERS)
            locus = _away(LocusKind.PUBLIC_CLOUD, jurisdiction, operator)
            return Place(name, locus, note)
    name = "host-" + re.sub(r"[^A-Za-z0-9._:-]", "-", host)[:59]
    if _is_inside(host):
        note = "an internal address says not whose it is: if yours, `owned: true` and a price"
        return Place(name, _away(LocusKind.ON_PREM, UNKNOWN, "unknown"), note)
    note = "an address nobody here knows: say who operates it, and under whose law"
    return Place(name, _away(LocusKind.PUBLIC_CLOUD, UNKNOWN, "unknown"), note)


def _here(home: str | None) -> Place:
    note = "loopback; if a tunnel or another proxy listens there, say where it leads instead"
    return Place("this-machine", own_locus(LocusKind.ON_PREM, home), note)


def _away(kind: LocusKind, jurisdiction: str, operator: str) -> Locus:
    return Locus(kind=kind, jurisdiction=jurisdiction, owned=False, operator=operator)


def _is_inside(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host.strip(".") or host.endswith(_INSIDE)


_EMBEDS: Final = r"embed|(^|[/:-])(bge|e5|gte)-|minilm"
_FAMILIES: Final = (
    (r"text-embedding-(3|ada)", Family(_C.TINY, 8_191, tools=False)),
    (r"gpt-5.*nano|gpt-4\.1-nano", Family(_C.SMALL, 128_000, image=True)),
    (r"gpt-5.*mini|gpt-4\.1-mini|gpt-4o-mini|o[134]-mini", Family(_C.MEDIUM, 128_000, image=True)),
    (r"gpt-5|gpt-4\.1|gpt-4o|gpt-4-turbo|(^|/)o[134]\b", Family(_C.FRONTIER, 128_000, image=True)),
    (r"gpt-4", Family(_C.FRONTIER, 8_192)),
    (r"gpt-3\.5", Family(_C.SMALL, 16_385)),
    (r"claude.*haiku", Family(_C.MEDIUM, 200_000, image=True)),
    (r"claude", Family(_C.FRONTIER, 200_000, image=True)),
    (r"gemini.*flash", Family(_C.MEDIUM, 128_000, image=True)),
    (r"gemini.*pro", Family(_C.FRONTIER, 128_000, image=True)),
    (r"kimi-k2|qwen.*-max", Family(_C.FRONTIER, 128_000)),
    (r"mistral-large|pixtral-large", Family(_C.FRONTIER, 128_000)),
    (r"mistral-medium|magistral-medium", Family(_C.MEDIUM, 128_000)),
    (r"mistral-small|codestral|devstral", Family(_C.MEDIUM, 32_000)),
    (r"deepseek-.*(flash|distill)", Family(_C.MEDIUM, 32_000)),
    (r"deepseek-(chat|reasoner|v[0-9]|r[0-9])", Family(_C.FRONTIER, 64_000)),
    (r"grok-.*mini", Family(_C.MEDIUM, 128_000)),
    (r"grok", Family(_C.FRONTIER, 128_000)),
    (r"sonar", Family(_C.MEDIUM, 120_000, tools=False)),
    (_EMBEDS, Family(_C.TINY, 512, tools=False)),
)
"""Searched in this order in the name in lower case; contexts are the least of the family."""

_SIZE: Final = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z0-9])")
_STEPS: Final = ((3, _C.TINY), (15, _C.SMALL), (200, _C.MEDIUM))


def family_of(name: str) -> Family:
    """By the family, else by the billions of parameters in the name; a small model if neither."""
    name = name.lower()
    for pattern, family in _FAMILIES:
        if re.search(pattern, name):
            return family
    size = _SIZE.search(name)
    if size is None:
        return Family(_C.SMALL, 8_192, tools=False)
    billions = float(size[2]) * int(size[1] or 1)
    step = next((step for below, step in _STEPS if billions < below), _C.FRONTIER)
    return Family(step, 8_192, tools=False)


def embeds(name: str) -> bool:
    """Whether a model of this name makes embeddings."""
    return re.search(_EMBEDS, name.lower()) is not None


def bare_provider(model: str) -> str | None:
    """Whose a name without a provider is, where the name says it."""
    if re.match(r"(gpt-|chatgpt-|o[134](-|$)|text-embedding-)", model):
        return "openai"
    return "anthropic" if model.startswith("claude") else None

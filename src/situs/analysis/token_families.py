"""Which models share a tokenizer, and what their chat templates add."""

from __future__ import annotations

import re

from msgspec import Struct

UNKNOWN = "default"
"""The family of models that are not known: the most that any family of today would need."""


class Template(Struct, frozen=True):
    """Tokens that a model's server adds: to each message (its role included), and once to a chat.

    `system` is put before a chat that has no system message of its own, `text` around each text
    that is no chat.
    """

    message: int
    once: int
    system: int = 0
    text: int = 1


TEMPLATES: dict[str, Template] = {
    "cl100k": Template(4, 3, text=0),
    "o200k": Template(4, 3, text=0),
    "llama3": Template(5, 30),
    "qwen": Template(5, 3, text=0),
    "qwen35": Template(5, 3, text=0),
    "gemma": Template(5, 4),
    "deepseek": Template(1, 2),
    "mistral": Template(2, 1),
    "tekken": Template(2, 1),
    "llama2": Template(5, 1),
    "claude": Template(4, 3, text=0),
    "smollm2": Template(5, 3, 22, text=0),
    "gpt2": Template(4, 3, text=0),
    "bert": Template(0, 0, text=2),
    UNKNOWN: Template(5, 5),
}
"""From the templates that the models are published with; llama3's writes two dates, too. OpenAI's
are from its cookbook, Anthropic's are a guess."""

_FAMILIES: tuple[tuple[str, str], ...] = tuple(
    (family, rf"(?<![a-z0-9])(?:{words})")
    for family, words in (
        (UNKNOWN, r"multilingual-e5|bge-m3|xlm-"),
        ("bert", r"bert|distilbert|wordpiece|all-minilm|minilm|bge|gte-(?!qwen)|nomic-embed"),
        ("bert", r"e5-(?:small|base|large)"),
        ("smollm2", r"smollm2?(?!3)(?![0-9])"),
        ("llama3", r"smollm3|(?:deepseek-r1-)?distill-llama"),
        ("qwen", r"distill-qwen"),
        ("o200k", r"o200k|gpt-?4o|gpt-?4\.[15]|gpt-?[5-9]|gpt-oss|chatgpt-4o|o[1-9](?![a-z0-9])"),
        ("o200k", r"phi-?4-mini"),
        ("gpt2", r"gpt-?2|gpt-?3(?![.5])|r50k|p50k|davinci|babbage|phi-?[12](?![0-9])"),
        ("cl100k", r"cl100k|gpt-?4|gpt-?3\.5|gpt-35|text-embedding-(?:3|ada)|phi-?4"),
        ("llama2", r"phi-?3|llama-?2|codellama|code-llama|tinyllama|vicuna"),
        ("llama3", r"llama-?3|meta-llama-3|llama-v3"),
        (UNKNOWN, r"llama-?[4-9]"),
        ("llama2", r"llama-(?:7|13|30|33|65)b"),
        ("llama3", r"llama"),
        ("tekken", r"tekken|mistral-nemo|mistral-(?:small|medium|large-3)|ministral|pixtral"),
        ("tekken", r"devstral|magistral|voxtral"),
        ("mistral", r"mistral|mixtral|codestral|mathstral|zephyr"),
        ("gemma", r"gemma|gemini|codegemma|paligemma|embeddinggemma"),
        ("qwen35", r"qwen-?3[._][5-9]|qwen3[5-9]|qwen-?[4-9]"),
        ("qwen", r"qwen|qwq|qvq|codeqwen"),
        ("deepseek", r"deepseek"),
        ("claude", r"claude|anthropic"),
        ("o200k", r"gpt(?![a-z0-9])|openai"),
    )
)
_PATTERNS = tuple((family, re.compile(words)) for family, words in _FAMILIES)


def family_of(name: str) -> str:
    """The family of a model by its name, a GGUF architecture or a tokenizer's name; or `default`.

    The first rule that matches holds: `deepseek-r1-distill-qwen-7b` has Qwen's tokenizer.
    """
    if name in TEMPLATES:
        return name
    word = name.lower().replace("_", "-").replace(" ", "-")
    return next((family for family, pattern in _PATTERNS if pattern.search(word)), UNKNOWN)

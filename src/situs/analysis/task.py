"""Which task is it, and how much model does it need? A baseline: key words and shape.

It is named `baseline` in the analysis, so that nobody takes it for a trained classifier.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import re2
from msgspec import Struct

from situs.core.capability import CapabilityClass
from situs.core.request import Request, Service

_HEAD = 800
"""Only so many characters at the start and a quarter of it at the end of the last user message."""

_GIVEN = 400
"""A question in so many characters brings its context with it."""

_QUESTIONS = frozenset({"open_qa", "closed_qa", "advice"})

LONG_PROMPT = 6000
"""From here on (in tokens) the next higher class is asked for."""

_RULES: tuple[tuple[str, str], ...] = (
    ("translation", r"\btranslat(?:e|ion)\b|übersetz|\btradu(?:is|ire|ce|cir|zca)\b"),
    (
        "summarisation",
        (
            r"\bsummar(?:y|i[sz]e|ies)\b|\btl;?dr\b|\bkey (?:points|takeaways)\b|\bnutshell\b|"
            r"zusammenfass|\brésum|\bgive me (?:a|an) (?:short )?(?:overview|synopsis)"
        ),
    ),
    (
        "code",
        (
            r"```|\b(?:python|javascript|typescript|java|rust|golang|c\+\+|sql|regex|bash|html) "
            r"(?:code|function|script|query|program|class|snippet)|\btraceback\b|\bstack ?trace\b|"
            r"\b(?:write|fix|debug|refactor|implement|review) (?:a|an|the|this|my|some) "
            r"(?:\w+ ){0,3}(?:code|function|script|query|program|class|bug|unit test|api)\b|"
            r"\bdef \w+\(|#include|\bimport \w+|\bSELECT .{1,80} FROM\b"
        ),
    ),
    (
        "extraction",
        (
            r"\bextract\b|\b(?:list|find|identify|pull out|name) (?:all )?(?:of )?(?:the )?"
            r"(?:[\w-]+ ){0,6}(?:from|in|mentioned in) (?:the |this )?"
            r"(?:text|paragraph|passage|article|following|below|email|document)|"
            r"\bfrom the (?:text|paragraph|passage|article|following)"
        ),
    ),
    (
        "classification",
        (
            r"\bclassif|\bcategori[sz]e|\bsentiment\b|\b(?:identify|tell me|determine|which) "
            r"(?:which|whether|if)?[^.?\n]*\b(?:is|are|belongs?|was|were)\b[^.?\n]*\bor\b|"
            r"\bidentify which\b|\blabel (?:each|the following)|\bspam\b|"
            r"\bgroup the following|\bwhich (?:of (?:these|the following)|one is)"
        ),
    ),
    (
        "rewriting",
        (
            r"\b(?:re-?write|rephrase|paraphrase|proofread|reword|reformat|polish)\b|"
            r"\b(?:correct|fix|improve) (?:the|my|this) (?:\w+ )?(?:grammar|spelling|text|email|"
            r"sentence|paragraph)|\bmake (?:this|it|the following) (?:\w+ )?(?:more|shorter)|"
            r"\bconvert (?:this|the following|it) (?:\w+ )?(?:to|into)"
        ),
    ),
    (
        "creative_writing",
        (
            r"\b(?:write|compose|create|tell|draft) (?:me )?(?:a|an|some) (?:[\w-]+ ){0,4}"
            r"(?:poem|story|song|haiku|limerick|novel|tale|lyrics|essay|speech|letter|email|script|"
            r"ode|sonnet|blog post|review|paragraph|scene|dialogue|toast|tweet)\b"
        ),
    ),
    (
        "brainstorming",
        (
            r"\bbrainstorm|\bideas (?:for|on|about|to)\b|\bcome up with\b|"
            r"\b(?:give|suggest|list|name|provide|share)(?: me)? (?:a list of|some|several|\d+|"
            r"two|three|four|five|six|seven|eight|ten|a few|top)\b|\blist of\b|"
            r"\bwhat are (?:some|\d+|the (?:best|top))\b"
        ),
    ),
    (
        "reasoning",
        (
            r"\bstep[- ]by[- ]step\b|\bprove (?:that|the)\b|\bsolve\b|\bcalculate\b|\bderive\b|"
            r"\bhow (?:many|much) .*\b(?:if|each|left|total|altogether)\b|\bprobability\b"
        ),
    ),
    (
        "advice",
        (
            r"\bshould (?:i|we)\b|\bhow (?:do|can|should|would) (?:i|we|you|one)\b|\bhow to\b|"
            r"\b(?:advice|tips|recommend)|\bbest (?:way|practice)|\bwhy (?:do|is|are|should)\b"
        ),
    ),
    (
        "open_qa",
        r"^\W*(?:who|whom|whose|what|when|where|which|how|is|are|was|were|does|did|can|do|name)\b",
    ),
)

_CONTEXT = (
    r"\b(?:based on|according to|given|using|from|in|read) (?:the|this|that) (?:\w+ )?"
    r"(?:text|passage|context|article|paragraph|reference|information|document|table|below)"
)

NEEDS = {
    "classification": CapabilityClass.TINY,
    "extraction": CapabilityClass.SMALL,
    "summarisation": CapabilityClass.SMALL,
    "rewriting": CapabilityClass.SMALL,
    "translation": CapabilityClass.SMALL,
    "code": CapabilityClass.MEDIUM,
    "chat": CapabilityClass.TINY,
    "closed_qa": CapabilityClass.SMALL,
    "open_qa": CapabilityClass.MEDIUM,
    "advice": CapabilityClass.MEDIUM,
    "brainstorming": CapabilityClass.SMALL,
    "creative_writing": CapabilityClass.SMALL,
    "reasoning": CapabilityClass.FRONTIER,
    "agent_step": CapabilityClass.MEDIUM,
    "embedding": CapabilityClass.TINY,
}
"""The smallest class that usually does for a task; a judgement, not a measurement."""

_ANY_LENGTH = frozenset({"embedding"})
"""Tasks that a long prompt makes no harder."""


class _Rules(Struct, frozen=True):
    any_of: Any
    tasks: tuple[str, ...]


def classify(request: Request) -> str:
    """One of the keys of `NEEDS`. The first rule of the table that matches wins.

    The wire alone says `embedding`: whatever the texts are about, none of it is asked for.
    """
    return by_shape(request) or _by_words(last_asked(request))


def by_shape(request: Request) -> str | None:
    """The task that a request has whatever its texts say; None: they have to be looked at."""
    if request.wire.service is Service.EMBEDDINGS:
        return "embedding"
    if request.tools or _answers_a_tool(request.document.get("messages")):
        return "agent_step"
    return None


def _by_words(asked: str) -> str:
    sample = asked if len(asked) <= _HEAD else f"{asked[:_HEAD]}\n{asked[-_HEAD // 4 :]}"
    rules = _rules()
    matched = rules.any_of.Match(sample.encode("utf-8", "replace"))
    if not matched:
        return "closed_qa" if len(asked) > _HEAD and "?" in sample else "chat"
    tasks = [rules.tasks[index] for index in sorted(matched)]
    supplied = len(asked) > _GIVEN or "closed_qa" in tasks
    return "closed_qa" if supplied and tasks[0] in _QUESTIONS else tasks[0]


def needs(task: str, prompt_tokens: int) -> CapabilityClass:
    """The smallest capability class for a task; one more for a long prompt."""
    least = NEEDS.get(task, CapabilityClass.MEDIUM)
    return least if task in _ANY_LENGTH else stepped(least, prompt_tokens)


def stepped(least: CapabilityClass, prompt_tokens: int) -> CapabilityClass:
    """The class itself, or for a long prompt the next higher one."""
    if prompt_tokens >= LONG_PROMPT and least < CapabilityClass.FRONTIER:
        return list(CapabilityClass)[least.rank + 1]
    return least


def _answers_a_tool(messages: Any) -> bool:
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, dict) and last.get("role") in ("tool", "function")


def last_asked(request: Request) -> str:
    """The text of the last user message; without messages, the longest text."""
    messages = request.document.get("messages")
    for message in reversed(messages) if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            if isinstance(content, list):
                texts = (part.get("text") for part in content if isinstance(part, dict))
                return "\n".join(text for text in texts if isinstance(text, str))
    return max((text.text for text in request.texts), key=len, default="")


@cache
def _rules() -> _Rules:
    options = re2.Options()
    options.log_errors = False
    any_of = re2.Set.SearchSet(options)
    rules = (*_RULES, ("closed_qa", _CONTEXT))
    for _, pattern in rules:
        any_of.Add(f"(?i){pattern}")
    any_of.Compile()
    return _Rules(any_of, tuple(task for task, _ in rules))

"""Counts tokens exactly, with the model's own tokenizer and chat template.

The tokenizer comes from the metadata of a GGUF file or from a tokenizer.json; the counts are those
of llama.cpp. Needs the packages tokenizers and, for chats, jinja2 (the extra `local`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from situs.analysis.token_families import family_of
from situs.errors import OperatorError, WeightsError
from situs.runtimes import gguf
from situs.runtimes.weights import Kind, Weights, ensure_verified, load_lock

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CONTROL, _USER_DEFINED = 3, 4
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_SHORT = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_WORD = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CL100K = rf"{_WORD}|\p{{N}}{{1,3}}|{_REST}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+(?:SHORT)?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*(?:SHORT)?|DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DIGITS_THEN_GPT2 = (r"\p{N}", _GPT2)
_PATTERNS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "olmo", "jina-v2-code"), (_GPT2,)),
    **dict.fromkeys(
        ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), _DIGITS_THEN_GPT2
    ),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "dbrx", "smaug-bpe", "glm4"), (_CL100K,)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2"), (rf"{_WORD}|\p{{N}}|{_REST}",)),
    "gpt-4o": (_CASED.replace("SHORT", _SHORT).replace("DIGITS", r"\p{N}{1,3}"),),
    "tekken": (_CASED.replace("(?:SHORT)?", "").replace("DIGITS", r"\p{N}"),),
    "deepseek-v3": (
        r"\p{N}{1,3}",
        r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        (
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
            r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
    ),
}
"""How llama.cpp cuts text before pairs are merged, by `tokenizer.ggml.pre` (llama-vocab.cpp)."""

_WHOLE_WORDS = frozenset({"llama-bpe", "llama3", "llama-v3", "tekken", "smaug-bpe"})
"""Where a word that is an entry is one token, whatever the merges."""


class Tokens:
    """One model's tokenizer and the template that makes one text of a chat."""

    def __init__(
        self, tokenizer: Tokenizer, template: str | None, words: Mapping[str, str]
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._template = template
        self._words = dict(words)

    def count(self, text: str) -> int:
        """Tokens of a text, none added; names of control tokens count as these, as on a server."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def chat(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None
    ) -> int:
        """Prompt tokens of a chat: the template's rendering, the answer's beginning included.

        Raises WeightsError where the model has no template or it refuses these messages.
        """
        try:
            text = self._rendering.render(
                messages=_plain(messages),
                tools=list(tools) if tools else None,
                add_generation_prompt=True,
                **self._words,
            )
        except OperatorError:
            raise
        except Exception as problem:
            raise WeightsError(
                f"The chat template does not take these messages: {type(problem).__name__}.",
                do="Count them on the server that runs the model.",
            ) from None
        bos = self._words.get("add_bos", "")
        return self.count(text) + (1 if bos and not text.startswith(bos) else 0)

    @cached_property
    def _rendering(self) -> Any:
        if self._template is None:
            raise WeightsError("The model has no chat template.", do="Use it for completions.")
        _require("jinja2")
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        environment.filters["tojson"] = _json
        return environment.from_string(self._template)


def from_gguf(path: Path) -> Tokens:
    """The tokenizer in a GGUF file; takes a second. Raises WeightsError for kinds not known."""
    _require("tokenizers")
    found = gguf.metadata(path, lambda key: key.startswith("tokenizer."))
    facts = {key.removeprefix("tokenizer.").removeprefix("ggml."): v for key, v in found.items()}
    try:
        return _from_facts(facts, path)
    except OperatorError:
        raise
    except Exception as problem:
        raise WeightsError(
            f"The tokenizer in {path} is not whole: {type(problem).__name__}.",
            do="Run `situs models verify`, or get the file again.",
        ) from None


def from_json(path: Path) -> Tokens:
    """A tokenizer.json of Hugging Face's tokenizers. Raises WeightsError when it is none."""
    _require("tokenizers")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as problem:
        raise WeightsError(
            f"{path} cannot be read as a tokenizer: {type(problem).__name__}."
        ) from None
    return Tokens(tokenizer, None, {})


def at_hand(models_dir: Path) -> dict[str, Callable[[str], int]]:
    """Exact counts by family, for the weights and tokenizers of the lock that are here.

    Each file is verified and read when it is first asked.
    """
    found: dict[str, Callable[[str], int]] = {}
    for weights in load_lock().values():
        path = models_dir / weights.file
        read = {Kind.GGUF: from_gguf, Kind.TOKENIZER: from_json}.get(weights.kind)
        if read is not None and path.exists():
            found.setdefault(family_of(weights.name), _Lazy(weights, path, read))
    return found


class _Lazy:
    """Counts with a tokenizer that is read when it is first needed."""

    def __init__(self, weights: Weights, path: Path, read: Callable[[Path], Tokens]) -> None:
        self._weights, self._path, self._read = weights, path, read

    @cached_property
    def _tokens(self) -> Tokens:
        ensure_verified(self._path, self._weights)
        return self._read(self._path)

    def __call__(self, text: str) -> int:
        return self._tokens.count(text)


def _from_facts(facts: Mapping[str, Any], path: Path) -> Tokens:
    match facts.get("model"):
        case "gpt2":
            tokenizer = _byte_pairs(facts, path)
        case "llama":
            tokenizer = _sentence_pieces(facts)
        case other:
            raise WeightsError(
                f"{path} has a tokenizer of kind {other}, which is not known here.",
                do="Its tokens are estimated.",
            )
    tokens = facts["tokens"]
    tokenizer.add_tokens(list(_added(tokens, facts["token_type"])))
    words = {
        f"{name}_token": tokens[facts[key]]
        for name in ("bos", "eos")
        if (key := f"{name}_token_id") in facts
    }
    # SentencePiece models have a first token unless they say otherwise, the others if they say so.
    if facts.get("add_bos_token", facts["model"] == "llama") and "bos_token" in words:
        words["add_bos"] = words["bos_token"]
    return Tokens(tokenizer, facts.get("chat_template"), words)


def _byte_pairs(facts: Mapping[str, Any], path: Path) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    pre = facts.get("pre", "default")
    if pre not in _PATTERNS:
        raise WeightsError(
            f"{path} cuts text in a way that is not known here: {pre}.",
            do="Its tokens are estimated.",
        )
    vocabulary = {token: place for place, token in enumerate(facts["tokens"])}
    merges = [tuple(pair.split(" ", 1)) for pair in facts["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre in _WHOLE_WORDS))
    cuts: list[Any] = [
        pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in _PATTERNS[pre]
    ]
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, whole])
    return tokenizer


def _sentence_pieces(facts: Mapping[str, Any]) -> Tokenizer:
    """SentencePiece's byte-pair kind: of all neighbours, those with the best score merge first."""
    from tokenizers import Tokenizer, models, normalizers

    tokens: list[str] = facts["tokens"]
    scores = {
        token: score
        for token, score, kind in zip(tokens, facts["scores"], facts["token_type"], strict=True)
        if kind in (1, _USER_DEFINED)
    }
    merges = [
        (-score, -end, token[:end], token[end:])
        for token, score in scores.items()
        for end in range(1, len(token))
        if token[:end] in scores and token[end:] in scores
    ]
    merges.sort()
    tokenizer = Tokenizer(
        models.BPE(
            {token: place for place, token in enumerate(tokens)},
            [(left, right) for _, _, left, right in merges],
            unk_token=tokens[facts.get("unknown_token_id", 0)],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    steps: list[Any] = [normalizers.Replace(" ", "▁")]
    if facts.get("add_space_prefix", True):
        steps.insert(0, normalizers.Prepend("▁"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    return tokenizer


def _added(tokens: Sequence[str], kinds: Iterable[int]) -> Iterable[Any]:
    """Those that are looked for in the text before anything else."""
    from tokenizers import AddedToken

    for token, kind in zip(tokens, kinds, strict=True):
        if kind in (_CONTROL, _USER_DEFINED):
            yield AddedToken(token, normalized=False, special=kind == _CONTROL)


def _plain(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Contents in parts become one text, as servers do for models of text."""
    plain = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            content = "\n".join(part.get("text", "") for part in content if isinstance(part, dict))
        plain.append({**message, "content": content or ""})
    return plain


def _refuse(reason: str) -> None:
    raise ValueError(reason)


def _now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)


def _json(value: Any, indent: int | None = None, **_: Any) -> str:
    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise OperatorError(
            f"this installation lacks {package}, which exact token counts need",
            do="Install the extra local (in a checkout: `pip install -e '.[local]'`).",
        )

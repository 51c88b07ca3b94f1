"""What commands that evaluate and train work on: the active heads, and what names them."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from situs.analysis.labels import DEFAULT_FLOORS
from situs.analysis.sensitivity import merged, plain, scan, warm
from situs.app.heads import DEEP_PACKAGES, LEARNED, load_heads
from situs.app.setting import Setting
from situs.config import build
from situs.config.artefacts import check_artefacts
from situs.config.tree import Config
from situs.core.heads import Encode, Heads
from situs.core.label import Finding
from situs.errors import ConfigError
from situs.runtimes.tokenizers import at_hand


class Active(Struct, frozen=True):
    """The heads that the configuration and the data directory give, and where weights lie."""

    config: Config
    heads: Heads
    models: Path

    def digests(self) -> dict[str, Any]:
        """What produced a figure: SHA-256 of configuration, of each artefact, and of both."""
        artefacts = self.heads.digests
        config = hashlib.sha256(msgspec.json.encode(self.config, order="sorted")).hexdigest()
        said = {"config": config, "artefacts": dict(sorted(artefacts.items()))}
        digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
        return {"digest": digest, **said}

    def count_tokens(self) -> Callable[[bytes, str], float] | None:
        """The estimate for one family."""
        tokens = self.heads.tokens
        return None if tokens is None else lambda data, family: tokens(data, (family,))[0]

    def counts(self) -> dict[str, Callable[[str], int]]:
        """Exact counts of tokens, for the families whose tokenizer is here."""
        return at_hand(self.models) if importlib.util.find_spec("tokenizers") else {}

    def find(self, tier: str) -> Callable[[str], list[Finding]]:
        """What is found in a text, URLs and dates too; with the tier `structured`, no names."""
        floors = build.labels_of(self.config, DEFAULT_FLOORS).floors
        table = build.tables_of(self.config).get("")
        names = self.heads.names if tier == "full" else None

        def found(text: str) -> list[Finding]:
            findings, _ = merged(scan([text], floors, table=table).findings, plain(text))
            return list(findings if names is None else merged(findings, names([text]))[0])

        return found


def active(
    setting: Setting,
    say: Callable[[str], None],
    *,
    deep: bool,
    budget_ms: float | None = None,
    head: str | None = None,
) -> Active:
    """Loads the heads; `say` is told if there is no deep tier, and why.

    With a budget, what the deep tier does not do in time is not done, as for a request. Raises
    ConfigError for artefacts that are not there, and where the configuration leaves the `head` out
    that is asked about.
    """
    config = setting.config
    if head in LEARNED and not config.analysis.learned:
        raise ConfigError(
            f"{setting.file or 'The configuration'} says analysis.learned: false, "
            f"so the head {head} does not answer.",
            do="Evaluate it with a configuration (--config) that says true, or nothing.",
        )
    check_artefacts(config, setting.data, setting.file)
    settings = replace(config.analysis, deep=deep and config.analysis.deep)
    warm()
    heads = load_heads(settings, setting.data)
    if settings.deep and heads.encode is None:
        say(f"no deep tier: {' or '.join(DEEP_PACKAGES)} is missing; install the extra local")
    if heads.encode is not None and budget_ms is not None:
        heads = replace(heads, encode=_within(heads.encode, budget_ms / 1000))
    return Active(config, heads, setting.data / "models")


def _within(encode: Encode, budget_s: float) -> Encode:
    """Gives None for what takes longer; the model is loaded before that counts.

    What has begun goes on: who asks for the same texts again has to wait for the rest only.
    """
    encode(("",))
    thread = ThreadPoolExecutor(1, "situs-deep")
    late: dict[tuple[str, ...], Future[Any]] = {}

    def found(texts: Sequence[str]) -> Any | None:
        key = tuple(texts)
        work = late.pop(key, None) or thread.submit(encode, key)
        try:
            return work.result(budget_s)
        except TimeoutError:
            late[key] = work
            return None

    return found

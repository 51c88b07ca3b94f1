"""A LiteLLM proxy configuration to what Situs can run of it, and what it cannot.

Written from the documented format: `model_list` with `litellm_params` and `model_info`, `include`,
`environment_variables`, `credential_list`. Nothing of a value is told but names of models,
providers and variables: any other may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from situs.config.document import Listing, Mapping, Node, Unreadable, compose
from situs.config.imports.known import PROVIDERS, Provider, bare_provider
from situs.config.imports.litellm_model import (
    COSTS,
    STATED,
    Facts,
    Refused,
    Settings,
    count_of,
    facts_of,
    is_null,
    items,
    positive,
    price_of,
    settings,
    text_of,
)
from situs.config.load import read_text
from situs.config.prices import Price
from situs.config.problems import Report, dotted
from situs.config.secrets import Secret
from situs.core.request import AUTO, Service
from situs.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[!-~]*)?")
_VARIABLE: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_PLACEHOLDERS: Final = frozenset(
    {"empty", "none", "no-key", "not-needed", "not-required", "dummy", "lm-studio", "ollama"}
)
"""What stands for a key where a server asks for none; it is not sent."""

_READ: Final = COSTS | {
    "model", "api_key", "api_base", "base_url", "custom_llm_provider", "litellm_credential_name",
    "max_parallel_requests",
}  # fmt: skip


class Left(Struct, frozen=True):
    """A part of the source without a counterpart. `at` is its file and line."""

    path: str
    at: str
    why: str = ""


class Found(Struct, frozen=True):
    """One deployment. `key` is `env:NAME`, or a literal one that has no place yet."""

    model: str
    upstream: str
    url: str
    key: str | Secret | None
    facts: Facts
    price: Price | None
    max_in_flight: int | None
    at: str


class Source(Struct, frozen=True):
    """`timeout_s` is `litellm_settings.request_timeout`; `refused` are deployments left out."""

    found: tuple[Found, ...]
    refused: tuple[Left, ...]
    left: tuple[Left, ...]
    timeout_s: float | None


class _Section(Struct, frozen=True):
    file: str
    name: str
    line: int
    node: Node


def read_source(path: Path) -> Source:
    """Raises ConfigError with file and line for what is no YAML or no list of models."""
    sections = tuple(_sections(path))
    return _Reader(sections).source()


def _sections(path: Path, *, included: bool = False) -> Iterator[_Section]:
    shown = printable(path.name)
    do = "Name the YAML file that the LiteLLM proxy is started with."
    report = Report(printable(str(path)))
    try:
        root = compose(read_text(path), report)
    except Unreadable:
        root = None
    except ConfigError as error:
        raise ConfigError(error.message, do=do) from None
    if root is None or report.problems:
        said = "\n".join(str(problem) for problem in report.problems)
        raise ConfigError(said, do="Correct this file, then import it again.")
    for key, node in root.entries:
        if key.text != "include" or included:
            yield _Section(shown, key.text, key.mark.line, node)
            continue
        for name in items(node):
            if (file := text_of(name)) is not None:
                yield from _sections(path.parent / file, included=True)


def printable(text: str) -> str:
    """On one line, whatever is in it."""
    return "".join(character if character.isprintable() else "…" for character in text)


class _Reader:
    """Owns what the whole file says about variables and credentials, and what was left."""

    def __init__(self, sections: tuple[_Section, ...]) -> None:
        self.sections = sections
        self.variables: dict[str, str] = {}
        self.credentials: dict[str, Settings] = {}
        for section in self._named("environment_variables"):
            said = {name: text_of(node) for name, node in settings(section.node).items()}
            self.variables |= {name: text for name, text in said.items() if text is not None}
        for section in self._named("credential_list"):
            for one in map(settings, items(section.node)):
                name = text_of(one.get("credential_name"))
                if name is not None:
                    self.credentials[name] = settings(one.get("credential_values"))
        self.services: dict[str, tuple[Service, ...]] = {}
        self.left: list[Left] = []
        self.refused: list[Left] = []

    def _named(self, name: str) -> Iterator[_Section]:
        return (section for section in self.sections if section.name == name)

    def source(self) -> Source:
        found: list[Found] = []
        timeout: float | None = None
        for section in self.sections:
            if section.name == "model_list":
                found += self._models(section)
                continue
            for name, at, node in _parts(section):
                if (section.name, name) == ("litellm_settings", "request_timeout"):
                    timeout = positive(node)
                    if timeout is not None:
                        continue
                path = (section.name, name) if name else (section.name,)
                self.left.append(Left(_dotted(path), at, _why(section.name, name, node)))
        return Source(tuple(found), tuple(self.refused), tuple(self.left), timeout)

    def _models(self, section: _Section) -> Iterator[Found]:
        if not isinstance(section.node, Listing) and not is_null(section.node):
            at = f"{section.file}:{section.line}"
            do = "Correct this file, then import it again."
            raise ConfigError(f"{at}: model_list: expected a list of deployments", do=do)
        for index, node in enumerate(items(section.node)):
            path, at = ("model_list", str(index)), f"{section.file}:{node.mark.line}"
            before = len(self.left)
            try:
                yield self._deployment(section.file, path, node)
            except Refused as refusal:
                del self.left[before:]
                name = text_of(settings(node).get("model_name")) or "…"
                shown = name if _NAME.fullmatch(name) else "…"
                self.refused.append(Left(dotted(path), at, f"{shown}: {refusal}"))

    def _deployment(self, file: str, path: tuple[str, ...], node: Node) -> Found:
        top = settings(node)
        own, info = settings(top.get("litellm_params")), settings(top.get("model_info"))
        params, credential = own, text_of(own.get("litellm_credential_name"))
        if credential is not None:
            if credential not in self.credentials:
                raise Refused("its credential is not in credential_list")
            params = self.credentials[credential] | own
        model = self._name(text_of(top.get("model_name")))
        provider, upstream = self._provider(params)
        url = self._url(provider, params)
        facts = facts_of(text_of(info.get("base_model")) or upstream, info, provider.mode)
        if self.services.setdefault(model, facts.model.serves) != facts.model.serves:
            raise Refused("deployments of this name before it have another mode")
        self._leave(file, path, top, {"model_name", "litellm_params", "model_info"})
        self._leave(file, (*path, "litellm_params"), own, _READ)
        self._leave(file, (*path, "model_info"), info, STATED)
        return Found(
            model=model,
            upstream=upstream,
            url=url,
            key=self._key(provider, params),
            facts=facts,
            price=price_of(params | info, facts.model),
            max_in_flight=count_of(params.get("max_parallel_requests")),
            at=f"{file}:{node.mark.line}",
        )

    def _leave(
        self, file: str, path: tuple[str, ...], found: Settings, read: frozenset[str] | set[str]
    ) -> None:
        for name, node in found.items():
            if name not in read:
                at = f"{file}:{node.mark.line}"
                self.left.append(Left(_dotted((*path, name)), at, _LEAVE.get(name, "")))

    def _name(self, name: str | None) -> str:
        if name is None:
            raise Refused("it has no model_name")
        if "*" in name:
            raise Refused("a wildcard; Situs is told each model by name")
        if name == AUTO:
            raise Refused("auto is what a request says to let Situs choose; give it another name")
        if not _NAME.fullmatch(name):
            raise Refused("its name is not of at most 64 letters, digits and . _ : / -")
        return name

    def _provider(self, params: Settings) -> tuple[Provider, str]:
        said = self._resolved(params.get("model"), "model")
        if said is None:
            raise Refused("litellm_params has no model")
        named = text_of(params.get("custom_llm_provider"))
        before, slash, after = said.partition("/")
        if named is not None:
            upstream = said.removeprefix(f"{named}/")
        elif slash and (before in PROVIDERS or bare_provider(said) is None):
            named, upstream = before, after
        else:
            named, upstream = bare_provider(said), said
        provider = PROVIDERS.get(named or "")
        if provider is None:
            shown = _dotted((named,)) if named else "a provider that its name does not tell"
            raise Refused(f"Situs does not speak the wire of {shown} yet")
        if not upstream or len(upstream) > 200 or not upstream.isprintable():
            raise Refused("the model's name at its provider cannot be used")
        if "*" in upstream:
            raise Refused("a wildcard; Situs is told each model by name")
        return provider, upstream

    def _url(self, provider: Provider, params: Settings) -> str:
        base = self._resolved(params.get("api_base") or params.get("base_url"), "api_base")
        url = (base or provider.url).rstrip("/").removesuffix("/chat/completions")
        if not url:
            raise Refused("it has no api_base")
        try:
            parts = urlsplit(url)
            sound = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound or not _URL.fullmatch(url) or "?" in url or "#" in url:
            raise Refused("its api_base is no plain http or https URL (credentials, a query?)")
        if url.endswith("/completions"):
            raise Refused("its api_base is no base URL")
        native = provider.url.endswith(":11434")
        return f"{url}/v1" if native and not url.endswith("/v1") else url

    def _key(self, provider: Provider, params: Settings) -> str | Secret | None:
        """LiteLLM takes the provider's variable where none is named; not for another address."""
        said = text_of(params.get("api_key"))
        if said is None:
            named = "api_base" in params or "base_url" in params
            said = None if named or not provider.key else f"os.environ/{provider.key}"
        if said is None or said.lower() in _PLACEHOLDERS:
            return None
        if said.startswith("os.environ/"):
            match = _VARIABLE.fullmatch(said)
            if match is None:
                raise Refused("its api_key names no environment variable")
            value = self.variables.get(match[1])
            if value is None or value.startswith("os.environ/"):
                return f"env:{match[1]}"
            said = value
        if any(not "!" <= character <= "~" for character in said):
            raise Refused("its api_key is not one line of visible ASCII without spaces")
        return Secret("a literal key", said)

    def _resolved(self, node: Node | None, what: str) -> str | None:
        """Also what `environment_variables` says; this machine's environment is not looked at."""
        text = text_of(node)
        if text is None or not text.startswith("os.environ/"):
            return text
        value = self.variables.get(text.removeprefix("os.environ/"))
        if value is None or value.startswith("os.environ/"):
            raise Refused(f"its {what} stands in the environment; write it out")
        return value


def _parts(section: _Section) -> Iterator[tuple[str, str, Node]]:
    """The settings of a section, with their places; the section itself where it is no table."""
    if is_null(section.node):
        return
    if not isinstance(section.node, Mapping):
        yield "", f"{section.file}:{section.line}", section.node
        return
    for key, node in section.node.entries:
        yield key.text, f"{section.file}:{key.mark.line}", node


def _dotted(path: tuple[str, ...]) -> str:
    """A part too long for a setting's name may be a pasted secret."""
    return dotted(tuple(part if len(part) <= 40 else "…" for part in path))


_LEAVE: Final = {
    "rpm": "limits of rates are not a deployment's",
    "tpm": "limits of rates are not a deployment's",
    "weight": "placement weighs cost, speed and load",
    "order": "placement ranks by the objective",
    "temperature": "requests go upstream as they came",
    "max_tokens": "requests go upstream as they came",
    "timeout": "set defaults.*_timeout_s for all",
    "stream_timeout": "set defaults.first_byte_timeout_s for all",
}
_ANSWERS: Final = {
    "fallbacks": "Situs goes down its own ranking, never beyond what policy allows",
    "context_window_fallbacks": "Situs places a request only where it fits",
    "content_policy_fallbacks": "an answer that a provider refuses is an answer",
    "default_fallbacks": "a request that says `auto` may go to any allowed model",
    "routing_strategy": "set defaults.objective; what may run where is the policy's",
    "num_retries": "failover needs no setting",
    "master_key": "Situs makes its own API keys; not carried over",
    "database_url": "Situs keeps its record in files of its own",
    "model_group_alias": "declare a second model with deployments of its own",
    "cache": "answers are not cached",
    "cache_params": "answers are not cached",
    "guardrails": "Situs analyses every request itself; policy decides",
    "environment_variables": "set it where Situs is started",
    "credential_list": "used where deployments name it",
    "drop_params": "requests go upstream as they came",
}


def _why(section: str, name: str, node: Node) -> str:
    said = _ANSWERS.get(name) or _ANSWERS.get(section) or ""
    if "fallbacks" in name and (shown := "; ".join(_fallbacks(node))):
        return f"{shown}. {said}"
    return said


def _fallbacks(node: Node) -> Iterator[str]:
    """`a -> b, c` for each entry; names that cannot be a model's are not shown."""
    for one in items(node):
        for model, others in settings(one).items():
            names = [text_of(other) or "…" for other in items(others)]
            shown = [name if _NAME.fullmatch(name) else "…" for name in (model, *names)]
            yield f"{shown[0]} -> {', '.join(shown[1:])}"

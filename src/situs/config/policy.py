"""The section `policy` of the configuration: whose rules judge, and what evaluates them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from situs.config.problems import Path, Report
from situs.config.terms import SecretReference, Url, Words

Exposed = Callable[[str, Path, str, bool, Report], None]
"""Reports a URL that is none, that has credentials, or that is http beyond loopback."""

DocumentPath = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$",
        extra={"expected": "names with / between them, such as situs or acme/placement"},
    ),
]


class _Engine(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    pass


class Embedded(_Engine, frozen=True, kw_only=True, tag="embedded"):
    """The gateway evaluates the policy itself."""


class Opa(_Engine, frozen=True, kw_only=True, tag="opa"):
    """An OPA server evaluates its own policy for each request; no answer in time denies."""

    url: Annotated[Url, Meta(description="Its base URL: https, or http on loopback.")]
    path: Annotated[DocumentPath, Meta(description="The document to ask for, below /v1/data.")] = (
        "situs"
    )
    deadline_ms: Annotated[
        float, Meta(gt=0, le=60_000, description="Without a verdict by then, all is denied.")
    ] = 100.0
    token: Annotated[
        SecretReference | None, Meta(description="Where its bearer token is, if it wants one.")
    ] = None
    insecure: Annotated[
        bool, Meta(description="Allow http without TLS to a host that is not loopback.")
    ] = False


def server_name(engine: Opa) -> str:
    """What an OPA server's document is called in digests and messages: its URL."""
    return f"{engine.url.rstrip('/')}/v1/data/{engine.path}"


class Bundle(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy, and data for it, as a bundle of OPA (`opa build`): exactly one of path and url."""

    path: Annotated[
        Words | None, Meta(description="A tar.gz file, relative to the configuration file.")
    ] = None
    url: Annotated[Url | None, Meta(description="Where it is fetched from.")] = None
    poll_s: Annotated[
        float, Meta(ge=1, description="How often to look for a new one, which then holds.")
    ] = 60.0
    key: Annotated[
        Words | None,
        Meta(
            description="A PEM file with the public key that its signature must be of: ES256, "
            "ES384 or RS256."
        ),
    ] = None
    secret: Annotated[
        SecretReference | None,
        Meta(description="Where the shared secret is, for signatures of HS256."),
    ] = None
    token: Annotated[
        SecretReference | None, Meta(description="Where the bearer token for `url` is.")
    ] = None
    insecure: Annotated[
        bool, Meta(description="Allow http without TLS to a host that is not loopback.")
    ] = False


class Policy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which Rego modules judge requests, and what evaluates them."""

    paths: Annotated[
        tuple[Words, ...],
        Meta(
            description="Files or directories, relative to the configuration file. "
            "Empty: the policy that ships with Situs."
        ),
    ] = ()
    bundle: Annotated[Bundle | None, Meta(description="A bundle, in place of `paths`.")] = None
    engine: Annotated[Embedded | Opa, Meta(description="What evaluates the policy.")] = Embedded()


_AT: Final = ("policy",)


def check_policy(policy: Policy, report: Report, exposed: Exposed) -> None:
    """What contradicts itself, or has no effect."""
    if not report.sound(_AT):
        return
    engine, bundle = policy.engine, policy.bundle
    if isinstance(engine, Opa):
        for name in ("paths", "bundle"):
            if getattr(policy, name):
                report.add((*_AT, name), "has no effect: the OPA server has its own policy")
        exposed(engine.url, (*_AT, "engine", "url"), "token", engine.insecure, report)
    elif bundle is not None:
        if policy.paths:
            report.add((*_AT, "paths"), "has no effect beside a bundle; remove one of them")
        _check_bundle(bundle, report, exposed)


def _check_bundle(bundle: Bundle, report: Report, exposed: Exposed) -> None:
    at = (*_AT, "bundle")
    if (bundle.path is None) == (bundle.url is None):
        report.add(at, "needs exactly one of path and url")
        return
    if bundle.key is not None and bundle.secret is not None:
        report.add((*at, "secret"), "has no effect beside `key`; remove one of them")
    if bundle.url is not None:
        exposed(bundle.url, (*at, "url"), "token", bundle.insecure, report)
        if bundle.key is None and bundle.secret is None:
            report.add(at, "needs a key (or a secret): what comes over a network is signed")
    else:
        for name in ("token", "insecure"):
            if getattr(bundle, name):
                report.add((*at, name), "has no effect: nothing is fetched; remove it")

"""Judges: asks the policy where a request may run, and believes nothing but an exact verdict.

Verdicts are remembered, because most requests look alike to a policy. The engine is given only
the fields that the policy reads, and the key holds just these (the deployments by the digest of
the fleet, costs by what they are reckoned from), so equal keys are equal inputs and the answer is
the same with and without memory. A
policy that reads the clock is evaluated each time. Failures are never remembered.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from situs.core.decision import Analysis, Exclusion, Obligation, PolicyDecision
from situs.core.label import Label
from situs.core.request import Request
from situs.core.snapshot import Snapshot
from situs.policy.alike import Kinds, kinds_of
from situs.policy.evidence import with_evidence
from situs.policy.input import ALIKE, CLOCK, FIELDS, Facts, expected_costs, input_document

Code = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]

KNOWN_OBLIGATIONS: Final[frozenset[str]] = frozenset(
    {
        "answer_scan",
        "hold_for_approval",
        "max_output_tokens",
        "no_log",
        "no_retention",
        "pseudonymise",
        "redact",
        "require_owned",
        "strip_attachments",
    }
)
"""What Situs can do on behalf of a policy. What it cannot do excludes."""


class Denial(Struct, frozen=True, forbid_unknown_fields=True):
    deployment: str
    code: Code


class Owed(Struct, frozen=True, forbid_unknown_fields=True):
    """`Obligation`, as a policy says it."""

    kind: Code
    deployment: str = "*"
    findings: list[Code] = []
    limit: Annotated[int, Meta(ge=0)] = 0
    scope: Literal["request", "session"] = "request"
    action: Literal["stop", "redact", "note"] = "stop"


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """What an engine must answer, to the letter. Of several in `declassify` the highest holds."""

    allow: list[str]
    deny: list[Denial]
    obligations: list[Owed] = []
    declassify: list[Label] = []


class _Refused(Exception):
    """Everything is denied; `code` says why, without content."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def judge(request: Request, analysis: Analysis, snapshot: Snapshot, now: float) -> PolicyDecision:
    """Say which deployments policy allows, and why not the others.

    Never raises for what a policy or an engine does: whatever is not a verdict denies every
    deployment, and `error` says what it was. Cancellation and exit pass through.
    """
    try:
        decision = _judge(Facts(request, analysis, snapshot, now))
        return with_evidence(decision, snapshot, now)
    except BaseException as problem:
        if must_pass(problem):
            raise
        code = problem.code if isinstance(problem, _Refused) else "judging_failed"
        return denied(snapshot, code)


def must_pass(problem: BaseException) -> bool:
    """Cancellation and exit are not failures. (`asyncio` itself is not known on this floor.)"""
    if isinstance(problem, KeyboardInterrupt | SystemExit | GeneratorExit):
        return True
    return any(kind.__name__ == "CancelledError" for kind in type(problem).__mro__)


def read_verdict(answer: Any) -> Verdict:
    """Raises msgspec.ValidationError unless `answer` is a verdict exactly."""
    return msgspec.convert(answer, Verdict, strict=True)


_encoder = msgspec.json.Encoder()


def _judge(facts: Facts) -> PolicyDecision:
    snapshot = facts.snapshot
    policy = snapshot.policy
    memory = policy.memory if CLOCK.isdisjoint(policy.reads) else None
    if memory is None:
        return _evaluate(facts)
    key = _key(facts)
    known: PolicyDecision | None = memory.get(key)
    if known is None:
        known = _evaluate(facts)
        memory.put(key, known)
    return known


def _key(facts: Facts) -> bytes:
    policy = facts.snapshot.policy
    parts: list[Any] = [policy.digest, facts.snapshot.fleet.digest]
    try:
        parts += [ALIKE[name](facts) for name in policy.reads]
        return _encoder.encode(parts)
    except Exception:
        raise _Refused("input_failed") from None


def _evaluate(facts: Facts) -> PolicyDecision:
    snapshot = facts.snapshot
    try:
        document, kinds = _asked(facts)
    except Exception:
        raise _Refused("input_failed") from None
    try:
        answer = snapshot.policy.evaluate(document)
    except BaseException as problem:  # an engine's panic is no Exception
        if must_pass(problem):
            raise
        raise _Refused("engine_failed") from None
    return _read(answer, snapshot, kinds)


def believed(answer: Any, facts: Facts) -> PolicyDecision:
    """What an answer about a whole fleet means; whatever is no verdict denies all of it."""
    snapshot = facts.snapshot
    try:
        return with_evidence(_read(answer, snapshot, None), snapshot, facts.now)
    except _Refused as problem:
        return denied(snapshot, problem.code)


def _read(answer: Any, snapshot: Snapshot, kinds: Kinds | None) -> PolicyDecision:
    try:
        verdict = read_verdict(answer)
    except (msgspec.ValidationError, RecursionError):
        raise _Refused("verdict_malformed") from None
    floors = snapshot.labels.floors
    if floors and any(not floors.keys() >= set(one.findings) for one in verdict.obligations):
        raise _Refused("unknown_finding")  # what is never found would be hidden never
    if kinds is not None:
        verdict = _for_all(verdict, kinds)
    return conclude(verdict, _names(snapshot), snapshot.policy.digest)


_OF_EACH: Final = frozenset({"deployments", "expected_cost"})


def _asked(facts: Facts) -> tuple[bytes, Kinds | None]:
    """The document, in which deployments that are alike to the policy stand once."""
    policy, fleet = facts.snapshot.policy, facts.snapshot.fleet
    if () in policy.facts or "deployments" not in policy.reads:
        return input_document(facts, policy.reads), None
    kinds = kinds_of(fleet, policy.facts, policy.memory)
    members = {name: FIELDS[name](facts) for name in policy.reads - _OF_EACH}
    if "expected_cost" in policy.reads:
        members["expected_cost"] = expected_costs(facts, kinds.shown)
    return _encoder.encode({**members, "deployments": kinds.document}), kinds


def _for_all(verdict: Verdict, kinds: Kinds) -> Verdict:
    """What is said of one is said of all of its kind."""
    named, own = kinds.named, {"*": ("*",)}
    try:
        return Verdict(
            allow=[name for one in verdict.allow for name in named[one]],
            deny=[Denial(name, one.code) for one in verdict.deny for name in named[one.deployment]],
            obligations=[
                replace(one, deployment=name)
                for one in verdict.obligations
                for name in own.get(one.deployment) or named[one.deployment]
            ],
            declassify=verdict.declassify,
        )
    except KeyError:
        raise _Refused("unknown_deployment") from None


def _names(snapshot: Snapshot) -> list[str]:
    return sorted({deployment.name for deployment in snapshot.fleet.deployments})


def conclude(
    verdict: Verdict,
    names: list[str],
    digest: str,
    known: frozenset[str] = KNOWN_OBLIGATIONS,
) -> PolicyDecision:
    """Allowed is what is in `allow`, not in `deny`, and owes nothing that is not `known`.

    Sorted and without duplicates. A verdict that speaks of a deployment there is not is refused
    whole: it was meant for another fleet, or a name is misspelt.
    """
    allow = set(verdict.allow)
    codes: defaultdict[str, set[str]] = defaultdict(set)
    for denial in verdict.deny:
        codes[denial.deployment].add(denial.code)
    spoken = allow | codes.keys() | {one.deployment for one in verdict.obligations} - {"*"}
    if not spoken <= set(names):
        raise _Refused("unknown_deployment")
    for name in names:
        if name not in allow and name not in codes:
            codes[name].add("not_allowed")
    owed: set[Obligation] = set()
    for one in verdict.obligations:
        for name in names if one.deployment == "*" else [one.deployment]:
            if name in allow and not (one.kind in known and _makes_sense(one)):
                codes[name].add(f"obligation_unsupported:{one.kind}")
            elif name in allow:
                findings = tuple(sorted(set(one.findings)))
                owed.add(Obligation(one.kind, name, findings, one.limit, one.scope, one.action))
    allowed = tuple(name for name in names if name not in codes)
    return PolicyDecision(
        allowed=allowed,
        exclusions=tuple(
            Exclusion(name, "policy", code)
            for name in sorted(codes)
            for code in sorted(codes[name])
        ),
        obligations=tuple(one for one in sorted(owed) if one.deployment in allowed),
        policy=digest,
        declassify=max(verdict.declassify, default=None),
    )


def _makes_sense(one: Owed) -> bool:
    """A limit of no tokens is none: there are servers that take it for no limit."""
    return one.kind != "max_output_tokens" or one.limit > 0


def denied(snapshot: Snapshot, code: str, digest: str | None = None) -> PolicyDecision:
    """Every deployment, because there is no verdict."""
    return PolicyDecision(
        allowed=(),
        exclusions=tuple(Exclusion(name, "policy", code) for name in _names(snapshot)),
        obligations=(),
        policy=snapshot.policy.digest if digest is None else digest,
        error=code,
    )

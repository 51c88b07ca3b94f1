"""What happened to a request after it was decided: attempts, ends, usage."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from situs.core.aim import Moded
from situs.core.decision import Decision
from situs.core.fleet import FleetView
from situs.core.label import Label
from situs.core.request import Request

NO_LOG: Final = "no_log"
"""The obligation to keep a request out of logs; owed at one place, it holds for all of it."""

UNLOGGED: Final = "(no_log)"
"""Stands for who asked and what for, where that is not to be logged; no tenant has this name."""


class End(StrEnum):
    """How an attempt ended; the last three come before its first byte.

    `unsure`: its answer was not to be trusted, so a better model was asked. `outrun`: another place
    that was asked beside it was faster. `truncated`: only a part of the prompt was read.
    """

    COMPLETE = "complete"
    CUT = "cut"
    STALLED = "stalled"
    STOPPED = "stopped"
    WITHHELD = "withheld"
    CLIENT_GONE = "client_gone"
    GARBAGE = "garbage"
    DEADLINE = "deadline"
    UNSURE = "unsure"
    OUTRUN = "outrun"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"


WELL = frozenset({End.COMPLETE, End.STOPPED, End.WITHHELD, End.REFUSED, End.UNSURE})
"""The place did what it is there for."""

NOT_ITS_FAULT = frozenset({End.CLIENT_GONE, End.OUTRUN, End.DEADLINE, End.TRUNCATED})
"""What callers bring about, or other places: it says nothing of this one."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens as the backend reported them; absent (None) when it did not.

    Of the prompt, no more than all of it was read from a cache, written to one, or is audio; of the
    completion, no more than all of it is reasoning or audio. No token is of two of these kinds.
    `counted`: it did not report any, for it was stopped on the way; these are what was expected of
    the prompt, and the pieces that came of the answer.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    counted: bool = False


class Peer(Struct, frozen=True):
    """Who was really reached: socket address, and SHA-256 of the TLS certificate (hex)."""

    address: str
    port: int
    tls_sha256: str | None = None


class Attempt(Struct, frozen=True, omit_defaults=True):
    """One try at one deployment. Durations in seconds, sizes in bytes of HTTP body.

    `obligations` says how often each was carried out on what was sent there and came back.
    `confidence` is the calibrated probability that its answer is right, where that was asked.
    `hedge`: it was asked beside another one that was late. `cost` is money for `usage` and for what
    was sent there; None where either the tokens or their price is not known. `other_model`: the
    answer says that it is from another model than was asked there.
    """

    deployment: str
    locus: str
    jurisdiction: str
    model: str
    weights: str | None
    end: End
    peer: Peer | None
    status: int | None
    bytes_out: int
    bytes_in: int
    ttft_s: float | None
    duration_s: float
    operator: str = "unknown"
    obligations: dict[str, int] = {}
    usage: Usage | None = None
    confidence: float | None = None
    hedge: bool = False
    cost: float | None = None
    other_model: bool = False


class Measured(Struct, frozen=True):
    """What an attempt taught about the speed of a place; seconds, tokens.

    `ttft_s` is None where the answer was not streamed, `usage` where none was reported.
    """

    ttft_s: float | None
    duration_s: float
    expected_ttft_s: float
    prompt_tokens: int
    usage: Usage | None = None


class Decided(Struct, frozen=True):
    """What is written before dispatch. `fleet` is the view that the decision was made on.

    `session` is the label that the request's session has from now on; None where it names none.
    """

    request: Request
    decision: Decision
    fleet: FleetView
    session: Label | None = None


class Approval(Struct, frozen=True):
    """A person's word on a request that policy held: whose, and when (wall time).

    `by` is the id of a key, or a name that was said on the command line.
    """

    approved: bool
    by: str
    at: float


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What is written when it is over. `status` is the HTTP status the caller got.

    `analysis_s` is how long the request's analysis took, waits for a thread or the deep tier
    included; None on records of versions that did not say so. `approval` is what a person said of
    it; None where nobody was asked, or nobody answered in time. `moded` is missing without a mode,
    `copy_of` where it is no copy.
    """

    id: str
    at: float
    status: int
    code: str | None
    attempts: tuple[Attempt, ...]
    usage: Usage | None
    cost: float | None
    saved: float | None
    currency: str | None
    overhead_s: float
    duration_s: float
    analysis_s: float | None = None
    approval: Approval | None = None
    moded: Moded | None = None
    copy_of: str | None = None


class ReceiptRef(Struct, frozen=True):
    """Where a receipt stands: `chain:sequence`."""

    chain: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.chain}:{self.sequence}"


class Rotation(Struct, frozen=True):
    """A new signing key, named by the one before it.

    `old` is that one's id, `public_key` the new one's raw public part (hex), `at` whole seconds
    since the epoch, and `signature` (hex) is the old key's over these.
    """

    old: str
    public_key: str
    at: int
    signature: str


class Served(Struct, frozen=True):
    """One request from its decision to its outcome, for those who count: ledger, metrics, traces.

    `asked` is the model name as the receipt has it: a configured name, or a salted digest. `tiers`
    says by what each part of the analysis was found.
    """

    id: str
    at: float
    receipt: ReceiptRef
    wire: str
    asked: str
    tenant: str
    key: str
    label: str
    task: str
    route: str | None
    objective: str
    stream: bool
    trace: str | None
    allowed: int
    outcome: Outcome
    tiers: dict[str, str] = {}

    @property
    def logged(self) -> bool:
        """Whether there may be a line or a span about it; totals count it in any case."""
        return self.tenant != UNLOGGED

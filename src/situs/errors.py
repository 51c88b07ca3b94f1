"""Every error a caller can see.

    SitusError                 code, status, what happened, what to do
    ├─ InvalidRequest          400  the client did wrong
    │  ├─ ElsewhereRefused     400  it would let others choose where it goes
    │  ├─ UnknownModel         404
    │  ├─ UnknownData          422
    │  ├─ UnknownPath          404
    │  ├─ MethodNotAllowed     405
    │  ├─ RequestTooLarge      413
    │  ├─ UnsupportedMedia     415
    │  ├─ HeadTooLarge         431
    │  └─ RequestTooSlow       408
    ├─ Unauthenticated         401  the key is none of ours
    │  ├─ MissingKey           401
    │  └─ KeyExpired           401
    ├─ ScopeMissing            403  the key is for other things
    ├─ RateLimited             429  the key's requests per minute are used up
    ├─ OriginRefused           403  a web page, or a Host that is not ours
    ├─ PlacementDenied         403  policy left nothing
    │  ├─ ObligationUnmet      403  what policy asks for could not be done
    │  └─ NotApproved          403  policy asks for a person's word, and it was no, or none
    ├─ CanaryFound             403  a planted token was about to leave
    ├─ NoDeploymentFits        422  policy left something; what is asked fits none of it
    ├─ NoCapacity              503  policy left something; it is down or busy
    ├─ Draining                503  this process is about to stop
    ├─ Overloaded              503  this process holds as much as it may
    ├─ CannotRecord            503  the receipt segment is not writable: nothing leaves
    ├─ UpstreamError           502  a backend did wrong
    │  ├─ BackendUnavailable   502  before the first byte: the next deployment is tried
    │  │  └─ LowConfidence     502  an answer that is not to be trusted: so too
    │  ├─ DeadlineExceeded     504  the caller's time is up
    │  ├─ NodesExhausted       503  every allowed deployment was tried
    │  └─ StreamBroken         502  after the first byte: ends in an error event
    │     └─ AnswerStopped     403  the answer holds what policy stops
    ├─ InternalError           500
    └─ OperatorError                for the command line, never on the wire
       ├─ ConfigError               file and line
       ├─ PolicyError               file and line; a policy that may not be loaded
       ├─ WeightsError              missing, or not what the lock says
       ├─ DataDirectoryInUse
       ├─ AddressInUse
       ├─ SegmentError              a receipt segment that cannot be read or continued
       ├─ AnchorError               a place for anchors that cannot be read or written
       └─ StoreError                a database that cannot be used

Messages carry ids, codes and names from the configuration; never content.
"""

from __future__ import annotations

from typing import ClassVar


class SitusError(Exception):
    """Base of all; `code` is stable, `do` is one sentence of advice, or none ("")."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    do: ClassVar[str] = "Retry; if it stays, look the request id up in the log."

    def __init__(self, message: str, *, do: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = type(self).do if do is None else do
        self.retry_after_s: int | None = None
        self.param: str | None = None


class InvalidRequest(SitusError):
    code, status = "invalid_request", 400
    do = "Correct the request."

    def __init__(self, message: str, *, param: str | None = None, do: str | None = None) -> None:
        super().__init__(message, do=do)
        self.param = param


class ElsewhereRefused(InvalidRequest):
    code = "elsewhere_refused"
    do = "Leave it out; name a model, a deployment or a route in `model`."


class UnknownModel(InvalidRequest):
    code, status = "model_not_found", 404
    do = 'Use "auto", or a name that GET /v1/models lists.'


class UnknownData(InvalidRequest):
    code, status = "data_not_found", 422
    do = "Name data sets of the configuration (`data`), separated by commas."


class UnknownPath(InvalidRequest):
    code, status = "unknown_path", 404
    do = "Check the base URL; it should end in /v1."


class MethodNotAllowed(InvalidRequest):
    """`allowed`: the methods that the path takes, for the header `Allow` (RFC 9110, 15.5.6)."""

    code, status = "method_not_allowed", 405
    do = "Use the method the API reference names."
    allowed: tuple[str, ...] = ()


class RequestTooLarge(InvalidRequest):
    code, status = "request_too_large", 413
    do = "Send less, or raise server.max_body_mb."


class UnsupportedMedia(InvalidRequest):
    code, status = "unsupported_media_type", 415
    do = "Send content-type: application/json."


class HeadTooLarge(InvalidRequest):
    code, status = "head_too_large", 431
    do = "Send fewer or shorter headers."


class RequestTooSlow(InvalidRequest):
    code, status = "request_too_slow", 408
    do = "Send the request without a pause."


class Unauthenticated(SitusError):
    code, status = "invalid_key", 401
    do = "Send a valid key as Authorization: Bearer KEY; `situs keys list` shows which are."


class MissingKey(Unauthenticated):
    code = "missing_key"
    do = "Send a key as Authorization: Bearer KEY; `situs keys create NAME` makes one."


class KeyExpired(Unauthenticated):
    code = "key_expired"
    do = "Use another key; `situs keys create NAME` makes one."


class ScopeMissing(SitusError):
    code, status = "scope_missing", 403
    do = "Use a key with this scope; `situs keys create NAME --scope SCOPE` makes one."


class RateLimited(SitusError):
    """`limit` requests a minute, none left; all of them again in `reset_s`."""

    code, status = "rate_limited", 429
    do = "Wait as long as Retry-After says."

    def __init__(self, message: str, *, limit: int, reset_s: float, retry_after_s: int) -> None:
        super().__init__(message)
        self.limit, self.reset_s, self.retry_after_s = limit, reset_s, retry_after_s


class OriginRefused(SitusError):
    code, status = "origin_refused", 403
    do = "Add the origin or host under server.allowed_origins or server.allowed_hosts."


class PlacementDenied(SitusError):
    code, status = "placement_denied", 403
    do = "See `situs decisions show ID`; change the request, the fleet or the policy."


class ObligationUnmet(PlacementDenied):
    code = "obligation_unmet"
    do = "See `situs explain`; take out of the request what cannot be hidden."


class NotApproved(PlacementDenied):
    code = "not_approved"
    do = "Ask an operator, who sees it under `situs approvals list`, and send it again."


class CanaryFound(SitusError):
    """What would have left holds a canary token; which one is not said."""

    code, status = "canary_found", 403
    do = "Find out how planted text came into the request; `situs egress canary list` names them."


class NoDeploymentFits(SitusError):
    code, status = "no_deployment_fits", 422
    do = "Ask for less, or add a deployment; `situs decisions show ID` lists what each lacked."


class NoCapacity(SitusError):
    code, status = "no_capacity", 503
    do = "Retry later; `situs decisions show ID` lists what each deployment lacked."


class Draining(SitusError):
    code, status = "draining", 503
    do = "Retry; this process is stopping."


class Overloaded(SitusError):
    code, status = "overloaded", 503
    do = "Retry later; server.max_connections and server.max_held_mb say how much is held."

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.retry_after_s = 1


class CannotRecord(SitusError):
    code, status = "cannot_record", 503
    do = "Free disk space or mend the permissions of the data directory; nothing was sent."


class UpstreamError(SitusError):
    code, status = "upstream_error", 502
    do = "Retry; `situs decisions show ID` lists the attempts."


class BackendUnavailable(UpstreamError):
    """One attempt failed before its first byte.

    `reason` is a value of `core.record.End`; it goes into the receipt.
    """

    code = "backend_unavailable"

    def __init__(self, message: str, *, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s


class NodesExhausted(UpstreamError):
    code, status = "all_deployments_failed", 503


class LowConfidence(BackendUnavailable):
    """An answer that is not to be trusted; nothing of it has gone on."""

    code = "low_confidence"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="unsure")


class DeadlineExceeded(UpstreamError):
    code, status = "deadline_exceeded", 504
    do = "Give it more time (`x-situs-deadline`), or ask for less."


class StreamBroken(UpstreamError):
    """A stream ended after its first byte without being complete; `reason` is the typed end."""

    code = "stream_broken"
    do = "Send the request again; what arrived is not the whole answer."

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class AnswerStopped(StreamBroken):
    """What a backend answers may not go on to the caller. Nothing else is tried."""

    code, status = "answer_stopped", 403
    do = "See `situs decisions show ID`; policy says what an answer may hold (`answer_scan`)."

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="withheld")


class InternalError(SitusError):
    pass


class OperatorError(SitusError):
    """Something the operator must mend; the command line prints it and exits with 2."""

    code = "operator_error"
    do = "`situs doctor` says what works here and what does not."


class ConfigError(OperatorError):
    code = "config_error"
    do = "Correct the configuration; `situs config check` shows every problem at once."


class PolicyError(OperatorError):
    code = "policy_error"
    do = "Correct the policy; `situs policy check` shows every problem at once."


class WeightsError(OperatorError):
    code = "weights_error"
    do = "Run `situs models pull`, then `situs models verify`."


class DataDirectoryInUse(OperatorError):
    code = "data_directory_in_use"
    do = "Stop the other gateway, or give this one its own --data DIR."


class AddressInUse(OperatorError):
    code = "address_in_use"
    do = "Choose another port with --port, or stop the program that listens there."


class SegmentError(OperatorError):
    code = "segment_error"
    do = "Run `situs receipts verify` on the data directory."


class AnchorError(OperatorError):
    code = "anchor_error"
    do = "See that the place can be reached and written; requests go on without it."


class StoreError(OperatorError):
    code = "store_error"
    do = "See that the disk is not full and that the data directory can be written."

"""Errors to responses, in OpenAI's shape: the only mapping there is."""

from __future__ import annotations

import logging
from typing import Any

from situs.errors import InternalError, SitusError

_log = logging.getLogger(__name__)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    431: "invalid_request_error",
    429: "rate_limit_error",
}


def envelope(error: SitusError) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`: what happened, then what to do."""
    return {
        "error": {
            "message": f"{error.message} {error.advice}",
            "type": _TYPES.get(error.status, "server_error"),
            "param": error.param,
            "code": error.code,
        }
    }


def public(error: Exception) -> SitusError:
    """Any exception as one that may be shown: an unknown one says nothing of its own."""
    if isinstance(error, SitusError):
        return error
    return InternalError("Situs failed to handle the request.")


def log_unexpected(error: Exception) -> None:
    """Its type and where it was raised; its message may hold content and stays out of the log."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = None if trace is None else trace.tb_frame.f_code
    where = "?" if code is None or trace is None else f"{code.co_filename}:{trace.tb_lineno}"
    _log.error("unexpected %s at %s", type(error).__name__, where)

"""Logs: one line an event, as text or JSON, never with content; the access log."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import msgspec

from situs.core.record import Served

ACCESS = "situs.access"
"""The logger of the access log."""

_UNSEEN = dict.fromkeys([*range(32), 127, 0x85, 0x2028, 0x2029], " ")
_encode = msgspec.json.Encoder(enc_hook=lambda value: type(value).__name__).encode


class TextFormatter(logging.Formatter):
    """One line of text: time, level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        told = _document(record)
        head = f"{told.pop('ts')} {told.pop('level').upper()} {told.pop('logger')}: "
        event = told.pop("event")
        fields = [f"{name}={value}" for name, value in told.items() if value is not None]
        return (head + " ".join([event, *fields])).translate(_UNSEEN)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `ts` (RFC 3339, UTC), `level`, `logger`, `event`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        return _encode(_document(record)).decode()


FORMATS: dict[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


def set_up(format: str, level: str, stream: TextIO | None = None) -> None:  # noqa: A002
    """Make this process log so: `text` or `json`, from `level` on, to `stream` (stderr).

    The access log does not depend on the level: it is on or off.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FORMATS[format]())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger(ACCESS).setLevel("INFO")


def catch_all() -> None:
    """What nobody else catches is logged as other errors are: its message may hold content."""

    def log(name: str, error: BaseException | None, kind: type[BaseException]) -> None:
        if error is None or isinstance(error, KeyboardInterrupt):
            return
        logging.getLogger(__name__).critical(
            "%s ended by %s", name, kind.__name__, exc_info=(kind, error, error.__traceback__)
        )

    def of_process(
        kind: type[BaseException], error: BaseException, _: TracebackType | None
    ) -> None:
        log("the process was", error, kind)

    sys.excepthook = of_process
    threading.excepthook = lambda said: log("a thread was", said.exc_value, said.exc_type)
    sys.unraisablehook = lambda said: log("a clean-up was", said.exc_value, said.exc_type)


def log_access(batch: Sequence[Served]) -> None:
    """One line a request that may be logged: who, what, where, how much, how long."""
    log = logging.getLogger(ACCESS)
    for served in batch:
        if served.logged:
            log.info("request", extra={"fields": access_fields(served)})


def access_fields(served: Served) -> dict[str, Any]:
    outcome = served.outcome
    last = outcome.attempts[-1] if outcome.attempts else None
    usage = outcome.usage
    return {
        "id": served.id,
        "receipt": str(served.receipt),
        "tenant": served.tenant,
        "key": served.key,
        "wire": served.wire,
        "model": served.asked,
        "stream": served.stream,
        "label": served.label,
        "route": served.route,
        "status": outcome.status,
        "code": outcome.code,
        "deployment": None if last is None else last.deployment,
        "locus": None if last is None else last.locus,
        "jurisdiction": None if last is None else last.jurisdiction,
        "end": None if last is None else last.end.value,
        "attempts": len(outcome.attempts),
        "counted": None if usage is None else usage.counted,
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "cached_prompt_tokens": None if usage is None else usage.cached_prompt_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
        "cost": outcome.cost,
        "saved": outcome.saved,
        "currency": outcome.currency,
        "ttft_s": _rounded(last.ttft_s if last is not None and served.stream else None),
        "overhead_s": _rounded(outcome.overhead_s),
        "duration_s": _rounded(outcome.duration_s),
    }


def _document(record: logging.LogRecord) -> dict[str, Any]:
    """An exception is its type and place; its message, and what follows it, may hold content."""
    at = datetime.fromtimestamp(record.created, UTC)
    event = _sound(record.getMessage())
    if record.name == "asyncio":  # what follows are arguments and results, in full
        event = event.partition("\n")[0].partition("(")[0]
    error = record.exc_info[1] if record.exc_info else None
    found: dict[str, Any] = {
        "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event if error is None else event.partition("\n")[0],
    }
    if error is not None:
        found["error"] = f"{type(error).__name__} at {_place(error)}"
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict):
        found.update({name: _sound(x) for name, x in fields.items() if name not in found})
    return found


def _sound(value: Any) -> Any:
    """A text without lone surrogates, which no encoding has; any other value as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _rounded(seconds: float | None) -> float | None:
    """To microseconds; more would be noise."""
    return None if seconds is None else round(seconds, 6)

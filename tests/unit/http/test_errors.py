"""Errors on the wire: one shape for all, and nothing of the content in any."""

import asyncio
import json
import logging
from typing import Any

import pytest

from situs import errors
from situs.errors import OperatorError, SitusError
from situs.http.errors import envelope, log_unexpected, public
from situs.http.respond import send_error


def tree(kind):
    return [kind, *(inner for child in kind.__subclasses__() for inner in tree(child))]


ON_THE_WIRE = [kind for kind in tree(SitusError) if not issubclass(kind, OperatorError)]
FIELDS: dict[type[SitusError], dict[str, Any]] = {
    errors.BackendUnavailable: {"reason": "cut"},
    errors.StreamBroken: {"reason": "cut"},
    errors.RateLimited: {"limit": 60, "reset_s": 1.5, "retry_after_s": 2},
}


def made(kind):
    return kind("It failed.", **FIELDS.get(kind, {}))


def sent(error):
    messages = []

    async def send(message):
        messages.append(message)

    asyncio.run(send_error(send, error))
    return messages


@pytest.mark.parametrize("kind", ON_THE_WIRE)
def test_every_error_has_openai_s_shape(kind):
    error = made(kind)
    body = envelope(error)["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert body["message"] == f"It failed. {error.advice}"
    assert body["code"] == kind.code
    assert (body["type"] == "server_error") == (kind.status >= 500)
    assert 400 <= kind.status < 600
    assert public(error) is error


@pytest.mark.parametrize("kind", ON_THE_WIRE)
def test_every_error_is_sent_with_its_status(kind):
    start, body = sent(made(kind))
    head = dict(start["headers"])
    assert start["status"] == kind.status
    assert head[b"content-type"] == b"application/json"
    assert int(head[b"content-length"]) == len(body["body"])
    assert json.loads(body["body"]) == envelope(made(kind))


def test_codes_tell_the_errors_apart():
    codes = [kind.code for kind in ON_THE_WIRE if kind is not SitusError]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", [k for k in tree(SitusError) if k is not SitusError])
def test_every_error_says_what_to_do(kind):
    assert kind.do.strip()
    assert kind.__name__ in (errors.__doc__ or "")


def test_advice_can_be_left_out():
    assert OperatorError("It failed.", do="").advice == ""
    assert OperatorError("It failed.").advice == OperatorError.do


def test_param_advice_and_retry_after_come_through():
    error = errors.InvalidRequest("It failed.", param="messages[0]", do="Mend it.")
    error.retry_after_s = 7
    start, body = sent(error)
    assert dict(start["headers"])[b"retry-after"] == b"7"
    told = json.loads(body["body"])["error"]
    assert (told["param"], told["message"]) == ("messages[0]", "It failed. Mend it.")


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_unknown_error_tells_nothing_of_its_own(caplog):
    error = raised(ValueError("canary77"))
    shown = public(error)
    assert (shown.status, shown.code) == (500, "internal_error")
    assert "canary77" not in json.dumps(envelope(shown))
    with caplog.at_level(logging.ERROR):
        log_unexpected(error)
    assert "canary77" not in caplog.text
    assert "ValueError" in caplog.text
    assert "test_errors.py" in caplog.text


def test_an_error_that_was_never_raised_can_be_logged(caplog):
    log_unexpected(KeyError("canary77"))
    assert "KeyError at ?" in caplog.text

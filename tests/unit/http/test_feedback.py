"""Feedback over HTTP: who may say what of whose answers."""

from __future__ import annotations

import asyncio
import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.stores.writing import indexed

from situs.core.request import Principal
from situs.errors import InvalidRequest, StoreError
from situs.http.auth import ANYONE, scope_of
from situs.http.feedback import PATH, FeedbackDesk
from situs.stores.feedback import FILE, words
from situs.trust.api_keys import Identity, Scope


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("served") / "data", 1)


def post(data, body, *scopes: Scope, tenant="default") -> int:
    return post_as(
        Identity(Principal(tenant=tenant, key="0a1b2c3d"), frozenset(scopes)), data, body
    )


def post_as(caller: Identity, data, body) -> int:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    call: Any = SimpleNamespace(send=send, body=body, caller=caller)
    asyncio.run(FeedbackDesk(data, lambda: 7.0)(call))
    return int(said[0]["status"])


def test_keys_for_inference_may_say_it():
    assert scope_of(PATH) is Scope.INFERENCE


@pytest.mark.parametrize(
    ("said", "score"),
    [(b'"acceptable":true', 1.0), (b'"acceptable":false', 0.0), (b'"score":0.25', 0.25)],
)
def test_a_word_is_kept_under_the_key(data, said, score):
    assert post(data, b'{"id":"req-000000001",%s}' % said, Scope.INFERENCE) == 200
    [one] = words(data)
    assert (one.by, one.score, one.at, one.trusted) == ("0a1b2c3d", score, 7.0, False)


def test_other_tenants_cannot(data):
    with pytest.raises(InvalidRequest, match="on record"):
        post(data, b'{"id":"req-000000001","score":1}', Scope.INFERENCE, tenant="other")


def test_who_may_administer_can_and_is_trusted(data):
    post(data, b'{"id":"req-000000001","score":1}', *Scope, tenant="other")
    [one] = words(data)
    assert one.trusted


def test_who_shows_no_key_is_one_key_of_its_tenant_and_not_trusted(data, tmp_path):
    """Else a key that counts little would count in full where it is left out."""
    data = shutil.copytree(data, tmp_path / "open", ignore=shutil.ignore_patterns(f"{FILE}*"))
    assert post_as(ANYONE, data, b'{"id":"req-000000001","score":0}') == 200
    [one] = words(data)
    assert (one.by, one.trusted) == (ANYONE.principal.key, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"id":"x"}',
        b'{"id":"x","score":1.1}',
        b'{"id":"x","score":NaN}',
        b'{"id":"x","score":Infinity}',
        b'{"id":"x","score":1e999}',
        b'{"id":"x","acceptable":true,"source":"4111111111111111"}',
        b'{"id":"x","acceptable":true,"source":"thumbs\\n"}',
        b'{"id":"x","acceptable":1}',
        b'{"id":"x","acceptable":true,"score":1}',
        b'{"id":"","acceptable":true}',
        b'{"id":"x","acceptable":true,"source":"words of a person"}',
        b'{"id":"x","acceptable":true,"text":"content"}',
    ],
)
def test_what_is_no_feedback_is_refused(data, body):
    with pytest.raises(InvalidRequest, match="no feedback"):
        post(data, body, Scope.INFERENCE)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('"source":"thumbs2"', "`source` is a word of at most 20 letters and dashes"),
        ('"score":2', "`score` is a number from 0 to 1"),
        ('"acceptable":1', "`acceptable` is true or false"),
    ],
)
def test_the_field_that_is_none_is_named_with_what_is_allowed(data, field, said):
    with pytest.raises(InvalidRequest) as caught:
        post(data, f'{{"id":"x",{field}}}'.encode(), Scope.INFERENCE)
    assert caught.value.message == f"The body is no feedback: {said}."


def test_a_damaged_database_is_told_without_its_place(data, tmp_path, caplog):
    data = shutil.copytree(data, tmp_path / "damaged")
    (data / FILE).write_bytes(b"no database at all, but long enough to be asked about it\n" * 40)
    with pytest.raises(StoreError) as caught:
        post(data, b'{"id":"req-000000001","acceptable":true}', Scope.INFERENCE)
    assert str(data) not in f"{caught.value.message} {caught.value.advice}"
    assert str(data) in caplog.text

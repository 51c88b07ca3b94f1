"""The bundled attempts to leak: what is hidden in each is replaced, or nothing is sent."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from tests.e2e import leak_attempts

from situs.analysis.entry import scanned
from situs.analysis.labels import DEFAULT_FLOORS
from situs.analysis.texts import Form, rewritten
from situs.analysis.transforms import carry_out, survivors
from situs.analysis.transforms.swap import plain
from situs.core.decision import Obligation
from situs.core.request import Ask, Modality, Principal
from situs.core.snapshot import Labels
from situs.errors import InvalidRequest
from situs.http import openai_chat

LABELS = Labels(DEFAULT_FLOORS)
SECRETS = (
    *(leak_attempts.CARD, leak_attempts.IBAN, leak_attempts.TOKEN, leak_attempts.PASSWORD),
    leak_attempts.KEY.splitlines()[1],
)
CUT = {
    *("keys", "keys at two levels", "logit bias", "logit bias in pieces"),
    *("as a float with a fraction", "key and value"),
}
"""Cards over several keys of an object or a key and its value, and in a fraction."""


def attempts():
    asked = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    for name, fields in leak_attempts.STAYS.items():
        body = json.dumps({**asked, **fields}).encode()
        if len(body) < 50_000:
            with suppress(InvalidRequest):
                yield name, openai_chat.parse(body, "r", Ask(), Principal())


def bare(text):
    return "".join(filter(str.isalnum, text))


def said(document):
    return rewritten(
        document, lambda text, form: plain(text, 0, len(text))[0] if form is Form.SOURCE else text
    )


def restored(made):
    back = made.restore
    return rewritten(made.request.document, lambda text, form: back.back(text, form is Form.SOURCE))


@pytest.mark.parametrize("kind", ["redact", "pseudonymise"])
def test_nothing_that_is_hidden_anywhere_is_sent_as_it_is(kind):
    refused, tried = {}, 0
    for name, request in attempts():
        findings = scanned(request, LABELS).findings
        made = carry_out(request, findings, [Obligation(kind)], b"key")
        tried += 1
        if made.refused is not None or survivors(made, LABELS):
            refused[name] = request.modalities
            continue
        body = made.request.body.decode()
        for secret in SECRETS:
            assert secret not in body, name
            assert bare(secret) not in bare(body), name
        if made.restore is not None:
            assert said(restored(made)) == said(request.document), name
    assert tried > 200
    assert {name for name, kinds in refused.items() if kinds == {Modality.TEXT}} <= CUT

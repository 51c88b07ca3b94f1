"""Attempts to get what is confidential to a public cloud, pinned by name and left to Situs."""

from __future__ import annotations

import gzip
import json
import re
from itertools import count

import pytest
from tests.e2e import stage
from tests.e2e.clean_prompts import ARRAYS, CLEAN
from tests.e2e.leak_attempts import (
    CARD,
    GAPS,
    INPUTS,
    PROMPTS,
    SPACED,
    STAYS,
    Fields,
    each,
    parts,
    says,
)

REFUSED = (400, 403, 415, 422, 503)
REFERENCE = stage.ROOT / "docs" / "reference" / "detectors.md"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("leaks")
    with (
        stage.fakes(directory, "office", "national", "us") as fakes,
        stage.running(directory, fleet(fakes)) as gateway,
    ):
        yield gateway, fakes


def fleet(fakes):
    """Every locus also embeds, and reads token ids."""
    config = stage.fleet(fakes)
    for name in fakes:
        chat_model = config["models"][f"{name}-model"]
        chat_model["modalities"] = ["text", "tokens"]
        config["models"][f"{name}-embed"] = {**chat_model, "serves": ["embeddings"]}
        chat_deployment = config["deployments"][f"{name}-llm"]
        config["deployments"][f"{name}-vec"] = {**chat_deployment, "model": f"{name}-embed"}
    return config


def chat(gateway: stage.Gateway, fields: Fields, model: str) -> stage.Response:
    answer: stage.Response = gateway.chat(**{"model": model, **fields})
    return answer


def test_the_stage_lets_a_clean_request_out(scene):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    assert gateway.chat(model="us-llm").status == 200
    assert fakes["us"].traffic() != before


@pytest.mark.parametrize("fields", STAYS.values(), ids=STAYS)
def test_it_stays(scene, fields):
    gateway, fakes = scene
    outside = [fakes["us"], fakes["national"]]
    before = [fake.traffic() for fake in outside]
    pinned, free = (chat(gateway, fields, model) for model in ("us-llm", "auto"))
    assert [fake.traffic() for fake in outside] == before
    assert pinned.status in REFUSED
    assert free.status in REFUSED or free.headers["x-situs-locus"] == "office"


BATCHES = [
    pytest.param(path, pinned, fields, id=f"{path[4:]}: {name}")
    for path, pinned, attempts in (
        ("/v1/completions", "us-llm", PROMPTS),
        ("/v1/embeddings", "us-vec", INPUTS),
    )
    for name, fields in attempts.items()
]


@pytest.mark.parametrize(("path", "pinned", "fields"), BATCHES)
def test_it_stays_on_the_other_wires(scene, path, pinned, fields):
    gateway, fakes = scene
    outside = [fakes["us"], fakes["national"]]
    before = [fake.traffic() for fake in outside]
    for model in (pinned, "auto"):
        answer = gateway.call("POST", path, json.dumps({"model": model, **fields}).encode())
        stayed = model == "auto" and answer.headers.get("x-situs-locus") == "office"
        assert stayed or answer.status in REFUSED
    assert [fake.traffic() for fake in outside] == before


def test_what_is_clean_may_leave_on_the_other_wires(scene):
    gateway, fakes = scene
    for path, model, fields in (
        ("/v1/completions", "us-llm", {"prompt": CLEAN, "suffix": "x"}),
        ("/v1/completions", "us-llm", {"prompt": [[1, 2, 3], [40, 500, 6000]]}),
        ("/v1/embeddings", "us-vec", {"input": CLEAN}),
        ("/v1/embeddings", "us-vec", {"input": [464, 2068, 7586, 21831]}),
    ):
        before = fakes["us"].traffic()
        answer = gateway.call("POST", path, json.dumps({"model": model, **fields}).encode())
        assert answer.status == 200, (answer.body, fields)
        assert fakes["us"].traffic() != before


def test_the_known_gaps_are_exactly_these(scene):
    """Who closes one takes it out of the table and of the reference."""
    gateway, fakes = scene
    open_ones = []
    for name, fields in GAPS.items():
        before = fakes["us"].traffic()
        chat(gateway, fields, "us-llm")
        if fakes["us"].traffic() != before:
            open_ones.append(name)
    assert open_ones == list(GAPS)


def test_the_reference_names_the_known_gaps():
    section = REFERENCE.read_text().partition("## Known gaps")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", section, re.MULTILINE)[2:]
    assert [name for name, _ in rows] == list(GAPS)


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_clean_may_leave(scene, text):
    assert chat(scene[0], says(text), "us-llm").headers["x-situs-label"] in ("public", "internal")


@pytest.mark.parametrize("texts", ARRAYS)
def test_clean_parts_may_leave(scene, texts):
    for fields in (parts(*texts), says(*texts)):
        assert chat(scene[0], fields, "us-llm").headers["x-situs-label"] == "public"


def body(content: str, extra: str = "") -> str:
    """JSON text with `content` inside its quotes."""
    message = f'{{"role":"user","content":"{content}"}}'
    return f'{{"model":"us-llm","messages":[{message}]{extra}}}'


BODIES = {
    "JSON escapes": body(each("\\u{n:04x}")),
    "JSON escapes in capitals": body(each("\\u{n:04X}", "DE89370400440532013000")),
    "an escaped key": body("x", ',"' + each("\\u{n:04x}") + '":1'),
    "the card is the last of two": body("x", f',"user":"x","user":"{CARD}"'),
    "two contents": body(f'x","content":"{SPACED}'),
    "an exponent": body("x", ',"x":4111111111111111e0'),
    "an exponent and a fraction": body("x", ',"x":4.111111111111111e15'),
    "a negative exponent": body("x", ',"x":41111111111111110e-1'),
    "a point and zeros": body("x", ',"x":4111111111111111.000'),
    "a number in a list": body("x", ',"x":[[[4111111111111111]]]'),
    "white space": "\n" * 100_000 + body(SPACED) + " " * 100_000,
    "an escaped slash": body("4111\\/1111\\/1111\\/1111"),
    "escaped line feeds": body("4111\\n1111\\n1111\\n1111"),
    "surrogates": body("\\ud835\\udfd2" + CARD[1:]),
    "nul characters": body("\\u0000".join(CARD)),
}


@pytest.mark.parametrize("text", BODIES.values(), ids=BODIES)
def test_a_body_written_in_an_odd_way_stays(scene, text):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    answer = gateway.call("POST", stage.CHAT, text.encode())
    assert answer.status in REFUSED
    assert fakes["us"].traffic() == before


PLAIN = body(SPACED).encode()
HEADERS = {
    "a lower label": (PLAIN, {"x_situs_label": "public"}),
    "a label in capitals": (PLAIN, {"X_SITUS_LABEL": "PUBLIC"}),
    "mode": (PLAIN, {"x_situs_mode": "observe"}),
    "locus": (PLAIN, {"x_situs_locus": "office"}),
    "objective": (PLAIN, {"x_situs_objective": "best"}),
    "charset": (PLAIN, {"content_type": "application/json; charset=utf-8"}),
    "another charset": (PLAIN, {"content_type": "application/json; charset=utf-16"}),
    "a body in UTF-16": (
        PLAIN.decode().encode("utf-16"),
        {"content_type": "application/json; charset=utf-16"},
    ),
    "a body in UTF-32": (PLAIN.decode().encode("utf-32-le"), {}),
    "a body in UTF-7": (
        PLAIN.decode().encode("utf-7"),
        {"content_type": "application/json; charset=utf-7"},
    ),
    "a mark of byte order": (b"\xef\xbb\xbf" + PLAIN, {}),
    "compressed": (gzip.compress(PLAIN), {"content_encoding": "gzip"}),
    "said to be compressed": (PLAIN, {"content_encoding": "gzip"}),
    "text": (PLAIN, {"content_type": "text/plain"}),
    "a form": (PLAIN, {"content_type": "application/x-www-form-urlencoded"}),
    "lines of JSON": (PLAIN + b"\n" + PLAIN, {}),
    "overlong UTF-8": (PLAIN.replace(b"4", b"\xc0\xb4"), {}),
    "surrogates in UTF-8": (PLAIN.replace(b"4111 ", b"4111\xed\xa0\x80"), {}),
}


@pytest.mark.parametrize(("sent", "headers"), HEADERS.values(), ids=HEADERS)
def test_no_header_and_no_charset_helps(scene, sent, headers):
    gateway, fakes = scene
    before = fakes["us"].traffic()
    answer = gateway.call("POST", stage.CHAT, sent, **headers)
    assert answer.status in REFUSED
    assert fakes["us"].traffic() == before


@pytest.mark.parametrize("model", ["us-llm", "us-model", "auto"])
@pytest.mark.parametrize("stream", [False, True])
def test_no_receipt_holds_what_was_tried(scene, model, stream):
    gateway, _ = scene
    names = count()
    for fields in list(STAYS.values())[:20]:
        gateway.chat(**{"model": model, "stream": stream, "user": f"u{next(names)}", **fields})
    written = json.dumps(gateway.lines()) + gateway.log.read_text()
    assert CARD not in written
    assert SPACED not in written

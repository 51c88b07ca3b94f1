"""The library `Router`: routes added, changed and removed at run time, and their handlers."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.analysis.test_route_samples import SAMPLES

from situs.router import Router


def router(**fields) -> Router:
    made = Router(encoder=None, **fields)
    for name, samples in SAMPLES.items():
        made.add_route(name, samples)
    return made


def test_a_text_is_of_the_route_that_its_samples_are_like_or_of_none():
    made = router()
    assert made.route("was my parcel delivered?").name == "shipping"
    assert made.route("please refund that charge on my bill").name == "billing"
    assert made.route("compose an opera about dragons").name is None


def test_without_routes_nothing_is_found():
    assert Router(encoder=None).route("hello").name is None


def test_the_handler_of_the_route_is_called_with_the_text():
    made = router()
    made.add_route("shipping", SAMPLES["shipping"], handler=str.upper)
    assert made("where is my parcel") == "WHERE IS MY PARCEL"
    assert made("when is the bill due") is None
    assert made("compose an opera about dragons") is None


def test_routes_and_samples_change_between_two_calls():
    made = router()
    assert made.route("play some jazz").name is None
    made.add_route("music", ["play jazz", "put on some rock music", "play my favourite songs"])
    assert made.route("play some jazz").name == "music"
    made.add_samples("billing", ["what does the subscription cost", "subscription price please"])
    assert made.route("what does a subscription cost").name == "billing"
    made.remove_route("music")
    assert made.route("play some jazz").name is None
    assert made.routes == ("billing", "shipping")


def test_samples_are_encoded_once():
    asked: list[str] = []

    def encode(texts):
        asked.extend(texts)
        rows = [[len(text), text.count("e"), text.count("a"), 1] for text in texts]
        found = np.array(rows, np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    made = Router(encoder=encode)
    for name, own in SAMPLES.items():
        made.add_route(name, own)
    made.route("where is my parcel")
    made.add_samples("billing", ["another sample"])
    made.route("where is my parcel")
    samples = [text for texts in SAMPLES.values() for text in texts]
    queries = {"where is my parcel"}
    assert {asked.count(text) for text in samples if text not in queries} == {1}


@pytest.mark.parametrize("samples", [[], ["", " "]])
def test_a_route_without_samples_is_refused(samples):
    with pytest.raises(ValueError, match="sample"):
        Router(encoder=None).add_route("empty", samples)


def test_what_is_not_there_cannot_be_changed():
    made = Router(encoder=None)
    with pytest.raises(KeyError):
        made.add_samples("none", ["x"])
    with pytest.raises(KeyError):
        made.remove_route("none")


def test_the_page_of_the_library_does_what_it_says():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "router-library.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0].replace("Router()", "Router(None)")
    found: dict[str, Any] = {}
    lines = []
    for line in ast.unparse(ast.parse(block)).splitlines():
        call = line.startswith(("router.route", "router("))
        lines.append(f"said.append({line})" if call else line)
    exec("said = []\n" + "\n".join(lines), found)  # noqa: S102
    assert found["said"] == ["shipping", None, "Let me look that up."]


def test_what_the_fast_tier_is_unsure_of_the_encoder_of_the_package_knows():
    pytest.importorskip("onnxruntime")
    made = Router()
    for name in ("billing", "shipping"):
        made.add_route(name, SAMPLES[name])
    match = made.route("when will the courier come by")
    assert (match.name, match.tier) == ("shipping", "deep")


def test_with_a_folder_the_next_router_reads_what_was_encoded(tmp_path):
    pytest.importorskip("onnxruntime")
    for _ in range(2):
        made = Router(folder=tmp_path / "vectors")
        made.add_route("shipping", SAMPLES["shipping"])
        assert made.route("where is my parcel").name == "shipping"
        (file,) = (tmp_path / "vectors").glob("*.npz")
        written = file.stat().st_mtime_ns
        os.utime(file, ns=(1, 1))
    assert written == 1


def test_a_folder_is_for_the_encoder_of_the_package_only(tmp_path):
    for encoder in (None, lambda texts: texts):
        with pytest.raises(ValueError, match="encoder of the package"):
            Router(encoder, folder=tmp_path)

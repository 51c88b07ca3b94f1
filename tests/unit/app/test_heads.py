"""The heads of the package fit one another, and those of others lose what would not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from situs.analysis.features import see
from situs.app.heads import CACHE, load_heads, sample_vectors
from situs.config.analysis import Analysis
from situs.core.route import Route
from situs.errors import OperatorError
from situs.learning.artefacts import load, save, shipped


@pytest.mark.parametrize("head", ["capability", "routes"])
def test_what_was_learned_from_vectors_fits_the_encoder_of_the_package(head):
    assert load(shipped(head)).card.settings["encoder"] == load(shipped("encoder")).digest


def test_every_head_of_the_package_answers(tmp_path):
    heads: Any = load_heads(Analysis(), tmp_path)
    seen = see("Write a function that sorts a list of numbers in Python.")
    assert heads.task(seen, None).name == "code"
    assert heads.length(seen, "code").low < heads.length(seen, "code").high
    assert heads.complexity(seen, "code").name
    assert [one.kind for one in heads.names(["I met Mrs. Adelaide Featherstone."])] == ["person"]
    assert 8 < heads.tokens(b"The quick brown fox jumps over the lazy dog.", ["llama3"])[0] < 13
    assert heads.encode(["one", "two words"]).shape == (2, 384)
    assert set(heads.routes.vectors) == set(heads.routes.ordinary)
    assert set(heads.name_kinds) >= {"person", "address", "organisation"}


def test_the_vectors_that_ship_are_those_that_the_encoder_gives(tmp_path):
    heads: Any = load_heads(Analysis(), tmp_path)
    some = heads.routes.ordinary[::100]
    kept = [heads.routes.vectors[text] for text in some]
    assert np.allclose(kept, heads.encode(some), atol=2e-3)


def test_rules_can_stand_in_for_what_was_learned(tmp_path):
    heads = load_heads(Analysis(learned=False), tmp_path)
    assert (heads.task, heads.complexity, heads.length, heads.tokens) == (None,) * 4
    assert heads.names is not None
    assert "task" not in heads.digests


def test_without_the_deep_tier_there_is_no_encoder_and_no_digest_of_one(tmp_path):
    heads = load_heads(Analysis(deep=False), tmp_path)
    assert heads.encode is None
    assert "encoder" not in heads.digests


def test_a_head_that_was_fitted_to_another_encoder_goes_without_its_vectors(tmp_path, caplog):
    routes = load(shipped("routes"))
    settings = {**routes.card.settings, "encoder": "0" * 64}
    other = replace(routes.card, version="mine", settings=settings, files={})
    save(tmp_path / "artefacts" / "routes" / "mine", other, routes.arrays)
    heads: Any = load_heads(Analysis(artefacts={"routes": "mine"}), tmp_path)
    assert "routes was fitted to another encoder" in caplog.text
    assert heads.routes.vectors == {}
    assert heads.routes.ordinary


def test_an_artefact_whose_settings_are_damaged_is_refused_by_name(tmp_path):
    task = load(shipped("task"))
    for place, settings in enumerate(({}, {**task.card.settings, "classes": 5})):
        other = replace(task.card, version=f"bad-{place}", settings=settings, files={})
        save(tmp_path / "artefacts" / "task" / other.version, other, task.arrays)
        with pytest.raises(OperatorError, match=f"task {other.version} cannot be used: settings"):
            load_heads(Analysis(artefacts={"task": other.version}), tmp_path)


ROUTES = {
    "card_lost": Route("card_lost", ("my card is gone", "somebody took my card")),
    "no-samples": Route("no-samples"),
}


def test_vectors_of_samples_are_those_of_the_encoder_and_lie_in_the_data_directory(tmp_path):
    heads: Any = load_heads(Analysis(), tmp_path)
    texts = ["my card is gone", "somebody took my card", "card lost"]
    found = sample_vectors(ROUTES, heads, tmp_path)
    assert list(found) == texts
    assert np.array_equal(np.stack(list(found.values())), heads.encode(texts))
    silent = replace(heads, encode=lambda texts: pytest.fail("these are known"))
    again = sample_vectors(ROUTES, silent, tmp_path)
    assert all(np.array_equal(again[text], found[text]) for text in texts)
    assert (tmp_path / CACHE).is_dir()


def test_without_a_deep_tier_or_samples_there_are_no_vectors_and_no_file(tmp_path):
    heads: Any = load_heads(Analysis(deep=False), tmp_path)
    assert sample_vectors(ROUTES, heads, tmp_path) == {}
    heads = load_heads(Analysis(), tmp_path)
    assert sample_vectors({"no-samples": ROUTES["no-samples"]}, heads, tmp_path) == {}
    assert not (tmp_path / CACHE).exists()


def test_a_data_directory_that_is_not_there_is_not_made_nor_missed(tmp_path, caplog):
    heads: Any = load_heads(Analysis(), tmp_path)
    assert sample_vectors(ROUTES, heads, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert not caplog.records


def test_one_that_lacks_what_its_head_reads_is_refused_by_name(tmp_path):
    capability = load(shipped("capability"))
    other = replace(capability.card, version="bad", files={})
    save(tmp_path / "artefacts" / "capability" / "bad", other, {})
    with pytest.raises(OperatorError, match="is not what the head capability expects: KeyError"):
        load_heads(Analysis(artefacts={"capability": "bad"}), tmp_path)

"""Versions of artefacts: found, named, chosen, never reused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from situs.errors import OperatorError
from situs.learning.artefacts import Card, save
from situs.learning.versions import chosen, kept, new_folder, open_version

HEAD = "never-shipped"


def trained(data, version=None, value=1.0):
    folder = new_folder(data, HEAD, version)
    card = Card(1, HEAD, folder.name, "For tests.", (), {}, {}, {})
    return save(folder, card, {"a": np.full(2, value)})


def mine(data):
    return [one.version for one in kept(data) if one.head == HEAD]


def test_versions_are_numbered_and_listed_in_order(tmp_path):
    for _ in range(11):
        trained(tmp_path)
    trained(tmp_path, "mine")
    assert mine(tmp_path) == ["mine", *(f"trained-{n}" for n in range(1, 12))]


def test_a_folder_that_training_left_empty_is_no_version_and_is_not_taken_again(tmp_path):
    new_folder(tmp_path, HEAD)
    assert mine(tmp_path) == []
    assert new_folder(tmp_path, HEAD).name == "trained-2"


def test_a_name_that_is_taken_or_leads_elsewhere_is_refused(tmp_path):
    trained(tmp_path, "mine")
    with pytest.raises(OperatorError, match="already"):
        new_folder(tmp_path, HEAD, "mine")
    for name in ("", "..", "../x", "a/b", ".hidden", "x" * 65):
        with pytest.raises(OperatorError, match="at most 64 letters"):
            new_folder(tmp_path, HEAD, name)


def test_the_version_wanted_is_opened_with_or_without_its_digest(tmp_path):
    trained(tmp_path, value=1.0)
    second = trained(tmp_path, value=2.0)
    for reference in ("trained-2", f"trained-2@{second.digest[:12]}", f"trained-2@{second.digest}"):
        assert open_version(HEAD, reference, tmp_path).digest == second.digest
    assert chosen({HEAD: "trained-2"}, tmp_path)[HEAD].digest == second.digest


def test_another_digest_is_refused(tmp_path):
    trained(tmp_path)
    with pytest.raises(
        OperatorError, match=r"digest of never-shipped trained-1 is [0-9a-f]{12}…, not 0{12}"
    ):
        open_version(HEAD, "trained-1@" + "0" * 12, tmp_path)


def test_an_unknown_version_is_refused_and_the_known_ones_named(tmp_path):
    trained(tmp_path, "mine")
    with pytest.raises(
        OperatorError, match=f"no version yours of the artefact {HEAD}; its versions are: m"
    ):
        open_version(HEAD, "yours", tmp_path)
    with pytest.raises(OperatorError, match="no version yours"):
        chosen({HEAD: "yours"}, None)


def test_a_version_that_was_moved_is_refused(tmp_path):
    made = trained(tmp_path)
    made.folder.rename(made.folder.with_name("trained-9"))
    with pytest.raises(OperatorError, match=re.escape(f"is of {HEAD} trained-1")):
        open_version(HEAD, "trained-9", tmp_path)


def test_each_head_of_the_package_answers_unless_another_version_is_wanted(tmp_path):
    shipped = {one.head: one.version for one in kept(tmp_path) if one.shipped}
    found = {head: one.card.version for head, one in chosen({}, tmp_path).items()}
    assert found == shipped
    assert HEAD not in found

"""Receipts of every version since 0.1 verify, are continued, and let go of."""

import json
import shutil
from pathlib import Path

import pytest
from tests.unit.stores.test_standalone import holds
from tests.unit.stores.writing import codes, files, report, retired, serve, witnessing, writing

from situs.stores.anchor_places import anchors_at
from situs.stores.anchors import held
from situs.stores.layout import receipts_dir, roots
from situs.stores.verify import verify
from situs.trust.keys import pinned_keys

KEPT = sorted(p for p in (Path(__file__).parents[2] / "fixtures" / "receipts").iterdir())


@pytest.fixture(params=KEPT, ids=lambda folder: folder.name)
def data(request, tmp_path):
    shutil.copytree(request.param, tmp_path / "data")
    return tmp_path / "data"


def test_receipts_of_that_version_verify(data):
    found = report(data)
    assert found.problems == ()
    told = {
        "lines": found.lines,
        "decisions": found.decisions,
        "outcomes": found.outcomes,
        "open_decisions": found.open_decisions,
        "chains": len(found.chains),
        "retired": sum(chain.retired for chain in found.chains),
    }
    assert told == json.loads((data / "expected.json").read_text())
    assert any(chain.torn for chain in found.chains)
    assert holds(data)


def test_receipts_of_that_version_are_continued(data):
    before = report(data)
    with witnessing(data), writing(data) as writer:
        serve(writer, 1_000)
    after = report(data)
    assert after.problems == ()
    assert after.decisions == before.decisions + 1


def test_receipts_of_that_version_can_be_retired(data):
    before = report(data)
    retired(data)
    assert files(data) == []
    after = report(data)
    assert after.problems == ()
    assert after.lines == before.lines


def test_anchors_of_that_version_are_held_against_its_receipts(data):
    anchors = data / "anchors.jsonl"
    if not anchors.exists():
        return
    lines = held(anchors_at(str(anchors)))
    assert len(lines) == len(report(data).chains)
    keys = pinned_keys(data / "keys")
    assert verify(receipts_dir(data), keys, lines).problems == ()
    for folder in receipts_dir(data).iterdir():
        shutil.rmtree(folder)
        assert verify(receipts_dir(data), keys, lines).problems


@pytest.mark.parametrize(
    "newer", [b'{"v":2,"type":"open","seq":0}', b'{"v":2}', b'{"v":2,"was":[1]}']
)
def test_a_newer_version_is_named_once_and_not_guessed_at(tmp_path, newer):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    path = files(tmp_path)[0]
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:2], newer, b'{"v":2,"more":true}', b""]))
    [problem] = report(tmp_path).problems
    assert problem.code == "unknown_version"
    assert "version 2" in problem.what
    assert (problem.file, problem.line) == (f"{path.parent.name}/{path.name}", 3)
    assert [one for one in retired(tmp_path) if one.kept is None] == []
    assert path.exists()


def test_a_root_of_a_newer_version_is_named_too(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    folder = files(tmp_path)[0].parent
    retired(tmp_path)
    path = roots(folder)[0]
    path.write_bytes(path.read_bytes().replace(b'{"v":1,', b'{"v":2,'))
    assert codes(tmp_path) == {"unknown_version"}


def test_another_version_of_a_line_that_looks_like_ours_is_not_taken_for_one(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
    path = files(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b'{"v":1,', b'{"v":3,'))
    assert codes(tmp_path) == {"unknown_version"}
    assert receipts_dir(tmp_path).is_dir()

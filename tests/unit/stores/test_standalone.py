"""The verifier of the documentation finds what `situs receipts verify` finds."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.stores.test_verify import cut_tail, edit, other_signature, relink, remove, rewrite
from tests.unit.stores.writing import (
    codes,
    files,
    retired,
    serve,
    several_segments,
    witnessing,
    writing,
)

from situs.stores.layout import chains, is_witness, receipts_dir, roots, segments

SCRIPT = Path(__file__).parents[3] / "docs" / "reference" / "verify_receipts.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    data = tmp_path_factory.mktemp("standalone") / "data"
    with witnessing(data):
        several_segments(data, 5)
    with writing(data) as writer:
        serve(writer, 900_000)
    return data


@pytest.fixture
def data(made, tmp_path):
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def long_chain(data):
    return max(chains(receipts_dir(data)), key=lambda folder: len(segments(folder)))


def holds(data):
    [key] = (data / "keys").glob("*.pub")
    command = [sys.executable, SCRIPT, receipts_dir(data), key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def test_it_is_short_and_agrees(data):
    assert holds(data)
    assert len(SCRIPT.read_text().splitlines()) <= 60


@pytest.mark.parametrize("change", [edit, remove, relink, cut_tail, other_signature])
def test_it_finds_changes(data, change):
    rewrite(segments(long_chain(data))[-1], change)
    assert not holds(data)


def test_it_finds_a_chain_that_is_cut_or_gone_though_the_head_is_forged(data):
    folder = long_chain(data)
    first, *others = segments(folder)
    opening = first.read_bytes().splitlines(keepends=True)[0]
    for path in others:
        path.unlink()
    first.write_bytes(opening)
    (folder / "head.json").write_bytes(opening)
    assert not holds(data)
    shutil.rmtree(folder)
    assert not holds(data)


def test_it_reads_roots_and_misses_those_that_are_gone_or_changed(data):
    folder = long_chain(data)
    names = [path.name for path in segments(folder)[:2]]
    retired(data, ready=lambda name, file: name == folder.name and file in names)
    assert holds(data)
    path = roots(folder)[1]
    root = path.read_bytes()
    path.write_bytes(root.replace(b'"decisions":', b'"decisions":1'))
    assert not holds(data)
    path.unlink()
    assert not holds(data)
    path.write_bytes(root)
    retired(data)
    assert files(data) == []
    assert holds(data)
    witness = next(folder for folder in chains(receipts_dir(data)) if is_witness(folder))
    shutil.rmtree(witness)
    assert not holds(data)
    assert codes(data) == {"chain_missing"}

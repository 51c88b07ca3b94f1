"""The verifier of the documentation finds what `situs receipts verify` finds."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.stores.test_verify import cut_tail, edit, other_signature, relink, remove, rewrite
from tests.unit.stores.writing import (
    codes,
    files,
    long_chain,
    retired,
    serve,
    several_segments,
    with_another_key,
    witnessing,
    writing,
)

from situs.stores.layout import chains, is_witness, receipts_dir, roots, segments
from situs.stores.proofs import prove
from situs.trust.keys import open_signing_key

SCRIPT = Path(__file__).parents[3] / "docs" / "reference" / "verify_receipts.py"
CHECK_PROOF = SCRIPT.with_name("check_proof.py")


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


def holds(data, key=None):
    if key is None:
        [key] = (data / "keys").glob("*.pub")
    return succeeds(SCRIPT, receipts_dir(data), key)


def succeeds(*command):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A chain that was written while its key was replaced; and the first public key."""
    data = tmp_path_factory.mktemp("turned") / "data"
    with_another_key(data)
    [first] = (path for path in (data / "keys").glob("*.pub") if path.name != "receipts.pub")
    return data, first


def test_it_follows_rotations_from_the_first_key_and_no_others(turned, tmp_path):
    data, first = turned
    assert holds(data, first)
    assert not holds(data, data / "keys" / "receipts.pub"), "the later key signed only a part"
    shutil.copytree(data, tmp_path / "data")
    [path] = (path for path in files(tmp_path / "data") if path.stem.strip("0"))
    rotation = msgspec.json.decode(path.read_bytes().splitlines()[0])["rotations"][0]
    path.write_bytes(path.read_bytes().replace(rotation["signature"].encode(), b"00" * 64))
    assert not holds(tmp_path / "data", first)


def test_it_follows_rotations_that_stand_in_roots(turned, tmp_path):
    data, first = turned
    shutil.copytree(data, tmp_path / "data")
    retired(tmp_path / "data")
    assert files(tmp_path / "data") == []
    assert holds(tmp_path / "data", first)
    stranger = open_signing_key(tmp_path / "other")
    assert stranger.rotations == ()
    assert not holds(tmp_path / "data", tmp_path / "other" / "receipts.pub")


def test_a_short_program_checks_a_proof_of_any_line(turned, tmp_path):
    assert len(CHECK_PROOF.read_text().splitlines()) <= 40
    data, first = turned
    folder, proof = files(data)[0].parent, tmp_path / "proof.json"
    count = sum(len(path.read_bytes().splitlines()) for path in segments(folder))
    for seq in (0, 1, count // 2, count - 2):
        made = prove(receipts_dir(data), folder.name, seq)
        proof.write_bytes(msgspec.json.encode(made))
        assert succeeds(CHECK_PROOF, proof, first)
    for member, value in (
        ("line", made.line.replace('"v":1', '"v":2')),
        ("index", made.index - 1),
        ("path", made.path[1:]),
        ("path", (*made.path, "00" * 32)),
        ("checkpoint", made.checkpoint.replace('"size":', '"size":1')),
        ("rotations", ()),
    ):
        proof.write_bytes(msgspec.json.encode(replace(made, **{member: value})))
        assert not succeeds(CHECK_PROOF, proof, first), member


def test_it_is_short_and_agrees(data):
    assert holds(data)
    assert len(SCRIPT.read_text().splitlines()) <= 75


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


def test_an_empty_folder_is_no_chain_and_an_emptied_one_is_missed(data):
    (receipts_dir(data) / "empty").mkdir()
    assert holds(data)
    folder = long_chain(data)
    for path in folder.iterdir():
        path.unlink()
    assert not holds(data)
    assert codes(data) == {"truncated"}

import stat
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from situs.errors import OperatorError
from situs.trust.keys import (
    SigningKey,
    load_public_key,
    open_signing_key,
    pinned_keys,
    rotate_signing_key,
)


def test_the_key_is_made_once_and_private(tmp_path):
    first, again = (open_signing_key(tmp_path / "keys") for _ in range(2))
    assert first.id == again.id
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "keys" / "receipts.key").stat().st_mode) == 0o600
    assert {p.name for p in (tmp_path / "keys").iterdir()} == {"receipts.key", "receipts.pub"}


def test_a_signature_holds_for_its_message_and_key_only(tmp_path):
    key, other = (open_signing_key(tmp_path / name) for name in ("a", "b"))
    signature = key.sign(b"message")
    public = load_public_key(tmp_path / "a" / "receipts.pub")
    assert public.id == key.id
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"another")
    assert not other.public.verifies(signature, b"message")


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_garbage_is_no_signature(garbage):
    key = SigningKey(Ed25519PrivateKey.generate())
    assert not key.public.verifies(garbage, b"message")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path, mode):
    open_signing_key(tmp_path)
    (tmp_path / "receipts.key").chmod(mode)
    with pytest.raises(OperatorError, match="read by others"):
        open_signing_key(tmp_path)


@pytest.mark.parametrize("name", ["receipts.key", "receipts.pub"])
def test_a_file_that_is_no_key_is_refused(tmp_path, name):
    open_signing_key(tmp_path)
    (tmp_path / name).write_text("not a key")
    with pytest.raises(OperatorError, match="is not an Ed25519"):
        open_signing_key(tmp_path)


def test_a_public_key_of_another_private_one_is_refused(tmp_path):
    open_signing_key(tmp_path / "a")
    open_signing_key(tmp_path / "b")
    (tmp_path / "a" / "receipts.pub").write_bytes((tmp_path / "b" / "receipts.pub").read_bytes())
    with pytest.raises(OperatorError, match="does not belong"):
        open_signing_key(tmp_path / "a")


def test_retired_public_keys_stay_pinned(tmp_path):
    old = open_signing_key(tmp_path)
    (tmp_path / "receipts.key").unlink()
    (tmp_path / "receipts.pub").rename(tmp_path / "retired.pub")
    new = open_signing_key(tmp_path)
    assert {key.id for key in pinned_keys(tmp_path)} == {old.id, new.id}


def test_a_directory_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="cannot be read or written"):
        open_signing_key(tmp_path / "file" / "keys")


def named(key, *rotations):
    """The key that they lead to from this one."""
    for rotation in rotations:
        key = key.successor(rotation)
        assert key is not None
    return key


def test_a_rotation_puts_a_new_key_in_its_place_that_the_old_one_names(tmp_path):
    first = open_signing_key(tmp_path)
    old, new = rotate_signing_key(tmp_path, 1_750_000_000)
    assert (old.id, old.rotations) == (first.id, ())
    again = open_signing_key(tmp_path)
    assert again.id == new.id != old.id
    [rotation] = again.rotations
    assert rotation.at == 1_750_000_000
    assert named(old.public, rotation).id == new.id
    assert {key.id for key in pinned_keys(tmp_path)} == {old.id, new.id}
    assert stat.S_IMODE((tmp_path / "receipts.key").stat().st_mode) == 0o600


def test_several_rotations_lead_from_the_first_key_to_the_last(tmp_path):
    keys = [open_signing_key(tmp_path)]
    keys += [rotate_signing_key(tmp_path, at)[1] for at in range(3)]
    assert named(keys[0].public, *keys[-1].rotations).id == keys[-1].id
    assert len({key.id for key in pinned_keys(tmp_path)}) == 4


@pytest.mark.parametrize("member", ["old", "public_key", "at", "signature"])
def test_a_rotation_that_was_changed_names_nobody(tmp_path, member):
    old, new = (open_signing_key(tmp_path), rotate_signing_key(tmp_path, 7)[1])
    [rotation] = new.rotations
    value = getattr(rotation, member)
    other = value + 1 if member == "at" else value[:-1] + ("0" if value[-1] != "0" else "1")
    assert old.public.successor(replace(rotation, **{member: other})) is None
    assert new.public.successor(rotation) is None


@pytest.mark.parametrize("garbage", ["", "zz", "00", "\N{SNOWMAN}"])
def test_garbage_is_no_rotation(tmp_path, garbage):
    old = open_signing_key(tmp_path)
    [rotation] = rotate_signing_key(tmp_path, 7)[1].rotations
    for member in ("public_key", "signature"):
        assert old.public.successor(replace(rotation, **{member: garbage})) is None


ROTATE = """
import os, sys
from itertools import count
from pathlib import Path
from situs.trust.keys import open_signing_key, rotate_signing_key

def rotate(folder, stop_at):
    calls = count(1)
    def hook(event, arguments):
        if event in ("open", "os.rename", "os.link", "os.remove") and next(calls) == stop_at:
            os._exit(9)
    sys.addaudithook(hook)
    rotate_signing_key(folder, 7)
    os._exit(0)

for step in count(1):
    folder = Path(sys.argv[1]) / str(step)
    open_signing_key(folder)
    pid = os.fork() or rotate(folder, step)
    if os.waitpid(pid, 0)[1] == 0:
        break
"""


def test_a_rotation_that_is_cut_short_leaves_one_whole_key_and_is_finished_by_the_next(tmp_path):
    """Ended before each single thing that it does with a file."""
    subprocess.run([sys.executable, "-c", ROTATE, tmp_path], timeout=60, check=True)
    folders = list(tmp_path.iterdir())
    assert len(folders) > 8
    ended_as = set()
    for folder in folders:
        kept = [path for path in folder.glob("*.pub") if path.name != "receipts.pub"]
        first = load_public_key(kept[0] if kept else folder / "receipts.pub")
        key = open_signing_key(folder)
        ended_as.add(key.id == first.id)
        assert named(first, *key.rotations).id == key.id
        _, new = rotate_signing_key(folder, 8)
        assert named(first, *new.rotations).id == open_signing_key(folder).id == new.id != first.id
        assert first.id in {key.id for key in pinned_keys(folder)}
    assert ended_as == {True, False}


def test_a_key_that_was_replaced_by_hand_is_still_refused(tmp_path):
    rotate = tmp_path / "a"
    open_signing_key(rotate)
    rotate_signing_key(rotate, 7)
    open_signing_key(tmp_path / "b")
    (rotate / "receipts.key").write_bytes((tmp_path / "b" / "receipts.key").read_bytes())
    with pytest.raises(OperatorError, match="does not belong"):
        open_signing_key(rotate)


def test_rotations_that_cannot_be_read_are_said_so(tmp_path):
    open_signing_key(tmp_path)
    (tmp_path / "rotations.jsonl").write_text("not json\n")
    with pytest.raises(OperatorError, match="something else than rotations"):
        rotate_signing_key(tmp_path, 7)

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.errors import OperatorError
from situs.trust.keys import SigningKey, load_public_key, open_signing_key, pinned_keys


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

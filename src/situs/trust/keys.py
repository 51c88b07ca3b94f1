"""The Ed25519 key that signs receipt checkpoints, and the public keys that check them."""

from __future__ import annotations

import fcntl
import os
import threading
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from situs.core.record import Rotation
from situs.errors import OperatorError

KEY_FILE = "receipts.key"
PUBLIC_FILE = "receipts.pub"
ROTATIONS_FILE = "rotations.jsonl"
_NEXT_FILE = "receipts.key.next"


def key_id(public: bytes) -> str:
    """The first 16 hex digits of the SHA-256 of the raw public key (32 bytes)."""
    return sha256(public).hexdigest()[:16]


class PublicKey:
    """Checks signatures of one key."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = key_id(self.raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def successor(self, rotation: Rotation) -> PublicKey | None:
        """The key that `rotation` names, if this one says so."""
        text = rotation_text(rotation.old, rotation.public_key, rotation.at)
        try:
            signature, raw = (bytes.fromhex(x) for x in (rotation.signature, rotation.public_key))
            if rotation.old != self.id or not self.verifies(signature, text):
                return None
            return PublicKey(Ed25519PublicKey.from_public_bytes(raw))
        except ValueError:
            return None


def rotation_text(old: str, public_key: str, at: int) -> bytes:
    """The bytes that a rotation's signature is over."""
    return f"situs receipts rotation v1\n{old}\n{public_key}\n{at}\n".encode()


class SigningKey:
    """Signs; the private part never leaves this object. `rotations` lead to it, oldest first."""

    def __init__(self, key: Ed25519PrivateKey, rotations: tuple[Rotation, ...] = ()) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())
        self.id = self.public.id
        self.rotations = rotations

    @property
    def public_raw(self) -> bytes:
        return self.public.raw

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def open_signing_key(keys_dir: Path) -> SigningKey:
    """Load `receipts.key`, or create it (mode 600) with `receipts.pub` at the first start.

    A rotation that was cut short after the key was replaced is finished.

    Raises OperatorError when the key file can be read by others, is not an Ed25519 key, does not
    match `receipts.pub`, or cannot be read or written.
    """
    path = keys_dir / KEY_FILE
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        return _opened(path)
    except OSError as error:
        raise _unusable(path, error) from error


def rotate_signing_key(keys_dir: Path, at: int) -> tuple[SigningKey, SigningKey]:
    """Put a new key in the place of `receipts.key`, named by it; the old key and the new one.

    The old public key stays as `receipts-ID.pub`, for what it signed; the old private one is gone
    from the directory. Cut short at any moment, the old or the new key is whole, and the next call
    finishes it. Raises OperatorError.
    """
    path, following = keys_dir / KEY_FILE, keys_dir / _NEXT_FILE
    fd = -1
    try:
        fd = os.open(keys_dir, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
        old = _opened(path)
        if not following.exists():
            _create(following)
        new = _read_private(following)
        public = PublicKey(new.public_key())
        if not any(one.public_key == public.raw.hex() for one in _rotations(keys_dir)):
            text = rotation_text(old.id, public.raw.hex(), at)
            _note(keys_dir, Rotation(old.id, public.raw.hex(), at, old.sign(text).hex()))
        _keep_public(keys_dir, old.public)
        following.replace(path)
        os.fsync(fd)
        return old, _opened(path)
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        if fd >= 0:
            os.close(fd)


def _unusable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"The signing key {path} cannot be read or written: {error.strerror}.",
        do="Mend the permissions of the keys directory.",
    )


def _opened(path: Path) -> SigningKey:
    """The key, with its public part beside it."""
    private = _read_private(path)
    public = PublicKey(private.public_key())
    key = SigningKey(private, _leading_to(public, _rotations(path.parent)))
    _publish(path.with_name(PUBLIC_FILE), key)
    return key


def _leading_to(key: PublicKey, rotations: list[Rotation]) -> tuple[Rotation, ...]:
    """Those by which the first key came to name this one; one that was not carried out is none."""
    ladder: list[Rotation] = []
    wanted = key.id
    for one in reversed(rotations):
        if _id_of(one.public_key) == wanted:
            ladder.append(one)
            wanted = one.old
    return tuple(reversed(ladder))


def _id_of(public_key: str) -> str | None:
    """The id of a raw key in hex; None for what is none."""
    try:
        return key_id(bytes.fromhex(public_key))
    except ValueError:
        return None


def _rotations(keys_dir: Path) -> list[Rotation]:
    path = keys_dir / ROTATIONS_FILE
    try:
        return [msgspec.json.decode(line, type=Rotation) for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        return []
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path} cannot be read: it holds something else than rotations.",
            do="Restore it from a backup.",
        ) from error


def _note(keys_dir: Path, rotation: Rotation) -> None:
    """Durable on return; the file is replaced whole."""
    lines = [*_rotations(keys_dir), rotation]
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    _write_over(keys_dir / ROTATIONS_FILE, content, 0o644)


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    _write_once(path, pem, 0o600)


def _read_private(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o077:
        raise OperatorError(
            f"The signing key {path} can be read by others.", do=f"Run: chmod 600 {path}"
        )
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(
            f"{path} is not an Ed25519 private key in PEM.", do="Restore it from a backup."
        )
    return key


def _publish(path: Path, key: SigningKey) -> None:
    """Write the public part beside the key, or check that it is the one already there.

    That of the key before it gives way; it was kept under another name.
    """
    if not path.exists():
        _write_once(path, _public_pem(key.public), 0o644)
        return
    there = load_public_key(path)
    if there.raw == key.public.raw:
        return
    if not key.rotations or there.id != key.rotations[-1].old:
        raise OperatorError(
            f"{path} does not belong to {path.with_name(KEY_FILE)}.",
            do="Rename the old public key (it still checks old receipts), then start again.",
        )
    _keep_public(path.parent, there)
    _write_over(path, _public_pem(key.public), 0o644)


def _keep_public(keys_dir: Path, public: PublicKey) -> None:
    """A key that signs no more is still trusted for what it signed."""
    _write_once(keys_dir / f"receipts-{public.id}.pub", _public_pem(public), 0o644)


def _public_pem(public: PublicKey) -> bytes:
    return Ed25519PublicKey.from_public_bytes(public.raw).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )


def _write_once(path: Path, content: bytes, mode: int) -> None:
    """Create a file whole or not at all; a name that appeared meanwhile is left as it is."""
    scratch = _scratch(path, content, mode)
    try:
        os.link(scratch, path)
    except FileExistsError:
        return
    finally:
        scratch.unlink()


def _write_over(path: Path, content: bytes, mode: int) -> None:
    """Create a file or replace it, whole or not at all."""
    _scratch(path, content, mode).replace(path)


def _scratch(path: Path, content: bytes, mode: int) -> Path:
    """A durable file beside `path`."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    return scratch


def load_public_key(path: Path, do: str = "Give the path of a public key.") -> PublicKey:
    """Raises OperatorError, with that advice, when the file is not an Ed25519 public key in PEM."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.", do=do) from error
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise OperatorError(f"{path} is not an Ed25519 public key in PEM.", do=do)
    return PublicKey(key)


def pinned_keys(keys_dir: Path) -> list[PublicKey]:
    """Every public key kept in the directory (`*.pub`), the retired ones included.

    Raises OperatorError as `load_public_key` does.
    """
    do = "Take it out of there, or restore it: each *.pub in this folder is a key that is trusted."
    return [load_public_key(path, do) for path in sorted(keys_dir.glob("*.pub"))]

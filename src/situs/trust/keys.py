"""The Ed25519 key that signs receipt checkpoints, and the public keys that check them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
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

from situs.errors import OperatorError

KEY_FILE = "receipts.key"
PUBLIC_FILE = "receipts.pub"


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


class SigningKey:
    """Signs; the private part never leaves this object."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())
        self.id = self.public.id

    @property
    def public_raw(self) -> bytes:
        return self.public.raw

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def open_signing_key(keys_dir: Path) -> SigningKey:
    """Load `receipts.key`, or create it (mode 600) with `receipts.pub` at the first start.

    Raises OperatorError when the key file can be read by others, is not an Ed25519 key, does not
    match `receipts.pub`, or cannot be read or written.
    """
    path = keys_dir / KEY_FILE
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        key = SigningKey(_read_private(path))
        _publish(keys_dir / PUBLIC_FILE, key.public)
    except OSError as error:
        raise OperatorError(
            f"The signing key {path} cannot be read or written: {error.strerror}.",
            do="Mend the permissions of the keys directory.",
        ) from error
    return key


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
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(
            f"{path} is not an Ed25519 private key in PEM.", do="Restore it from a backup."
        )
    return key


def _publish(path: Path, public: PublicKey) -> None:
    """Write the public part beside the key, or check that it is the one already there."""
    if not path.exists():
        pem = Ed25519PublicKey.from_public_bytes(public.raw).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        _write_once(path, pem, 0o644)
    elif load_public_key(path).raw != public.raw:
        raise OperatorError(
            f"{path} does not belong to {path.with_name(KEY_FILE)}.",
            do="Rename the old public key (it still checks old receipts), then start again.",
        )


def _write_once(path: Path, content: bytes, mode: int) -> None:
    """Create a file whole or not at all; a name that appeared meanwhile is left as it is."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        try:
            os.link(scratch, path)
        except FileExistsError:
            return
    finally:
        scratch.unlink()


def load_public_key(path: Path) -> PublicKey:
    """Raises OperatorError when the file is not an Ed25519 public key in PEM."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be read: {error.strerror}.", do="Give the path of a public key."
        ) from error
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise OperatorError(
            f"{path} is not an Ed25519 public key in PEM.", do="Give the path of a public key."
        )
    return PublicKey(key)


def pinned_keys(keys_dir: Path) -> list[PublicKey]:
    """Every public key kept in the directory (`*.pub`), the retired ones included."""
    return [load_public_key(path) for path in sorted(keys_dir.glob("*.pub"))]

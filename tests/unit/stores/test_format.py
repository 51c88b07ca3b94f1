"""The format is what the reference says: its test vectors are made again here."""

from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from situs.stores.lines import (
    GENESIS,
    CheckpointBody,
    CloseBody,
    OpenBody,
    encode,
    head,
    salted,
    signed_text,
)
from situs.stores.merkle import Frontier
from situs.trust.keys import SigningKey

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "receipts.md"
CHAIN = "0123456789ab"


def vector():
    """An `open`, a `close`, and a checkpoint over both, signed by a key anyone can make."""
    seed = sha256(b"situs receipts test vector").digest()
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(seed))
    lines: list[bytes] = []
    tree, prev = Frontier(), GENESIS

    def add(kind, body):
        nonlocal prev
        lines.append(head(kind, CHAIN, len(lines), prev) + encode(body)[1:])
        digest = sha256(lines[-1])
        prev = digest.hexdigest()
        tree.extend([digest.digest()])

    add("open", OpenBody(1750000000.0, "0.1.0", key.id, key.public_raw.hex()))
    add("close", CloseBody(1750000001.5, 0, 0, 0))
    root = tree.root().hex()
    signature = key.sign(signed_text(CHAIN, 0, 2, root)).hex()
    add("checkpoint", CheckpointBody(1750000001.5, 0, 2, root, key.id, signature))
    return [line.decode() for line in lines]


def test_the_reference_shows_the_vectors_as_they_are_made():
    text = REFERENCE.read_text()
    assert "\n".join(vector()) in text


def test_the_reference_shows_the_digests_as_they_are_made():
    text = REFERENCE.read_text()
    salt = bytes(range(16))
    assert sha256(salt + b"hello").hexdigest() in text
    assert salted(salt, "session", "hello") in text


def test_the_reference_shows_the_standalone_verifier_whole():
    script = REFERENCE.with_name("verify_receipts.py").read_text()
    assert script in REFERENCE.read_text()

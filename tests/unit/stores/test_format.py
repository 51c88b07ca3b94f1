"""The format is what the reference says: its test vectors are made again here."""

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from situs.core.record import Approval, Outcome, Rotation
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
from situs.stores.merkle import Frontier, leaf
from situs.stores.proofs import Inclusion, problem_of
from situs.trust.keys import SigningKey, rotation_text

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


def rotation():
    """The key of the vector names a second one that anyone can make."""
    first, second = (
        SigningKey(Ed25519PrivateKey.from_private_bytes(sha256(seed).digest()))
        for seed in (b"situs receipts test vector", b"situs receipts test vector 2")
    )
    raw = second.public_raw.hex()
    signature = first.sign(rotation_text(first.id, raw, 1750000002)).hex()
    return first, Rotation(first.id, raw, 1750000002, signature)


def inclusion():
    """Of the `close`, under the checkpoint."""
    opening, close, checkpoint = vector()
    path = leaf(sha256(opening.encode()).digest()).hex()
    return Inclusion(line=close, index=1, path=(path,), checkpoint=checkpoint)


def test_the_reference_shows_a_rotation_and_a_proof_as_they_are_made():
    text = REFERENCE.read_text()
    first, made = rotation()
    assert first.public.successor(made) is not None
    assert msgspec.json.encode(made).decode() in text
    assert problem_of(inclusion(), [first.public]) is None
    assert msgspec.json.encode(inclusion()).decode() in text


def test_the_reference_shows_the_digests_as_they_are_made():
    text = REFERENCE.read_text()
    salt = bytes(range(16))
    assert sha256(salt + b"hello").hexdigest() in text
    assert salted(salt, "session", "hello") in text


def test_the_reference_shows_an_outcome_with_a_persons_word_as_it_is_made():
    over = Outcome(
        "req_0", 1750000003.0, 403, "not_approved", (), None, None, None, None, 0.001, 12.5, 0.0005
    )
    for word in (None, Approval(False, "ada", 1750000002.5)):
        line = head("outcome", CHAIN, 3, GENESIS) + encode(replace(over, approval=word))[1:]
        assert (line.decode() in REFERENCE.read_text()) is (word is not None)
        assert msgspec.json.decode(line, type=Outcome).approval == word
        assert (b"approval" in line) is (word is not None)


@pytest.mark.parametrize("script", ["verify_receipts.py", "check_proof.py"])
def test_the_reference_shows_the_programs_whole(script):
    assert REFERENCE.with_name(script).read_text() in REFERENCE.read_text()

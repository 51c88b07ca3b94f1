"""Each way to tamper is found, relative to the first public key and what others hold: an anchor.

The record has everything that one can have: several chains and segments, a witness, two rotations
of the signing key, one of them while a chain was written, and a retired segment.
"""

import json
import shutil
import time
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, to_builtins
from tests.unit.stores.writing import (
    retired,
    serve,
    several_segments,
    until,
    witnessing,
    writing,
)

from situs.core.record import Rotation
from situs.stores.anchor_places import place
from situs.stores.anchors import Anchoring, held
from situs.stores.layout import chains, is_witness, receipts_dir, roots, segments
from situs.stores.lines import GENESIS, read_root, root_line, signed_text
from situs.stores.merkle import Frontier
from situs.stores.verify import verify
from situs.trust.keys import (
    PublicKey,
    SigningKey,
    open_signing_key,
    rotate_signing_key,
    rotation_text,
)


class Made(Struct):
    """The record, its first public key, the private one that was replaced, and an earlier copy.

    `long` is a chain of several segments, `turned` one that was written while its key was replaced.
    """

    data: Path
    trusted: PublicKey
    stolen: SigningKey
    long: Path
    turned: Path

    @property
    def before(self):
        return self.data / "before"

    @property
    def receipts(self):
        return receipts_dir(self.data)

    def report(self, *, anchored=True):
        anchors = place(str(self.data / "anchors.jsonl"), self.data, self.data).anchors()
        return verify(self.receipts, [self.trusted], held(anchors) if anchored else ())

    def codes(self, *, anchored=True):
        return {problem.code for problem in self.report(anchored=anchored).problems}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    data = tmp_path_factory.mktemp("tampering") / "data"
    trusted = open_signing_key(data / "keys").public
    with witnessing(data):
        several_segments(data, 4)
    long = max(chains(receipts_dir(data)), key=lambda folder: len(segments(folder))).name
    stolen, _ = rotate_signing_key(data / "keys", 1_750_000_000)
    with witnessing(data) as witness, writing(data) as writer:
        serve(writer, 100)
        _, new = rotate_signing_key(data / "keys", 1_750_000_001)
        writer.sign_with(new)
        witness.sign_with(new)
        folder = receipts_dir(data) / writer.state().chain
        serve(writer, 101)
        until(lambda: len(segments(folder)) == 2)
        serve(writer, 102)
    shutil.copytree(receipts_dir(data), data / "before")
    with witnessing(data), writing(data) as writer:
        serve(writer, 200)
    retired(data, ready=lambda name, file: (name, int(file[:-6])) == (long, 0))
    Anchoring(receipts_dir(data), place(str(data / "anchors.jsonl"), data, data)).run(time.time())
    made = Made(data, trusted, stolen, receipts_dir(data) / long, folder)
    assert made.report().problems == ()
    assert len(made.report().keys) == 3
    return made


@pytest.fixture
def made(sound, tmp_path):
    shutil.copytree(sound.data, tmp_path / "data")
    data = tmp_path / "data"
    long, turned = (receipts_dir(data) / folder.name for folder in (sound.long, sound.turned))
    return Made(data, sound.trusted, sound.stolen, long, turned)


# Tools of an attacker: one who knows the format can make all links fit again, and sign with a key.


def lines_of(path):
    return path.read_bytes().split(b"\n")[:-1]


def write(path, lines):
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def compact(line):
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()


def at(lines, kind, nth=0):
    return [i for i, line in enumerate(lines) if f'"type":"{kind}"'.encode() in line][nth]


def falsified(line):
    """Another label, of which the record says everywhere that it was so."""
    return line.replace(b'"label":"confidential"', b'"label":"public"')


def rewritten(folder, change, key=None, opening=None):
    """Apply `change` to all lines, then make sequence, links and roots fit; signed with `key`.

    The parts of `opening` go into every first line of a segment. What is retired stays.
    """
    prev, seq = GENESIS, 0
    for path in roots(folder):
        root, _, _ = read_root(path.read_bytes())
        prev, seq = root.last, root.first + root.lines
    digests: dict[int, list[bytes]] = {}
    for path in segments(folder):
        first, kept = int(path.stem), []
        digests[first] = []
        for raw in change(lines_of(path)):
            line = json.loads(raw)
            line["seq"], line["prev"] = seq, prev
            if line["type"] == "open":
                line.update(opening or {})
            if line["type"] == "checkpoint" and line["first"] in digests:
                tree = Frontier()
                tree.extend(digests[line["first"]][: line["size"]])
                line["root"] = tree.root().hex()
                text = signed_text(folder.name, line["first"], line["size"], line["root"])
                if key is not None:
                    line["key"], line["signature"] = key.id, key.sign(text).hex()
            kept.append(compact(line))
            prev, seq = sha256(kept[-1]).hexdigest(), seq + 1
            digests[first].append(bytes.fromhex(prev))
        write(path, kept)
        head = [line for line in kept if b'"type":"checkpoint"' in line][-1:] or kept[:1]
    write(folder / "head.json", head)


def content(folder):
    return b"".join(path.read_bytes() for path in segments(folder))


def own(made):
    return open_signing_key(made.data / "keys")


def own_key():
    return SigningKey(Ed25519PrivateKey.generate())


def opened_by(key, rotations=()):
    return {"key": key.id, "public_key": key.public_raw.hex(), "rotations": to_builtins(rotations)}


# The ways.


def edit(made):
    path = segments(made.long)[0]
    lines = lines_of(path)
    i = at(lines, "decision", 1)
    lines[i] = falsified(lines[i])
    write(path, lines)


def edit_and_relink(made):
    rewritten(made.long, lambda lines: [falsified(line) for line in lines])


def reorder(made):
    path = segments(made.long)[0]
    lines = lines_of(path)
    lines[3], lines[4] = lines[4], lines[3]
    write(path, lines)


def insert(made):
    path = segments(made.long)[0]
    lines = lines_of(path)
    write(path, [*lines[:4], lines[at(lines, "decision")], *lines[4:]])


def remove(made):
    path = segments(made.long)[0]
    lines = lines_of(path)
    write(path, lines[:4] + lines[5:])


def truncate(made):
    path = segments(made.long)[-1]
    write(path, lines_of(path)[:-3])


def truncate_with_an_older_head(made):
    path = segments(made.turned)[-1]
    kept = lines_of(path)[: at(lines_of(path), "checkpoint") + 1]
    write(path, kept)
    write(made.turned / "head.json", kept[-1:])


def swap_segments(made):
    one, two = segments(made.long)[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def remove_a_segment(made):
    segments(made.long)[0].unlink()


def remove_a_chain(made):
    shutil.rmtree(made.turned)


def remove_a_chain_and_all_witnesses(made):
    for folder in chains(made.receipts):
        if is_witness(folder) or folder == made.turned:
            shutil.rmtree(folder)


def roll_back(made):
    shutil.rmtree(made.receipts)
    shutil.copytree(made.before, made.receipts)


def change_what_the_holder_of_the_key_signed(made):
    """The operator, with the real key, signs another past."""
    newest = max(chains(made.receipts), key=lambda f: b'"req-000000200"' in content(f))
    rewritten(newest, lambda lines: [falsified(line) for line in lines], own(made))


def replace_the_key(made):
    key = own_key()
    rewritten(made.long, lambda lines: [falsified(line) for line in lines], key, opened_by(key))


def replace_the_key_everywhere(made):
    for folder in chains(made.receipts):
        key = own_key()
        rewritten(folder, lambda lines: [falsified(line) for line in lines], key, opened_by(key))


def forge_a_rotation(made):
    """One that names the attacker's key as if the first one had."""
    key = own_key()
    raw = key.public_raw.hex()
    signature = key.sign(rotation_text(made.trusted.id, raw, 7)).hex()
    forged = Rotation(made.trusted.id, raw, 7, signature)
    rewritten(made.long, lambda lines: lines, key, opened_by(key, (forged,)))


def turn_a_rotation_to_another_key(made):
    """A real rotation, of which only the new key is another one."""
    key = own_key()
    path = segments(made.turned)[-1]
    real = json.loads(lines_of(path)[0])["rotations"]
    real[-1]["public_key"] = key.public_raw.hex()
    rewritten(made.turned, lambda lines: lines, key, opened_by(key, real))


def leave_the_rotations_out(made):
    def without(lines):
        opening = json.loads(lines[0])
        opening.pop("rotations", None)
        return [compact(opening), *lines[1:]]

    rewritten(made.turned, without)


def go_on_with_the_key_that_was_replaced(made):
    """Whoever stole it later signs the rest of a chain in which it was replaced."""
    rewritten(made.turned, lambda lines: [falsified(line) for line in lines], made.stolen)


def forge_a_root(made):
    path = roots(made.long)[0]
    root, _, _ = read_root(path.read_bytes())
    forged = own_key()
    path.write_bytes(root_line(root, forged.sign).replace(root.key.encode(), forged.id.encode()))


def change_a_root(made):
    path = roots(made.long)[0]
    path.write_bytes(path.read_bytes().replace(b'"decisions":', b'"decisions":1'))


def sign_a_checkpoint_anew(made):
    path = segments(made.long)[-1]
    lines = lines_of(path)
    line = json.loads(lines[-1])
    line["signature"] = own_key().sign(b"something else").hex()
    write(path, [*lines[:-1], compact(line)])
    write(made.long / "head.json", [compact(line)])


def put_another_head(made):
    shutil.copy(made.turned / "head.json", made.long / "head.json")


WAYS = [
    (edit, {"broken_link", "wrong_root"}),
    (edit_and_relink, {"bad_signature"}),
    (reorder, {"sequence", "broken_link", "wrong_root"}),
    (insert, {"sequence", "broken_link", "wrong_root"}),
    (remove, {"sequence", "broken_link", "wrong_root"}),
    (truncate, {"truncated"}),
    (truncate_with_an_older_head, {"truncated"}),
    (swap_segments, {"segment_start", "sequence", "broken_link"}),
    (remove_a_segment, {"sequence", "broken_link"}),
    (remove_a_chain, {"chain_missing"}),
    (remove_a_chain_and_all_witnesses, {"chain_missing"}),
    (roll_back, {"chain_missing"}),
    (change_what_the_holder_of_the_key_signed, {"not_as_cited"}),
    (replace_the_key, {"unknown_key"}),
    (replace_the_key_everywhere, {"unknown_key"}),
    (forge_a_rotation, {"bad_rotation", "unknown_key"}),
    (turn_a_rotation_to_another_key, {"bad_rotation"}),
    (leave_the_rotations_out, {"bad_signature"}),
    (go_on_with_the_key_that_was_replaced, {"former_key"}),
    (forge_a_root, {"unknown_key"}),
    (change_a_root, {"bad_signature"}),
    (sign_a_checkpoint_anew, {"bad_signature"}),
    (put_another_head, {"head_missing"}),
]


@pytest.mark.parametrize(
    ("way", "expected"), WAYS, ids=lambda value: getattr(value, "__name__", "")
)
def test_tampering_is_found(made, way, expected):
    assert made.codes() == set()
    way(made)
    found = made.codes()
    assert expected <= found, found


def test_only_an_anchor_shows_that_the_whole_directory_was_rolled_back(made):
    """The limit that the reference states."""
    roll_back(made)
    assert made.codes(anchored=False) == set()
    assert made.codes() == {"chain_missing"}


def test_a_receipt_that_a_client_holds_shows_what_the_holder_of_the_key_changed(made):
    """Without any anchor, and with every witness gone."""
    newest = max(chains(made.receipts), key=lambda f: b'"req-000000200"' in content(f))
    lines = lines_of(segments(newest)[0])
    receipt = lines[at(lines, "decision")]
    rewritten(newest, lambda lines: [falsified(x) for x in lines], own(made), {"previous": []})
    for folder in chains(made.receipts):
        if folder != newest:
            shutil.rmtree(folder)
    codes = {p.code for p in verify(made.receipts, [made.trusted]).problems}
    assert codes == set()
    codes = {p.code for p in verify(made.receipts, [made.trusted], held([receipt])).problems}
    assert codes == {"not_as_cited"}


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_byte_of_lines_roots_and_heads_can_change_unseen(sound, where, flip):
    paths = sorted(p for p in sound.receipts.rglob("*") if p.suffix in (".jsonl", ".root", ".json"))
    position = int(where * sum(path.stat().st_size for path in paths))
    while position >= (size := paths[0].stat().st_size):
        position, paths = position - size, paths[1:]
    path, before = paths[0], paths[0].read_bytes()
    changed = bytearray(before)
    changed[position] ^= flip
    if changed.strip() == before.strip():  # the newline at the end of a head or a root
        return
    path.write_bytes(changed)
    try:
        assert sound.report().problems
    finally:
        path.write_bytes(before)

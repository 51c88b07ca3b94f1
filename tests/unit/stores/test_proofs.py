"""A proof holds for what it says, with the public key alone, and for nothing else."""

import json
import shutil

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.stores.test_tampering import at, lines_of
from tests.unit.stores.writing import (
    retired,
    several_segments,
    with_another_key,
)

from situs.errors import SegmentError
from situs.stores.layout import chains, receipts_dir, segments
from situs.stores.proofs import grown, line_at, problem_of, prove, read_proof
from situs.trust.keys import open_signing_key, pinned_keys


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One chain of several segments."""
    data = tmp_path_factory.mktemp("proofs") / "data"
    several_segments(data, 3)
    return data


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A chain of two segments, each signed with a key of its own."""
    data = tmp_path_factory.mktemp("turned") / "data"
    with_another_key(data)
    return data


def only_chain(data):
    [folder] = chains(receipts_dir(data))
    return folder


def every_line(data):
    return [line for path in segments(only_chain(data)) for line in lines_of(path)]


def checkpoints(data):
    return [line for line in every_line(data) if b'"type":"checkpoint"' in line[:40]]


def first_key(data):
    """The public key that everybody was given at the beginning."""
    ids = {json.loads(line)["key"] for line in checkpoints(data)[:1]}
    [key] = [key for key in pinned_keys(data / "keys") if key.id in ids]
    return key


def again(proof):
    return read_proof(msgspec.json.encode(proof))


@pytest.mark.parametrize("made", ["data", "turned"])
def test_every_signed_line_has_a_proof_that_the_first_public_key_checks(made, request):
    data = request.getfixturevalue(made)
    lines, chain = every_line(data), only_chain(data).name
    for seq, line in enumerate(lines[:-1]):
        proof = again(prove(receipts_dir(data), chain, seq))
        assert proof.line.encode() == line
        assert problem_of(proof, [first_key(data)]) is None
    with pytest.raises(SegmentError, match="not signed"):  # the last checkpoint is under no other
        prove(receipts_dir(data), chain, len(lines) - 1)


@pytest.mark.parametrize("made", ["data", "turned"])
def test_between_any_two_checkpoints_there_is_a_proof_or_a_later_one_is_named(made, request):
    data = request.getfixturevalue(made)
    found, key = checkpoints(data), first_key(data)
    later = []
    for i, old in enumerate(found):
        for new in found[i:]:
            try:
                proof = again(grown(receipts_dir(data), old, new))
            except SegmentError as error:
                later.append((new, error.advice))
                continue
            assert problem_of(proof, [key]) is None
            assert (proof.old.encode(), proof.new.encode()) == (old, new)
    for new, advice in later:  # it was signed without the last checkpoint of the segment before
        assert "later checkpoint" in advice
        new = json.loads(new)
        [closing] = [c for c in map(json.loads, found) if c["first"] + c["size"] == new["first"]]
        assert closing["seq"] >= new["first"] + new["size"]


def test_from_the_first_checkpoint_to_the_last_there_always_is_one(data):
    found = checkpoints(data)
    proof = grown(receipts_dir(data), found[0], found[-1])
    assert len(proof.hops) == len(segments(only_chain(data))) - 1 == 2
    assert problem_of(proof, [first_key(data)]) is None


@settings(deadline=None, max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 127), choice=st.booleans())
def test_no_byte_of_a_proof_can_change_so_that_it_proves_something_else(data, where, flip, choice):
    receipts, found = receipts_dir(data), checkpoints(data)
    chain = only_chain(data).name
    proof = prove(receipts, chain, 5) if choice else grown(receipts, found[1], found[-1])
    content = bytearray(msgspec.json.encode(proof))
    content[int(where * len(content))] ^= flip
    try:
        changed = read_proof(bytes(content))
    except SegmentError:
        return
    if problem_of(changed, [first_key(data)]) is None:  # white space, or what is not signed
        assert said(changed) == said(proof)


def said(proof):
    """What a proof proves: the line, or the trees."""
    if hasattr(proof, "line"):
        return proof.line
    old, new = json.loads(proof.old), json.loads(proof.new)
    return [(x["chain"], x["first"], x["size"], x["root"]) for x in (old, new)]


def test_a_proof_of_one_line_is_none_of_another(data):
    receipts, chain = receipts_dir(data), only_chain(data).name
    one, other = prove(receipts, chain, 3), prove(receipts, chain, 4)
    key = [first_key(data)]
    assert problem_of(replace(one, line=other.line), key) == "the line is not the one at this place"
    moved = replace(one, line=other.line, index=other.index)
    assert problem_of(moved, key) is not None
    assert "malformed" in str(problem_of(replace(one, path=one.path[:-1]), key))
    assert "malformed" in str(problem_of(replace(one, path=("zz",)), key))


def test_a_line_that_was_changed_before_it_was_signed_away_has_no_proof(data):
    receipts, chain = receipts_dir(data), only_chain(data).name
    proof = prove(receipts, chain, at(every_line(data), "decision"))
    lied = replace(proof, line=proof.line.replace('"label":"confidential"', '"label":"public"'))
    assert problem_of(lied, [first_key(data)]) == "the path does not lead to the root"


def test_segments_cannot_be_left_out_or_taken_from_elsewhere(data):
    found, key = checkpoints(data), [first_key(data)]
    proof = grown(receipts_dir(data), found[0], found[-1])
    one, two = proof.hops
    for hops in ((one,), (two,), (two, one), (one, one), ()):
        assert problem_of(replace(proof, hops=hops), key) is not None


def test_another_key_proves_nothing(data, turned, tmp_path):
    stranger = open_signing_key(tmp_path).public
    chain = only_chain(turned).name
    for proof in (
        prove(receipts_dir(turned), chain, 1),
        grown(receipts_dir(turned), checkpoints(turned)[0], checkpoints(turned)[-1]),
    ):
        assert "unknown_key" in str(problem_of(proof, [stranger]))
        assert "unknown_key" in str(problem_of(proof, []))


def test_without_its_rotations_a_proof_under_a_later_key_proves_nothing_to_who_has_the_first(
    turned,
):
    chain = only_chain(turned).name
    last = len(every_line(turned)) - 2
    proof = prove(receipts_dir(turned), chain, last)
    assert len(proof.rotations) == 1
    assert problem_of(proof, [first_key(turned)]) is None
    assert "unknown_key" in str(problem_of(replace(proof, rotations=()), [first_key(turned)]))
    forged = replace(proof.rotations[0], at=8)
    problem = problem_of(replace(proof, rotations=(forged,)), [first_key(turned)])
    assert problem == "a rotation is not signed by the key before it"


@pytest.mark.parametrize("seq", [-1, 10_000])
def test_lines_that_are_not_there_are_said_so(data, seq):
    with pytest.raises(SegmentError, match="is not here"):
        prove(receipts_dir(data), only_chain(data).name, seq)
    with pytest.raises(SegmentError, match="There is no chain 000000000000 in "):
        line_at(receipts_dir(data), "000000000000", 0)


def test_of_a_retired_segment_there_is_no_proof(tmp_path):
    several_segments(tmp_path, 3)
    chain, found = only_chain(tmp_path), checkpoints(tmp_path)
    retired(tmp_path, ready=lambda name, file: int(file[:-6]) == 0)
    with pytest.raises(SegmentError, match="is not here"):
        prove(receipts_dir(tmp_path), chain.name, 1)
    with pytest.raises(SegmentError, match="is not here"):
        grown(receipts_dir(tmp_path), found[0], found[-1])


def test_what_is_no_pair_of_checkpoints_is_refused(data):
    found, lines = checkpoints(data), every_line(data)
    with pytest.raises(SegmentError, match="no later checkpoint"):
        grown(receipts_dir(data), found[-1], found[0])
    with pytest.raises(SegmentError, match="not a checkpoint"):
        grown(receipts_dir(data), lines[0], found[0])
    with pytest.raises(SegmentError, match="not a checkpoint"):
        grown(receipts_dir(data), b"garbage", found[0])


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"type":"inclusion"}', b"\xff", b"1"])
def test_what_is_no_proof_is_refused(content):
    with pytest.raises(SegmentError, match="no proof"):
        read_proof(content)


def test_a_proof_of_another_version_is_refused(data):
    proof = prove(receipts_dir(data), only_chain(data).name, 1)
    with pytest.raises(SegmentError, match="no proof that this version reads"):
        read_proof(msgspec.json.encode(replace(proof, v=2)))


def test_a_checkpoint_that_somebody_kept_does_not_fit_a_chain_that_was_changed(data, tmp_path):
    """The proof that is made does not hold: the tool finds out when it is asked for one."""
    shutil.copytree(data, tmp_path / "data")
    found = checkpoints(data)
    for path in segments(only_chain(tmp_path / "data")):
        content = path.read_bytes()
        path.write_bytes(content.replace(b'"label":"confidential"', b'"label":"public"', 1))
    proof = grown(receipts_dir(tmp_path / "data"), found[0], found[-1])
    assert problem_of(proof, [first_key(data)]) is not None

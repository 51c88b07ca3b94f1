from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.stores.merkle import (
    Frontier,
    audit_path,
    consistency,
    leaf,
    node,
    root_at,
    roots_of,
)


def rfc_root(entries):
    """The definition of RFC 6962, section 2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = rfc_root(entries[:split]), rfc_root(entries[split:])
    return sha256(b"\x01" + left + right).digest()


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(max_size=8), max_size=9), max_size=9))
def test_a_tree_grown_in_parts_has_the_rfc_root_after_every_part(parts):
    tree, entries = Frontier(), []
    for part in parts:
        tree.extend(part)
        entries += part
        assert tree.root() == rfc_root(entries)
        assert tree.size == len(entries)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_any_changed_entry_changes_the_root(entries, data):
    index = data.draw(st.integers(0, len(entries) - 1))
    changed = [*entries]
    changed[index] = changed[index] + b"."
    one, other = Frontier(), Frontier()
    one.extend(entries)
    other.extend(changed)
    assert one.root() != other.root()


def test_roots_of_certificate_transparency_test_vectors():
    entries = [bytes.fromhex(e) for e in ("", "00", "10", "2021")]
    known = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    tree = Frontier()
    for entry, root in zip(entries, known, strict=True):
        tree.extend([entry])
        assert tree.root().hex() == root


ENTRIES = st.lists(st.binary(max_size=4), min_size=1, max_size=40)


@settings(deadline=None)
@given(ENTRIES, st.data())
def test_an_audit_path_leads_from_an_entry_to_the_root_and_from_no_other(entries, data):
    index = data.draw(st.integers(0, len(entries) - 1))
    path = audit_path(entries, index)
    root = rfc_root(entries)
    assert root_at(entries[index], index, len(entries), path) == root
    assert root_at(entries[index] + b".", index, len(entries), path) != root
    for place in range(len(entries)):
        if place != index:
            with suppress(ValueError):
                assert root_at(b"other", place, len(entries), path) != root


@settings(deadline=None)
@given(ENTRIES, st.data())
def test_a_consistency_proof_leads_to_both_roots_and_to_no_other(entries, data):
    size = data.draw(st.integers(1, len(entries)))
    path, old, new = consistency(entries, size), rfc_root(entries[:size]), rfc_root(entries)
    assert roots_of(path, size, len(entries), old) == (old, new)
    other = rfc_root([*entries[: size - 1], entries[size - 1] + b"."])
    with suppress(ValueError):
        older, newer = roots_of(path, size, len(entries), other)
        assert older != other or newer != new or size == len(entries)


@settings(deadline=None)
@given(ENTRIES, st.data())
def test_paths_that_are_too_short_or_too_long_fit_nothing(entries, data):
    index = data.draw(st.integers(0, len(entries) - 1))
    path = audit_path(entries, index)
    with pytest.raises(ValueError, match="too long"):
        root_at(entries[index], index, len(entries), [*path, b"x" * 32])
    if path:
        with pytest.raises(ValueError, match="too short"):
            root_at(entries[index], index, len(entries), path[:-1])


def test_the_examples_of_rfc_6962_have_the_parts_that_it_names():
    """Section 2.1.3: seven entries; PATH and PROOF are written down there."""
    entries = [bytes([i]) for i in range(7)]
    a, b, c, d, e, f = map(leaf, entries[:6])
    g, h, i = node(a, b), node(c, d), node(e, f)
    j, k, last = leaf(entries[6]), node(g, h), node(i, leaf(entries[6]))
    assert audit_path(entries, 0) == [b, h, last]
    assert audit_path(entries, 3) == [c, g, last]
    assert audit_path(entries, 4) == [f, j, k]
    assert audit_path(entries, 6) == [i, k]
    assert consistency(entries, 3) == [c, d, g, last]
    assert consistency(entries, 4) == [last]
    assert consistency(entries, 6) == [i, j, k]


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_entry_stands_outside_of_a_tree(index, size):
    with pytest.raises(ValueError, match="no such place"):
        root_at(b"x", index, size, [])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_no_older_tree_is_empty_or_larger(old, new):
    with pytest.raises(ValueError, match="no such trees"):
        roots_of([], old, new, b"x" * 32)

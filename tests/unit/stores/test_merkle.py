from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from situs.stores.merkle import Frontier


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

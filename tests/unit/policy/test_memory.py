from __future__ import annotations

from situs.policy.memory import Memory


def test_the_longest_unused_goes_first():
    memory = Memory(limit=2)
    memory.put(b"a", 1)
    memory.put(b"b", 2)
    assert memory.get(b"a") == 1
    memory.put(b"c", 3)
    assert [memory.get(key) for key in (b"a", b"b", b"c")] == [1, None, 3]


def test_it_never_holds_more_than_its_limit():
    memory = Memory(limit=8)
    for n in range(100):
        memory.put(str(n % 13).encode(), n)
        assert len(memory) <= 8

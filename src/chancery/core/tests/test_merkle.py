"""Trees by the numbers that Certificate Transparency publishes, and by the definition for every small size."""

import hashlib

import pytest

from chancery.core import merkle

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(entries):
    """RFC 9162 section 2.1.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return merkle.leaf(entries[0])
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return merkle.node(by_definition(entries[:k]), by_definition(entries[k:]))


def getter(entries):
    return lambda height, index: by_definition(entries[index << height : (index + 1) << height])


def test_the_published_roots():
    for size, wanted in enumerate(ROOTS, 1):
        assert merkle.root(getter(ENTRIES), size).hex() == wanted
    assert merkle.root(getter([]), 0) == merkle.EMPTY == hashlib.sha256(b"").digest()


def test_a_frontier_has_the_same_roots():
    frontier = merkle.Frontier()
    assert frontier.root() == merkle.EMPTY
    for size, wanted in enumerate(ROOTS, 1):
        frontier.add(merkle.leaf(ENTRIES[size - 1]))
        assert (frontier.size, frontier.root().hex()) == (size, wanted)


MANY = [bytes([n]) for n in range(20)]


def test_every_entry_of_every_small_tree_is_proven_and_nothing_else_is():
    get = getter(MANY)
    for size in range(1, 21):
        whole = by_definition(MANY[:size])
        for index in range(size):
            proof = merkle.inclusion(get, index, size)
            assert merkle.included(merkle.leaf(MANY[index]), index, size, proof, whole)
            assert not merkle.included(merkle.leaf(b"x"), index, size, proof, whole)
            assert not merkle.included(merkle.leaf(MANY[index]), index, size, [*proof, whole], whole)
            assert not merkle.included(merkle.leaf(MANY[index]), index + size, size, proof, whole)
            assert size == 1 or not merkle.included(merkle.leaf(MANY[index]), index, size, proof[:-1], whole)
            assert size == 1 or not merkle.included(
                merkle.leaf(MANY[index]), index, size, [bytes(32), *proof[1:]], whole
            )


def test_every_growth_is_proven_and_no_other():
    get = getter(MANY)
    for new in range(1, 21):
        for old in range(1, new + 1):
            proof = merkle.consistency(get, old, new)
            before, after = by_definition(MANY[:old]), by_definition(MANY[:new])
            assert merkle.consistent(old, new, before, after, proof)
            assert not merkle.consistent(old, new, bytes(32), after, proof)
            assert not merkle.consistent(old, new, before, bytes(32), proof)
            assert not merkle.consistent(old, new, before, after, [*proof, after])
            assert old == new or not merkle.consistent(old, new, before, after, proof[:-1])
            assert old == new or not merkle.consistent(old, new, before, after, [])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_what_is_no_tree_has_no_proof(old, new):
    with pytest.raises(ValueError, match="no tree"):
        merkle.consistency(getter(MANY), old, new)
    assert not merkle.consistent(old, new, b"", b"", [])
    with pytest.raises(ValueError, match="no entry"):
        merkle.inclusion(getter(MANY), 3, 3)

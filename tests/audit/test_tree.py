"""Trees: growth, proofs, tiles, and that damage to any of them shows."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import HeadError, InvalidProofError, MissingTileError
from audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    check_subtree_consistency,
    check_subtree_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    leaves_range,
    node_hash,
    prefix_path,
    prefix_root,
    root_hash,
    subtree_inclusion_proof,
)
from audit.tiles import Tile, TileTree, check_edge, read_edge, tile_width, tiles_after_append


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def _naive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(_naive_root(leaves[:k]), _naive_root(leaves[k:]))


class _Tiles:
    def __init__(self) -> None:
        self.data: dict[tuple[int, int], bytes] = {}
        self.edge: tuple[bytes, ...] = ()
        self.size = 0

    def grow(self, leaves: list[bytes]) -> list[Tile]:
        tiles, self.edge = tiles_after_append(self.edge, self.size, leaves)
        self.size += len(leaves)
        self.data |= {(tile.level, tile.index): tile.data for tile in tiles}
        return tiles

    def read(self, level: int, index: int, width: int) -> bytes:
        return self.data.get((level, index), b"")[: width * 32]


@given(st.integers(0, 70))
def test_the_root_is_that_of_the_definition(count: int) -> None:
    assert root_hash(_leaves(count)) == _naive_root(_leaves(count))


@given(st.lists(st.integers(0, 20), max_size=6))
def test_growing_in_any_steps_gives_the_same_frontier(steps: list[int]) -> None:
    leaves = _leaves(sum(steps))
    frontier, at = Frontier(), 0
    for step in steps:
        frontier = frontier.extend(leaves[at : at + step])
        at += step

    assert frontier == Frontier().extend(leaves)
    assert Frontier.from_bytes(frontier.to_bytes()) == frontier


@pytest.mark.parametrize("data", [b"", bytes(7) + b"\x01", bytes(8) + bytes(32), b"\x01" * 39])
def test_bytes_that_are_no_frontier_are_refused(data: bytes) -> None:
    if data == b"":
        assert Frontier.from_bytes(data).root() == EMPTY_ROOT
        return
    with pytest.raises(HeadError):
        Frontier.from_bytes(data)


def test_a_frontier_with_a_short_hash_is_refused() -> None:
    with pytest.raises(HeadError):
        Frontier(size=1, hashes=(b"short",))


@given(st.integers(1, 64), st.data())
def test_every_leaf_is_proved(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, leaves_range(leaves))

    check_inclusion(leaf=leaves[index], index=index, size=size, path=path, root=root_hash(leaves))


@given(st.integers(2, 64), st.data())
def test_flipping_any_bit_of_an_inclusion_proof_is_detected(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = bytearray(
        b"".join([leaves[index], *inclusion_proof(index, size, leaves_range(leaves))])
    )
    bit = data.draw(st.integers(0, len(proof) * 8 - 1))
    proof[bit // 8] ^= 1 << bit % 8
    leaf, *path = (bytes(proof[at : at + 32]) for at in range(0, len(proof), 32))

    with pytest.raises(InvalidProofError):
        check_inclusion(leaf=leaf, index=index, size=size, path=path, root=root_hash(leaves))


@given(st.integers(0, 64), st.data())
def test_every_prefix_is_proved_and_no_other_root_is(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    leaves = _leaves(new)
    path = consistency_proof(old, new, leaves_range(leaves))

    check_consistency(
        old_size=old,
        new_size=new,
        old_root=root_hash(leaves[:old]),
        new_root=root_hash(leaves),
        path=path,
    )
    with pytest.raises(InvalidProofError):
        check_consistency(
            old_size=old,
            new_size=new,
            old_root=bytes(32),
            new_root=root_hash(leaves),
            path=path,
        )


@given(st.integers(2, 64), st.data())
def test_a_longer_or_shorter_or_reordered_path_is_refused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    leaves = _leaves(new)
    path = consistency_proof(old, new, leaves_range(leaves))

    for wrong in (path[:-1], [*path, path[0]], [path[0], *path], [*path[::-1], bytes(32)]):
        with pytest.raises(InvalidProofError):
            check_consistency(
                old_size=old,
                new_size=new,
                old_root=root_hash(leaves[:old]),
                new_root=root_hash(leaves),
                path=wrong,
            )


@given(st.integers(2, 64), st.data())
def test_a_prefix_path_tells_the_old_root_without_being_told(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    leaves = _leaves(new)
    path, seed = prefix_path(old, new, leaves_range(leaves))
    root = root_hash(leaves)

    found = prefix_root(old_size=old, new_size=new, seed=seed, path=path, new_root=root)

    assert found == root_hash(leaves[:old])
    with pytest.raises(InvalidProofError):
        prefix_root(old_size=old, new_size=new, seed=bytes(32), path=path, new_root=root)


def test_a_prefix_must_be_smaller_than_the_tree() -> None:
    with pytest.raises(InvalidProofError):
        prefix_root(old_size=2, new_size=2, seed=bytes(32), path=[], new_root=bytes(32))


def test_a_leaf_is_proved_within_a_subtree() -> None:
    leaves = _leaves(12)
    path = subtree_inclusion_proof(9, 8, 12, leaves_range(leaves))

    check_subtree_inclusion(
        leaf=leaves[9], index=9, start=8, end=12, path=path, root=root_hash(leaves[8:])
    )


def test_a_subtree_that_starts_inside_lies_under_the_root() -> None:
    leaves = _leaves(16)
    path = [root_hash(leaves[:4]), root_hash(leaves[8:])]
    subtree, root = root_hash(leaves[4:8]), root_hash(leaves)

    check_subtree_consistency(start=4, end=8, size=16, subtree=subtree, root=root, path=path)
    with pytest.raises(InvalidProofError):
        check_subtree_consistency(
            start=4, end=8, size=16, subtree=subtree, root=root, path=path[::-1]
        )


def test_the_empty_tree_has_no_other_root() -> None:
    with pytest.raises(InvalidProofError):
        check_consistency(old_size=0, new_size=0, old_root=EMPTY_ROOT, new_root=bytes(32), path=[])


def test_no_proof_is_made_for_what_is_not_there() -> None:
    leaves = leaves_range(_leaves(3))

    with pytest.raises(InvalidProofError):
        inclusion_proof(3, 3, leaves)
    with pytest.raises(InvalidProofError):
        consistency_proof(4, 3, leaves)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.data())
def test_proofs_from_tiles_equal_proofs_from_leaves(steps: list[int], data: st.DataObject) -> None:
    leaves, tiles = _leaves(sum(steps)), _Tiles()
    for step in steps:
        tiles.grow(leaves[tiles.size : tiles.size + step])
    tree, size = TileTree(tiles, size=tiles.size), tiles.size
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))

    assert tree.root() == root_hash(leaves)
    assert tree.root(old) == root_hash(leaves[:old])
    assert tree.inclusion_proof(index) == inclusion_proof(index, size, leaves_range(leaves))
    assert tree.consistency_proof(old) == consistency_proof(old, size, leaves_range(leaves))
    assert read_edge(size, tiles) == tiles.edge
    check_edge(tiles.edge, Frontier().extend(leaves))


def test_tiles_of_three_levels_have_the_widths_of_the_specification() -> None:
    tiles, leaves = _Tiles(), _leaves(70_000)

    changed = tiles.grow(leaves)

    assert len(changed) == len({(tile.level, tile.index) for tile in changed})
    widths = {key: len(data) // 32 for key, data in tiles.data.items()}
    assert (widths[0, 272], widths[0, 273]) == (256, 112)
    assert (widths[1, 0], widths[1, 1], widths[2, 0]) == (256, 17, 1)
    assert all(tile_width(70_000, *key) == width for key, width in widths.items())
    assert TileTree(tiles, size=70_000).root() == root_hash(leaves)


def test_a_flipped_bit_in_a_stored_tile_shows_when_the_edge_is_read_again() -> None:
    tiles, leaves = _Tiles(), _leaves(300)
    tiles.grow(leaves)
    tiles.data[0, 1] = bytes([tiles.data[0, 1][0] ^ 1]) + tiles.data[0, 1][1:]

    with pytest.raises(HeadError):
        check_edge(read_edge(300, tiles), Frontier().extend(leaves))


def test_a_missing_or_short_tile_is_named() -> None:
    tiles = _Tiles()
    tiles.grow(_leaves(300))
    tiles.data[0, 1] = tiles.data[0, 1][:32]

    with pytest.raises(MissingTileError) as missing:
        TileTree(tiles, size=300).root()

    assert (missing.value.level, missing.value.index, missing.value.width) == (0, 1, 44)


def test_a_leaf_beyond_the_trees_tiles_is_missing() -> None:
    tiles = _Tiles()
    tiles.grow(_leaves(3))

    with pytest.raises(MissingTileError):
        TileTree(tiles, size=3).range_hash(3, 4)

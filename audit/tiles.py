"""Hash tiles of C2SP tlog-tiles: growth and proofs from tiles alone.

A tile of level L and index N holds the roots of the perfect subtrees of 256**L leaves from
number N * 256 on. A partial tile, at the right edge, holds fewer than 256.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.errors import HeadError, MissingTileError
from audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    Frontier,
    consistency_proof,
    inclusion_proof,
    node_hash,
    root_hash,
    split_hashes,
)

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One hash tile; a partial one replaces its narrower predecessor."""

    level: int
    index: int
    data: bytes

    @property
    def width(self) -> int:
        """Number of hashes, 1 to 256."""
        return len(self.data) // HASH_BYTES


class TileReader(Protocol):
    """Where stored tiles are read; a store, an export or an HTTP client."""

    def read(self, level: int, index: int, width: int) -> bytes:
        """Return the first `width` hashes of a tile, `width * 32` bytes.

        A wider tile than asked for may be stored; its beginning is the same.

        Raises:
            MissingTileError: The tile is absent or narrower than `width`.

        """
        ...


def tile_width(size: int, level: int, index: int) -> int:
    """Return how many hashes a tile has in a tree of `size` leaves, 0 to 256."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def tiles_after_append(
    edge: Sequence[bytes], size: int, leaves: Iterable[bytes]
) -> tuple[list[Tile], tuple[bytes, ...]]:
    """Return the tiles that appending leaf hashes adds or widens, and the new right edge.

    Args:
        edge: Content of the partial tile of every level, lowest first; empty where none.
        size: Size of the tree before.
        leaves: New leaf hashes.

    """
    tiles, grown, level = [], [], 0
    fresh = b"".join(leaves)
    while fresh or level < len(edge):
        held = edge[level] if level < len(edge) else b""
        index = size >> TILE_HEIGHT * (level + 1)
        data, above = held + fresh, []
        whole = len(data) // TILE_BYTES * TILE_BYTES
        for at in range(0, whole, TILE_BYTES):
            full = data[at : at + TILE_BYTES]
            tiles.append(Tile(level=level, index=index, data=full))
            above.append(root_hash(split_hashes(full)))
            index += 1
        if fresh and whole < len(data):
            tiles.append(Tile(level=level, index=index, data=data[whole:]))
        grown.append(data[whole:])
        fresh, level = b"".join(above), level + 1
    return tiles, tuple(grown)


def read_edge(size: int, tiles: TileReader) -> tuple[bytes, ...]:
    """Return the right edge of the tree of `size` leaves, as `tiles_after_append` takes it.

    Raises:
        MissingTileError: A partial tile cannot be read.

    """
    edge, level = [], 0
    while size >> TILE_HEIGHT * level:
        index, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
        edge.append(_read(tiles, level, index, width) if width else b"")
        level += 1
    return tuple(edge)


def check_edge(edge: Sequence[bytes], frontier: Frontier) -> None:
    """Check that the right edge and the frontier describe one tree.

    Raises:
        HeadError: They differ: a stored tile or the stored head was damaged.

    """
    found: list[bytes] = []
    for data in edge:
        hashes = split_hashes(data)
        found = [*Frontier().extend(hashes).hashes, *found]
    if tuple(found) != frontier.hashes:
        raise HeadError("the stored tiles do not fit the stored head")


class TileTree:
    """The tree of `size` leaves, read from its tiles alone."""

    def __init__(self, tiles: TileReader, *, size: int) -> None:
        """Read from `tiles`, each at the width it has at `size`."""
        self._tiles = tiles
        self._size = size

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` leaves, of all by default.

        Raises:
            MissingTileError: A tile cannot be read.

        """
        end = self._size if size is None else size
        return self.range_hash(0, end) if end else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of a leaf; see `audit.merkle.inclusion_proof`."""
        return inclusion_proof(index, self._size if size is None else size, self.range_hash)

    def consistency_proof(self, old_size: int, size: int | None = None) -> list[bytes]:
        """Return the proof that an older tree is a prefix; see `audit.merkle`."""
        return consistency_proof(old_size, self._size if size is None else size, self.range_hash)

    def range_hash(self, start: int, end: int) -> bytes:
        """Return the root of the leaves from `start` to `end`.

        The range must be a left-complete subtree, as all ranges in proofs are.
        """
        width = end - start
        height = (width - 1).bit_length()
        if width == 1 << height:
            return self._perfect(height, start >> height)
        middle = start + (1 << height - 1)
        return node_hash(self.range_hash(start, middle), self.range_hash(middle, end))

    def _perfect(self, height: int, number: int) -> bytes:
        """Return the root of the perfect subtree `number` of `2**height` leaves."""
        level, rise = divmod(height, TILE_HEIGHT)
        index, offset = divmod(number << rise, TILE_WIDTH)
        data = _read(self._tiles, level, index, tile_width(self._size, level, index))
        hashes = split_hashes(data[offset * HASH_BYTES : (offset + (1 << rise)) * HASH_BYTES])
        if len(hashes) != 1 << rise:
            raise MissingTileError(level=level, index=index, width=offset + (1 << rise))
        return root_hash(hashes)


def _read(tiles: TileReader, level: int, index: int, width: int) -> bytes:
    data = tiles.read(level, index, width)
    if len(data) != width * HASH_BYTES:
        raise MissingTileError(level=level, index=index, width=width)
    return data

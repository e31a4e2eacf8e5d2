"""Exports: a whole ledger as files in the tlog-tiles layout.

`checkpoint`, `log.vkey`, `tile/<L>/<N>` and `tile/entries/<N>`, partial ones with `.p/<W>`. In an
export filtered to a party, an entry that is not the party's stands as one of length zero; its
leaf hash is still in the tile of level 0.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from audit.checkpoint import open_checkpoint, parse_vkey
from audit.errors import ExportError, MissingTileError
from audit.merkle import HASH_BYTES, Frontier, leaf_hash
from audit.tiles import TILE_WIDTH, Tile, tile_width, tiles_after_append

CHECKPOINT = "checkpoint"
VKEY = "log.vkey"
_PREFIX_BYTES = 2


def number_path(index: int) -> str:
    """Return a tile index as tlog-tiles writes it: 1234067 is `x001/x234/067`."""
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text


def tile_path(level: int | str, index: int, width: int) -> str:
    """Return the path of a tile inside an export; `level` may be `entries`."""
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{number_path(index)}{suffix}"


def pack_bundle(entries: Iterable[bytes]) -> bytes:
    """Return entries as an entry bundle: each after its length, two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(_PREFIX_BYTES, "big") + entry for entry in entries)


def unpack_bundle(data: bytes) -> tuple[list[bytes], bool]:
    """Return the entries of a bundle, and whether it ends where an entry ends."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + _PREFIX_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data) or start > len(data):
            return entries, False
        entries.append(data[start:at])
    return entries, True


def write_bundle(directory: Path, index: int, width: int, entries: Iterable[bytes]) -> None:
    """Write an entry bundle under the name it has at `width`, whatever it holds."""
    _write(directory / tile_path("entries", index, width), pack_bundle(entries))


def read_bundle(directory: Path, index: int, width: int) -> list[bytes]:
    """Return the entries of a bundle; a full one is taken in place of a partial one.

    Raises:
        ExportError: The bundle is absent or damaged.

    """
    path, data = read_either(directory, "entries", index, width)
    if data is None:
        raise ExportError("missing", path=path)
    entries, whole = unpack_bundle(data)
    if not whole:
        raise ExportError("ends inside an entry", path=path)
    return entries


class ExportTiles:
    """The hash tiles of an export; a `TileReader`."""

    def __init__(self, directory: Path) -> None:
        """Read below `directory`."""
        self._directory = directory

    def read(self, level: int, index: int, width: int) -> bytes:
        """See TileReader."""
        _, data = read_either(self._directory, str(level), index, width)
        if data is None or len(data) < width * HASH_BYTES:
            raise MissingTileError(level=level, index=index, width=width)
        return data[: width * HASH_BYTES]


def write_export(
    directory: Path,
    *,
    note: str,
    entries: Iterable[bytes],
    vkey: str,
    hashes: Iterable[bytes] | None = None,
) -> None:
    """Write an export of the ledger that `note` states.

    Args:
        directory: Where to write; must not exist yet.
        note: The signed checkpoint.
        entries: Exactly the checkpoint's entries, in order; empty bytes for a withheld one.
        vkey: The log's verifier key.
        hashes: The entries' leaf hashes; needed when some are withheld.

    Raises:
        CheckpointError: The note does not hold under `vkey`.
        ExportError: The directory exists, or the entries are not those of the checkpoint.

    """
    origin, public = parse_vkey(vkey)
    checkpoint = open_checkpoint(note, origin=origin, public=public)
    if directory.exists():
        raise ExportError("exists already", path=directory.name)
    frontier = _write_tiles(directory, entries, hashes)
    if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
        raise ExportError("the entries are not those of the checkpoint", path=CHECKPOINT)
    _write(directory / VKEY, f"{vkey}\n".encode())
    _write(directory / CHECKPOINT, note.encode())  # last: an export without one is unfinished


def _write_tiles(
    directory: Path, entries: Iterable[bytes], hashes: Iterable[bytes] | None
) -> Frontier:
    frontier = Frontier()
    edge: tuple[bytes, ...] = ()
    given = None if hashes is None else iter(hashes)
    for index, bundle in enumerate(_bundles(entries)):
        leaves = (
            [leaf_hash(entry) for entry in bundle]
            if given is None
            else list(islice(given, len(bundle)))
        )
        tiles, edge = tiles_after_append(edge, frontier.size, leaves)
        frontier = frontier.extend(leaves)
        write_bundle(directory, index, len(bundle), bundle)
        for tile in tiles:
            if tile.width == TILE_WIDTH:
                _write_tile(directory, tile)
    for level, data in enumerate(edge):
        if data:
            index = frontier.size >> 8 * (level + 1)
            _write_tile(directory, Tile(level=level, index=index, data=data))
    return frontier


def _write_tile(directory: Path, tile: Tile) -> None:
    _write(directory / tile_path(tile.level, tile.index, tile.width), tile.data)


def _bundles(entries: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(entries)
    while bundle := list(islice(iterator, TILE_WIDTH)):
        yield bundle


def read_entries(directory: Path, *, size: int) -> Iterator[bytes]:
    """Yield every entry of an export of `size` entries, in order.

    Raises:
        ExportError: A bundle is absent or damaged.

    """
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        yield from read_bundle(directory, index, tile_width(size, 0, index))


def read_text(directory: Path, name: str) -> str:
    """Return one of an export's text files.

    Raises:
        ExportError: The file is absent or no text.

    """
    try:
        return (directory / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError("cannot be read", path=name) from error


def read_either(directory: Path, level: str, index: int, width: int) -> tuple[str, bytes | None]:
    """Return the partial tile of `width`, or else the full one, with its path."""
    names = [tile_path(level, index, width), tile_path(level, index, TILE_WIDTH)]
    for name in names:
        try:
            return name, (directory / name).read_bytes()
        except OSError:
            continue
    return names[0], None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

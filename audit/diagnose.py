"""Telling kinds of damage apart, once an export is known not to be what was signed.

If the stored leaf hashes still lead to the signed root they are the truth, and the entries
are compared with them. Otherwise only the entries' own chain is left to go by.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path

from audit.checkpoint import Checkpoint
from audit.entry import parse_entry
from audit.errors import EntryError, MissingTileError
from audit.export import ExportTiles, read_either, unpack_bundle
from audit.ledger import NO_ENTRY
from audit.merkle import Frontier, leaf_hash, split_hashes
from audit.report import Damage, Problem
from audit.tiles import TILE_WIDTH, tile_width


def diagnose(directory: Path, checkpoint: Checkpoint, *, filtered: bool = False) -> Problem:
    """Return the first damage in an export whose entries do not lead to the signed root.

    Args:
        directory: The export.
        checkpoint: What the log signed, verified.
        filtered: Whether entries of length zero are withheld ones.

    """
    gap = _missing_bundle(directory, checkpoint.size)
    if gap is not None:
        return gap
    try:
        signed = Frontier().extend(_signed_leaves(directory, checkpoint.size)).root()
    except MissingTileError as error:
        signed, first = b"", error.index * TILE_WIDTH
        if filtered:
            detail = "the leaf hashes of withheld entries are missing"
            return Problem(kind=Damage.MISSING_TILE, index=first, detail=detail)
    if filtered and signed != checkpoint.root:
        detail = "the leaf hashes of the entries are not those that were signed"
        return Problem(kind=Damage.ALTERED_TILE, index=None, detail=detail)
    leaves = _leaves(directory, checkpoint.size, filtered=filtered)
    if Frontier().extend(leaves).root() == checkpoint.root:
        detail = "the entries are as signed, but not bundled as they should be"
        return Problem(kind=Damage.ALTERED_TILE, index=None, detail=detail)
    if signed == checkpoint.root:
        return _by_leaf_hashes(directory, checkpoint.size, filtered=filtered)
    return _by_chain(directory, checkpoint.size)


def _bundle_count(size: int) -> int:
    return (size + TILE_WIDTH - 1) // TILE_WIDTH


def _missing_bundle(directory: Path, size: int) -> Problem | None:
    there = [
        read_either(directory, "entries", index, tile_width(size, 0, index))[1] is not None
        for index in range(_bundle_count(size))
    ]
    if all(there):
        return None
    first = there.index(False)
    tail = first > 0 and not any(there[first:])
    kind = Damage.CUT_TAIL if tail else Damage.MISSING_TILE
    return Problem(kind=kind, index=first * TILE_WIDTH, detail="a bundle of entries is missing")


def _signed_leaves(directory: Path, size: int) -> Iterator[bytes]:
    tiles = ExportTiles(directory)
    for index in range(_bundle_count(size)):
        yield from split_hashes(tiles.read(0, index, tile_width(size, 0, index)))


def _entries(directory: Path, size: int) -> Iterator[bytes]:
    for index in range(_bundle_count(size)):
        _, data = read_either(directory, "entries", index, tile_width(size, 0, index))
        # What follows the last whole entry is dropped: it can be no entry.
        yield from unpack_bundle(data or b"")[0]


def _leaves(directory: Path, size: int, *, filtered: bool) -> Iterator[bytes]:
    signed = _signed_leaves(directory, size) if filtered else iter(())
    for entry in _entries(directory, size):
        kept = next(signed, b"")
        yield kept if filtered and not entry else leaf_hash(entry)


def _by_leaf_hashes(directory: Path, size: int, *, filtered: bool) -> Problem:
    leaves = partial(_leaves, directory, size, filtered=filtered)
    signed_leaves = partial(_signed_leaves, directory, size)
    pairs = enumerate(zip_longest(leaves(), signed_leaves()))
    index, (found, signed) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
    if found is None:
        return Problem(kind=Damage.CUT_TAIL, index=index, detail="the last entries are missing")
    if signed is None:
        return Problem(kind=Damage.INSERTED, index=index, detail="entries follow the last one")
    kept = signed in leaves()
    moved = found in signed_leaves()
    doubled = found in islice(signed_leaves(), index)
    return _compared(index, kept=kept, moved=moved, doubled=doubled)


def _compared(index: int, *, kept: bool, moved: bool, doubled: bool) -> Problem:
    """Return the damage at the first place where an entry is not the signed one.

    Args:
        index: The place.
        kept: Whether the signed entry stands somewhere else in the export.
        moved: Whether the entry found here was signed for some place.
        doubled: Whether it was signed for an earlier place, and so stands here again.

    """
    match kept, moved and not doubled:
        case True, True:
            kind, detail = Damage.REORDERED, "entries have changed places from here on"
        case True, False:
            kind, detail = Damage.INSERTED, "an entry stands here that was never signed here"
        case False, True:
            kind, detail = Damage.REMOVED, "the entry signed for this place is missing"
        case _:
            kind, detail = Damage.EDITED, "the entry is not the one that was signed"
    return Problem(kind=kind, index=index, detail=detail)


def _by_chain(directory: Path, size: int) -> Problem:
    prev, count = NO_ENTRY, 0
    for entry in _entries(directory, size):
        problem = _out_of_place(directory, size, entry, count, prev)
        if problem is not None:
            return problem
        prev, count = leaf_hash(entry), count + 1
    if count < size:
        detail = "the last entries are missing"
        return Problem(kind=Damage.CUT_TAIL, index=count, detail=detail)
    detail = "the entries agree with each other, but they are not those that were signed"
    return Problem(kind=Damage.FORKED, index=None, detail=detail)


def _out_of_place(
    directory: Path, size: int, entry: bytes, index: int, prev: bytes
) -> Problem | None:
    number, named = _place(entry)
    if number is None:
        return Problem(kind=Damage.EDITED, index=index, detail="the entry breaks its format")
    if number < index:
        detail = "an entry stands here whose number was given before"
        return Problem(kind=Damage.INSERTED, index=index, detail=detail)
    if number > index:
        if any(_place(other)[0] == index for other in _entries(directory, size)):
            detail = "entries have changed places from here on"
            return Problem(kind=Damage.REORDERED, index=index, detail=detail)
        detail = "the entry of this number is missing"
        return Problem(kind=Damage.REMOVED, index=index, detail=detail)
    if named != prev.hex():
        detail = "the entry is not the one that the next entry follows"
        return Problem(kind=Damage.EDITED, index=max(index - 1, 0), detail=detail)
    return None


def _place(entry: bytes) -> tuple[int | None, str]:
    """Return the number an entry claims and the hash it says it follows."""
    try:
        value = parse_entry(entry)
    except EntryError:
        return None, ""
    return value["i"], value["prev"]

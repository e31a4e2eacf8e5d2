"""The ledger engine: from a head and drafts to entries, tiles and the next head.

Pure: the caller holds the lock on the head, stores everything returned in the transaction of
the state change, signs the checkpoint inside it, and releases it once the commit is durable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from audit.entry import Draft, canonical, seal_draft, timestamp
from audit.errors import ClockBackError, HeadError
from audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash
from audit.tiles import Tile, TileReader, check_edge, read_edge, tiles_after_append

NO_ENTRY = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Everything the next append needs to know of the ledger.

    `streams` maps a party to the number its next entry will carry; `last_ts` is the newest
    entry's time, empty before the first; `edge` holds the partial tiles, lowest level first.
    """

    frontier: Frontier = field(default_factory=Frontier)
    root: bytes = EMPTY_ROOT
    last_hash: bytes = NO_ENTRY
    last_ts: str = ""
    streams: Mapping[str, int] = field(default_factory=dict)
    edge: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.frontier.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What an append yields; the n-th entry stands at `head.size - len(entries) + n`."""

    head: Head
    entries: list[bytes]
    leaf_hashes: list[bytes]
    tiles: list[Tile]


def append(
    head: Head, drafts: Sequence[Draft], *, mash: str, now: datetime, salts: Sequence[bytes]
) -> Appended:
    """Return the ledger after `drafts`, all stamped with one time.

    Args:
        head: The ledger before.
        drafts: What happened, in order.
        mash: Short name of the hub.
        now: The time of the append.
        salts: One fresh random salt of 16 to 32 bytes per draft.

    Raises:
        ClockBackError: `now` is before the last entry; nothing may be signed.
        EntryError: An entry is out of range or too large.

    """
    stamp = timestamp(now)
    if stamp < head.last_ts:
        raise ClockBackError(now=stamp, last=head.last_ts)
    streams, prev, entries, hashes = dict(head.streams), head.last_hash, [], []
    for index, (draft, salt) in enumerate(zip(drafts, salts, strict=True), head.size):
        places = {party: streams.get(party, 0) for party in draft.parties}
        entry = seal_draft(
            draft, mash=mash, index=index, prev=prev, ts=now, salt=salt, streams=places
        )
        prev = leaf_hash(entry)
        streams.update((party, n + 1) for party, n in places.items())
        entries.append(entry)
        hashes.append(prev)
    tiles, edge = tiles_after_append(head.edge, head.size, hashes)
    frontier = head.frontier.extend(hashes)
    grown = Head(
        frontier=frontier,
        root=frontier.root(),
        last_hash=prev,
        last_ts=stamp if entries else head.last_ts,
        streams=streams,
        edge=edge,
    )
    return Appended(head=grown, entries=entries, leaf_hashes=hashes, tiles=tiles)


def head_to_bytes(head: Head) -> bytes:
    """Return what a store keeps of a head; the edge lies in its tiles."""
    return canonical(
        {
            "frontier": head.frontier.to_bytes().hex(),
            "last_hash": head.last_hash.hex(),
            "last_ts": head.last_ts,
            "streams": dict(head.streams),
        }
    )


def head_from_bytes(data: bytes, tiles: TileReader) -> Head:
    """Return the head that `head_to_bytes` wrote, with its edge read and hashed again.

    Raises:
        HeadError: The bytes are no head, or the tiles do not fit it.
        MissingTileError: A tile of the right edge cannot be read.

    """
    try:
        value: dict[str, Any] = orjson.loads(data)
        frontier = Frontier.from_bytes(bytes.fromhex(value["frontier"]))
        edge = read_edge(frontier.size, tiles)
        head = Head(
            frontier=frontier,
            root=frontier.root(),
            last_hash=bytes.fromhex(value["last_hash"]),
            last_ts=value["last_ts"],
            streams=dict(value["streams"]),
            edge=edge,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise HeadError("the stored head is malformed") from error
    check_edge(edge, frontier)
    return head

"""A whole ledger in memory, with real keys, for tests of this and other packages.

Everything in it is derived from fixed seeds and a clock that steps one second per append.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from nacl.signing import SigningKey

from audit.checkpoint import sign_checkpoint, vkey_text
from audit.entry import Draft, Event, draft
from audit.errors import MissingTileError
from audit.export import write_export
from audit.ledger import Head, append
from audit.merkle import HASH_BYTES
from audit.receipt import Receipt
from audit.tiles import TileTree

ORIGIN = "ledger.northshire.example/demo"
START = datetime(2026, 10, 6, 10, 15, tzinfo=UTC)
PARTIES = ("northshire-cc", "northshire-police", "northshire-nhs-ft")


class MemorySigner:
    """An Ed25519 key from a fixed seed; a `Signer`."""

    def __init__(self, name: str) -> None:
        """Derive the key from `name`."""
        self._key = SigningKey(sha256(name.encode()).digest())
        self.public = bytes(self._key.verify_key)

    def sign(self, data: bytes, /) -> bytes:
        """See Signer."""
        return bytes(self._key.sign(data).signature)


class MemoryLedger:
    """A ledger whose log signs a checkpoint after each append; a `TileReader`."""

    def __init__(self, *, origin: str = ORIGIN, mash: str = "northshire") -> None:
        """Start empty."""
        self.origin = origin
        self.mash = mash
        self.signer = MemorySigner("log")
        self.now = START
        self.head = Head()
        self.entries: list[bytes] = []
        self.leaves: list[bytes] = []
        self._tiles: dict[tuple[int, int], bytes] = {}

    @property
    def vkey(self) -> str:
        """The log's verifier key."""
        return vkey_text(self.origin, self.signer.public)

    def append(self, *drafts: Draft) -> None:
        """Append `drafts` in one batch."""
        numbers = range(self.head.size, self.head.size + len(drafts))
        salts = [sha256(f"salt {number}".encode()).digest() for number in numbers]
        done = append(self.head, drafts, mash=self.mash, now=self.now, salts=salts)
        self.head = done.head
        self.entries += done.entries
        self.leaves += done.leaf_hashes
        self._tiles |= {(tile.level, tile.index): tile.data for tile in done.tiles}
        self.now += timedelta(seconds=1)

    def grow(self, count: int) -> None:
        """Append `count` plain entries in one batch, by the parties in turn."""
        start = self.head.size
        self.append(*(plain_draft(number) for number in range(start, start + count)))

    def note(self) -> str:
        """Return the signed checkpoint of the ledger as it stands."""
        return sign_checkpoint(
            origin=self.origin,
            size=self.head.size,
            root=self.head.root,
            signer=self.signer,
            public=self.signer.public,
        )

    def tree(self) -> TileTree:
        """Return the tree as read from its tiles."""
        return TileTree(self, size=self.head.size)

    def receipt(self, index: int) -> Receipt:
        """Return the receipt of an entry under the present checkpoint."""
        proof = self.tree().inclusion_proof(index)
        return Receipt(entry=self.entries[index], index=index, proof=proof, checkpoint=self.note())

    def read(self, level: int, index: int, width: int) -> bytes:
        """See TileReader."""
        data = self._tiles.get((level, index), b"")
        if len(data) < width * HASH_BYTES:
            raise MissingTileError(level=level, index=index, width=width)
        return data[: width * HASH_BYTES]

    def export(
        self, directory: Path, *, entries: Sequence[bytes] | None = None, note: str | None = None
    ) -> Path:
        """Write the ledger, or `entries` under their own hashes, and return where."""
        write_export(
            directory,
            note=note or self.note(),
            entries=self.entries if entries is None else entries,
            vkey=self.vkey,
            hashes=self.leaves,
        )
        return directory


def digest(text: str) -> str:
    """Return the SHA-256 of `text` in hex: a stand-in for any hash or reference."""
    return sha256(text.encode()).hexdigest()


def plain_draft(
    number: int, *, party: str | None = None, event: Event = Event.ORDER_CLAIMED
) -> Draft:
    """Return the draft of an order claimed by one of `PARTIES`."""
    return draft(
        event,
        party=party or PARTIES[number % len(PARTIES)],
        kid=digest("kid")[:32],
        actor_ref=None,
        role=None,
        msg=digest(f"message {number}"),
        case=f"c_{digest('case')}",
        order=digest(f"order {number}"),
        epoch=1,
    )

"""The ledger in the database: head, entries, tiles and checkpoints, on the caller's connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from audit.checkpoint import open_checkpoint, sign_checkpoint
from audit.errors import AuditError, MissingTileError
from audit.ledger import Appended, Head, head_from_bytes, head_to_bytes
from audit.merkle import HASH_BYTES, leaf_hash
from audit.tiles import Tile
from broker.errors import StoreDamagedError
from broker.store.tables import (
    checkpoints,
    ledger_entries,
    ledger_head,
    ledger_streams,
    ledger_tiles,
)
from keys.signing import SigningKey

_HEAD_ID: Final = 1
_EDGE_SAMPLE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIdentity:
    """The ledger's name in the agreement and the key that signs its checkpoints."""

    origin: str
    mash: str
    key: SigningKey


class SqlTiles:
    """Tiles as `audit.tiles.TileReader` wants them."""

    def __init__(self, connection: Connection) -> None:
        """Read on `connection`, within its transaction; a tile is fetched once."""
        self._connection = connection
        self._known: dict[tuple[int, int], bytes] = {}

    def read(self, level: int, index: int, width: int) -> bytes:
        """See TileReader."""
        data = self._known.get((level, index))
        if data is None:
            found = self._connection.execute(
                select(ledger_tiles.c.hashes).where(
                    ledger_tiles.c.level == level, ledger_tiles.c.number == index
                )
            ).scalar_one_or_none()
            data = self._known[(level, index)] = b"" if found is None else found
        if len(data) < width * HASH_BYTES:
            raise MissingTileError(level=level, index=index, width=width)
        return data[: width * HASH_BYTES]


def load_head(connection: Connection) -> Head:
    """Return the stored head, its right edge read and hashed again; a new one if none.

    Raises:
        StoreDamagedError: Head and tiles disagree.

    """
    state = connection.execute(
        select(ledger_head.c.state).where(ledger_head.c.id == _HEAD_ID)
    ).scalar_one_or_none()
    if state is None:
        return Head()
    try:
        return head_from_bytes(state, SqlTiles(connection))
    except AuditError as error:
        raise StoreDamagedError(str(error)) from error


def check_store(connection: Connection, log: LogIdentity) -> Head:
    """Return the stored head after checking it against entries and newest checkpoint.

    Raises:
        StoreDamagedError: Head, right edge, last entries and checkpoint do not agree.

    """
    head = load_head(connection)
    count = connection.execute(select(func.max(ledger_entries.c.i))).scalar_one()
    if (-1 if count is None else count) != head.size - 1:
        raise StoreDamagedError("the head and the number of entries disagree")
    if head.size:
        _check_last_entries(connection, head)
        _check_checkpoint(connection, head, log)
    return head


def _check_last_entries(connection: Connection, head: Head) -> None:
    """Hash the last entries again and compare with their tile and the head."""
    number = (head.size - 1) // _EDGE_SAMPLE
    start = number * _EDGE_SAMPLE
    rows = connection.execute(
        select(ledger_entries.c.entry)
        .where(ledger_entries.c.i >= start)
        .order_by(ledger_entries.c.i)
    ).scalars()
    hashes = [leaf_hash(entry) for entry in rows]
    stored = SqlTiles(connection).read(0, number, len(hashes))
    if b"".join(hashes) != stored or hashes[-1] != head.last_hash:
        raise StoreDamagedError("the last entries are not those the tiles were made of")


def _check_checkpoint(connection: Connection, head: Head, log: LogIdentity) -> None:
    note = connection.execute(
        select(checkpoints.c.note).where(checkpoints.c.size == head.size)
    ).scalar_one_or_none()
    if note is None:
        raise StoreDamagedError("the head has no checkpoint")
    try:
        checkpoint = open_checkpoint(note, origin=log.origin, public=log.key.public)
    except AuditError as error:
        raise StoreDamagedError(f"the newest checkpoint: {error}") from error
    if checkpoint.root != head.root:
        raise StoreDamagedError("the newest checkpoint has another root than the head")


def store_append(
    connection: Connection, appended: Appended, *, old_size: int, log: LogIdentity
) -> None:
    """Write an append and its signed checkpoint, in the transaction of the state change.

    Raises:
        StoreDamagedError: Another writer has moved the head; nothing may be committed.

    """
    head = appended.head
    _move_head(connection, head, old_size=old_size)
    connection.execute(
        insert(ledger_entries),
        [{"i": i, "entry": data} for i, data in enumerate(appended.entries, old_size)],
    )
    connection.execute(insert(ledger_streams), _stream_rows(appended.entries))
    _put_tiles(connection, appended.tiles)
    note = sign_checkpoint(
        origin=log.origin,
        size=head.size,
        root=head.root,
        signer=log.key,
        public=log.key.public,
    )
    connection.execute(
        insert(checkpoints), {"size": head.size, "root": head.root.hex(), "note": note}
    )


def _move_head(connection: Connection, head: Head, *, old_size: int) -> None:
    values = {"size": head.size, "state": head_to_bytes(head)}
    if old_size == 0:
        connection.execute(insert(ledger_head), {"id": _HEAD_ID} | values)
        return
    moved = connection.execute(
        update(ledger_head)
        .where(ledger_head.c.id == _HEAD_ID, ledger_head.c.size == old_size)
        .values(values)
    )
    if moved.rowcount != 1:
        raise StoreDamagedError("another writer has moved the ledger's head")


def _stream_rows(entries: Sequence[bytes]) -> list[dict[str, object]]:
    read = [orjson.loads(entry) for entry in entries]
    return [
        {"party": party, "n": n, "i": entry["i"]}
        for entry in read
        for party, n in entry["streams"].items()
    ]


def _put_tiles(connection: Connection, tiles: Sequence[Tile]) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(ledger_tiles)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["level", "number"], set_={"hashes": statement.excluded.hashes}
        ),
        [{"level": t.level, "number": t.index, "hashes": t.data} for t in tiles],
    )

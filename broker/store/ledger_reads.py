"""The ledger read back: checkpoints, proofs, tiles, entries of a party's own streams."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, select

from audit.errors import MissingTileError
from audit.tiles import TileTree, tile_width
from broker.errors import NotFoundError
from broker.store.ledger_store import SqlTiles
from broker.store.tables import checkpoints, ledger_entries, ledger_streams

MAX_PAGE: Final = 1024


class LedgerReads:
    """The ledger's read side; every size it serves was signed."""

    def __init__(self, engine: Engine) -> None:
        """Read through `engine`, see `open_reader`."""
        self._engine = engine

    def checkpoint(self, size: int | None = None) -> str:
        """Return the newest signed note, or the one of `size`.

        Raises:
            NotFoundError: Nothing was signed, or nothing of that size.

        """
        with self._engine.begin() as connection:
            return _checkpoint(connection, size)[1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `old` entries is a prefix of that of `new`.

        Raises:
            NotFoundError: `new` is larger than what was signed, or `old` than `new`.

        """
        with self._engine.begin() as connection:
            size = _checkpoint(connection, None)[0]
            if not 0 < old <= new <= size:
                raise NotFoundError("pair of tree sizes")
            return TileTree(SqlTiles(connection), size=size).consistency_proof(old, new)

    def tile(self, level: int, number: int, width: int | None) -> bytes:
        """Return a hash tile, whole or its first `width` hashes.

        Raises:
            NotFoundError: There is no such tile.

        """
        with self._engine.begin() as connection:
            wanted = width or tile_width(_checkpoint(connection, None)[0], level, number)
            try:
                return SqlTiles(connection).read(level, number, max(wanted, 1))
            except MissingTileError:
                raise NotFoundError("tile") from None

    def entries(self, party: str, *, after: int, most: int) -> list[dict[str, Any]]:
        """Return the entries of a party's stream from number `after` on."""
        with self._engine.begin() as connection:
            rows = connection.execute(
                select(ledger_streams.c.n, ledger_streams.c.i, ledger_entries.c.entry)
                .join(ledger_entries, ledger_entries.c.i == ledger_streams.c.i)
                .where(ledger_streams.c.party == party, ledger_streams.c.n >= after)
                .order_by(ledger_streams.c.n)
                .limit(min(most, MAX_PAGE))
            )
            return [{"n": row.n, "index": row.i, "entry": row.entry} for row in rows]

    def all_entries(self, *, size: int) -> Iterator[bytes]:
        """Yield the first `size` entries in order: the operator's export."""
        for start in range(0, size, MAX_PAGE):
            with self._engine.begin() as connection:
                yield from connection.execute(
                    select(ledger_entries.c.entry)
                    .where(
                        ledger_entries.c.i >= start,
                        ledger_entries.c.i < min(start + MAX_PAGE, size),
                    )
                    .order_by(ledger_entries.c.i)
                ).scalars()


def _checkpoint(connection: Connection, size: int | None) -> tuple[int, str]:
    query = select(checkpoints.c.size, checkpoints.c.note)
    if size is None:
        query = query.order_by(checkpoints.c.size.desc()).limit(1)
    else:
        query = query.where(checkpoints.c.size == size)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("checkpoint")
    return row.size, row.note

"""The node's own memory: small typed documents in one SQLite file, changed in transactions.

A document is a msgspec struct kept under (collection, id) with a state, a due time and a
reference to look it up by. Everything a step changes is changed in one transaction, so a node
killed between two steps goes on from the last whole one.

Concurrency: one connection behind a lock; a transaction is short and never waits for a network.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final, Protocol, TypeVar

import msgspec

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  collection TEXT NOT NULL,
  id TEXT NOT NULL,
  state TEXT NOT NULL,
  due REAL NOT NULL,
  reference TEXT NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (collection, id)
);
CREATE INDEX IF NOT EXISTS by_state ON documents (collection, state, due);
CREATE INDEX IF NOT EXISTS by_reference ON documents (collection, reference);
"""


class Document(Protocol):
    """A struct that names its collection and knows its id, state, due time and reference."""

    collection: ClassVar[str]

    @property
    def id(self) -> str:
        """Unique within the collection."""
        ...

    @property
    def state(self) -> str:
        """What `find` selects by."""
        ...

    @property
    def due(self) -> float:
        """Seconds since 1970 before which the document needs no attention."""
        ...

    @property
    def reference(self) -> str:
        """Another identifier to look it up by: a request, an order."""
        ...


D = TypeVar("D", bound=Document)


class Tx:
    """An open transaction on the node's documents."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use a connection on which a transaction has begun."""
        self._connection = connection

    def put(self, document: Document) -> None:
        """Insert or replace `document`; its place in the order of insertion is kept."""
        self._connection.execute(
            "INSERT INTO documents (collection, id, state, due, reference, body)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (collection, id) DO UPDATE SET"
            " state = excluded.state, due = excluded.due, reference = excluded.reference,"
            " body = excluded.body",
            (
                document.collection,
                document.id,
                document.state,
                document.due,
                document.reference,
                msgspec.msgpack.encode(document),
            ),
        )

    def get(self, type_: type[D], id_: str) -> D | None:
        """Return the document, or None."""
        row = self._connection.execute(
            "SELECT body FROM documents WHERE collection = ? AND id = ?", (type_.collection, id_)
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=type_)

    def find(
        self,
        type_: type[D],
        *,
        state: str | None = None,
        reference: str | None = None,
        due_by: float | None = None,
        limit: int = 1_000_000,
    ) -> list[D]:
        """Return the documents that fit every given condition, oldest first."""
        conditions = ["collection = ?"]
        values: list[str | float] = [type_.collection]
        for column, value in (("state = ?", state), ("reference = ?", reference)):
            if value is not None:
                conditions.append(column)
                values.append(value)
        if due_by is not None:
            conditions.append("due <= ?")
            values.append(due_by)
        where = " AND ".join(conditions)
        rows = self._connection.execute(
            f"SELECT body FROM documents WHERE {where} ORDER BY number LIMIT ?",  # noqa: S608 - fixed column names
            (*values, limit),
        )
        return [msgspec.msgpack.decode(row[0], type=type_) for row in rows]

    def next_due(self, type_: type[D], *, state: str) -> float | None:
        """Return the earliest due time among the documents in `state`, or None."""
        row = self._connection.execute(
            "SELECT MIN(due) FROM documents WHERE collection = ? AND state = ?",
            (type_.collection, state),
        ).fetchone()
        return None if row is None or row[0] is None else float(row[0])


class Store:
    """The node's database file."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; what a committed transaction wrote survives a power cut."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.executescript(_SCHEMA)
        path.chmod(0o600)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """Run the block in one transaction: all of it is kept, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Tx(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; a store that is not closed loses nothing either."""
        with self._lock:
            self._connection.close()

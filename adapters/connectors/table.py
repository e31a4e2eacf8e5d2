"""Reads a folder into which a record system drops CSV files.

A drop is picked up whole or not at all, into a private in-memory database that holds only the
columns the mapping names; from there on it is a `SqlConnector`. While a new drop is incomplete
the last good one serves, until it is stale.
"""

import codecs
import contextlib
import csv
import itertools
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from adapters.clock import Clock
from adapters.connectors.base import Health
from adapters.connectors.document import Section
from adapters.connectors.engines import sqlite_engine
from adapters.connectors.mapping import TablesMap, columns_of, read_tables
from adapters.connectors.sql import DEFAULT_TIMEOUT_SECONDS, SqlConnector
from adapters.errors import ConnectorUnavailableError, MappingError
from adapters.matching.identity import Person

DEFAULT_STALE_HOURS: Final = 26.0
"""A day's export, with two hours for it to be late."""
MAX_BROKEN_SHARE: Final = 0.05
_SERIAL: Final = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """How a folder's files are to be read.

    Attributes:
        folder: Holds one `<table>.csv` per table.
        encoding: Python codec of the files.
        delimiter: One character.
        complete: Name of the marker that the export writes last; None when it has none.
        stale_after: Age from which the files are not used.

    """

    folder: Path
    encoding: str
    delimiter: str
    complete: str | None
    stale_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    signature: tuple[tuple[str, int, int], ...]
    connector: SqlConnector
    keeper: sqlite3.Connection
    as_of: datetime
    broken_rows: int


class TableConnector:
    """A record system that exports CSV files."""

    def __init__(self, mapping: TablesMap, drop: Drop, *, clock: Clock) -> None:
        """Keep the mapping; the folder is looked at with every use."""
        self._mapping = mapping
        self._drop = drop
        self._clock = clock
        self._wanted: dict[str, set[str]] = {}
        for column in columns_of(mapping):
            self._wanted.setdefault(column.table, set()).add(column.name)
        self._snapshot: _Snapshot | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_mapping(
        cls, top: Section, *, secrets: Mapping[str, str], clock: Clock
    ) -> "TableConnector":
        """Return the connector that a mapping file describes.

        Raises:
            MappingError: The mapping is wrong in itself, or names a column that the files lack.

        """
        del secrets  # a folder has none
        own = ("folder", "encoding", "delimiter", "complete", "stale_after_hours")
        top.allow("connector", "system", *own, "people", "markers", "categories")
        connector = cls(read_tables(top), _read_drop(top), clock=clock)
        with contextlib.suppress(ConnectorUnavailableError):
            # Only a wrong name stops the start, not a late file.
            connector._snapshot = connector._pick_up()
        return connector

    def people(self) -> Iterator[Person]:
        """See Connector."""
        return self._current().connector.people()

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """See Connector."""
        return self._current().connector.read(record_id, category=category, fields=fields)

    def health(self) -> Health:
        """See Connector. The reason counts rows that could not be read."""
        try:
            snapshot = self._current()
        except ConnectorUnavailableError as error:
            return Health(live=False, reason=error.reason)
        broken = snapshot.broken_rows
        reason = f"{broken} unreadable rows were left out" if broken else None
        return Health(live=True, as_of=snapshot.as_of, reason=reason)

    def _current(self) -> _Snapshot:
        with self._lock:
            try:
                self._snapshot = self._pick_up()
            except (ConnectorUnavailableError, MappingError) as error:
                if self._snapshot is None:
                    reason = getattr(error, "reason", "the columns changed")
                    raise self._unavailable(reason) from None
            if self._clock() - self._snapshot.as_of > self._drop.stale_after:
                raise self._unavailable("the files are too old")
            return self._snapshot

    def _pick_up(self) -> _Snapshot:
        """Load the files if they changed, and only if they did not change meanwhile."""
        signature = self._signature()
        if self._snapshot is not None and self._snapshot.signature == signature:
            return self._snapshot
        new = self._load(signature)
        if self._signature() != signature:
            new.keeper.close()
            raise self._unavailable("the files are being written")
        if self._snapshot is not None:
            self._snapshot.keeper.close()
        return new

    def _signature(self) -> tuple[tuple[str, int, int], ...]:
        names = [f"{table}.csv" for table in sorted(self._wanted)]
        try:
            stats = [(name, (self._drop.folder / name).stat()) for name in names]
            marker = self._drop.complete and (self._drop.folder / self._drop.complete).stat()
        except OSError:
            raise self._unavailable("a file is missing") from None
        if marker and any(stat.st_mtime_ns > marker.st_mtime_ns for _, stat in stats):
            raise self._unavailable("the export is not complete")
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)

    def _load(self, signature: tuple[tuple[str, int, int], ...]) -> _Snapshot:
        uri = f"file:mash-table-{next(_SERIAL)}?mode=memory&cache=shared"
        keeper = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            broken = sum(self._load_table(keeper, table) for table in sorted(self._wanted))
        except (ConnectorUnavailableError, MappingError):
            keeper.close()
            raise

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            connection.execute("PRAGMA query_only = ON")
            return connection

        engine = sqlite_engine(connect, timeout_seconds=DEFAULT_TIMEOUT_SECONDS)
        return _Snapshot(
            signature=signature,
            connector=SqlConnector(self._mapping, engine),
            keeper=keeper,
            as_of=datetime.fromtimestamp(min(s[1] for s in signature) / 1e9, UTC),
            broken_rows=broken,
        )

    def _load_table(self, database: sqlite3.Connection, table: str) -> int:
        """Copy the wanted columns of a file; return the number of rows left out."""
        columns = sorted(self._wanted[table])
        try:
            rows, broken = _read_csv(self._drop, f"{table}.csv", columns)
        except (OSError, UnicodeError, csv.Error) as error:
            raise self._unavailable(f"{table}.csv: {type(error).__name__}") from None
        except _HalfWrittenError:
            raise self._unavailable(f"{table}.csv is half-written") from None
        except KeyError as error:
            self._refuse_column(table, str(error.args[0]), error.args[1])
        names = ", ".join(_quoted(name) for name in columns)
        marks = ", ".join("?" * len(columns))
        database.execute(f"CREATE TABLE {_quoted(table)} ({names})")
        database.executemany(f"INSERT INTO {_quoted(table)} VALUES ({marks})", rows)  # noqa: S608 - quoted names, bound values
        database.commit()
        return broken

    def _refuse_column(self, table: str, name: str, header: list[str]) -> NoReturn:
        column = next(c for c in columns_of(self._mapping) if (c.table, c.name) == (table, name))
        column.section.refuse(
            column.key, f"{table}.csv has no column '{name}'", word=name, valid=header
        )

    def _unavailable(self, reason: str) -> ConnectorUnavailableError:
        return ConnectorUnavailableError(self._mapping.system, reason)


class _HalfWrittenError(Exception):
    """The file stops inside a row, or too many rows are broken."""


def _read_csv(drop: Drop, name: str, columns: list[str]) -> tuple[list[list[str]], int]:
    """Return the wanted cells of every sound row, and how many rows were not sound.

    Raises:
        KeyError: A column is not in the header; arguments are its name and the header.
        _HalfWrittenError: See there.

    """
    with (drop.folder / name).open(encoding=drop.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=drop.delimiter, strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        if not header:
            raise _HalfWrittenError
        missing = [column for column in columns if column not in header]
        if missing:
            raise KeyError(missing[0], header)
        picks = [header.index(column) for column in columns]
        lines = [line for line in reader if line]
    sound = [[line[i].strip() for i in picks] for line in lines if len(line) == len(header)]
    broken = len(lines) - len(sound)
    if lines and (len(lines[-1]) < len(header) or broken > MAX_BROKEN_SHARE * len(lines)):
        raise _HalfWrittenError
    return sound, broken


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read_drop(top: Section) -> Drop:
    folder = top.folder / Path(top.text("folder"))
    encoding, delimiter = top.text("encoding", "utf-8-sig"), top.text("delimiter", ",")
    try:
        codecs.lookup(encoding)
    except LookupError:
        top.refuse("encoding", "no such encoding", word=encoding, valid=("utf-8", "cp1252"))
    if len(delimiter) != 1:
        top.refuse("delimiter", "must be one character")
    hours = top.number("stale_after_hours", DEFAULT_STALE_HOURS, most=1_000_000)
    return Drop(
        folder=folder,
        encoding=encoding,
        delimiter=delimiter,
        complete=top.maybe_text("complete"),
        stale_after=timedelta(hours=hours),
    )

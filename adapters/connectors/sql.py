"""Reads any SQLAlchemy database through a mapping, with bound parameters and named columns only.

The mapping holds names; each is checked against the reflected schema, and statements are built
from the reflected columns, so no text of the mapping ever becomes SQL.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from adapters.clock import Clock
from adapters.connectors import statements
from adapters.connectors.base import MARKERS_CATEGORY, Health
from adapters.connectors.document import Section
from adapters.connectors.engines import open_engine
from adapters.connectors.mapping import MarkerMap, TablesMap, read_tables
from adapters.connectors.values import is_true, text_of
from adapters.errors import AnswerByHandError, ConnectorUnavailableError, MappingError
from adapters.matching.identity import Person

DEFAULT_TIMEOUT_SECONDS: Final = 10.0


class SqlConnector:
    """A record system in a relational database."""

    def __init__(self, mapping: TablesMap, engine: Engine) -> None:
        """Keep the mapping and a read-only engine; the schema is read at the first use."""
        self._mapping = mapping
        self._engine = engine
        self._tables: statements.Tables | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_mapping(
        cls, top: Section, *, secrets: Mapping[str, str], clock: Clock
    ) -> "SqlConnector":
        """Return the connector that a mapping file describes.

        Raises:
            MappingError: The mapping is wrong in itself, or names what a live database lacks.

        """
        del clock  # a database's age is what its `as_of` column says
        top.allow(
            "connector",
            "system",
            "url",
            "read_only_login",
            "timeout_seconds",
            "as_of",
            "people",
            "markers",
            "categories",
        )
        mapping = read_tables(top)
        url = top.secret("url", secrets)
        if url is None:
            top.refuse("url", "is missing")
        seconds = top.number("timeout_seconds", DEFAULT_TIMEOUT_SECONDS, most=600)
        connector = cls(mapping, open_engine(top, url, timeout_seconds=seconds))
        connector.check()
        return connector

    def people(self) -> Iterator[Person]:
        """See Connector. Rows that share a key are one person; rows without a key are skipped."""
        people = self._mapping.people
        with self._connected() as (connection, tables):
            drafts = statements.read_drafts(connection, tables, people)
            for detail in (*people.previous_names, *people.addresses):
                statements.add_children(connection, tables, detail, drafts)
        return (Person(record_id=key, identity=d.identity()) for key, d in drafts.items())

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """See Connector."""
        if category == MARKERS_CATEGORY:
            return [self._markers(record_id, fields)]
        entry = self._mapping.categories.get(category)
        if entry is None:
            raise AnswerByHandError(self._mapping.system, category)
        wanted = {name: entry.fields[name] for name in fields if name in entry.fields}
        if not wanted:
            return []
        with self._connected() as (connection, tables):
            statement = statements.category_statement(tables, entry, record_id, wanted)
            rows = connection.execute(statement).mappings().all()
            if not rows:
                self._check_still_there(connection, tables, record_id)
        return [statements.answer_row(row, wanted) for row in rows]

    def health(self) -> Health:
        """See Connector."""
        try:
            with self._connected() as (connection, tables):
                as_of = statements.latest(connection, tables, self._mapping.as_of)
        except ConnectorUnavailableError as error:
            return Health(live=False, reason=error.reason)
        return Health(live=True, as_of=as_of)

    def check(self) -> None:
        """Compare the mapping with the schema, if the source can be reached now.

        Raises:
            MappingError: A table or column does not exist; says the nearest that does.

        """
        try:
            with self._engine.connect() as connection:
                statements.reflect(connection, self._mapping)
        except (SQLAlchemyError, OSError):
            return

    def _markers(self, record_id: str, fields: tuple[str, ...]) -> dict[str, str]:
        markers = self._mapping.markers
        with self._connected() as (connection, tables):
            self._check_still_there(connection, tables, record_id)
            return {
                name: text_of(
                    name in markers and _is_marked(connection, tables, markers[name], record_id)
                )
                for name in fields
            }

    def _check_still_there(
        self, connection: Connection, tables: statements.Tables, record_id: str
    ) -> None:
        """Tell "nothing under this category" from "the record went away since it was matched"."""
        key = self._mapping.people.key
        there = select(statements.reflected(tables, key)).where(
            statements.is_record(tables, key, record_id)
        )
        if connection.execute(there.limit(1)).first() is None:
            raise ConnectorUnavailableError(
                self._mapping.system, "the record is no longer there since it was matched"
            )

    @contextmanager
    def _connected(self) -> Iterator[tuple[Connection, statements.Tables]]:
        try:
            with self._engine.connect() as connection:
                yield connection, self._schema(connection)
        except MappingError as error:
            # The schema changed under a mapping that was right when it was loaded.
            raise ConnectorUnavailableError(self._mapping.system, str(error)) from error
        except (SQLAlchemyError, OSError, ValueError) as error:
            # Without the cause: a driver's message may quote a row.
            raise ConnectorUnavailableError(
                self._mapping.system, f"the database failed ({type(error).__name__})"
            ) from None

    def _schema(self, connection: Connection) -> statements.Tables:
        with self._lock:
            if self._tables is None:
                self._tables = statements.reflect(connection, self._mapping)
            return self._tables


def _is_marked(
    connection: Connection, tables: statements.Tables, marker: MarkerMap, record_id: str
) -> bool:
    column = statements.raw(tables, marker.column or marker.key)
    statement = select(column).where(statements.is_record(tables, marker.key, record_id))
    return any(marker.column is None or is_true(value) for value in connection.scalars(statement))

"""Records in and out of their tables, on the caller's connection."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, insert, select, true, update

from broker.store.tables import TABLES

Record = TypeVar("Record")


def add(connection: Connection, record: object) -> None:
    """Insert `record`."""
    connection.execute(insert(TABLES[type(record)]), _values(record))


def save(connection: Connection, record: object) -> None:
    """Replace the row whose key is `record`'s."""
    table, values = TABLES[type(record)], _values(record)
    key = {column.name: values.pop(column.name) for column in table.primary_key}
    connection.execute(update(table).where(_equal(table, key)).values(values))


def find(connection: Connection, kind: type[Record], **equal: object) -> Record | None:
    """Return the one record whose fields equal `equal`, or None."""
    table = TABLES[kind]
    row = connection.execute(select(table).where(_equal(table, equal))).one_or_none()
    return None if row is None else read(kind, row)


def select_all(connection: Connection, kind: type[Record], **equal: object) -> Sequence[Record]:
    """Return every record whose fields equal `equal`, in the order of its key."""
    table = TABLES[kind]
    rows = connection.execute(
        select(table).where(_equal(table, equal)).order_by(*table.primary_key)
    )
    return [read(kind, row) for row in rows]


def read(kind: type[Record], row: Row[tuple[object, ...]]) -> Record:
    """Return `row` of the record's own table as a record."""
    return kind(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


def _values(record: object) -> dict[str, object]:
    fields = dataclasses.fields(record)  # type: ignore[arg-type]  # only dataclasses are in TABLES
    return {field.name: getattr(record, field.name) for field in fields}


def _equal(table: Table, values: dict[str, object]) -> ColumnElement[bool]:
    return and_(true(), *(table.c[name] == value for name, value in values.items()))

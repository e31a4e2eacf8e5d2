"""Build the statements of the sql connector from reflected columns: names in, no text out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column as SqlColumn
from sqlalchemy import (
    Connection,
    Integer,
    MetaData,
    Select,
    String,
    and_,
    cast,
    func,
    inspect,
    or_,
    select,
    type_coerce,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType

from adapters.connectors.mapping import (
    CategoryMap,
    Column,
    Detail,
    PeopleMap,
    TablesMap,
    Text,
    columns_of,
    tables_of,
)
from adapters.connectors.values import Draft, draft_of, instant_of, text_of

Tables = Mapping[str, SqlTable]


def reflect(connection: Connection, mapping: TablesMap) -> Tables:
    """Return the tables that the mapping names, checked against the schema.

    Raises:
        MappingError: A table or column does not exist; says the nearest that does.

    """
    there = {*inspect(connection).get_table_names(), *inspect(connection).get_view_names()}
    metadata, tables = MetaData(), {}
    for name, (section, key) in tables_of(mapping).items():
        if name not in there:
            section.refuse(key, f"there is no table '{name}'", word=name, valid=there)
        tables[name] = SqlTable(name, metadata, autoload_with=connection, resolve_fks=False)
    for column in columns_of(mapping):
        names = tables[column.table].columns.keys()
        if column.name not in names:
            column.section.refuse(
                column.key,
                f"table '{column.table}' has no column '{column.name}'",
                word=column.name,
                valid=names,
            )
    return tables


def reflected(tables: Tables, column: Column) -> SqlColumn[Any]:
    """Return the reflected column."""
    return tables[column.table].columns[column.name]


def raw(tables: Tables, column: Column) -> ColumnElement[Any]:
    """Return the column as its driver gives it: a wrong date must not fail the whole read."""
    return type_coerce(reflected(tables, column), NullType())


def is_record(tables: Tables, key: Column, record_id: str) -> ColumnElement[bool]:
    """Return the condition that a row belongs to a record.

    A key whose type is neither a whole number nor text (a view of SQLite has none) is compared
    as text: 1 and '1' differ there, and the rows would silently be missing.

    Raises:
        ValueError: The key is a number and the record id is not.

    """
    column = reflected(tables, key)
    if isinstance(column.type, Integer):
        return column == int(record_id)
    if isinstance(column.type, String):
        return column == record_id
    return cast(column, String) == record_id


def category_statement(
    tables: Tables, entry: CategoryMap, record_id: str, wanted: Mapping[str, Column | Text]
) -> Select[Any]:
    """Return the query for the wanted fields of one record: no other column is selected."""
    columns: list[ColumnElement[Any]] = [
        raw(tables, c).label(name) for name, c in wanted.items() if isinstance(c, Column)
    ]
    source: Any = tables[entry.table]
    for join in entry.joins:
        on = [reflected(tables, a) == reflected(tables, b) for a, b in join.using]
        source = source.join(tables[join.table], and_(*on))
    statement = select(*(columns or [reflected(tables, entry.key)])).select_from(source)
    statement = statement.where(is_record(tables, entry.key, record_id))
    for column, values in entry.where:
        statement = statement.where(_any(raw(tables, column), values))
    if entry.order is not None:
        order = reflected(tables, entry.order)
        statement = statement.order_by(order.desc() if entry.descending else order.asc())
    return statement.limit(entry.limit)


def answer_row(row: Mapping[Any, Any], wanted: Mapping[str, Column | Text]) -> dict[str, str]:
    """Return a row of the answer; what is empty is absent."""
    texts = {
        name: source.text if isinstance(source, Text) else text_of(row[name])
        for name, source in wanted.items()
    }
    return {name: text for name, text in texts.items() if text}


def read_drafts(connection: Connection, tables: Tables, people: PeopleMap) -> dict[str, Draft]:
    """Return everyone's matching fields by record id; rows that share a key are one person."""
    given = {f"g{i}": c for i, c in enumerate(people.given)}
    identifiers = {f"i_{scheme}": c for scheme, c in people.identifiers.items()}
    own = [d for d in (*people.previous_names, *people.addresses) if d.key is None]
    details = {f"d{i}_{n}": c for i, d in enumerate(own) for n, c in d.columns.items()}
    labels = {"key": people.key, **given, **people.columns, **identifiers, **details}
    drafts: dict[str, Draft] = {}
    for row in _rows(connection, tables, labels):
        draft = draft_of(
            given=[text_of(row[name]) for name in given],
            single={name: row[name] for name in people.columns},
            identifiers={scheme: row[f"i_{scheme}"] for scheme in people.identifiers},
        )
        for i, detail in enumerate(own):
            add_detail(draft, {n: text_of(row[f"d{i}_{n}"]) for n in detail.columns})
        _keep(drafts, text_of(row["key"]), draft)
    return drafts


def add_children(
    connection: Connection, tables: Tables, detail: Detail, drafts: Mapping[str, Draft]
) -> None:
    """Add the names or addresses that stand in a child table."""
    if detail.key is None:
        return
    for row in _rows(connection, tables, {"key": detail.key, **detail.columns}):
        draft = drafts.get(text_of(row["key"]))
        if draft is not None:
            add_detail(draft, {n: text_of(row[n]) for n in detail.columns})


def add_detail(draft: Draft, parts: Mapping[str, str]) -> None:
    """Add a name (given, surname, full) or an address (line, postcode, uprn) to a draft."""
    if "full" in parts:
        draft.add_full_name(parts["full"])
    elif {"given", "surname"} & parts.keys():
        draft.add_name(parts.get("given", ""), parts.get("surname", ""))
    else:
        draft.add_address(parts)


def latest(connection: Connection, tables: Tables, column: Column | None) -> datetime | None:
    """Return the newest time in the column that dates the data."""
    if column is None:
        return None
    return instant_of(connection.scalar(select(func.max(raw(tables, column)))))


def _keep(drafts: dict[str, Draft], key: str, draft: Draft) -> None:
    if not key:
        return
    if key in drafts:
        drafts[key].merge(draft)
    else:
        drafts[key] = draft


def _rows(connection: Connection, tables: Tables, labels: Mapping[str, Column]) -> Any:  # noqa: ANN401 - SQLAlchemy's row mappings
    columns = [raw(tables, column).label(name) for name, column in labels.items()]
    return connection.execution_options(yield_per=1000).execute(select(*columns)).mappings()


def _any(column: ColumnElement[Any], values: tuple[Any, ...]) -> ColumnElement[bool]:
    return or_(*(column.is_(None) if value is None else column == value for value in values))

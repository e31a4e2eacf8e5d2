"""The mapping of tables to matching fields and categories, shared by sql and table connectors.

Names only, no code and no SQL: a column is `column` of the entry's own table or `table.column`
of a joined one. Whether the names exist is checked against the real schema (`sql.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from adapters.connectors.base import MARKER_FIELDS
from adapters.connectors.document import Section
from adapters.matching.identity import is_scheme

_T = TypeVar("_T")
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table, and where the mapping names it."""

    table: str
    name: str
    section: Section
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A field with the same text for everyone."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Columns of the people table (`key` None) or of a child table that refers to it."""

    key: Column | None
    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleMap:
    """Where the matching fields are."""

    key: Column
    given: tuple[Column, ...]
    columns: Mapping[str, Column]
    identifiers: Mapping[str, Column]
    previous_names: tuple[Detail, ...]
    addresses: tuple[Detail, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerMap:
    """Where a supplier fact is: a column, or (None) the existence of a row."""

    key: Column
    column: Column | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinMap:
    """An inner join: pairs of (column so far, column of the joined table)."""

    table: str
    using: tuple[tuple[Column, Column], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMap:
    """Where the fields of a category are."""

    table: str
    key: Column
    joins: tuple[JoinMap, ...]
    where: tuple[tuple[Column, tuple[Any, ...]], ...]
    fields: Mapping[str, Column | Text]
    order: Column | None
    descending: bool
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesMap:
    """A whole system of tables."""

    system: str
    people: PeopleMap
    markers: Mapping[str, MarkerMap]
    categories: Mapping[str, CategoryMap]
    as_of: Column | None


def read_tables(top: Section) -> TablesMap:
    """Return the typed form of a mapping.

    Raises:
        MappingError: A key is unknown, missing or of the wrong type.

    """
    people = _people(top.section("people"))
    markers, categories = top.section("markers"), top.section("categories")
    markers.allow(*MARKER_FIELDS)
    as_of = None
    if "as_of" in top:
        entry = top.section("as_of")
        entry.allow("table", "column")
        as_of = column_of(entry, "column", table=entry.text("table"))
    return TablesMap(
        system=top.text("system"),
        people=people,
        markers=_frozen({n: _marker(markers.section(n), people) for n in markers}),
        categories=_frozen({c: _category(categories.section(c)) for c in categories}),
        as_of=as_of,
    )


def tables_of(mapping: TablesMap) -> dict[str, tuple[Section, str]]:
    """Return every table that the mapping names, with one place that names it."""
    return {c.table: (c.section, "table") for c in columns_of(mapping)}


def columns_of(mapping: TablesMap) -> list[Column]:
    """Return every column that the mapping names."""
    people = mapping.people
    found: list[Column] = [
        people.key,
        *people.given,
        *people.columns.values(),
        *people.identifiers.values(),
    ]
    for detail in (*people.previous_names, *people.addresses):
        found += [*([detail.key] if detail.key else []), *detail.columns.values()]
    for marker in mapping.markers.values():
        found += [marker.key, *([marker.column] if marker.column else [])]
    for category in mapping.categories.values():
        found += [category.key, *([category.order] if category.order else [])]
        found += [side for join in category.joins for pair in join.using for side in pair]
        found += [column for column, _ in category.where]
        found += [c for c in category.fields.values() if isinstance(c, Column)]
    return found + ([mapping.as_of] if mapping.as_of else [])


def column_of(section: Section, key: str, *, table: str, name: str | None = None) -> Column:
    """Return the column named under `key`, or `name` itself, in `table` unless it says another."""
    word = section.text(key) if name is None else name
    own, dot, column = word.rpartition(".")
    return Column(table=own if dot else table, name=column, section=section, key=key)


def _people(entry: Section) -> PeopleMap:
    single = ("birth_date", "birth_accuracy", "sex")
    entry.allow(
        "table", "key", "given", "surname", *single, "identifiers", "previous_names", "addresses"
    )
    table = entry.text("table")
    identifiers = entry.section("identifiers")
    check_schemes(identifiers)
    return PeopleMap(
        key=column_of(entry, "key", table=table),
        given=tuple(column_of(entry, "given", table=table, name=n) for n in entry.texts("given")),
        columns=_columns(entry, ("surname", *(n for n in single if n in entry)), table),
        identifiers=_columns(identifiers, tuple(identifiers), table),
        previous_names=tuple(
            _detail(item, table, ("given", "surname", "full"))
            for item in entry.sections("previous_names")
        ),
        addresses=tuple(
            _detail(item, table, ("line", "postcode", "uprn"))
            for item in entry.sections("addresses")
        ),
    )


def _detail(entry: Section, people: str, names: tuple[str, ...]) -> Detail:
    entry.allow("table", "key", *names)
    table = entry.text("table", people)
    own = "key" in entry
    if table != people and not own:
        entry.refuse("key", "is missing: which column holds the person's key?")
    key = column_of(entry, "key", table=table) if own else None
    columns = _columns(entry, tuple(n for n in names if n in entry), table)
    if not columns:
        entry.refuse(names[0], f"name at least one of {', '.join(names)}")
    return Detail(key=key, columns=columns)


def _marker(entry: Section, people: PeopleMap) -> MarkerMap:
    entry.allow("table", "key", "column")
    table = entry.text("table", people.key.table)
    if table == people.key.table and "column" not in entry:
        entry.refuse("column", "is missing: everyone has a row in the people table")
    return MarkerMap(
        key=column_of(entry, "key", table=table) if "key" in entry else people.key,
        column=column_of(entry, "column", table=table) if "column" in entry else None,
    )


def _category(entry: Section) -> CategoryMap:
    entry.allow("table", "key", "join", "where", "fields", "order", "limit")
    table = entry.text("table")
    where, order = entry.section("where"), entry.section("order")
    order.allow("column", "descending")
    return CategoryMap(
        table=table,
        key=column_of(entry, "key", table=table),
        joins=tuple(_join(item, table) for item in entry.sections("join")),
        where=tuple(
            (column_of(where, name, table=table, name=name), where.values(name)) for name in where
        ),
        fields=_fields(entry, table),
        order=column_of(order, "column", table=table) if "order" in entry else None,
        descending=order.flag("descending"),
        limit=int(entry.number("limit", DEFAULT_LIMIT, most=MAX_LIMIT)),
    )


def _join(entry: Section, table: str) -> JoinMap:
    entry.allow("table", "using")
    joined, using = entry.text("table"), entry.section("using")
    if not list(using):
        entry.refuse("using", "is missing: own column -> column of the joined table")
    pairs = tuple(
        (column_of(using, own, table=table, name=own), column_of(using, own, table=joined))
        for own in using
    )
    return JoinMap(table=joined, using=pairs)


def _fields(entry: Section, table: str) -> Mapping[str, Column | Text]:
    names = entry.section("fields")
    if not list(names):
        entry.refuse("fields", "is missing")
    fields: dict[str, Column | Text] = {}
    for name in names:
        fields[name] = (
            constant(names, name) if names.is_section(name) else column_of(names, name, table=table)
        )
    return _frozen(fields)


def check_schemes(identifiers: Section) -> None:
    """Raise MappingError when a key is not the name of an identifier scheme."""
    for scheme in identifiers:
        if not is_scheme(scheme):
            identifiers.refuse(scheme, "a scheme is a short lower-case word such as nhs")


def constant(fields: Section, name: str) -> Text:
    """Return the constant `{text: ...}` that a field holds."""
    value = fields.section(name)
    value.allow("text")
    return Text(text=value.text("text"))


def _columns(entry: Section, names: tuple[str, ...], table: str) -> Mapping[str, Column]:
    return _frozen({name: column_of(entry, name, table=table) for name in names})


def _frozen(members: dict[str, _T]) -> Mapping[str, _T]:
    return MappingProxyType(members)

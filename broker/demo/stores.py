"""Writes the ground truth as six differently shaped stores: four SQLite files, FHIR, CSV.

Record ids are each system's own and in an order of its own, so that nothing but the names, dates
and numbers in the records themselves leads from one system to another.
"""

import csv
import random  # noqa: TID251 - seeded, for invented data only
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path

from broker.demo import fhir
from broker.demo.people import Event, Holding, PersonRef, System, Value

Row = dict[str, Value]

_SHARED = frozenset({"incident", "tenancy"})
"""Tables whose rows belong to no single person."""
_ON_THE_PERSON = frozenset({"enrolment", "warning"})
"""Events that are columns of the person's own row."""

_KEYS: Mapping[System, tuple[str, str, Callable[[int], str]]] = {
    System.POLICE: ("nominal", "nominal_id", lambda n: f"N{4_000_000 + n * 7}"),
    System.COUNCIL: ("person", "person_id", lambda n: str(310_000 + n)),
    System.TRUST: ("patient", "hospital_no", lambda n: f"RNX{70_000 + n * 3:07d}"),
    System.MENTAL_HEALTH: ("patient", "rio_id", lambda n: str(9_100_000 + n)),
    System.GP: ("Patient", "id", lambda n: f"gp-{n + 1:06d}"),
    System.EDUCATION: ("pupil", "pupil_id", lambda n: f"EMS-{n + 20_001}"),
}
"""Per system: table of people, the column that holds a person's record id, the n-th record id."""

EDUCATION_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "pupil": (
        *("pupil_id", "upn", "former_upn", "surname", "forename", "preferred", "dob", "sex"),
        *("address", "postcode", "school_urn", "entry", "leave", "status"),
    ),
    "attendance_week": (
        *("pupil_id", "week", "percent", "unauthorised_sessions", "suspended_days"),
    ),
    "suspension": ("pupil_id", "from_date", "days", "reason"),
    "sen": ("pupil_id", "sen_status", "ehcp", "need", "since"),
    "ehe_register": ("pupil_id", "since", "officer"),
    "cme_register": ("pupil_id", "since", "cme_status"),
    "safeguarding_log": ("pupil_id", "noted_on", "note"),
    "dsl_contact": ("school_urn", "school", "dsl", "telephone"),
}
"""File name without `.csv` to its header."""

_DSL: tuple[Row, ...] = tuple(
    {"school_urn": urn, "school": school, "dsl": dsl, "telephone": f"01632 960 {number}"}
    for urn, school, dsl, number in (
        ("999101", "Tannery Lane Primary", "H. Whitcombe", 141),
        ("999102", "Quarryside Primary and Nursery", "B. Osei", 142),
        ("999103", "St Brannoc's Primary", "L. Featherstone", 143),
        ("999201", "Halewick Academy", "K. Rosario", 144),
        ("999202", "Northshire High School", "G. Pemberton", 145),
    )
)


def record_ids(
    holdings: Iterable[Holding],
    *,
    rng: random.Random,
) -> dict[System, dict[str, str]]:
    """Return truth id to record id, per system, in a shuffled order."""
    ids: dict[System, dict[str, str]] = {}
    known = [(holding.system, holding.person.truth_id) for holding in holdings]
    for system in System:
        truth_ids = [truth_id for held_by, truth_id in known if held_by is system]
        rng.shuffle(truth_ids)
        name = _KEYS[system][2]
        ids[system] = {truth_id: name(number) for number, truth_id in enumerate(truth_ids)}
    return ids


def write_stores(
    directory: Path,
    holdings: Sequence[Holding],
    ids: Mapping[System, Mapping[str, str]],
) -> None:
    """Write every system's store into `directory`, which must exist and be empty."""
    for system in System:
        mine = [holding for holding in holdings if holding.system is system]
        mine.sort(key=lambda holding: ids[holding.system][holding.person.truth_id])
        if system is System.GP:
            fhir.write_practice(directory / "gp", mine, ids[system])
        elif system is System.EDUCATION:
            _write_csv(directory / "education", _tables(system, mine, ids[system]))
        else:
            path = directory / f"{system.value}.sqlite"
            _write_sqlite(path, system, _tables(system, mine, ids[system]))


def _tables(
    system: System, holdings: Iterable[Holding], ids: Mapping[str, str]
) -> dict[str, list[Row]]:
    """Return the rows of each table of a system, people included."""
    tables: dict[str, list[Row]] = defaultdict(list)
    people, key, _ = _KEYS[system]
    for holding in holdings:
        record_id = ids[holding.person.truth_id]
        person_row = {key: record_id, **_PERSON_ROWS[system](holding)}
        for event in holding.events:
            values = _resolved(event, ids)
            if event.table in _ON_THE_PERSON:
                person_row |= values
            elif event.table in _SHARED:
                tables[event.table].append(values)
            else:
                tables[event.table].append({key: record_id, **values})
        tables[people].append(person_row)
        if system is System.POLICE:
            tables["address_link"] += _address_links(holding, record_id)
    return tables


def _resolved(event: Event, ids: Mapping[str, str]) -> Row:
    return {
        name: ids[value] if isinstance(value, PersonRef) else value
        for name, value in event.values.items()
    }


def _nominal(holding: Holding) -> Row:
    person = holding.person
    return {
        "surname": person.surname.upper(),
        "forenames": " ".join(person.given),
        "alias": f"{person.known_as} {person.surname}" if person.known_as else None,
        "dob": _iso(holding),
        "sex": person.sex,
        "pnc_id": person.identifiers.get("pnc"),
        "created": _first_seen(holding),
    }


def _first_seen(holding: Holding) -> str:
    columns = ("opened_at", "convicted_on", "created", "from_at")
    days = [event.values.get(column) for event in holding.events for column in columns]
    return min((str(day)[:10] for day in days if day), default="2024-01-01")


def _address_links(holding: Holding, record_id: str) -> list[Row]:
    address = holding.person.address
    if address is None:
        return []
    return [
        {
            "nominal_id": record_id,
            "uprn": address.uprn,
            "line": address.line,
            "postcode": address.postcode,
            "from_date": _first_seen(holding),
        }
    ]


def _council_person(holding: Holding) -> Row:
    person, address = holding.person, holding.person.address
    return {
        "first_name": person.given[0],
        "middle_names": " ".join(person.given[1:]) or None,
        "last_name": person.surname,
        "known_as": person.known_as,
        "former_last_name": person.former_surname,
        "date_of_birth": _iso(holding),
        "gender": {"F": "Female", "M": "Male"}[person.sex],
        "nhs_no": person.identifiers.get("nhs"),
        "address": address.line if address else None,
        "post_code": address.postcode if address else None,
        "uprn": address.uprn if address else None,
    }


def _trust_patient(holding: Holding) -> Row:
    person, address = holding.person, holding.person.address
    return {
        "nhs_number": person.identifiers.get("nhs"),
        "surname": person.surname,
        "forename_1": person.given[0],
        "forename_2": person.given[1] if len(person.given) > 1 else None,
        "birth_dt": _iso(holding),
        "sex_code": {"M": 1, "F": 2}[person.sex],
        "address_line_1": address.line if address else None,
        "postcode": address.postcode.replace(" ", "") if address else None,
    }


def _mental_health_patient(holding: Holding) -> Row:
    person, address = holding.person, holding.person.address
    number = person.identifiers.get("nhs")
    return {
        "given_names": " ".join(person.given),
        "family_name": person.surname.upper(),
        "dob": _iso(holding),
        "nhs": f"{number[:3]} {number[3:6]} {number[6:]}" if number else None,
        "gender": person.sex,
        "addr": address.line if address else None,
        "pcode": address.postcode if address else None,
    }


def _pupil(holding: Holding) -> Row:
    person, address = holding.person, holding.person.address
    return {
        "upn": person.identifiers.get("upn"),
        "surname": person.surname,
        "forename": person.given[0],
        "preferred": person.known_as,
        "dob": _iso(holding),
        "sex": person.sex,
        "address": address.line if address else None,
        "postcode": address.postcode if address else None,
    }


_PERSON_ROWS: Mapping[System, Callable[[Holding], Row]] = {
    System.POLICE: _nominal,
    System.COUNCIL: _council_person,
    System.TRUST: _trust_patient,
    System.MENTAL_HEALTH: _mental_health_patient,
    System.EDUCATION: _pupil,
}


def _iso(holding: Holding) -> str | None:
    born = holding.person.birth_date
    return born.isoformat() if born else None


def _write_sqlite(path: Path, system: System, tables: Mapping[str, Sequence[Row]]) -> None:
    schema = resources.files("broker.demo") / "schemas" / f"{system.value}.sql"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(schema.read_text(encoding="utf-8"))
        created = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in created.fetchall():
            _insert(connection, table, tables.get(table, ()))


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    for row in rows:
        columns = ", ".join(row)
        marks = ", ".join(f":{column}" for column in row)
        # Names come from this package's own schemas and household files; values are bound.
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)  # noqa: S608 - see above


def _write_csv(folder: Path, tables: Mapping[str, Sequence[Row]]) -> None:
    folder.mkdir()
    for name, columns in EDUCATION_COLUMNS.items():
        rows = _DSL if name == "dsl_contact" else tables.get(name, ())
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)

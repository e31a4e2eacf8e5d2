"""The sql connector on a real SQLite file: the example of docs/connectors.md, as it stands."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from adapters.connectors.base import MARKER_FIELDS, MARKERS_CATEGORY, Connector
from adapters.connectors.document import load_document
from adapters.connectors.engines import open_engine
from adapters.connectors.load import load_connector, load_connectors
from adapters.errors import AnswerByHandError, ConnectorUnavailableError, MappingError
from adapters.matching.guards import Outcome
from adapters.matching.identity import Address, BirthAccuracy, Identity
from adapters.matching.matcher import Matcher

DOCS = Path(__file__).parents[3] / "docs" / "connectors.md"
SCHEMA = """
CREATE TABLE nominal (nominal_id INTEGER, forenames TEXT, surname TEXT, dob DATE, sex TEXT,
    pnc_id TEXT, alias TEXT, created DATE, warning TEXT);
CREATE TABLE address_link (nominal_id INTEGER, line TEXT, postcode TEXT, uprn TEXT);
CREATE TABLE incident (inc_no TEXT, opened_at DATETIME, da_flag INTEGER, dash_level TEXT,
    narrative TEXT);
CREATE TABLE involvement (inc_no TEXT, nominal_id INTEGER, role TEXT);
CREATE TABLE restricted (nominal_id INTEGER);
INSERT INTO nominal VALUES
    (1, 'Dale Ian', 'Prentice', '1988-04-12', 'M', '2012/0052494Q', 'Danny Prentis',
     '2011-01-01', 'secret warning'),
    (2, 'Zo' || char(7) || 'e', 'O''Hara', '31/02/2010', 'F', NULL, NULL, 'long ago', NULL),
    (3, 'Ann', 'Lee', '2010-05', NULL, '', '', NULL, NULL),
    (3, 'Anne', 'Leigh', '2010-05-06', NULL, NULL, NULL, NULL, NULL),
    (NULL, 'No', 'Key', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO address_link VALUES
    (1, '14 Weir Road', 'ZZ15 3UY', '999000000014'), (1, '3 Mill Lane', 'ZZ2 8QA', NULL),
    (99, 'nobody''s', 'ZZ9 9ZZ', NULL);
INSERT INTO incident VALUES
    ('I1', '2025-01-02 10:00:00', 1, 'HIGH', 'secret narrative'),
    ('I2', '2026-03-04 11:30:00', 1, NULL, 'secret narrative'),
    ('I3', '2026-05-06 12:00:00', 0, 'STANDARD', 'secret narrative');
INSERT INTO involvement VALUES ('I1', 1, 'suspect'), ('I2', 1, 'suspect'), ('I3', 1, 'witness'),
    ('I1', 2, 'victim');
INSERT INTO restricted VALUES (2);
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mapping, systems = re.findall(r"```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    (tmp_path / "police.yaml").write_text(mapping, "utf-8")
    (tmp_path / "systems.yaml").write_text(systems, "utf-8")
    database = sqlite3.connect(tmp_path / "police.sqlite")
    database.executescript(SCHEMA)
    database.close()
    return tmp_path


@pytest.fixture
def police(folder: Path) -> Connector:
    return load_connectors(folder / "systems.yaml")["police-records"]


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that any engine sends while the test runs."""
    seen: list[str] = []

    def note(_c: object, _cur: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def change(folder: Path, **changes: object) -> Path:
    path = folder / "police.yaml"
    mapping = yaml.safe_load(path.read_text("utf-8")) | changes
    path.write_text(yaml.safe_dump(mapping), "utf-8")
    return path


def test_people_carry_their_matching_fields(police: Connector) -> None:
    people = {p.record_id: p.identity for p in police.people()}

    assert set(people) == {"1", "2", "3"}
    assert people["1"] == Identity(
        given=("Dale", "Ian"),
        surname="Prentice",
        previous_names=(("Danny", "Prentis"),),
        birth_date=date(1988, 4, 12),
        sex="M",
        addresses=(
            Address(line="14 Weir Road", postcode="ZZ15 3UY", uprn="999000000014"),
            Address(line="3 Mill Lane", postcode="ZZ2 8QA"),
        ),
        identifiers={"pnc": "2012/0052494Q"},
    )


def test_values_that_cannot_be_read_are_not_known(police: Connector) -> None:
    people = {p.record_id: p.identity for p in police.people()}

    assert people["2"].given == ("Zo", "e")
    assert people["2"].birth_date is None


def test_rows_of_one_key_are_one_person_and_never_automatic(police: Connector) -> None:
    person = next(p.identity for p in police.people() if p.record_id == "3")

    assert person.previous_names == (("Anne", "Leigh"),)
    assert person.birth_accuracy is BirthAccuracy.ESTIMATED


def test_a_person_of_the_example_is_found(police: Connector) -> None:
    subject = Identity(
        given=("Dale",),
        surname="Prentice",
        birth_date=date(1988, 4, 12),
        addresses=(Address(postcode="zz153uy"),),
    )

    result = Matcher(police.people()).find(subject)

    assert (result.outcome, result.record_id) == (Outcome.MATCH, "1")


def test_a_category_is_joined_filtered_and_ordered(police: Connector) -> None:
    rows = police.read("1", category="pol.da_incidents", fields=("date", "role", "dash_level"))

    assert rows == [
        {"date": "2026-03-04 11:30:00", "role": "suspect"},
        {"date": "2025-01-02 10:00:00", "role": "suspect", "dash_level": "HIGH"},
    ]


def test_a_known_person_with_nothing_to_tell_has_no_rows(police: Connector) -> None:
    assert police.read("3", category="pol.da_incidents", fields=("date",)) == []


def test_a_field_outside_the_decision_is_never_read(
    police: Connector, statements: list[str]
) -> None:
    assert police.health().live  # reads the schema, once
    statements.clear()

    rows = police.read("1", category="pol.da_incidents", fields=("role",))

    selected = [s.partition("FROM")[0] for s in statements if s.startswith("SELECT")]
    assert rows == [{"role": "suspect"}, {"role": "suspect"}]
    assert [s.split() for s in selected] == [["SELECT", "involvement.role", "AS", "role"]]


def test_reading_people_names_matching_columns_only(
    police: Connector, statements: list[str]
) -> None:
    list(police.people())

    text = " ".join(statements)
    assert "nominal.surname" in text
    assert not {"warning", "narrative", "created", "dash_level"} & set(re.findall(r"\w+", text))


def test_values_are_bound_and_never_written_into_a_statement(
    police: Connector, statements: list[str]
) -> None:
    with pytest.raises(ConnectorUnavailableError):
        police.read("1 OR 1=1", category="pol.involvement", fields=("known_since",))

    assert not any("1=1" in statement for statement in statements)


def test_a_text_key_is_bound_as_well(folder: Path) -> None:
    database = sqlite3.connect(folder / "police.sqlite")
    database.executescript(
        "CREATE TABLE person (id TEXT, s TEXT); INSERT INTO person VALUES('a','S')"
    )
    database.close()
    people = {"table": "person", "key": "id", "given": "s", "surname": "s"}
    connector = load_connector(
        change(
            folder,
            people=people,
            markers={},
            categories={"c": {"table": "person", "key": "id", "fields": {"s": "s"}}},
        )
    )

    assert connector.read("a", category="c", fields=("s",)) == [{"s": "S"}]
    with pytest.raises(ConnectorUnavailableError):
        connector.read("' OR ''='", category="c", fields=("s",))


def test_no_permitted_field_means_no_query(police: Connector, statements: list[str]) -> None:
    assert police.read("1", category="pol.da_incidents", fields=("narrative",)) == []
    assert statements == []


def test_a_constant_field_comes_with_a_row(police: Connector) -> None:
    rows = police.read("1", category="pol.involvement", fields=("contact",))

    assert rows == [{"contact": "Police MASH desk, 01632 960 101"}]


def test_markers_are_read_per_record(police: Connector) -> None:
    def marked(record_id: str) -> list[dict[str, str]]:
        return police.read(record_id, category=MARKERS_CATEGORY, fields=MARKER_FIELDS)

    assert marked("1") == [{"sealed": "false", "safe_address": "false"}]
    assert marked("2") == [{"sealed": "true", "safe_address": "false"}]


def test_a_record_that_went_away_is_unavailable_not_empty(folder: Path, police: Connector) -> None:
    list(police.people())
    database = sqlite3.connect(folder / "police.sqlite")
    database.execute("DELETE FROM nominal WHERE nominal_id = 1")
    database.execute("DELETE FROM involvement")
    database.commit()
    database.close()

    for category, fields in (("pol.da_incidents", ("role",)), (MARKERS_CATEGORY, MARKER_FIELDS)):
        with pytest.raises(ConnectorUnavailableError):
            police.read("1", category=category, fields=fields)


def test_an_unmapped_category_goes_to_a_person(police: Connector) -> None:
    with pytest.raises(AnswerByHandError) as caught:
        police.read("1", category="pol.custody", fields=("date",))

    assert (caught.value.system, caught.value.category) == ("police-records", "pol.custody")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO restricted VALUES (1)",
        "UPDATE nominal SET surname = 'x'",
        "DELETE FROM nominal",
        "DROP TABLE nominal",
        "CREATE TABLE mine (a)",
    ],
)
def test_the_session_cannot_write(folder: Path, statement: str) -> None:
    top = load_document(folder / "police.yaml")
    engine = open_engine(top, "sqlite:///police.sqlite", timeout_seconds=5)

    with engine.connect() as connection, pytest.raises(DatabaseError):
        connection.exec_driver_sql(statement)


def test_a_missing_database_is_unavailable_and_not_made(folder: Path, police: Connector) -> None:
    (folder / "police.sqlite").unlink()

    health = police.health()

    assert not health.live
    assert health.reason
    with pytest.raises(ConnectorUnavailableError):
        police.people()
    with pytest.raises(ConnectorUnavailableError):
        police.read("1", category="pol.involvement", fields=("known_since",))
    assert not (folder / "police.sqlite").exists()


def test_a_half_migrated_database_is_unavailable(folder: Path, police: Connector) -> None:
    assert police.health().live
    database = sqlite3.connect(folder / "police.sqlite")
    database.execute("ALTER TABLE nominal RENAME COLUMN surname TO family_name")
    database.close()

    with pytest.raises(ConnectorUnavailableError) as caught:
        police.people()

    assert "Prentice" not in str(caught.value)


def test_a_file_that_is_no_database_is_unavailable(folder: Path, police: Connector) -> None:
    (folder / "police.sqlite").write_bytes(b"not a database" * 100)

    assert not police.health().live


def test_a_view_without_column_types_still_finds_its_rows(folder: Path) -> None:
    database = sqlite3.connect(folder / "police.sqlite")
    database.executescript(
        "ALTER TABLE involvement RENAME TO involved;"
        "CREATE VIEW involvement AS SELECT inc_no, nominal_id + 0 AS nominal_id, role FROM involved"
    )
    database.close()
    connector = load_connector(folder / "police.yaml")

    assert len(connector.read("1", category="pol.da_incidents", fields=("role",))) == 2


def test_a_slow_query_is_broken_off(folder: Path) -> None:
    database = sqlite3.connect(folder / "police.sqlite")
    database.execute("ALTER TABLE involvement RENAME TO involved")
    database.execute(
        "CREATE VIEW involvement AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT i AS inc_no, 1 AS nominal_id, 'x' AS role FROM n WHERE i < 0"
    )
    database.close()
    connector = load_connector(change(folder, timeout_seconds=0.2))

    with pytest.raises(ConnectorUnavailableError):
        connector.read("1", category="pol.da_incidents", fields=("role",))


def test_the_age_of_an_extract_is_told(folder: Path) -> None:
    path = change(folder, as_of={"table": "incident", "column": "opened_at"})

    assert load_connector(path).health().as_of == datetime(2026, 5, 6, 12, tzinfo=UTC)


def test_a_database_without_a_read_only_switch_needs_the_agencys_word(folder: Path) -> None:
    with pytest.raises(MappingError, match="read_only_login"):
        load_connector(change(folder, url="mssql+pyodbc://user:hunter2@host/db"))


def test_a_password_is_not_told(folder: Path) -> None:
    path = change(folder, url={"secret": "police-url"})

    with pytest.raises(MappingError) as caught:
        load_connector(path, secrets={"police-url": "nosuch+driver://user:hunter2@host/db"})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_secret_url_is_looked_up(folder: Path) -> None:
    path = change(folder, url={"secret": "police-url"})

    connector = load_connector(path, secrets={"police-url": "sqlite:///police.sqlite"})

    assert connector.health().live

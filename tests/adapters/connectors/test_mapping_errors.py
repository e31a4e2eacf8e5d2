"""A wrong mapping gives one message: file, key, nearest valid word."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.connectors.document import load_document
from adapters.connectors.load import load_connector, load_connectors
from adapters.connectors.manual import ManualConnector
from adapters.errors import AnswerByHandError, MappingError


def mapping(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "connector": "sql",
        "system": "test",
        "url": "sqlite:///a.sqlite",
        "people": {"table": "person", "key": "id", "given": "forename", "surname": "surname"},
        "categories": {
            "x.y": {"table": "event", "key": "person", "fields": {"date": "at"}},
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = base
        for name in parents:
            target = target.setdefault(name, {})
        target[last] = value
    return base


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mapping")
    database = sqlite3.connect(folder / "a.sqlite")
    database.execute("CREATE TABLE person (id, forename, surname, dob)")
    database.execute("CREATE TABLE event (person, at, kind)")
    database.close()
    return folder


def load(folder: Path, content: dict[str, Any]) -> None:
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    load_connector(path)


def test_the_base_of_these_cases_is_right(folder: Path) -> None:
    load(folder, mapping())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (mapping(connector="sqll"), "connector: no connector 'sqll'; did you mean 'sql'?"),
        (mapping(conector="x"), "conector: no such key.*did you mean 'connector'"),
        (mapping(system=None), "system: is missing"),
        (mapping(system=3), "system: must be text"),
        (mapping(url=None), "url: is missing"),
        (mapping(url="sqlite://"), "url: names no file"),
        (mapping(url="::"), "url: not a database URL"),
        (mapping(url={"secret": "nosuch"}), "url.secret: the node has no secret"),
        (mapping(timeout_seconds=-1), "timeout_seconds: must be a number"),
        (mapping(timeout_seconds=True), "timeout_seconds: must be a number"),
        (mapping(people__surname="sirname"), "people.surname:.*did you mean 'surname'"),
        (mapping(people__table="persons"), "people.table: there is no.*did you mean 'person'"),
        (mapping(people__given=["forename", "forname"]), "people.given:.*'forename'"),
        (mapping(people__given=3), "people.given: must be text or a list"),
        (mapping(people__birthdate="dob"), "people.birthdate:.*did you mean 'birth_date'"),
        (mapping(people__identifiers={"NHS": "id"}), "people.identifiers.NHS: a scheme is"),
        (mapping(people__addresses={"line": "x"}), "people.addresses: must be a list"),
        (mapping(people__addresses=[{}]), r"people.addresses\[0\].line: name at least one"),
        (mapping(people__addresses=[{"table": "event", "line": "at"}]), "key: is missing"),
        (mapping(markers={"seald": {}}), "markers.seald:.*did you mean 'sealed'"),
        (mapping(markers={"sealed": {}}), "markers.sealed.column: is missing"),
        (mapping(categories={"x.y": {"table": "event", "key": "person"}}), "fields: is missing"),
        (mapping(categories__c={"table": "event", "key": "at", "fields": {"a": {}}}), "text"),
        (
            mapping(
                categories__c={"table": "event", "key": "person", "fields": {"a": "event.att"}}
            ),
            "categories.c.fields.a: table 'event' has no column 'att'; did you mean 'at'",
        ),
        (
            mapping(
                categories__c={
                    "table": "event",
                    "key": "person",
                    "fields": {"a": "at"},
                    "limit": 501,
                }
            ),
            "categories.c.limit: must be a number above 0, at most 500",
        ),
        (
            mapping(
                categories__c={
                    "table": "event",
                    "key": "person",
                    "fields": {"a": "at"},
                    "join": [{"table": "person"}],
                }
            ),
            r"categories.c.join\[0\].using: is missing",
        ),
        (
            mapping(
                categories__c={
                    "table": "event",
                    "key": "person",
                    "fields": {"a": "at"},
                    "where": {"kind": {"like": "%"}},
                }
            ),
            "categories.c.where.kind: must be a value or a list",
        ),
        (
            mapping(
                categories__c={
                    "table": "event",
                    "key": "person",
                    "fields": {"a": "at"},
                    "order": {"column": "at", "descending": "yes"},
                }
            ),
            "order.descending: must be true or false",
        ),
        (
            mapping(
                categories__c={
                    "table": "event",
                    "key": "person",
                    "fields": {"a": "at FROM event; --"},
                }
            ),
            "categories.c.fields.a: table 'event' has no column",
        ),
    ],
)
def test_the_message_says_where_and_what(
    folder: Path, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(MappingError, match=message) as caught:
        load(folder, content)

    assert str(caught.value).startswith("test.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "a: [",
        "1: x",
        "system: a\nsystem: b",
        "a: &x [*x]",
        "a: !!python/object/apply:os.system [ls]",
        "? [a]\n: b",
        "\x00",
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, "utf-8")

    with pytest.raises(MappingError, match=r"^bad\.yaml: "):
        load_connector(path)


def test_a_doubled_category_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("categories:\n  a: {}\n  a: {}\n", "utf-8")

    with pytest.raises(MappingError, match="line 2: key 'a' stands twice"):
        load_document(path)


def test_a_missing_or_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)

    for name in ("none.yaml", "huge.yaml"):
        with pytest.raises(MappingError, match=name):
            load_connector(tmp_path / name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=100))
def test_any_bytes_give_our_own_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(data)

    with pytest.raises(MappingError):
        load_connector(path)


def test_two_systems_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("{connector: manual, system: paper}", "utf-8")
    (tmp_path / "systems.yaml").write_text("systems: [a.yaml, b.yaml]", "utf-8")

    with pytest.raises(MappingError, match="two mappings are named 'paper'"):
        load_connectors(tmp_path / "systems.yaml")


def test_a_manual_system_sends_everything_to_a_person(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{connector: manual, system: paper}", "utf-8")
    paper = load_connector(tmp_path / "a.yaml")

    assert isinstance(paper, ManualConnector)
    assert paper.health().live
    with pytest.raises(AnswerByHandError):
        paper.people()
    with pytest.raises(AnswerByHandError):
        paper.read("1", category="fire.home_visits", fields=("date",))

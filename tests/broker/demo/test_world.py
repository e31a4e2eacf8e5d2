import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from stdnum.gb import nhs

from broker.demo.errors import FolderNotEmptyError
from broker.demo.people import AS_OF, System
from broker.demo.world import World, write_world
from policies.agreement import load_agreement

AGREEMENT = Path(__file__).parents[3] / "policies" / "agreements" / "northshire.yaml"
SCENARIOS = {"S01", "S03", "S04", "S05", "S07"}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_two_runs_with_one_seed_are_equal_byte_for_byte(tmp_path: Path) -> None:
    one = write_world(tmp_path / "one", seed=4, others=120)
    two = write_world(tmp_path / "two", seed=4, others=120)

    assert contents(one.directory) == contents(two.directory)
    assert one.cases == two.cases


def test_another_seed_gives_other_people(tmp_path: Path) -> None:
    one = write_world(tmp_path / "one", seed=4, others=20)
    two = write_world(tmp_path / "two", seed=5, others=20)

    assert one.people["P000001"] != two.people["P000001"]
    assert one.cases["S07"].referrer_words == two.cases["S07"].referrer_words


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine")

    with pytest.raises(FolderNotEmptyError) as caught:
        write_world(tmp_path, seed=1)

    assert caught.value.directory == tmp_path
    assert contents(tmp_path) == {"keep": b"mine"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FolderNotEmptyError):
        write_world(tmp_path / "file", seed=1)


def test_there_are_three_hundred_ordinary_people_beside_the_families_by_hand(
    world: World, small_world: World
) -> None:
    assert len(world.people) == len(small_world.people) + 300
    assert world.cases.keys() == SCENARIOS


def test_every_store_and_every_mapping_is_there(world: World) -> None:
    names = {name.partition("/")[0] for name in contents(world.directory)}

    assert names == {
        *("police.sqlite", "council.sqlite", "trust.sqlite", "mental_health.sqlite"),
        *("gp", "education", "mappings", "truth.json"),
    }
    assert all(world.mapping(system).is_file() for system in System)


def test_each_party_finds_its_systems(world: World) -> None:
    assert [path.name for path in world.mappings_of("northshire-cc")] == [
        "council.yaml",
        "education.yaml",
    ]
    assert world.mappings_of("probation-ne") == ()  # answers by hand


def test_the_truth_is_in_its_own_file_and_in_no_store(world: World) -> None:
    files = contents(world.directory)
    truth = json.loads(files.pop("truth.json"))

    assert truth == {key: dict(value) for key, value in world.truth.items()}
    for truth_id in ("S01-partner", "S03-mother", "TWINS-jayden", "P000001"):
        assert not [name for name, data in files.items() if truth_id.encode() in data]


def test_record_ids_differ_from_system_to_system(world: World) -> None:
    ids = [record for known in world.truth.values() for record in known.values()]

    assert len(ids) == len(set(ids))


def test_every_nhs_number_in_every_store_is_valid_and_of_the_test_range(world: World) -> None:
    with closing(sqlite3.connect(world.directory / "council.sqlite")) as connection:
        numbers = [row[0] for row in connection.execute("SELECT nhs_no FROM person")]
    lines = (world.directory / "gp" / "Patient.ndjson").read_text(encoding="utf-8").splitlines()
    patients = [json.loads(line) for line in lines]
    numbers += [item["value"] for patient in patients for item in patient.get("identifier", ())]

    known = [number for number in numbers if number]
    assert len(known) > 300
    assert all(nhs.is_valid(number) and number.startswith("999") for number in known)


def test_nobody_is_born_after_the_day_of_the_scenarios(world: World) -> None:
    births = [person.birth_date for person in world.people.values()]

    assert all(born is not None and born < AS_OF for born in births)


def test_concerns_are_words_of_the_agreement(world: World) -> None:
    data = AGREEMENT.read_bytes()
    agreement = load_agreement(data, source=AGREEMENT.name, allow_unpinned=True)

    assert {case.concern for case in world.cases.values()} <= set(agreement.terms.concerns)


def test_no_ordinary_person_has_a_surname_of_the_families_by_hand(world: World) -> None:
    by_hand = {p.surname for key, p in world.people.items() if not key.startswith("P")}
    ordinary = {p.surname for key, p in world.people.items() if key.startswith("P")}

    assert not by_hand & ordinary


def test_the_order_of_hashes_changes_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from broker.demo.world import write_world; "
        "write_world(Path(sys.argv[1]), seed=9, others=60)"
    )
    for number in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, tmp_path / number],
            check=True,
            env={"PYTHONHASHSEED": number},
        )

    assert contents(tmp_path / "1") == contents(tmp_path / "2")

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.demo.people import System
from broker.demo.world import World

TABLES = {
    "police": {
        *("nominal", "address_link", "incident", "involvement", "crime", "intel", "bail"),
        "missing",
    },
    "council": {
        *("person", "relationship", "involvement", "contact", "referral", "assessment", "s47"),
        *("cp_plan", "lac_episode", "eha", "s42_concern", "care_package", "restricted_flag"),
        *("case_note", "tenancy", "tenant"),
    },
    "trust": {"patient", "pas_attendance", "hv_caseload"},
    "mental_health": {"patient", "mh_referral", "camhs_waiting"},
}


@contextmanager
def store(world: World, name: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(world.directory / f"{name}.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def resources(world: World, kind: str) -> list[dict[str, Any]]:
    lines = (world.directory / "gp" / f"{kind}.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_is_there_has_rows_and_no_dangling_key(world: World, name: str) -> None:
    with store(world, name) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {row["name"] for row in found}
        counts = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}  # noqa: S608 - names from the schema

        assert tables == TABLES[name]
        assert all(counts.values())
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_every_record_of_the_truth_is_in_its_sqlite_store(world: World) -> None:
    keys = {
        System.POLICE: "SELECT nominal_id FROM nominal",
        System.COUNCIL: "SELECT person_id FROM person",
        System.TRUST: "SELECT hospital_no FROM patient",
        System.MENTAL_HEALTH: "SELECT rio_id FROM patient",
    }
    for system, query in keys.items():
        with store(world, system.value) as connection:
            held = {str(row[0]) for row in connection.execute(query)}

        assert held == {known[system] for known in world.truth.values() if system in known}


def test_every_pupil_row_belongs_to_a_pupil_and_every_school_has_a_lead(world: World) -> None:
    folder = world.directory / "education"
    pupils = {row["pupil_id"]: row for row in rows_of(folder / "pupil.csv")}
    schools = {row["school_urn"] for row in rows_of(folder / "dsl_contact.csv")}
    files = {path.stem for path in folder.iterdir()}

    assert files == {
        *("pupil", "attendance_week", "suspension", "sen", "ehe_register", "cme_register"),
        *("safeguarding_log", "dsl_contact"),
    }
    assert set(pupils) == {
        known[System.EDUCATION] for known in world.truth.values() if System.EDUCATION in known
    }
    for name in files - {"pupil", "dsl_contact"}:
        rows = rows_of(folder / f"{name}.csv")
        assert rows
        assert {row["pupil_id"] for row in rows} <= set(pupils)
    assert {row["school_urn"] for row in pupils.values()} - {""} <= schools


def test_the_practices_resources_point_at_their_patients_and_organisations(world: World) -> None:
    patients = {patient["id"] for patient in resources(world, "Patient")}
    bundle = json.loads((world.directory / "gp" / "organisations.json").read_text())
    practices = {f"Organization/{entry['resource']['id']}" for entry in bundle["entry"]}
    subjects = {
        item["subject"]["reference"]
        for kind in ("Condition", "MedicationStatement", "Flag")
        for item in resources(world, kind)
    }
    subjects |= {item["patient"]["reference"] for item in resources(world, "EpisodeOfCare")}
    subjects |= {
        item["participant"][0]["actor"]["reference"] for item in resources(world, "Appointment")
    }

    assert patients == {known[System.GP] for known in world.truth.values() if System.GP in known}
    assert {reference.removeprefix("Patient/") for reference in subjects} <= patients
    for patient in resources(world, "Patient"):
        assert patient["managingOrganization"]["reference"] in practices


def test_a_household_is_registered_at_one_practice(world: World) -> None:
    twins = {world.truth[f"TWINS-{name}"][System.GP] for name in ("jayden", "jaydan")}
    practices = {
        patient["managingOrganization"]["reference"]
        for patient in resources(world, "Patient")
        if patient["id"] in twins
    }

    assert len(practices) == 1


def test_the_partner_of_s01_has_intelligence_of_both_handling_codes(world: World) -> None:
    with store(world, "police") as connection:
        rows = connection.execute(
            "SELECT handling FROM intel WHERE nominal_id = ? ORDER BY handling",
            [world.truth["S01-partner"][System.POLICE]],
        )

        assert [row["handling"] for row in rows] == ["C", "P"]


def test_an_incident_can_involve_several_people(world: World) -> None:
    with store(world, "police") as connection:
        rows = connection.execute(
            "SELECT nominal_id, role FROM involvement WHERE inc_no = 'NS-26-071163'"
        )

        assert {row["nominal_id"]: row["role"] for row in rows} == {
            world.truth["S03-mother"][System.POLICE]: "victim",
            world.truth["S03-father"][System.POLICE]: "suspect",
        }


def test_a_relationship_names_the_other_persons_own_record(world: World) -> None:
    with store(world, "council") as connection:
        row = connection.execute(
            "SELECT related_id, pr_flag FROM relationship WHERE person_id = ?",
            [world.truth["S03-mother"][System.COUNCIL]],
        ).fetchone()

    assert str(row["related_id"]) == world.truth["S03-child"][System.COUNCIL]
    assert row["pr_flag"] == "yes"

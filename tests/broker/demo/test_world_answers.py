"""What a node's own connectors and matcher make of the world: the statuses of the scenarios."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.connectors.base import MARKERS_CATEGORY, Connector
from adapters.connectors.load import load_connector
from adapters.errors import AnswerByHandError, ConnectorUnavailableError
from adapters.matching.guards import Outcome
from adapters.matching.identity import Identity
from adapters.matching.matcher import Matcher, MatchResult
from broker.demo.febrl import febrl_population, write_febrl
from broker.demo.households import identity_json
from broker.demo.people import System
from broker.demo.world import World, write_world

KNOWN = "KNOWN_DATA"
NOTHING = "KNOWN_NO_RELEVANT"
NOT_KNOWN = "NOT_KNOWN"

# Scenario, role, category, and what the supplier's node finds: the rows of the decision table that
# a node comes to answer.
ANSWERS = [
    ("S01", "alleged_perpetrator", "pol.crimes_convictions", KNOWN),
    ("S01", "alleged_perpetrator", "pol.intel_graded", KNOWN),
    ("S01", "subject_child", "hlt.gp.problems_medication", KNOWN),
    ("S01", "subject_child", "hlt.acute.ed_attendance", KNOWN),
    ("S01", "subject_child", "edu.attendance_exclusion", KNOWN),
    ("S01", "subject_child", "csc.involvement", KNOWN),
    ("S01", "sibling_not_subject", "edu.enrolment", KNOWN),
    ("S03", "subject_child", "edu.attendance_exclusion", KNOWN),
    ("S03", "subject_child", "hlt.community.hv_sn_contacts", KNOWN),
    ("S03", "subject_child", "hlt.gp.problems_medication", KNOWN),
    ("S03", "parent_carer", "hlt.mh.risk_summary", KNOWN),
    ("S03", "parent_carer", "hlt.mh.involvement", KNOWN),
    ("S03", "subject_child", "hlt.gp.attendance", KNOWN),
    ("S03", "alleged_perpetrator", "pol.intel_graded", KNOWN),
    ("S03", "subject_child", "eh.assessment", KNOWN),
    ("S03", "household_adult", "hlt.gp.attendance", KNOWN),
    ("S04", "subject_child", "eh.assessment", KNOWN),
    ("S04", "subject_child", "csc.involvement", KNOWN),
    ("S04", "subject_child", "edu.enrolment", KNOWN),
    ("S05", "subject_child", "eh.assessment", KNOWN),
    ("S05", "subject_child", "edu.attendance_exclusion", KNOWN),
    ("S05", "subject_child", "edu.sen", KNOWN),
    ("S05", "subject_child", "edu.safeguarding_file", KNOWN),
    ("S05", "subject_child", "csc.plans_status", NOTHING),
    ("S07", "subject_child", "hlt.gp.registration", NOT_KNOWN),
    ("S07", "subject_child", "edu.enrolment", NOT_KNOWN),
    ("S07", "parent_carer", "pol.da_incidents", NOTHING),
    ("S07", "subject_child", "csc.involvement", NOT_KNOWN),
]


@cache
def connector(mapping: Path) -> Connector:
    return load_connector(mapping)


@cache
def matcher(mapping: Path) -> Matcher:
    return Matcher(connector(mapping).people())


def fields(mapping: Path) -> dict[str, tuple[str, ...]]:
    data = yaml.safe_load(mapping.read_text(encoding="utf-8"))
    return {code: tuple(entry["fields"]) for code, entry in data["categories"].items()}


def find(world: World, system: System, identity: Mapping[str, Any]) -> MatchResult:
    return matcher(world.mapping(system)).find(Identity.from_json(identity))


def system_of(world: World, category: str) -> System:
    return next(s for s in System if category in fields(world.mapping(s)))


@pytest.mark.parametrize(("scenario", "role", "category", "status"), ANSWERS)
def test_a_node_finds_what_the_scenario_says(
    world: World, scenario: str, role: str, category: str, status: str
) -> None:
    subject = world.cases[scenario].subject(role)
    system = system_of(world, category)
    mapping = world.mapping(system)

    result = find(world, system, subject.identity)

    if status == NOT_KNOWN:
        assert result.outcome is Outcome.NOT_KNOWN
        return
    assert result.record_id == world.truth[subject.truth_id][system]
    rows = connector(mapping).read(
        result.record_id, category=category, fields=fields(mapping)[category]
    )
    assert bool(rows) is (status == KNOWN)


@pytest.mark.parametrize("system", list(System))
@pytest.mark.parametrize("seed", [1, 2])
def test_every_subject_is_matched_where_known_and_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory, seed: int, system: System
) -> None:
    world = write_world(tmp_path_factory.mktemp("seeds") / "world", seed=seed)
    found: dict[str, str | None] = {}
    for case in world.cases.values():
        for subject in case.subjects:
            result = find(world, system, subject.identity)
            assert result.outcome in {Outcome.MATCH, Outcome.NOT_KNOWN}
            found[subject.truth_id] = result.record_id

    assert found == {truth_id: world.truth[truth_id].get(system) for truth_id in found}


@pytest.mark.parametrize("system", list(System))
def test_every_mapped_field_of_every_category_comes_out_for_somebody(
    world: World, system: System
) -> None:
    mapping = world.mapping(system)
    known = [ids[system] for ids in world.truth.values() if system in ids]
    for category, names in fields(mapping).items():
        rows = [
            row
            for record_id in known
            for row in connector(mapping).read(record_id, category=category, fields=names)
        ]

        assert {name for row in rows for name in row} == set(names), category


@pytest.mark.parametrize("name", ["jayden", "jaydan"])
def test_a_twin_is_never_found_by_machine_where_both_are_known(world: World, name: str) -> None:
    twin = identity_json(world.people[f"TWINS-{name}"]) | {"identifiers": {}}

    for system in (System.GP, System.EDUCATION):
        assert find(world, system, twin).outcome is Outcome.CANDIDATE


def test_a_number_that_belongs_to_the_twin_is_no_proof(world: World) -> None:
    jaydan = identity_json(world.people["TWINS-jaydan"])
    jaydan |= {"given": ["Samuel"], "birth_date": "2015-03-03"}

    assert find(world, System.TRUST, jaydan).outcome is not Outcome.MATCH


@pytest.mark.parametrize(("asked", "other"), [("father", "son"), ("son", "father")])
def test_father_and_son_of_one_name_are_told_apart(world: World, asked: str, other: str) -> None:
    identity = identity_json(world.people[f"FATHERSON-{asked}"]) | {"identifiers": {}}

    result = find(world, System.GP, identity)

    assert result.record_id != world.truth[f"FATHERSON-{other}"][System.GP]
    son_at_police = find(world, System.POLICE, identity)
    if asked == "son":
        assert son_at_police.outcome is not Outcome.MATCH


def test_a_first_of_january_is_never_matched_by_machine(world: World) -> None:
    identity = identity_json(world.people["FIRSTOFJANUARY-adult"]) | {"identifiers": {}}

    assert find(world, System.COUNCIL, identity).outcome is Outcome.CANDIDATE


def test_markers_are_read_from_the_records(world: World) -> None:
    def markers(truth_id: str, system: System) -> dict[str, str]:
        rows = connector(world.mapping(system)).read(
            world.truth[truth_id][system],
            category=MARKERS_CATEGORY,
            fields=("sealed", "safe_address"),
        )
        return rows[0]

    assert markers("ADOPTED-child", System.COUNCIL) == {"sealed": "true", "safe_address": "false"}
    assert markers("REFUGE-mother", System.COUNCIL) == {"sealed": "false", "safe_address": "true"}
    assert markers("REFUGE-mother", System.GP) == {"sealed": "false", "safe_address": "true"}
    assert markers("S01-child", System.COUNCIL) == {"sealed": "false", "safe_address": "false"}


def test_a_safe_address_is_in_no_tenancy_answer(world: World) -> None:
    mapping = world.mapping(System.COUNCIL)
    mother = world.truth["REFUGE-mother"][System.COUNCIL]

    assert connector(mapping).read(mother, category="hou.tenancy", fields=("line",)) == []


def test_a_restricted_category_is_answered_by_a_person(world: World) -> None:
    partner = world.truth["S01-partner"][System.POLICE]

    with pytest.raises(AnswerByHandError):
        connector(world.mapping(System.POLICE)).read(
            partner, category="pol.intel_sensitive_source", fields=("sanitised_text",)
        )


def test_an_unplugged_practice_is_unavailable_and_not_a_nil_return(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", seed=1, others=0)
    (tmp_path / "world" / "gp").rename(tmp_path / "unplugged")
    gone = load_connector(world.mapping(System.GP))

    assert not gone.health().live
    with pytest.raises(ConnectorUnavailableError):
        list(gone.people())


def test_febrl_people_are_found_by_their_own_records_only(tmp_path: Path) -> None:
    population = febrl_population()
    mapping = write_febrl(tmp_path / "febrl", population)
    agency, truth = matcher(mapping), population.truth()
    subjects = population.subjects_a[:200]

    results = {s.truth_id: agency.find(Identity.from_json(s.identity)) for s in subjects}

    found = {key: r.record_id for key, r in results.items() if r.outcome is Outcome.MATCH}
    assert all(record_id == truth[key] for key, record_id in found.items())
    assert len(found) >= 150
    row = connector(mapping).read("B00001", category="edu.enrolment", fields=("status",))
    assert row == [{"status": "ON_ROLL"}]

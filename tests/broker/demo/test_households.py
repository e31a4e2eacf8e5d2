import random  # noqa: TID251 - seeded
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from broker.demo import households
from broker.demo.errors import HouseholdFileError
from broker.demo.identifiers import Identifiers
from broker.demo.people import AS_OF, System
from broker.demo.population import NOISE, age_of, written_down
from broker.demo.world import World

DANGLING = """
id: X
addresses: {home: {line: a, postcode: ZZ1 1AA}}
people:
  a:
    {given: [A], surname: B, born: 2001-01-01, sex: F,
     held: {council: {events: [{table: relationship, related_id: '@b'}]}}}
"""
ROLES = {
    "S01": ["subject_child", "parent_carer", "alleged_perpetrator", "sibling_not_subject"],
    "S03": ["subject_child", "parent_carer", "household_adult", "alleged_perpetrator"],
    "S04": ["subject_child", "parent_carer"],
    "S05": ["subject_child", "parent_carer"],
    "S07": ["subject_child", "parent_carer"],
}


@pytest.mark.parametrize("scenario", sorted(ROLES))
def test_a_case_has_the_roles_the_decision_table_asks_about(world: World, scenario: str) -> None:
    case = world.cases[scenario]

    assert [subject.case_role for subject in case.subjects] == ROLES[scenario]
    assert len(case.narrative) > 100
    assert len(case.referrer_words) > 100
    assert case.concern


def test_the_subject_of_a_role_is_found_and_a_missing_role_is_said(world: World) -> None:
    assert world.cases["S01"].subject("subject_child").truth_id == "S01-child"
    with pytest.raises(LookupError, match="S04 has no household_adult"):
        world.cases["S04"].subject("household_adult")


def test_the_child_of_s01_is_four(world: World) -> None:
    assert age_of(world.people["S01-child"]) == 4


def test_the_family_of_s07_is_new_to_everybody_but_the_police(world: World) -> None:
    assert world.truth["S07-child"] == {}
    assert set(world.truth["S07-mother"]) == {System.POLICE}


def test_the_referrer_knows_less_than_the_truth(world: World) -> None:
    partner = world.cases["S01"].subject("alleged_perpetrator").identity
    truth = world.people["S01-partner"]

    assert partner["given"] == ["Danny"]
    assert partner["identifiers"] == {}
    assert truth.given == ("Daniel", "James")
    assert set(truth.identifiers) == {"nhs", "pnc", "crn"}
    assert partner["birth_date"] == "1991-11-23"


def test_only_the_nhs_number_is_ever_asked_with(world: World) -> None:
    schemes = {
        scheme
        for case in world.cases.values()
        for subject in case.subjects
        for scheme in subject.identity["identifiers"]
    }

    assert schemes == {"nhs"}


def test_special_cases_are_there(world: World) -> None:
    people = world.people
    twins = [people["TWINS-jayden"], people["TWINS-jaydan"]]
    father, son = people["FATHERSON-father"], people["FATHERSON-son"]

    assert twins[0].birth_date == twins[1].birth_date
    assert twins[0].address == twins[1].address
    assert (father.given, father.surname) == (son.given, son.surname)
    assert father.birth_date != son.birth_date
    assert people["FIRSTOFJANUARY-adult"].birth_date == date(1990, 1, 1)
    assert people["NAMESAKES-child"].surname == people["S01-child"].surname
    assert people["NAMESAKES-child"].address != people["S01-child"].address
    assert people["NAMES-nickname"].known_as == "Liz"
    assert people["NAMES-diacritics"].surname == "Nuñez"
    assert "-" in people["S03-father"].surname
    address = people["TRAVELLERS-child"].address
    assert address is not None
    assert address.uprn is None
    assert System.GP not in world.truth["TRAVELLERS-child"]


def noisy_pairs(count: int) -> Counter[str]:
    """Count the errors in `count` records of one person."""
    rng = random.Random(11)  # noqa: S311 - invented data
    found: Counter[str] = Counter()
    person = next(
        p
        for h in households.read_households(Identifiers(rng=rng))
        for p in h.people
        if p.former_address
    )
    for _ in range(count):
        seen = written_down(person, System.GP, rng=rng)
        found["surname_typo"] += seen.surname != person.surname
        found["given_typo"] += seen.given[0] != person.given[0]
        found["second_name_missing"] += len(seen.given) < len(person.given)
        found["former_address"] += seen.address == person.former_address
        found["birth_date_missing"] += seen.birth_date is None
        found["identifier_missing"] += not seen.identifiers
    return found


def test_noise_comes_at_the_stated_rates() -> None:
    found = noisy_pairs(20_000)

    for name in set(NOISE) - {"birth_date_day_month_swapped"}:
        # A typo may swap two equal letters, so it may fall short by a little.
        assert found[name] / 20_000 == pytest.approx(NOISE[name], rel=0.25), name


def test_ages_are_counted_in_birthdays(world: World) -> None:
    for person in world.people.values():
        born = person.birth_date
        assert born is not None
        assert 0 <= age_of(person) <= AS_OF.year - born.year


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id: X\naddresses: {}\npeople: {}\ncolour: red", "colour"),
        ("id: X\naddresses: {}\npeople: {a: {given: [A], surname: B, born: soon, sex: F}}", "born"),
        (
            "id: X\naddresses: {}\npeople: {a: {given: [A], surname: B, born: 2001-01-01, sex: F}}",
            "no address home",
        ),
        (
            "id: X\naddresses: {home: {line: 1, postcode: ZZ1 1AA}}\npeople: {}",
            "line",
        ),
        (DANGLING, "no person b"),
    ],
)
def test_a_wrong_household_file_is_named_with_its_fault(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "wrong.yaml").write_text(text)

    identifiers = Identifiers(rng=random.Random(1))  # noqa: S311 - invented data

    with pytest.raises(HouseholdFileError, match=reason) as caught:
        households.read_households(identifiers, folder=tmp_path)

    assert caught.value.name == "wrong.yaml"

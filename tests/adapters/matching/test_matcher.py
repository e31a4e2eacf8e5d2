"""The right person, or nobody: the guards, each with the case it exists for."""

from dataclasses import replace
from datetime import date

import pytest

from adapters.matching.guards import Outcome, Rule
from adapters.matching.identity import Address, BirthAccuracy, Identity, Person
from adapters.matching.matcher import Matcher, MatchResult

HOME = Address(line="14 Weir Road", postcode="ZZ15 3UY", uprn="999000000014")
AWAY = Address(line="3 Mill Lane", postcode="ZZ2 8QA", uprn="999000000003")
AMY = Identity(
    given=("Amelia",),
    surname="Hargreave",
    birth_date=date(2019, 5, 17),
    sex="female",
    addresses=(HOME,),
)
STRANGERS = [
    Identity(
        given=(f"{chr(97 + i % 26)}rvin{chr(97 + i // 26)}",),
        surname=f"Quent{chr(97 + i % 19)}x",
        birth_date=date(1950 + i % 60, 1 + i % 12, 2 + i % 27),
        addresses=(Address(line=f"{i} Far Street", postcode=f"ZY{i % 9 + 1} {i % 9}AA"),),
    )
    for i in range(200)
]


def find(subject: Identity, *records: Identity) -> MatchResult:
    people = [Person(record_id=f"r{i}", identity=r) for i, r in enumerate([*records, *STRANGERS])]
    return Matcher(people).find(subject)


def outcome(subject: Identity, *records: Identity) -> tuple[Outcome, Rule]:
    result = find(subject, *records)
    return result.outcome, result.rule


def test_the_same_person_matches_and_says_why() -> None:
    result = find(AMY, AMY)

    assert (result.outcome, result.record_id) == (Outcome.MATCH, "r0")
    assert result.rule is Rule.FIELDS_AGREE
    assert result.candidates == ()
    assert result.evidence[0].levels.birth == "exact"
    assert result.model_version.startswith("default-")
    assert result.probability > 0.95


def test_nobody_is_not_known() -> None:
    result = find(AMY)

    assert (result.outcome, result.record_id) == (Outcome.NOT_KNOWN, None)
    assert (result.candidates, result.evidence, result.probability) == ((), (), 0.0)


def test_the_same_question_gets_the_same_answer() -> None:
    assert find(AMY, AMY) == find(AMY, AMY)


@pytest.mark.parametrize(
    "record",
    [
        replace(AMY, given=("Amelia", "Rose")),
        replace(AMY, given=("Ameliia",)),
        replace(AMY, given=("AMÉLIA",)),
        replace(AMY, given=("Millie",)),
        replace(AMY, given=("Rose",), previous_names=(("Amelia", "Hargreave"),)),
        replace(AMY, given=("Amelia-Rose",)),
        replace(AMY, surname="Hargreave-Stott"),
        replace(AMY, surname="Stott Hargreave"),
        replace(AMY, given=("Hargreave",), surname="Amelia"),
        replace(AMY, surname="Stott"),
        replace(AMY, addresses=(AWAY,)),
        replace(AMY, addresses=(AWAY, HOME)),
        replace(AMY, addresses=()),
    ],
    ids=lambda r: f"{' '.join(r.given)} {r.surname} {len(r.addresses)}",
)
def test_one_usual_difference_still_matches(record: Identity) -> None:
    result = find(AMY, record)

    assert (result.outcome, result.record_id) == (Outcome.MATCH, "r0")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("O'Neill", "ONeill"),
        ("O\u2019Neill", "o neill"),
        ("MacDonald", "McDonald"),
        ("Mc Donald", "McDonald"),
        ("Łukasz", "Lukasz"),
        ("van der Berg", "Vanderberg"),
        ("Иванова", "ИВАНОВА"),
    ],
)
def test_spellings_of_a_surname_meet(left: str, right: str) -> None:
    result = find(replace(AMY, surname=left), replace(AMY, surname=right, addresses=(AWAY,)))

    assert result.outcome is Outcome.MATCH


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (replace(AMY, birth_date=date(2019, 5, 18)), Rule.TWO_AGREE),
        (replace(AMY, birth_date=None), Rule.TWO_AGREE),
        (replace(AMY, given=("Olivia",)), Rule.TWO_AGREE),
        (replace(AMY, surname="Stott", addresses=(AWAY,)), Rule.TWO_AGREE),
        (replace(AMY, birth_accuracy=BirthAccuracy.ESTIMATED), Rule.UNSAFE_VALUE),
        (replace(AMY, identifiers={"upn": "E93740002601A"}), Rule.UNSAFE_VALUE),
        (replace(AMY, given=("Ameliah",), sex="male"), Rule.UNSAFE_VALUE),
        (replace(AMY, given=("Baby",)), Rule.TWO_AGREE),
    ],
)
def test_what_is_not_sure_goes_to_a_person(record: Identity, rule: Rule) -> None:
    assert outcome(AMY, record) == (Outcome.CANDIDATE, rule)


def test_a_moved_family_with_another_surname_is_not_returned() -> None:
    moved = replace(AMY, surname="Stott", addresses=(AWAY,), given=("Olivia",))

    assert outcome(AMY, moved)[0] is not Outcome.MATCH


def test_day_and_month_exchanged_is_a_candidate() -> None:
    subject = replace(AMY, birth_date=date(2019, 5, 7))

    assert outcome(subject, replace(AMY, birth_date=date(2019, 7, 5)))[0] is Outcome.CANDIDATE


def test_a_first_of_january_never_matches_by_itself() -> None:
    subject = replace(AMY, birth_date=date(2019, 1, 1))

    assert outcome(subject, subject) == (Outcome.CANDIDATE, Rule.UNSAFE_VALUE)


def test_the_unborn_are_never_matched() -> None:
    subject = replace(AMY, given=("Unborn of Amelia",), birth_date=None)

    assert outcome(subject, subject, AMY)[0] is not Outcome.MATCH


def test_a_known_twin_is_not_the_unknown_twin() -> None:
    twin = replace(AMY, given=("Olivia",))

    assert outcome(AMY, twin)[0] is not Outcome.MATCH


def test_two_known_names_are_two_people_however_alike() -> None:
    maria, marie = replace(AMY, given=("Maria",)), replace(AMY, given=("Marie",))

    assert outcome(maria, marie)[0] is Outcome.CANDIDATE


def test_twins_with_similar_names_are_left_to_a_person() -> None:
    twin = replace(AMY, given=("Amelie",))

    result = find(AMY, AMY, twin)

    assert result.outcome is Outcome.CANDIDATE
    assert result.rule in {Rule.TWIN_TRAP, Rule.RUNNER_UP, Rule.SEVERAL}
    assert set(result.candidates) == {"r0", "r1"}


def test_twins_with_different_names_are_told_apart() -> None:
    result = find(AMY, replace(AMY, given=("Oscar",)), AMY)

    assert (result.outcome, result.record_id) == (Outcome.MATCH, "r1")


def test_father_and_son_of_one_name_are_not_matched() -> None:
    son = replace(AMY, given=("John",), sex="male", birth_date=date(2012, 3, 4))
    father = replace(son, birth_date=date(1979, 11, 23))

    assert outcome(son, father)[0] is not Outcome.MATCH


def test_the_father_with_the_sons_number_is_not_matched() -> None:
    son = replace(AMY, given=("John",), birth_date=date(2012, 3, 4), identifiers=NHS)
    father = replace(son, birth_date=date(1979, 11, 23))

    assert outcome(son, father) == (Outcome.CANDIDATE, Rule.ID_NAME_CONFLICT)


NHS = {"nhs": "9999458076"}
OTHER_NHS = {"nhs": "9993021571"}


def test_an_equal_number_with_the_name_matches_after_move_and_marriage() -> None:
    record = replace(AMY, surname="Stott", addresses=(AWAY,), identifiers=NHS)

    assert outcome(replace(AMY, identifiers=NHS), record) == (Outcome.MATCH, Rule.ID_AGREES)


@pytest.mark.parametrize("both_known", [True, False])
def test_a_number_swapped_between_twins_is_a_candidate(both_known: bool) -> None:  # noqa: FBT001
    twin = replace(AMY, given=("Olivia",), identifiers=NHS)
    own = replace(AMY, identifiers=OTHER_NHS)

    result = find(replace(AMY, identifiers=NHS), twin, *([own] if both_known else []))

    assert result.outcome is Outcome.CANDIDATE


def test_a_number_alone_is_no_proof() -> None:
    stranger = Identity(
        given=("Tobias",), surname="Winterbourne", birth_date=date(1961, 4, 9), identifiers=NHS
    )

    result = find(replace(AMY, identifiers=NHS), stranger)

    assert (result.outcome, result.rule) == (Outcome.CANDIDATE, Rule.ID_NAME_CONFLICT)


def test_a_number_that_two_records_hold_is_a_candidate() -> None:
    record = replace(AMY, identifiers=NHS)

    assert outcome(record, record, record) == (Outcome.CANDIDATE, Rule.ID_SHARED)


def test_two_different_valid_numbers_are_never_matched_by_fields() -> None:
    subject, record = replace(AMY, identifiers=NHS), replace(AMY, identifiers=OTHER_NHS)

    assert outcome(subject, record) == (Outcome.CANDIDATE, Rule.ID_DIFFERS)


def test_a_miskeyed_number_without_check_digit_does_not_hide_a_person() -> None:
    subject = replace(AMY, identifiers={"crn": "X320741"})

    same = outcome(subject, replace(AMY, identifiers={"crn": "A777888"}))
    moved = outcome(subject, replace(AMY, identifiers={"crn": "A777888"}, addresses=(AWAY,)))

    assert same == (Outcome.MATCH, Rule.FIELDS_AGREE)
    assert moved == (Outcome.CANDIDATE, Rule.ID_DIFFERS)


def test_a_number_with_a_wrong_check_digit_is_named_and_ignored() -> None:
    subject = replace(AMY, identifiers={"nhs": "9999458077"})

    result = find(subject, replace(AMY, identifiers={"nhs": "9999458077"}))

    assert result.rule is Rule.FIELDS_AGREE
    assert result.unusable == ("nhs: wrong check digit",)


def test_an_adopted_childs_old_name_is_a_candidate_only() -> None:
    record = replace(AMY, surname="Stott", previous_names=(("Amelia", "Hargreave"),))

    for addresses in ((HOME,), (AWAY,)):
        result = find(AMY, replace(record, addresses=addresses))
        assert result.outcome is Outcome.CANDIDATE


def test_a_duplicated_record_is_left_to_a_person() -> None:
    assert outcome(AMY, AMY, AMY)[0] is Outcome.CANDIDATE


@pytest.mark.parametrize(
    "subject",
    [
        Identity(),
        Identity(given=("A",)),
        Identity(given=("A",), surname="B", birth_date=date(2019, 5, 17)),
        Identity(surname="'-'", given=("...",)),
        Identity(given=("x" * 200,), surname="y" * 200),
        Identity(birth_date=date(1, 1, 1)),
        Identity(birth_date=date(2020, 2, 29), addresses=(Address(postcode="-"),)),
    ],
)
def test_poor_questions_return_nobody(subject: Identity) -> None:
    assert find(subject, AMY).outcome is not Outcome.MATCH


def test_an_empty_agency_knows_nobody() -> None:
    matcher = Matcher([])

    assert matcher.find(AMY).outcome is Outcome.NOT_KNOWN
    assert len(matcher) == 0
    assert matcher.learn([AMY]).version.startswith("em-")


def test_one_letter_agrees_with_nothing() -> None:
    subject = replace(AMY, given=("A",))

    assert outcome(subject, subject)[0] is not Outcome.MATCH

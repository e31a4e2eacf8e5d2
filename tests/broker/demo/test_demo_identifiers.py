import random  # noqa: TID251 - seeded
import re

import pytest
from stdnum.gb import nhs, upn

from broker.demo.identifiers import FICTIONAL_LA, Identifiers, pnc_check_letter


def seeded(seed: int) -> Identifiers:
    return Identifiers(rng=random.Random(seed))  # noqa: S311 - invented data


@pytest.fixture
def identifiers() -> Identifiers:
    return seeded(7)


@pytest.mark.parametrize(("year", "serial", "letter"), [(2012, 52494, "Q"), (2001, 234567, "D")])
def test_the_pnc_letter_agrees_with_published_vectors(year: int, serial: int, letter: str) -> None:
    assert pnc_check_letter(year, serial) == letter


def test_nhs_numbers_are_valid_new_and_of_the_test_range(identifiers: Identifiers) -> None:
    numbers = [identifiers.nhs_number() for _ in range(3000)]

    assert len(set(numbers)) == 3000
    assert all(nhs.is_valid(number) and number.startswith("999") for number in numbers)


def test_upns_have_the_right_letter_and_an_authority_that_does_not_exist(
    identifiers: Identifiers,
) -> None:
    numbers = [identifiers.upn(2019) for _ in range(300)]

    assert len(set(numbers)) == 300
    for number in numbers:
        assert re.fullmatch(rf"[A-Z]{FICTIONAL_LA}\d{{4}}23\d{{3}}", number)
        assert upn.calc_check_digit(number[1:]) == number[0]
        assert not upn.is_valid(number)  # python-stdnum knows every real authority


def test_pnc_ids_carry_their_letter(identifiers: Identifiers) -> None:
    for _ in range(300):
        number = identifiers.pnc(1991)

        assert re.fullmatch(r"2009/\d{7}[A-Z]", number)
        assert pnc_check_letter(2009, int(number[5:12])) == number[-1]


def test_other_numbers_are_well_formed_and_belong_nowhere(identifiers: Identifiers) -> None:
    for _ in range(300):
        assert re.fullmatch(r"9999\d{8}", identifiers.uprn())
        assert re.fullmatch(r"Z\d{6}", identifiers.crn())
        assert re.fullmatch(r"ZZ\d{1,2} \d[ABD-HJLNP-UW-Z]{2}", identifiers.postcode())


def test_a_reserved_postcode_is_not_given_out() -> None:
    first = seeded(3).postcode()
    second = seeded(3)

    second.reserve(first)

    assert second.postcode() != first


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, two = seeded(5), seeded(5)

    assert [one.nhs_number() for _ in range(9)] == [two.nhs_number() for _ in range(9)]

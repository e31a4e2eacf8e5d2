"""The strict wire form of an identity, and what it never shows."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import IdentityFormatError
from adapters.matching.identifiers import BadIdentifier, check_identifier
from adapters.matching.identity import Address, BirthAccuracy, Identity, clean_text

FULL = Identity(
    given=("Zoë", "Anne-Marie"),
    surname="O'Neill",
    previous_names=(("Zoë", "Smith"),),
    birth_date=date(2019, 2, 28),
    birth_accuracy=BirthAccuracy.DAY,
    sex="female",
    addresses=(Address(line="1 Test Row", postcode="ZZ1 1ZZ", uprn="999000000001"),),
    identifiers={"nhs": "999 945 8076", "upn": "A801200005001"},
)


def test_an_identity_survives_the_wire() -> None:
    assert Identity.from_json(FULL.to_json()) == FULL


def test_the_wire_form_is_one_sequence_of_bytes() -> None:
    again = Identity.from_json(json.loads(FULL.to_json()))

    assert again.to_json() == FULL.to_json()


def test_absent_keys_are_unknown_values() -> None:
    assert Identity.from_json("{}") == Identity()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        b"\xff\xfe",
        '{"surname": 1}',
        '{"given": "Ann"}',
        '{"given": [1]}',
        '{"surname": "A", "surname": "B"}',
        '{"nickname": "A"}',
        '{"birth_date": "2019-02-29"}',
        '{"birth_date": "20190228"}',
        '{"birth_date": 20190228}',
        '{"birth_accuracy": "hour"}',
        '{"previous_names": [["A"]]}',
        '{"addresses": [{"street": "x"}]}',
        '{"addresses": ["x"]}',
        '{"identifiers": {"NHS": "1"}}',
        '{"identifiers": {"nhs": 1}}',
        '{"identifiers": []}',
        json.dumps({"surname": "x" * 10_000}),
        json.dumps({"surname": "Smith\u202eegroeG"}),
        json.dumps({"surname": "Smith\x00"}),
        json.dumps({"given": ["a"] * 51}),
        "[" * 100_000,
    ],
)
def test_anything_else_is_refused(text: str | bytes) -> None:
    with pytest.raises(IdentityFormatError):
        Identity.from_json(text)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_identity_or_our_own_error(data: bytes) -> None:
    try:
        Identity.from_json(data)
    except IdentityFormatError as error:
        assert error.field  # noqa: PT017 - either outcome is right


@given(st.text(max_size=400))
def test_cleaned_text_is_always_accepted(text: str) -> None:
    cleaned = clean_text(text)

    assert Identity(surname=cleaned).surname == cleaned


def test_a_bad_identifier_is_named_and_not_used() -> None:
    assert FULL.strong_identifiers() == {"nhs": "9999458076"}
    assert FULL.bad_identifiers() == (BadIdentifier(scheme="upn", reason="wrong check letter"),)


def test_neither_repr_nor_errors_show_a_person() -> None:
    with pytest.raises(IdentityFormatError) as caught:
        Identity.from_json('{"birth_date": "Roberta"}')

    assert "Roberta" not in str(caught.value)
    assert "Neill" not in repr(FULL)


@pytest.mark.parametrize(
    ("scheme", "value", "normal"),
    [
        ("nhs", "943 476 5870", "9434765870"),
        ("nhs", "943-476-5919", "9434765919"),
        ("nhs", "9992200332", "9992200332"),
        ("upn", "b801200005001", "B801200005001"),
        ("upn", "F937400026001", "F937400026001"),
        ("upn", "P207000016049", "P207000016049"),
        ("pnc", "2012/0052494Q", "2012/0052494Q"),
        ("pnc", "12/52494Q", "2012/0052494Q"),
        ("pnc", "2001/0234567D", "2001/0234567D"),
        ("crn", "x320741", "X320741"),
        ("prison", "A1234BC", "A1234BC"),
        ("nino", "AB 12 34 56 C", "AB123456C"),
        ("ssn", "5304218", "5304218"),
    ],
)
def test_valid_identifiers_take_their_normal_form(scheme: str, value: str, normal: str) -> None:
    assert check_identifier(scheme, value) == normal


@pytest.mark.parametrize(
    ("scheme", "value", "reason"),
    [
        ("nhs", "9434765910", "wrong check digit"),
        ("nhs", "0000000000", "a repeated digit is a filler"),
        ("nhs", "943476587", "not of the form of this scheme"),
        ("nhs", "\u0669434765870", "not of the form of this scheme"),
        ("upn", "A801200005001", "wrong check letter"),
        ("upn", "B000200005001", "not of the form of this scheme"),
        ("upn", "E93740002601A", "a temporary number"),
        ("upn", "B80120000500I", "not of the form of this scheme"),
        ("pnc", "2012/0052494P", "wrong check letter"),
        ("pnc", "2012-0052494", "not of the form of this scheme"),
        ("crn", "320741X", "not of the form of this scheme"),
        ("nino", "QQ123456C", "not of the form of this scheme"),
        ("nino", "BG123456A", "not of the form of this scheme"),
        ("nino", "AO123456A", "not of the form of this scheme"),
        ("ssn", "12", "not of the form of this scheme"),
        ("nhs", " - ", "empty"),
    ],
)
def test_invalid_identifiers_say_what_is_wrong(scheme: str, value: str, reason: str) -> None:
    assert check_identifier(scheme, value) == BadIdentifier(scheme=scheme, reason=reason)

"""Fingerprint words, keyed tags, references, commitments and strict encodings."""

import hashlib
import hmac
import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.encoding import canonical_json, decode_base64url, encode_base64url, parse_object
from keys.randomness import commit, new_ref, new_salt
from keys.tags import tag, year_secret
from keys.words import twelve_words

SECRET = bytes(range(32))


def word_list() -> list[str]:
    return files("keys").joinpath("data/bip39-english.txt").read_text().split()


# Words


def test_the_list_is_the_published_one() -> None:
    data = files("keys").joinpath("data/bip39-english.txt").read_bytes()

    assert hashlib.sha256(data).hexdigest() == (
        "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    )
    assert len({word[:4] for word in word_list()}) == 2048


@pytest.mark.parametrize(
    ("digest", "words"),
    [
        (bytes(32), ["abandon"] * 12),
        (b"\xff" * 32, ["zoo"] * 12),
        (b"\x00\x3f" + b"\xff" * 30, ["ability", *["zoo"] * 11]),
    ],
)
def test_known_words(digest: bytes, words: list[str]) -> None:
    assert list(twelve_words(digest)) == words


@given(st.binary(min_size=32, max_size=32))
def test_the_words_are_the_first_132_bits(digest: bytes) -> None:
    bits = "".join(f"{word_list().index(word):011b}" for word in twelve_words(digest))

    assert bits == "".join(f"{byte:08b}" for byte in digest)[:132]


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_digest_of_another_length_has_no_words(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        twelve_words(bytes(length))


# Tags


def test_a_tag_is_an_hmac_over_kind_and_value() -> None:
    expected = hmac.digest(SECRET, b"nhs_number\x009990000018", "sha256").hex()

    assert tag(SECRET, "nhs_number", "9990000018") == expected


def test_tags_of_other_kinds_secrets_or_values_differ() -> None:
    tags = {
        tag(SECRET, "nhs_number", "9990000018"),
        tag(SECRET, "upn", "9990000018"),
        tag(SECRET, "nhs_number", "9990000026"),
        tag(bytes(32), "nhs_number", "9990000018"),
        tag(SECRET, "nhs_number9", "990000018"),
    }

    assert len(tags) == 5


def test_a_kind_cannot_run_into_its_value() -> None:
    with pytest.raises(ValueError, match="zero"):
        tag(SECRET, "surname\x00a", "b")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_tag_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        tag(bytes(length), "upn", "x")
    with pytest.raises(ValueError, match="32"):
        year_secret(bytes(length), party="northshire-cc", year=2026)


def test_each_party_and_year_has_its_own_secret() -> None:
    secrets = {
        year_secret(SECRET, party=party, year=year)
        for party in ("northshire-cc", "northshire-mh")
        for year in (2026, 2027)
    }

    assert len(secrets) == 4
    assert year_secret(SECRET, party="northshire-cc", year=2026) in secrets


# Randomness


def test_references_are_of_one_shape_and_never_repeat() -> None:
    refs = {new_ref("r") for _ in range(1000)}

    assert len(refs) == 1000
    assert all(re.fullmatch("r_[a-z2-7]{26}", ref) for ref in refs)


@pytest.mark.parametrize("prefix", ["", "r_", "R", "r1", "toolonger", "é"])
def test_a_prefix_of_another_shape_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_ref(prefix)


def test_salts_are_32_bytes_and_never_repeat() -> None:
    assert len(new_salt()) == 32
    assert new_salt() != new_salt()


def test_a_commitment_is_an_hmac_and_says_nothing_without_its_key() -> None:
    first, second = new_salt(), new_salt()

    assert commit(first, b"high") == hmac.digest(first, b"high", "sha256").hex()
    assert commit(first, b"high") != commit(second, b"high")
    assert commit(first, b"high") != commit(first, b"low")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_guessable_commitment_key_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        commit(bytes(length), b"high")


# Encodings


@given(st.binary())
def test_base64url_round_trip(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data)) == data


@given(st.text())
def test_a_text_is_refused_or_is_the_one_text_of_its_bytes(text: str) -> None:
    try:
        data = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(data) == text


@pytest.mark.parametrize("text", ["A", "AA=", "AA==", "AB", "A+/A", "AA AA", "AAAA\n", "é"])
def test_other_base64_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        decode_base64url(text)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", '{"a":1,"a":1}', '{"a":{"b":1,"b":2}}', '{"a":NaN}', '{"a":Infinity}', b"\xff"],
)
def test_what_is_not_one_plain_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_object(text)


def test_bottomless_nesting_is_refused() -> None:
    with pytest.raises(ValueError, match="deeply"):
        parse_object("[" * 200_000)


def test_canonical_json_sorts_and_parses_back() -> None:
    value = {"b": 1, "a": [True, None, "é"]}

    assert canonical_json(value) == '{"a":[true,null,"é"],"b":1}'.encode()
    assert parse_object(canonical_json(value)) == value


def test_a_value_without_canonical_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json({"a": 1 << 60})

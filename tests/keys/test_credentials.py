"""The chain from root to person, and every way of breaking it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys.credentials import TYP, Credential, Kind, check_credential, parse_unsafe, quarter_of
from keys.encoding import canonical_json, decode_base64url, encode_base64url, parse_object
from keys.errors import (
    CredentialError,
    ExpiredError,
    InvalidSignatureError,
    IssuerNotAllowedError,
    KeysError,
    MalformedCredentialError,
    NotYetValidError,
    UnexpectedHeaderError,
    UnknownIssuerError,
    ValidityError,
)
from keys.signing import RootKey, SigningKey, read_payload_unsafe, sign_jws

SLOW_FIXTURE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def jws_of(credential: Credential) -> str:
    jws = parse_object(credential.text)["jws"]
    assert isinstance(jws, str)
    return jws


def claims_of(credential: Credential) -> dict[str, Any]:
    return parse_object(read_payload_unsafe(jws_of(credential)))


def resigned(claims: dict[str, Any], key: SigningKey, *, typ: str = TYP) -> str:
    """Return a credential of any claims whatever, as a dishonest issuer could make it."""
    jws = sign_jws(canonical_json(claims), key=key, typ=typ)
    return canonical_json({"jws": jws, "mldsa65": None}).decode()


def with_second(credential: Credential, second: str | None) -> str:
    return canonical_json({"jws": jws_of(credential), "mldsa65": second}).decode()


def test_a_chain_from_root_to_person_is_accepted(chain: Any) -> None:
    person = chain.check(chain.make(Kind.PERSON))

    assert person.kid == chain.person.kid
    assert person.issuer_kid == chain.node.kid
    assert (person.party, person.role) == ("northshire-cc", "mash_social_worker")


@pytest.mark.parametrize("kind", [Kind.NODE, Kind.NODE_SEAL, Kind.POST])
def test_the_operational_key_certifies(chain: Any, kind: Kind) -> None:
    credential = chain.check(chain.make(kind))

    assert credential.kind is kind
    assert credential.issuer_kid == chain.operational.kid


def test_what_is_issued_is_what_is_parsed(chain: Any) -> None:
    issued = chain.make(Kind.POST)

    assert parse_unsafe(issued.text) == issued


def test_the_kid_names_the_key_and_the_dates_are_whole_seconds(chain: Any, now: datetime) -> None:
    issued = chain.make(Kind.NODE, not_before=now.replace(microsecond=999))

    assert issued.not_before == now
    assert issued.kid == chain.node.kid


def test_dates_in_another_time_zone_are_the_same_instants(chain: Any, now: datetime) -> None:
    there = now.astimezone(timezone(timedelta(hours=5)))

    assert chain.make(Kind.NODE, not_before=there).not_before == now


# Roots


def test_an_operational_credential_of_another_root_is_refused(chain: Any) -> None:
    stranger = RootKey.generate()
    mine, chain.root = chain.root, stranger
    forged = chain.make_operational()
    chain.root = mine

    with pytest.raises(UnknownIssuerError) as caught:
        chain.check(forged)
    assert caught.value.issuer_kid == stranger.public.kid


def test_an_operational_credential_of_a_party_without_root_is_refused(chain: Any) -> None:
    with pytest.raises(UnknownIssuerError):
        chain.check(chain.make_operational(party="northshire-fire"))


def test_a_root_speaks_for_its_own_party_only(chain: Any, new_chain: Callable[..., Any]) -> None:
    other = new_chain(party="northshire-police")
    roots = {"northshire-cc": chain.root.public, "northshire-police": other.root.public}
    forged = chain.make_operational(party="northshire-police")

    with pytest.raises(UnknownIssuerError):
        check_credential(forged.text, roots=roots, find=chain.known.get, at=forged.not_before)


def test_a_roots_second_signature_cannot_be_stripped(chain: Any) -> None:
    with pytest.raises(MalformedCredentialError):
        chain.check(with_second(chain.make_operational(), None))


@pytest.mark.parametrize("second", ["", "AAAA", "A" * 4412])
def test_a_wrong_second_signature_of_a_root_is_refused(chain: Any, second: str) -> None:
    with pytest.raises(InvalidSignatureError) as caught:
        chain.check(with_second(chain.make_operational(), second))
    assert caught.value.alg == "ML-DSA-65"


def test_the_second_signature_of_another_credential_is_refused(chain: Any, now: datetime) -> None:
    other = parse_object(chain.make_operational(expires=now + timedelta(days=1)).text)["mldsa65"]
    assert isinstance(other, str)

    with pytest.raises(InvalidSignatureError):
        chain.check(with_second(chain.make_operational(), other))


def test_a_second_signature_that_means_nothing_is_refused(chain: Any) -> None:
    with pytest.raises(MalformedCredentialError):
        chain.check(with_second(chain.make(Kind.NODE), "AAAA"))


def test_the_operational_key_cannot_issue_another_operational(chain: Any) -> None:
    with pytest.raises(IssuerNotAllowedError):
        chain.make(Kind.OPERATIONAL)
    forged = claims_of(chain.make(Kind.NODE)) | {"kind": "operational"}
    with pytest.raises(UnknownIssuerError):
        chain.check(resigned(forged, chain.operational))


def test_a_credential_for_another_mash_is_refused(chain: Any) -> None:
    with pytest.raises(IssuerNotAllowedError) as caught:
        chain.check(chain.make_operational(mash="southshire"))
    assert caught.value.rule == "mash"


def test_without_a_named_mash_an_operational_credential_of_any_is_taken(
    chain: Any, now: datetime
) -> None:
    roots = {chain.party: chain.root.public}
    credential = chain.make_operational(mash="southshire")

    found = check_credential(credential.text, roots=roots, find=chain.known.get, at=now)

    assert found.mash == "southshire"


# Issuers


def test_an_unlogged_issuer_is_refused(chain: Any) -> None:
    chain.known.clear()

    with pytest.raises(UnknownIssuerError):
        chain.check(chain.make(Kind.PERSON))


def test_a_lookup_that_answers_with_another_key_is_refused(chain: Any, now: datetime) -> None:
    person = chain.make(Kind.PERSON)
    operational = chain.known[chain.operational.kid]

    with pytest.raises(UnknownIssuerError):
        check_credential(person.text, roots={}, find=lambda _: operational, at=now)


@pytest.mark.parametrize("kind", [Kind.NODE, Kind.NODE_SEAL, Kind.POST])
def test_a_node_certifies_people_only(chain: Any, kind: Kind) -> None:
    with pytest.raises(IssuerNotAllowedError) as caught:
        chain.check(chain.make(kind, issuer=chain.node))
    assert caught.value.rule == "kind"


def test_the_operational_key_does_not_certify_people(chain: Any) -> None:
    with pytest.raises(IssuerNotAllowedError):
        chain.check(chain.make(Kind.PERSON, issuer=chain.operational))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OPERATIONAL])
def test_a_person_certifies_nobody(chain: Any, kind: Kind) -> None:
    chain.trust(chain.make(Kind.PERSON))
    forged = chain.make(kind, issuer=chain.person)

    with pytest.raises(IssuerNotAllowedError) as caught:
        chain.check(forged)
    assert caught.value.rule == "kind"


def test_a_post_key_certifies_nobody(chain: Any, now: datetime) -> None:
    post = chain.check(chain.make(Kind.POST))
    stolen = claims_of(chain.make(Kind.PERSON))
    # The post's kid in the header, any signature at all: an X-Wing key cannot have made one.
    header = canonical_json({"alg": "Ed25519", "kid": post.kid, "typ": TYP})
    parts = (header, canonical_json(stolen), bytes(64))
    jws = ".".join(encode_base64url(part) for part in parts)
    text = canonical_json({"jws": jws, "mldsa65": None}).decode()

    with pytest.raises(IssuerNotAllowedError):
        check_credential(text, roots={}, find=lambda _: post, at=now)


def test_an_issuer_certifies_its_own_party_only(chain: Any) -> None:
    with pytest.raises(IssuerNotAllowedError) as caught:
        chain.check(chain.make(Kind.NODE, party="northshire-police"))
    assert caught.value.rule == "party"


def test_an_issuer_certifies_for_its_own_mash_only(chain: Any, now: datetime) -> None:
    forged = chain.make(Kind.NODE, mash="southshire")

    with pytest.raises(IssuerNotAllowedError) as caught:
        check_credential(forged.text, roots={}, find=chain.known.get, at=now)
    assert caught.value.rule == "mash"


def test_a_signature_by_another_key_under_a_known_kid_is_refused(chain: Any) -> None:
    honest, thief = jws_of(chain.make(Kind.NODE)), SigningKey.generate()
    signing_input = honest.rpartition(".")[0]
    forged = f"{signing_input}.{encode_base64url(thief.sign(signing_input.encode()))}"

    with pytest.raises(InvalidSignatureError):
        chain.check(canonical_json({"jws": forged, "mldsa65": None}).decode())


def test_a_signed_message_of_another_type_is_not_a_credential(chain: Any) -> None:
    claims = claims_of(chain.make(Kind.NODE))

    with pytest.raises(UnexpectedHeaderError):
        chain.check(resigned(claims, chain.operational, typ="mash+jws"))


# Dates


def test_validity_starts_at_not_before_and_ends_before_expires(chain: Any) -> None:
    node = chain.make(Kind.NODE)

    assert chain.check(node, at=node.not_before) == node
    assert chain.check(node, at=node.expires - timedelta(microseconds=1)) == node


def test_a_credential_not_yet_valid_is_refused(chain: Any) -> None:
    node = chain.make(Kind.NODE)

    with pytest.raises(NotYetValidError) as caught:
        chain.check(node, at=node.not_before - timedelta(microseconds=1))
    assert caught.value.not_before == node.not_before


def test_an_expired_credential_is_refused(chain: Any) -> None:
    node = chain.make(Kind.NODE)

    with pytest.raises(ExpiredError) as caught:
        chain.check(node, at=node.expires)
    assert caught.value.expires == node.expires


@pytest.mark.parametrize(
    ("kind", "longest"),
    [
        (Kind.NODE, timedelta(days=92)),
        (Kind.NODE_SEAL, timedelta(days=92)),
        (Kind.POST, timedelta(days=92)),
        (Kind.PERSON, timedelta(hours=24)),
    ],
)
def test_no_issuer_makes_a_credential_of_too_long_a_life(
    chain: Any, now: datetime, kind: Kind, longest: timedelta
) -> None:
    assert chain.make(kind, expires=now + longest).kind is kind

    with pytest.raises(ValidityError) as caught:
        chain.make(kind, expires=now + longest + timedelta(seconds=1))
    assert caught.value.rule == "lifetime"


def test_an_operational_credential_lives_90_days_at_most(chain: Any, now: datetime) -> None:
    end = now + timedelta(days=90)

    assert chain.check(chain.make_operational(not_before=now, expires=end)).expires == end
    with pytest.raises(ValidityError):
        chain.make_operational(not_before=now, expires=end + timedelta(seconds=1))


def test_a_dishonest_issuer_cannot_stretch_a_persons_day(chain: Any, now: datetime) -> None:
    end = int((now + timedelta(hours=24, seconds=1)).timestamp())
    claims = claims_of(chain.make(Kind.PERSON)) | {"expires": end}

    with pytest.raises(ValidityError) as caught:
        chain.check(resigned(claims, chain.node))
    assert caught.value.rule == "lifetime"


@pytest.mark.parametrize("seconds", [0, -1])
def test_inverted_dates_are_refused(chain: Any, now: datetime, seconds: int) -> None:
    with pytest.raises(ValidityError) as caught:
        chain.make(Kind.NODE, expires=now + timedelta(seconds=seconds))
    assert caught.value.rule == "order"


def test_a_credential_may_not_outlive_its_issuer(chain: Any, now: datetime) -> None:
    with pytest.raises(ValidityError) as caught:
        chain.check(chain.make(Kind.NODE, expires=now + timedelta(days=81)))
    assert caught.value.rule == "issuer"


def test_a_credential_may_not_start_before_its_issuer(chain: Any, now: datetime) -> None:
    with pytest.raises(ValidityError) as caught:
        chain.check(chain.make(Kind.NODE, not_before=now - timedelta(days=2)))
    assert caught.value.rule == "issuer"


def test_a_date_without_time_zone_is_refused(chain: Any, now: datetime) -> None:
    with pytest.raises(ValueError, match="time zone"):
        chain.make(Kind.NODE, not_before=now.replace(tzinfo=None))


# Form


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Kind.NODE, {"alg": "X-Wing"}),
        (Kind.NODE, {"role": "mash_decision_maker"}),
        (Kind.NODE, {"actor_ref": "p_abc"}),
        (Kind.NODE, {"quarter": "2026Q4"}),
        (Kind.NODE, {"public": bytes(31)}),
        (Kind.NODE, {"party": ""}),
        (Kind.NODE, {"party": "northshire cc"}),
        (Kind.NODE, {"party": "a" * 129}),
        (Kind.NODE, {"mash": "north\nshire"}),
        (Kind.NODE_SEAL, {"role": "mash_decision_maker"}),
        (Kind.POST, {"role": None}),
        (Kind.POST, {"quarter": None}),
        (Kind.POST, {"quarter": "2026Q5"}),
        (Kind.POST, {"actor_ref": "p_abc"}),
        (Kind.POST, {"alg": "Ed25519", "public": bytes(32)}),
        (Kind.PERSON, {"actor_ref": None}),
        (Kind.PERSON, {"quarter": "2026Q4"}),
    ],
)
def test_a_field_that_does_not_fit_is_never_issued(
    chain: Any, kind: Kind, changes: dict[str, Any]
) -> None:
    with pytest.raises(MalformedCredentialError):
        chain.make(kind, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": "0" * 32},
        {"kid": 7},
        {"kind": "guardian"},
        {"kind": None},
        {"not_before": 1.5},
        {"not_before": True},
        {"not_before": -1},
        {"expires": 1 << 52},
        {"expires": "2026-10-06"},
        {"public": "not base64url!"},
        {"public": "AA=="},
        {"alg": "none"},
        {"extra": 1},
    ],
)
def test_a_field_of_the_wrong_kind_is_refused(chain: Any, changes: dict[str, Any]) -> None:
    claims = claims_of(chain.make(Kind.NODE)) | changes

    with pytest.raises(MalformedCredentialError):
        chain.check(resigned(claims, chain.operational))


@pytest.mark.parametrize("name", ["mash", "party", "kind", "alg", "public", "kid", "expires"])
def test_a_missing_field_is_refused(chain: Any, name: str) -> None:
    claims = claims_of(chain.make(Kind.NODE))
    del claims[name]

    with pytest.raises(MalformedCredentialError):
        chain.check(resigned(claims, chain.operational))


def test_a_null_field_left_out_is_refused_since_it_has_two_texts(chain: Any) -> None:
    claims = claims_of(chain.make(Kind.NODE))
    del claims["quarter"]

    with pytest.raises(MalformedCredentialError):
        chain.check(resigned(claims, chain.operational))


def test_white_space_in_the_payload_is_refused(chain: Any) -> None:
    loose = json.dumps(claims_of(chain.make(Kind.NODE)), sort_keys=True).encode()
    jws = sign_jws(loose, key=chain.operational, typ=TYP)

    with pytest.raises(MalformedCredentialError):
        chain.check(canonical_json({"jws": jws, "mldsa65": None}).decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"jws":"a.b.c"}',
        '{"jws":1,"mldsa65":null}',
        '{"jws":"a.b.c","mldsa65":null}',
        '{"jws":"a.b.c","mldsa65":"="}',
        '{"jws":"a","jws":"a","mldsa65":null}',
        '{"jws":"\\ud800","mldsa65":null}',
        "[" * 8000,
        "{" * 9000,
    ],
)
def test_junk_is_refused(text: str) -> None:
    with pytest.raises(MalformedCredentialError):
        parse_unsafe(text)


def test_text_around_a_credential_is_refused(chain: Any) -> None:
    text = chain.make(Kind.NODE).text

    for changed in (text + " ", " " + text, text.replace(",", ", "), text[:-1] + ',"x":1}'):
        with pytest.raises(MalformedCredentialError):
            chain.check(changed)


def test_an_oversize_credential_is_refused_before_it_is_parsed(chain: Any) -> None:
    with pytest.raises(MalformedCredentialError) as caught:
        chain.check(chain.make(Kind.NODE).text + " " * 8192)
    assert caught.value.problem == "too large"


@given(st.text())
def test_parsing_any_text_raises_only_our_error(text: str) -> None:
    with pytest.raises(CredentialError):
        parse_unsafe(text)


@SLOW_FIXTURE
@given(data=st.data())
def test_no_flipped_bit_of_a_credential_is_accepted(chain: Any, data: st.DataObject) -> None:
    text = bytearray(chain.make_operational().text.encode())
    bit = data.draw(st.integers(0, len(text) * 8 - 1))
    text[bit // 8] ^= 1 << bit % 8

    with pytest.raises(KeysError):
        chain.check(text.decode("latin-1"))


@SLOW_FIXTURE
@given(data=st.data())
def test_no_truncated_credential_is_accepted(chain: Any, data: st.DataObject) -> None:
    text = chain.make_operational().text

    with pytest.raises(KeysError):
        chain.check(text[: data.draw(st.integers(0, len(text) - 1))])


def test_neither_repr_nor_error_shows_a_secret(chain: Any) -> None:
    seed = chain.node.seed
    error = UnknownIssuerError(kid=chain.node.kid, issuer_kid=chain.operational.kid)

    for shown in (repr(chain.node), repr(chain.root), repr(chain.post), str(error)):
        assert seed.hex() not in shown
        assert repr(seed)[2:-1] not in shown
        assert encode_base64url(seed) not in shown


@pytest.mark.parametrize(
    ("month", "quarter"), [(1, "2026Q1"), (3, "2026Q1"), (4, "2026Q2"), (12, "2026Q4")]
)
def test_the_quarter_of_a_date(now: datetime, month: int, quarter: str) -> None:
    assert quarter_of(now.replace(month=month)) == quarter


def test_a_second_signature_is_of_the_length_of_the_standard(chain: Any) -> None:
    second = parse_object(chain.make_operational().text)["mldsa65"]
    assert isinstance(second, str)

    assert len(decode_base64url(second)) == 3309

"""Signatures and compact JWS: what is accepted is one shape, one algorithm, one signer."""

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import OKPKey

from keys.encoding import canonical_json, encode_base64url
from keys.errors import (
    InvalidSignatureError,
    MalformedMessageError,
    MessageError,
    UnexpectedHeaderError,
)
from keys.signing import (
    MAX_JWS_CHARS,
    RootKey,
    RootPublic,
    RootSignature,
    SigningKey,
    check_ed25519,
    check_jws,
    check_root_jws,
    check_root_signature,
    kid_of,
    read_kid_unsafe,
    read_payload_unsafe,
    sign_jws,
    sign_root_jws,
)

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER = SigningKey.from_seed(bytes(32))
ROOT = RootKey.from_bytes(bytes(range(64)))
TYP = "mash+jws"
LOW_ORDER_POINTS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


def check(jws: str, *, key: SigningKey = KEY, typ: str = TYP) -> bytes:
    return check_jws(jws, public=key.public, kid=key.kid, typ=typ)


def forge(header: bytes, payload: bytes = b"{}", *, key: SigningKey = KEY) -> str:
    """Return a JWS with any header bytes and a good signature."""
    signing_input = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    return f"{signing_input}.{encode_base64url(key.sign(signing_input.encode()))}"


# Raw keys and signatures


def test_a_kid_is_half_a_hash_over_algorithm_and_key() -> None:
    expected = hashlib.sha256(b"Ed25519\x00" + KEY.public).hexdigest()[:32]

    assert KEY.kid == kid_of("Ed25519", KEY.public) == expected
    assert kid_of("X-Wing", KEY.public) != KEY.kid


def test_ed25519_follows_the_first_vector_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )

    key = SigningKey.from_seed(seed)

    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"") == signature
    check_ed25519(key.public, signature, b"")


def test_a_key_comes_back_from_its_seed() -> None:
    key = SigningKey.generate()

    assert SigningKey.from_seed(key.seed).public == key.public
    assert SigningKey.generate().seed != key.seed


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        SigningKey.from_seed(bytes(length))


def test_a_signature_by_another_key_or_over_other_bytes_is_refused() -> None:
    for public, data in ((OTHER.public, b"data"), (KEY.public, b"Data")):
        with pytest.raises(InvalidSignatureError):
            check_ed25519(public, KEY.sign(b"data"), data)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidSignatureError):
        check_ed25519(KEY.public, bytes(length), b"data")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_public_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidSignatureError):
        check_ed25519(bytes(length), KEY.sign(b"data"), b"data")


@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
def test_a_low_order_key_signs_nothing(point: str) -> None:
    # With A and R of low order and S = 0 a lax verifier accepts one signature for many messages.
    public = bytes.fromhex(point)

    for first in LOW_ORDER_POINTS:
        with pytest.raises(InvalidSignatureError):
            check_ed25519(public, bytes.fromhex(first) + bytes(32), b"data")


def test_a_signature_with_its_scalar_raised_by_the_group_order_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = KEY.sign(b"data")
    scalar = int.from_bytes(signature[32:], "little") + order

    with pytest.raises(InvalidSignatureError):
        check_ed25519(KEY.public, signature[:32] + scalar.to_bytes(32, "little"), b"data")


@given(data=st.binary(max_size=64), bit=st.integers(0, 511))
def test_no_flipped_bit_of_a_signature_is_accepted(data: bytes, bit: int) -> None:
    signature = bytearray(KEY.sign(data))
    signature[bit // 8] ^= 1 << bit % 8

    with pytest.raises(InvalidSignatureError):
        check_ed25519(KEY.public, bytes(signature), data)


# Roots


def test_both_signatures_of_a_root_are_checked() -> None:
    check_root_signature(ROOT.public, ROOT.sign(b"agreement"), b"agreement")


def test_a_root_comes_back_from_its_bytes() -> None:
    root = RootKey.generate()

    assert RootKey.from_bytes(root.to_bytes()).public == root.public
    assert root.public.kid != ROOT.public.kid


def test_either_signature_of_a_root_alone_is_not_enough() -> None:
    good, stranger = ROOT.sign(b"agreement"), RootKey.generate().sign(b"agreement")
    halves = {
        "ML-DSA-65": RootSignature(ed25519=good.ed25519, mldsa65=stranger.mldsa65),
        "Ed25519": RootSignature(ed25519=stranger.ed25519, mldsa65=good.mldsa65),
    }

    for alg, half in halves.items():
        with pytest.raises(InvalidSignatureError) as caught:
            check_root_signature(ROOT.public, half, b"agreement")
        assert caught.value.alg == alg


def test_a_roots_signature_over_other_bytes_is_refused() -> None:
    with pytest.raises(InvalidSignatureError):
        check_root_signature(ROOT.public, ROOT.sign(b"agreement"), b"Agreement")


@pytest.mark.parametrize("mldsa65", [b"", bytes(3308), bytes(3310)])
def test_a_roots_signature_of_another_length_is_refused(mldsa65: bytes) -> None:
    signature = RootSignature(ed25519=ROOT.sign(b"x").ed25519, mldsa65=mldsa65)

    with pytest.raises(InvalidSignatureError):
        check_root_signature(ROOT.public, signature, b"x")


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_roots_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="64"):
        RootKey.from_bytes(bytes(length))


def test_public_root_keys_of_another_length_are_refused() -> None:
    for lengths in ((31, 1952), (32, 1951)):
        with pytest.raises(ValueError, match="1,952"):
            RootPublic(ed25519=bytes(lengths[0]), mldsa65=bytes(lengths[1]))


def test_a_roots_jws_needs_both_signatures() -> None:
    jws, mldsa65 = sign_root_jws(b"{}", key=ROOT, typ=TYP)

    assert check_root_jws(jws, mldsa65, public=ROOT.public, typ=TYP) == b"{}"
    assert read_kid_unsafe(jws) == ROOT.public.kid
    with pytest.raises(InvalidSignatureError):
        check_root_jws(jws, ROOT.sign(b"{}").mldsa65, public=ROOT.public, typ=TYP)
    with pytest.raises(InvalidSignatureError):
        check_root_jws(jws[:-4] + "AAAA", mldsa65, public=ROOT.public, typ=TYP)


# JWS


def test_a_signed_payload_comes_back() -> None:
    payload = '{"note":"é"}'.encode()

    jws = sign_jws(payload, key=KEY, typ=TYP)

    assert check(jws) == payload
    assert read_kid_unsafe(jws) == KEY.kid
    assert read_payload_unsafe(jws) == payload


def test_the_protected_header_is_exactly_three_names() -> None:
    header = base64.urlsafe_b64decode(sign_jws(b"", key=KEY, typ=TYP).split(".")[0] + "==")

    assert header == canonical_json({"alg": "Ed25519", "kid": KEY.kid, "typ": TYP})


def test_the_jose_library_verifies_ours_and_we_verify_its() -> None:
    public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(KEY.public)})
    ours = sign_jws(b'{"a":1}', key=KEY, typ=TYP)
    header = {"typ": TYP, "kid": KEY.kid, "alg": "Ed25519"}  # another order is as good
    theirs = jose.serialize_compact(header, b'{"a":1}', KEY.as_jwk(), algorithms=["Ed25519"])

    assert jose.deserialize_compact(ours, public, algorithms=["Ed25519"]).payload == b'{"a":1}'
    assert check(theirs) == b'{"a":1}'


def test_a_message_by_another_key_is_refused() -> None:
    with pytest.raises(UnexpectedHeaderError) as caught:
        check(sign_jws(b"{}", key=OTHER, typ=TYP))
    assert caught.value.field == "kid"


def test_a_foreign_kid_over_our_signature_is_refused() -> None:
    header = canonical_json({"alg": "Ed25519", "kid": OTHER.kid, "typ": TYP})

    with pytest.raises(UnexpectedHeaderError):
        check(forge(header))
    with pytest.raises(InvalidSignatureError):
        check(forge(header), key=OTHER)


def test_a_message_of_another_type_is_refused() -> None:
    with pytest.raises(UnexpectedHeaderError) as caught:
        check(sign_jws(b"{}", key=KEY, typ="mash-cred+jws"))
    assert caught.value.field == "typ"


@pytest.mark.parametrize("alg", ["none", "None", "", "EdDSA", "ed25519", "HS256", "ES256"])
def test_no_other_algorithm_is_accepted(alg: str) -> None:
    jws = forge(canonical_json({"alg": alg, "kid": KEY.kid, "typ": TYP}))

    with pytest.raises(UnexpectedHeaderError) as caught:
        check(jws)
    assert caught.value.field == "alg"


def test_alg_none_without_signature_is_refused() -> None:
    header = canonical_json({"alg": "none", "kid": KEY.kid, "typ": TYP})
    jws = f"{encode_base64url(header)}.{encode_base64url(b'{}')}."

    with pytest.raises(UnexpectedHeaderError):
        check(jws)


def test_a_missing_signature_is_refused() -> None:
    with pytest.raises(InvalidSignatureError):
        check(sign_jws(b"{}", key=KEY, typ=TYP).rpartition(".")[0] + ".")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 380,
        b'{"alg":"Ed25519"}',
        json.dumps({"alg": "Ed25519", "kid": KEY.kid}).encode(),
        json.dumps({"alg": "Ed25519", "kid": KEY.kid, "typ": TYP, "crit": ["x"]}).encode(),
        json.dumps({"alg": "Ed25519", "kid": KEY.kid, "typ": TYP, "jwk": {}}).encode(),
        json.dumps({"alg": "Ed25519", "kid": KEY.kid, "typ": TYP, "b64": False}).encode(),
        json.dumps({"alg": "Ed25519", "kid": KEY.kid, "typ": None}).encode(),
        json.dumps({"alg": ["Ed25519"], "kid": KEY.kid, "typ": TYP}).encode(),
        json.dumps({"alg": "Ed25519", "kid": KEY.kid.upper(), "typ": TYP}).encode(),
        json.dumps({"alg": "Ed25519", "kid": KEY.kid + "\n", "typ": TYP}).encode(),
        json.dumps({"alg": "Ed25519", "kid": "../../x", "typ": TYP}).encode(),
        b'{"alg":"Ed25519","kid":"%s","typ":"x","typ":"%s"}' % (KEY.kid.encode(), TYP.encode()),
        b'{"alg":"Ed25519","kid":"%s","typ":NaN}' % KEY.kid.encode(),
    ],
)
def test_a_header_of_another_shape_is_refused(header: bytes) -> None:
    jws = forge(header)

    for read in (read_kid_unsafe, read_payload_unsafe, check):
        with pytest.raises(MalformedMessageError):
            read(jws)


def test_an_oversize_header_or_message_is_refused_unparsed() -> None:
    header = canonical_json({"alg": "Ed25519", "kid": KEY.kid, "typ": "t" * 512})

    with pytest.raises(MalformedMessageError) as caught:
        check(forge(header))
    assert caught.value.problem == "header too large"
    with pytest.raises(MalformedMessageError) as caught:
        read_kid_unsafe("a" * (MAX_JWS_CHARS + 1))
    assert caught.value.problem == "too large"


def test_other_texts_of_the_same_bytes_are_refused() -> None:
    header, payload, signature = sign_jws(b"{}", key=KEY, typ=TYP).split(".")

    for changed in (
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.{signature}==",
        f"{header}.{payload}=.{signature}",
        f"{header}.{payload}.{signature}\n",
        f" {header}.{payload}.{signature}",
        f"{header}.{payload}.{signature}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature[:-1]}é",
        f"{header}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
    ):
        with pytest.raises(MessageError):
            check(changed)


def test_payload_and_signature_of_two_messages_do_not_mix() -> None:
    first = sign_jws(b'{"ask":1}', key=KEY, typ=TYP).split(".")
    second = sign_jws(b'{"ask":2}', key=KEY, typ=TYP).split(".")

    with pytest.raises(InvalidSignatureError):
        check(".".join((first[0], second[1], first[2])))


@given(st.text())
def test_reading_any_text_raises_only_our_error(text: str) -> None:
    for read in (read_kid_unsafe, read_payload_unsafe, check):
        with pytest.raises(MessageError):
            read(text)


@settings(deadline=None)
@given(data=st.data())
def test_no_flipped_bit_of_a_message_is_accepted(data: st.DataObject) -> None:
    jws = bytearray(sign_jws(b'{"case":"c_1"}', key=KEY, typ=TYP).encode())
    bit = data.draw(st.integers(0, len(jws) * 8 - 1))
    jws[bit // 8] ^= 1 << bit % 8

    with pytest.raises(MessageError):
        check(jws.decode("latin-1"))


@pytest.mark.parametrize("key", [KEY, ROOT])
def test_a_repr_names_the_key_and_not_the_secret(key: SigningKey | RootKey) -> None:
    secret = key.seed if isinstance(key, SigningKey) else key.to_bytes()

    assert secret[:32].hex() not in repr(key)
    assert repr(key).startswith(("<SigningKey ", "<RootKey "))

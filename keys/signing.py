"""Signatures: Ed25519 for every message, with ML-DSA-65 beside it for party roots.

Messages are compact JWS (RFC 7515) with `alg` `Ed25519` (RFC 9864). The algorithm is fixed
by the caller's code and never chosen by the message. Verification is libsodium's, which
refuses low-order keys and non-canonical signatures.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

import nacl.signing
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from joserfc import jws as jose
from joserfc.jwk import OKPKey
from nacl.exceptions import BadSignatureError

from keys.encoding import canonical_json, decode_base64url, encode_base64url, parse_object
from keys.errors import InvalidSignatureError, MalformedMessageError, UnexpectedHeaderError

ALG: Final = "Ed25519"
ROOT_ALG: Final = "Ed25519+ML-DSA-65"
SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
MLDSA65_PUBLIC_BYTES: Final = 1952
MAX_JWS_CHARS: Final = 1 << 20
MAX_HEADER_CHARS: Final = 512

_KID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEADER_NAMES: Final = frozenset({"alg", "kid", "typ"})
_SEGMENTS: Final = 3


def kid_of(alg: str, public: bytes) -> str:
    """Return the key id, 32 lowercase hex characters: SHA-256(alg, 0x00, public)[:16]."""
    return hashlib.sha256(alg.encode("ascii") + b"\x00" + public).hexdigest()[:32]


class SigningKey:
    """An Ed25519 private key (RFC 8032)."""

    __slots__ = ("_jwk", "_key", "kid", "public")

    def __init__(self, seed: bytes) -> None:
        """Derive the key from `seed`, 32 bytes; prefer `generate` or `from_seed`."""
        self._key = nacl.signing.SigningKey(seed)
        self.public: Final[bytes] = bytes(self._key.verify_key)
        self.kid: Final[str] = kid_of(ALG, self.public)
        self._jwk: OKPKey | None = None

    def __repr__(self) -> str:
        """Name the key without its secret."""
        return f"<SigningKey {self.kid}>"

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key."""
        return cls(bytes(nacl.signing.SigningKey.generate()))

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key of `seed`.

        Raises:
            ValueError: `seed` is not 32 bytes.

        """
        return cls(seed)

    @property
    def seed(self) -> bytes:
        """The secret seed, 32 bytes: for the key store only."""
        return bytes(self._key)

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of `data`."""
        return self._key.sign(data).signature

    def as_jwk(self) -> OKPKey:
        """Return the private key in the JOSE library's form."""
        if self._jwk is None:
            self._jwk = OKPKey.import_key(
                {
                    "kty": "OKP",
                    "crv": ALG,
                    "d": encode_base64url(self.seed),
                    "x": encode_base64url(self.public),
                }
            )
        return self._jwk


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPublic:
    """The public half of a party root, as pinned in the agreement's schedule.

    Raises:
        ValueError: A key has the wrong length.

    """

    ed25519: bytes
    mldsa65: bytes

    def __post_init__(self) -> None:
        """Refuse keys of the wrong length."""
        if len(self.ed25519) != PUBLIC_BYTES or len(self.mldsa65) != MLDSA65_PUBLIC_BYTES:
            raise ValueError("a root's public keys are 32 and 1,952 bytes")

    @property
    def kid(self) -> str:
        """The root's key id, over both public keys."""
        return kid_of(ROOT_ALG, self.ed25519 + self.mldsa65)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSignature:
    """Both signatures of a party root over the same bytes: 64 and 3,309 bytes."""

    ed25519: bytes
    mldsa65: bytes


class RootKey:
    """A party's offline root: Ed25519 and ML-DSA-65 (FIPS 204), always used together.

    What a root signs is either an agreement's canonical JSON (starts with `{`) or the signing
    input of a JWS (starts with base64url of `{"`), so one can never be taken for the other.
    """

    __slots__ = ("_ed25519", "_mldsa65", "public")

    def __init__(self, secret: bytes) -> None:
        """Derive both keys from `secret`, 64 bytes: the two seeds in that order."""
        if len(secret) != 2 * SEED_BYTES:
            raise ValueError("a root's secret is 64 bytes")
        self._ed25519 = SigningKey(secret[:SEED_BYTES])
        self._mldsa65 = MLDSA65PrivateKey.from_seed_bytes(secret[SEED_BYTES:])
        self.public: Final = RootPublic(
            ed25519=self._ed25519.public,
            mldsa65=self._mldsa65.public_key().public_bytes_raw(),
        )

    def __repr__(self) -> str:
        """Name the key without its secret."""
        return f"<RootKey {self.public.kid}>"

    @classmethod
    def generate(cls) -> Self:
        """Return a new random root."""
        ed25519, mldsa65 = SigningKey.generate(), MLDSA65PrivateKey.generate()
        return cls(ed25519.seed + mldsa65.private_bytes_raw())

    @classmethod
    def from_bytes(cls, secret: bytes) -> Self:
        """Return the root whose `to_bytes` gave `secret`.

        Raises:
            ValueError: `secret` is not 64 bytes.

        """
        return cls(secret)

    def to_bytes(self) -> bytes:
        """Return the secret, 64 bytes: for the key store only."""
        return self._ed25519.seed + self._mldsa65.private_bytes_raw()

    def sign(self, data: bytes) -> RootSignature:
        """Return both signatures of `data`."""
        return RootSignature(
            ed25519=self._ed25519.sign(data),
            mldsa65=self._mldsa65.sign(data),
        )


def check_ed25519(public: bytes, signature: bytes, data: bytes) -> None:
    """Check an Ed25519 `signature` of `data` (RFC 8032).

    Args:
        public: Public key, 32 bytes, from a verified credential or the agreement.
        signature: 64 bytes.
        data: The signed bytes.

    Raises:
        InvalidSignatureError: It does not hold, or key or signature are malformed.

    """
    try:
        nacl.signing.VerifyKey(public).verify(data, signature)
    except (BadSignatureError, ValueError):  # nacl's own ValueError subclasses cover lengths
        raise InvalidSignatureError(ALG) from None


def check_root_signature(public: RootPublic, signature: RootSignature, data: bytes) -> None:
    """Check that *both* signatures of a root hold for `data`.

    Raises:
        InvalidSignatureError: Either does not.

    """
    check_ed25519(public.ed25519, signature.ed25519, data)
    _check_mldsa65(public.mldsa65, signature.mldsa65, data)


def _check_mldsa65(public: bytes, signature: bytes, data: bytes) -> None:
    try:
        MLDSA65PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise InvalidSignatureError("ML-DSA-65") from None


def sign_jws(payload: bytes, *, key: SigningKey, typ: str) -> str:
    """Return `payload` as compact JWS with the header `{"alg":"Ed25519","kid":…,"typ":…}`."""
    header = {"alg": ALG, "kid": key.kid, "typ": typ}
    return jose.serialize_compact(header, payload, key.as_jwk(), algorithms=[ALG])


def sign_root_jws(payload: bytes, *, key: RootKey, typ: str) -> tuple[str, bytes]:
    """Return a compact JWS by a root's Ed25519 key and the ML-DSA-65 signature beside it.

    Both sign the JWS signing input; the header's `kid` is the root's, over both keys.
    """
    header = canonical_json({"alg": ALG, "kid": key.public.kid, "typ": typ})
    signing_input = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    signature = key.sign(signing_input.encode("ascii"))
    return f"{signing_input}.{encode_base64url(signature.ed25519)}", signature.mldsa65


def read_kid_unsafe(jws: str) -> str:
    """Return the `kid` that a JWS claims; no signature is verified.

    Raises:
        MalformedMessageError: Too large or not of the one accepted shape.

    """
    return _read_header(_split(jws)[0])["kid"]


def read_payload_unsafe(jws: str) -> bytes:
    """Return the payload of a JWS; no signature is verified.

    Raises:
        MalformedMessageError: Too large or not of the one accepted shape.

    """
    header, payload, _ = _split(jws)
    _read_header(header)
    return _decode(payload, "payload")


def check_jws(jws: str, *, public: bytes, kid: str, typ: str) -> bytes:
    """Return the payload of a compact JWS whose signature and header were checked.

    Args:
        jws: The compact serialization.
        public: Ed25519 public key, 32 bytes, of the verified credential that `kid` names.
        kid: The only key id accepted.
        typ: The only message type accepted.

    Raises:
        MalformedMessageError: Too large or not of the one accepted shape.
        UnexpectedHeaderError: Another algorithm, kid or type.
        InvalidSignatureError: The signature does not hold.

    """
    header, payload, signature = _split(jws)
    found = _read_header(header)
    for field, wanted in (("kid", kid), ("typ", typ)):
        if found[field] != wanted:
            raise UnexpectedHeaderError(field)
    data = _decode(payload, "payload")
    signing_input = f"{header}.{payload}".encode("ascii")
    check_ed25519(public, _decode(signature, "signature"), signing_input)
    return data


def check_root_jws(jws: str, mldsa65: bytes, *, public: RootPublic, typ: str) -> bytes:
    """Return the payload of a root's JWS of which both signatures hold.

    Args:
        jws: The compact serialization, signed by the root's Ed25519 key.
        mldsa65: Signature of the same signing input, 3,309 bytes.
        public: The root that the agreement pins.
        typ: The only message type accepted.

    Raises:
        MessageError: See `check_jws`; also when the ML-DSA-65 signature does not hold.

    """
    payload = check_jws(jws, public=public.ed25519, kid=public.kid, typ=typ)
    _check_mldsa65(public.mldsa65, mldsa65, jws.rpartition(".")[0].encode("ascii"))
    return payload


def _split(text: str) -> tuple[str, str, str]:
    if len(text) > MAX_JWS_CHARS:
        raise MalformedMessageError("too large")
    parts = text.split(".", maxsplit=_SEGMENTS)
    if len(parts) != _SEGMENTS:
        raise MalformedMessageError("not three segments")
    return parts[0], parts[1], parts[2]


def _decode(segment: str, name: str) -> bytes:
    try:
        return decode_base64url(segment)
    except ValueError:
        raise MalformedMessageError(f"{name} is not base64url") from None


def _read_header(segment: str) -> dict[str, str]:
    """Return the header: exactly `alg`, `kid` and `typ`, all text, `alg` the fixed one."""
    if len(segment) > MAX_HEADER_CHARS:
        raise MalformedMessageError("header too large")
    try:
        found = parse_object(_decode(segment, "header"))
    except ValueError:
        raise MalformedMessageError("header is not a JSON object") from None
    if found.keys() != _HEADER_NAMES:
        raise MalformedMessageError("header has other names than alg, kid, typ")
    header = {name: value for name, value in found.items() if isinstance(value, str)}
    if len(header) != len(_HEADER_NAMES) or not _KID.fullmatch(header["kid"]):
        raise MalformedMessageError("header value of the wrong kind")
    if header["alg"] != ALG:
        raise UnexpectedHeaderError("alg")
    return header

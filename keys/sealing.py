"""Sealing: what the broker carries and cannot open. Suite `MASH-XC20P-HC-XWING-1`.

A random content key gives, by HKDF-SHA256 (RFC 5869), an XChaCha20-Poly1305 key and a
commitment. The commitment travels in the *signed* message and is compared before decryption,
because that cipher alone lets one ciphertext open to different texts under different keys.
The content key is wrapped to each recipient with HPKE (RFC 9180, base mode) over X-Wing
(ML-KEM-768 with X25519). The sender is authenticated by its signature over the blob's hash,
not by this module. A sealed blob is exactly as long as its size class.

```
blob     = suite id ‖ nonce (24) ‖ XChaCha20-Poly1305(length (4, big-endian) ‖ text ‖ zeros)
envelope = suite id ‖ commitment (32) ‖ wrapped key (1,168) ‖ blob
```
"""

import dataclasses
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import nacl.utils
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from keys.encoding import canonical_json
from keys.errors import (
    CannotOpenError,
    CommitmentMismatchError,
    InvalidSealKeyError,
    PlaintextTooLargeError,
    RecipientsError,
    UnknownSuiteError,
)
from keys.signing import kid_of

SUITE: Final = "MASH-XC20P-HC-XWING-1"
SEAL_ALG: Final = "X-Wing"
SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 1216
CONTENT_KEY_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
WRAPPED_BYTES: Final = 1088 + 32 + CONTENT_KEY_BYTES + 16
MAX_RECIPIENTS: Final = 64

_SUITE_BYTES: Final = SUITE.encode("ascii")
_NONCE_BYTES: Final = 24
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 4
_MLKEM_PUBLIC_BYTES: Final = 1184
_MLKEM_SEED_BYTES: Final = 64
_EXPANDED_BYTES: Final = 96
_MAX_FIELD_CHARS: Final = 256
BLOB_OVERHEAD_BYTES: Final = len(_SUITE_BYTES) + _NONCE_BYTES + _TAG_BYTES + _LENGTH_BYTES
ENVELOPE_OVERHEAD_BYTES: Final = len(_SUITE_BYTES) + COMMITMENT_BYTES + WRAPPED_BYTES

_HPKE: Final = hpke.Suite(
    hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a sealed thing is and where it belongs; it opens nowhere else.

    A field that does not apply stays empty. `recipient` is bound by the wraps and not by the
    blob, which all recipients share. References only: never personal data.

    Raises:
        ValueError: A field is not printable ASCII of at most 256 characters.

    """

    kind: str
    request: str
    sender_kid: str
    order: str = ""
    category: str = ""
    subject: str = ""
    recipient: str = ""
    version: int = 0

    def __post_init__(self) -> None:
        """Refuse fields whose encoding could differ between implementations."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "version":
                if type(value) is not int or not 0 <= value < 1 << 53:
                    raise ValueError("version is a whole number below 2^53")
            elif not _is_plain(value):
                raise ValueError(f"{field.name} is printable ASCII, at most 256 characters")

    def bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785) of all fields and the suite id."""
        return canonical_json(dataclasses.asdict(self) | {"suite": SUITE})

    def to(self, recipient: str) -> Self:
        """Return the same context for `recipient`."""
        return dataclasses.replace(self, recipient=recipient)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed blob and the secret that opens it.

    `commitment` (64 hex characters) belongs in the signed message; `size_class` is the blob's
    length in bytes. `content_key` leaves this process only wrapped.
    """

    blob: bytes
    content_key: bytes = dataclasses.field(repr=False)
    commitment: str
    size_class: int


class SealKey:
    """An X-Wing private key: opens what was sealed to it."""

    __slots__ = ("_key", "_seed", "kid", "public")

    def __init__(self, seed: bytes) -> None:
        """Derive the key from `seed`, 32 bytes; prefer `generate` or `from_seed`."""
        if len(seed) != SEED_BYTES:
            raise ValueError("a seal key's seed is 32 bytes")
        expanded = hashlib.shake_256(seed).digest(_EXPANDED_BYTES)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        self._seed = bytes(seed)
        self._key = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public: Final[bytes] = (
            mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )
        self.kid: Final[str] = kid_of(SEAL_ALG, self.public)

    def __repr__(self) -> str:
        """Name the key without its secret."""
        return f"<SealKey {self.kid}>"

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key."""
        return cls(nacl.utils.random(SEED_BYTES))

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
        return self._seed

    def open_wrap(self, wrapped: bytes, *, info: bytes) -> bytes:
        """Return what HPKE sealed to this key under `info`; prefer `unwrap`.

        Raises:
            CannotOpenError: Other key, other `info` or changed bytes.

        """
        try:
            return _HPKE.decrypt(wrapped, self._key, info)
        except (InvalidTag, ValueError):
            raise CannotOpenError from None


def seal(plaintext: bytes, *, context: Context, classes: Sequence[int]) -> Sealed:
    """Return `plaintext` sealed under a new content key and padded to a size class.

    Args:
        plaintext: What to seal.
        context: What it is; the recipient is not bound here but by `wrap`.
        classes: Allowed lengths of a blob in bytes; the smallest that holds it is taken.

    Raises:
        PlaintextTooLargeError: No class holds it.

    """
    size_class = _size_class(len(plaintext), classes, BLOB_OVERHEAD_BYTES)
    content_key = nacl.utils.random(CONTENT_KEY_BYTES)
    return Sealed(
        blob=_encrypt(plaintext, content_key, context, size_class),
        content_key=content_key,
        commitment=_commitment(content_key),
        size_class=size_class,
    )


def open_sealed(blob: bytes, *, content_key: bytes, commitment: str, context: Context) -> bytes:
    """Return the plaintext of `blob`.

    Args:
        blob: What `seal` made.
        content_key: 32 bytes, from `unwrap`.
        commitment: 64 hex characters, from the *signed* message.
        context: As given to `seal`; its recipient does not matter.

    Raises:
        UnknownSuiteError: The blob names another suite.
        CommitmentMismatchError: The key is not the committed one; nothing was decrypted.
        CannotOpenError: Anything else.

    """
    _check_suite(blob)
    found = _commitment(content_key).encode("ascii")
    if not hmac.compare_digest(found, commitment.encode("utf-8", "replace")):
        raise CommitmentMismatchError
    return _decrypt(blob[len(_SUITE_BYTES) :], content_key, context)


def wrap(content_key: bytes, *, to_public: bytes, context: Context) -> bytes:
    """Return `content_key` wrapped to one recipient, 1,168 bytes.

    Args:
        content_key: 32 bytes, of `seal` or `unwrap`.
        to_public: The recipient's seal key, 1,216 bytes, from a verified credential.
        context: Names the recipient; unwrapping under another context fails.

    Raises:
        InvalidSealKeyError: `to_public` is malformed or of low order.
        ValueError: The context names no recipient, or the content key is not 32 bytes.

    """
    if not context.recipient:
        raise ValueError("a wrap's context names its recipient")
    if len(content_key) != CONTENT_KEY_BYTES:
        raise ValueError("a content key is 32 bytes")
    if len(to_public) != PUBLIC_BYTES:
        raise InvalidSealKeyError
    try:
        public = hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(to_public[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(to_public[_MLKEM_PUBLIC_BYTES:]),
        )
        return _HPKE.encrypt(content_key, public, context.bytes())
    except ValueError:
        raise InvalidSealKeyError from None


def wrap_to_each(
    content_key: bytes, *, recipients: Mapping[str, bytes], context: Context
) -> dict[str, bytes]:
    """Return the wraps of `content_key` by recipient name; see `wrap`.

    Args:
        content_key: 32 bytes.
        recipients: Seal public keys by recipient name, 1 to 64, no key twice.
        context: Its recipient is replaced by each name in turn.

    Raises:
        RecipientsError: None, too many, or two names with one key.
        InvalidSealKeyError: A key is malformed or of low order.

    """
    count = len(recipients)
    if not 0 < count <= MAX_RECIPIENTS or len(set(recipients.values())) != count:
        raise RecipientsError(count=count, limit=MAX_RECIPIENTS)
    return {
        name: wrap(content_key, to_public=public, context=context.to(name))
        for name, public in recipients.items()
    }


def unwrap(wrapped: bytes, *, key: SealKey, context: Context) -> bytes:
    """Return the 32-byte content key that `wrap` wrapped to `key` under `context`.

    Raises:
        CannotOpenError: Other key, other context or changed bytes.

    """
    if not context.recipient or len(wrapped) != WRAPPED_BYTES:
        raise CannotOpenError
    return key.open_wrap(wrapped, info=context.bytes())


def seal_envelope(
    plaintext: bytes, *, to_public: bytes, context: Context, classes: Sequence[int]
) -> bytes:
    """Return one blob for one recipient, with wrap and commitment inside.

    Args:
        plaintext: What to seal.
        to_public: The recipient's seal key, 1,216 bytes, from a verified credential.
        context: What it is and for whom.
        classes: Allowed lengths of the whole envelope in bytes.

    Raises:
        PlaintextTooLargeError: No class holds it.
        InvalidSealKeyError: `to_public` is malformed or of low order.
        ValueError: The context names no recipient.

    """
    inner = [size - ENVELOPE_OVERHEAD_BYTES for size in classes]
    sealed = seal(plaintext, context=context, classes=inner)
    wrapped = wrap(sealed.content_key, to_public=to_public, context=context)
    return _SUITE_BYTES + bytes.fromhex(sealed.commitment) + wrapped + sealed.blob


def open_envelope(blob: bytes, *, key: SealKey, context: Context) -> bytes:
    """Return the plaintext of an envelope that `seal_envelope` made for `key`.

    Raises:
        UnknownSuiteError: The envelope names another suite.
        CommitmentMismatchError: The wrapped key is not the committed one.
        CannotOpenError: Anything else.

    """
    _check_suite(blob)
    rest = blob[len(_SUITE_BYTES) :]
    commitment, rest = rest[:COMMITMENT_BYTES], rest[COMMITMENT_BYTES:]
    content_key = unwrap(rest[:WRAPPED_BYTES], key=key, context=context)
    return open_sealed(
        rest[WRAPPED_BYTES:],
        content_key=content_key,
        commitment=commitment.hex(),
        context=context,
    )


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= _MAX_FIELD_CHARS
        and value.isascii()
        and (value.isprintable())
    )


def _size_class(length: int, classes: Sequence[int], overhead: int) -> int:
    fitting = [size for size in classes if size >= length + overhead]
    if not fitting:
        capacity = max(0, max(classes, default=0) - overhead)
        raise PlaintextTooLargeError(size_bytes=length, capacity_bytes=capacity)
    return min(fitting)


def _derive(content_key: bytes, purpose: bytes) -> bytes:
    info = _SUITE_BYTES + b" " + purpose
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(content_key)


def _commitment(content_key: bytes) -> str:
    return _derive(content_key, b"commitment").hex()


def _check_suite(blob: bytes) -> None:
    if not blob.startswith(_SUITE_BYTES):
        raise UnknownSuiteError


def _associated_data(context: Context) -> bytes:
    return context.to("").bytes()


def _encrypt(plaintext: bytes, content_key: bytes, context: Context, size_class: int) -> bytes:
    prefixed = len(plaintext).to_bytes(_LENGTH_BYTES, "big") + plaintext
    padded = prefixed.ljust(size_class - BLOB_OVERHEAD_BYTES + _LENGTH_BYTES, b"\x00")
    nonce = nacl.utils.random(_NONCE_BYTES)
    key = _derive(content_key, b"encryption")
    text = crypto_aead_xchacha20poly1305_ietf_encrypt(padded, _associated_data(context), nonce, key)
    return _SUITE_BYTES + nonce + text


def _decrypt(rest: bytes, content_key: bytes, context: Context) -> bytes:
    nonce, text = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    if len(text) < _TAG_BYTES + _LENGTH_BYTES:
        raise CannotOpenError
    key = _derive(content_key, b"encryption")
    try:
        padded = crypto_aead_xchacha20poly1305_ietf_decrypt(
            text, _associated_data(context), nonce, key
        )
    except CryptoError:
        raise CannotOpenError from None
    return _unpad(padded)


def _unpad(padded: bytes) -> bytes:
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
    # A padding that carries bytes would be a channel past the reader's eyes.
    if end > len(padded) or any(padded[end:]):
        raise CannotOpenError
    return padded[_LENGTH_BYTES:end]

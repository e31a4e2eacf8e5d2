"""Random references and salts, and salted commitments to low-entropy facts.

A hash of a guessable value hides nothing, so commitments are keyed: whoever deletes the
32-byte key makes the commitment say nothing about anybody.
"""

import base64
import hmac
import re
import secrets
from typing import Final

SALT_BYTES: Final = 32
_REF_BYTES: Final = 16
_PREFIX = re.compile(r"[a-z]{1,8}", re.ASCII)


def new_ref(prefix: str) -> str:
    """Return a new unguessable reference: `prefix`, `_`, 26 base32 characters (128 bits).

    Raises:
        ValueError: `prefix` is not 1 to 8 lowercase letters (without the underscore).

    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("a reference's prefix is 1 to 8 lowercase letters")
    random = base64.b32encode(secrets.token_bytes(_REF_BYTES)).decode("ascii")
    return f"{prefix}_{random.rstrip('=').lower()}"


def new_salt() -> bytes:
    """Return 32 random bytes."""
    return secrets.token_bytes(SALT_BYTES)


def commit(key: bytes, data: bytes) -> str:
    """Return the commitment to `data`: HMAC-SHA256 in 64 hex characters.

    Args:
        key: 32 random bytes (`new_salt`), one per commitment, kept in the erasable store.
        data: What is committed to.

    Raises:
        ValueError: `key` is not 32 bytes; shorter ones would let the value be guessed.

    """
    if len(key) != SALT_BYTES:
        raise ValueError("a commitment's key is 32 bytes")
    return hmac.digest(key, data, "sha256").hex()

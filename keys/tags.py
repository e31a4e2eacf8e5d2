"""Keyed tags by which a node notices repeats, duplicates and conflicts of interest.

Tags are computed at one party's node under that party's secret of the year and never leave
it: all NHS numbers can be tried in a minute, so a shared key would hide nothing.
"""

import hmac
from typing import Final

SECRET_BYTES: Final = 32


def year_secret(secret: bytes, *, party: str, year: int) -> bytes:
    """Return the 32-byte tag secret of `party` for `year`, derived from its long-term one.

    Raises:
        ValueError: `secret` is not 32 bytes.

    """
    return hmac.digest(_checked(secret), f"mash-tag-year\x00{year}\x00{party}".encode(), "sha256")


def tag(secret: bytes, kind: str, value: str) -> str:
    """Return the tag of `value`, 64 hex characters (HMAC-SHA256).

    Args:
        secret: The party's secret of the year, 32 bytes (`year_secret`).
        kind: What the value is, such as `nhs_number`; tags of different kinds never collide.
        value: The value, already normalised by the caller.

    Raises:
        ValueError: `secret` is not 32 bytes, or `kind` contains a zero character.

    """
    if "\x00" in kind:
        raise ValueError("a tag's kind contains no zero character")
    return hmac.digest(_checked(secret), f"{kind}\x00{value}".encode(), "sha256").hex()


def _checked(secret: bytes) -> bytes:
    if len(secret) != SECRET_BYTES:
        raise ValueError("a tag secret is 32 bytes")
    return secret

"""Typed readers of a parsed JSON object's fields; anything unexpected is a ValueError."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_LAST_SECOND: Final = 253402300799  # 9999-12-31T23:59:59Z


def read_text(claims: Mapping[str, object], name: str) -> str:
    """Return the text field `name`.

    Raises:
        ValueError: Missing or not text.

    """
    value = claims.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")  # noqa: TRY004 - one error for any bad input
    return value


def read_match(claims: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    """Return the text field `name`, which matches `pattern` in full.

    Raises:
        ValueError: Missing, not text or no match.

    """
    value = read_text(claims, name)
    if not pattern.fullmatch(value):
        raise ValueError(f"{name} has characters that are not allowed")
    return value


def read_optional(claims: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str | None:
    """Return None for null, else as `read_match`.

    Raises:
        ValueError: Not null, and not text or no match.

    """
    return None if claims.get(name) is None else read_match(claims, name, pattern)


def read_seconds(claims: Mapping[str, object], name: str) -> datetime:
    """Return the field `name`, whole seconds since 1970, as a time in UTC.

    Raises:
        ValueError: Missing, not a whole number or out of range.

    """
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= _LAST_SECOND:
        raise ValueError(f"{name} is not a time in whole seconds")
    return datetime.fromtimestamp(value, UTC)


def write_seconds(at: datetime) -> int:
    """Return the whole seconds from 1970 to `at`; fractions are dropped.

    Raises:
        ValueError: `at` has no time zone.

    """
    if at.tzinfo is None:
        raise ValueError("a date has no time zone")
    return int(at.timestamp())

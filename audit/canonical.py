"""Canonical JSON: RFC 8785 over a restricted domain."""

import orjson

from audit.errors import CanonicalError

MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1


def canonical(value: object) -> bytes:
    """Return the canonical encoding of `value`.

    Allowed are objects with ASCII keys, arrays, strings, booleans, null and integers of
    magnitude below 2**53. There, key-sorted orjson output *is* RFC 8785; outside (floats,
    larger integers, UTF-16 key order) the two differ, so everything else is refused.

    Raises:
        CanonicalError: The value lies outside the restricted domain.

    """
    _check_domain(value, 0)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:  # a lone surrogate is all that is left
        raise CanonicalError("a string is not valid Unicode") from error


def _check_domain(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH}")
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > MAX_INTEGER:
                raise CanonicalError("an integer is too large")
        case list():
            for item in value:
                _check_domain(item, depth + 1)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or not key.isascii():
                    raise CanonicalError("a key is not ASCII text")
                _check_domain(item, depth + 1)
        case _:
            raise CanonicalError(f"{type(value).__name__} is not allowed")

"""Strict text forms of bytes and JSON: one value has exactly one text.

Base64url has no padding and no stray bits (RFC 7515 section 2); JSON is canonical
(RFC 8785), and objects with a repeated name are refused.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import NoReturn

import rfc8785

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode_base64url(data: bytes) -> str:
    """Return the unpadded base64url text of `data`."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Return the bytes of an unpadded base64url `text`.

    Raises:
        ValueError: Padding, another alphabet, or bits that encoding would not produce.

    """
    if not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if encode_base64url(data) != text:
        raise ValueError("base64url with stray bits")
    return data


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Return the RFC 8785 bytes of `value`.

    Raises:
        ValueError: A value has no canonical form.

    """
    # The library's own type is a recursive union that a plain mapping cannot be shown to be.
    return rfc8785.dumps(dict(value))  # type: ignore[arg-type]


def parse_object(data: bytes | str) -> dict[str, object]:
    """Return the JSON object in `data`.

    Raises:
        ValueError: Not JSON, not an object, a name twice, or nested too deeply.

    """
    try:
        value: object = json.loads(
            data, object_pairs_hook=_unique_names, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - callers handle one error for any bad input
    return value


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name occurs twice")
    return names


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")

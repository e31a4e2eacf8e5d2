"""Identifiers of people in the United Kingdom: normal form and check digits.

Rules and test vectors: the project's vocabulary, section 4. An identifier that fails is a
`BadIdentifier` with the reason; callers show it, and matching ignores it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from stdnum.gb import nhs, upn

TEMPORARY: Final = "a temporary number"
"""Reason given for a temporary UPN, which never identifies anyone."""

_UPN: Final = re.compile(r"[A-HJ-NP-RT-Z]\d{11}[\dA-HJ-NP-RT-Z]", re.ASCII)
_PNC_LETTERS: Final = "ZABCDEFGHJKLMNPQRTUVWXY"
_PNC: Final = re.compile(r"(?:(\d{4})|(\d{2}))/(\d{1,7})([A-Z])", re.ASCII)
_NINO: Final = re.compile(
    r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", re.ASCII
)
_CRN: Final = re.compile(r"[A-Z]\d{6}", re.ASCII)
_PRISON: Final = re.compile(r"[A-Z]\d{4}[A-Z]{2}", re.ASCII)
_OTHER: Final = re.compile(r"[A-Z0-9]{4,40}", re.ASCII)
_LAST_TWO_DIGIT_YEAR: Final = 30
"""A two-digit PNC year up to this one belongs to 20YY (the system began in the 1990s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadIdentifier:
    """An identifier that cannot be used, without its value."""

    scheme: str
    reason: str


def check_identifier(scheme: str, value: str) -> str | BadIdentifier:
    """Return the normal form of an identifier, or what is wrong with it.

    A scheme without a known rule is compared as upper-case letters and digits, and needs at
    least four of them.
    """
    text = re.sub(r"[\s\-]", "", value).upper()
    if not text:
        return BadIdentifier(scheme=scheme, reason="empty")
    result = _CHECKS.get(scheme, _check_other)(text)
    if result is None or isinstance(result, str):
        return result or BadIdentifier(scheme=scheme, reason="not of the form of this scheme")
    return BadIdentifier(scheme=scheme, reason=result[0])


_Checked = str | tuple[str] | None
"""Normal form, or a one-tuple holding the reason, or None for a wrong form."""


def _check_nhs(text: str) -> _Checked:
    if not re.fullmatch(r"[0-9]{10}", text):
        return None
    # Repeated digits such as 6666666666 pass the check and are typed as fillers.
    if len(set(text)) == 1:
        return ("a repeated digit is a filler",)
    return text if nhs.is_valid(text) else ("wrong check digit",)


def _check_upn(text: str) -> _Checked:
    if not _UPN.fullmatch(text) or text[1:4] == "000":
        return None
    # Not upn.validate: its list of authorities lacks those created since 2019.
    if upn.calc_check_digit(text[1:]) != text[0]:
        return ("wrong check letter",)
    return text if text[-1].isdigit() else (TEMPORARY,)


def _check_pnc(text: str) -> _Checked:
    match = _PNC.fullmatch(text)
    if match is None:
        return None
    long_year, short_year, serial, letter = match.groups()
    century = "20" if int(short_year or 0) <= _LAST_TWO_DIGIT_YEAR else "19"
    year = long_year or century + short_year
    serial = serial.zfill(7)
    if _PNC_LETTERS[int(year[2:] + serial) % 23] != letter:
        return ("wrong check letter",)
    return f"{year}/{serial}{letter}"


def _form(pattern: re.Pattern[str]) -> Callable[[str], _Checked]:
    def check(text: str) -> _Checked:
        return text if pattern.fullmatch(text) else None

    return check


_check_other: Final = _form(_OTHER)
_CHECKS: Final = MappingProxyType(
    {
        "nhs": _check_nhs,
        "upn": _check_upn,
        "pnc": _check_pnc,
        "crn": _form(_CRN),
        "prison": _form(_PRISON),
        "nino": _form(_NINO),
    }
)

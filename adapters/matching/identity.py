"""Who is being asked about: the values a person is recognised by.

An identity crosses the wire only inside a seal. Its JSON form is strict: unknown keys, wrong
types, impossible dates and control characters are refused, so that two nodes never read one
envelope differently. An identifier with a wrong check digit is kept and *named* by
`bad_identifiers`; it is never used for matching and never silently dropped.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NoReturn

from adapters.errors import IdentityFormatError
from adapters.matching.identifiers import BadIdentifier, check_identifier

MAX_TEXT: Final = 200
"""Longest name, address line or identifier, in characters."""
MAX_ITEMS: Final = 50
"""Most given names, previous names, addresses or identifiers."""

_SCHEME: Final = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]"
)


class BirthAccuracy(StrEnum):
    """How much of a date of birth is to be believed."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A present or former address; an empty part is not known."""

    line: str = ""
    postcode: str = ""
    uprn: str = ""

    def __post_init__(self) -> None:
        """Refuse text that no screen should have to show."""
        for name in ("line", "postcode", "uprn"):
            _check_text(getattr(self, name), f"addresses.{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The matching fields of one person.

    Attributes:
        given: Given names in order; the first is the usual one.
        surname: Present family name; may hold several words or hyphens.
        previous_names: Former, alias and preferred names as (given, surname).
        birth_date: Date of birth; with `birth_accuracy` other than DAY its unknown parts are 1.
        birth_accuracy: How much of `birth_date` is known.
        sex: As recorded, free; not used to decide a match.
        addresses: Present and former.
        identifiers: Scheme (`nhs`, `upn`, `pnc`, `crn`, ...) to value, as recorded.

    Raises:
        IdentityFormatError: A value is too long, unprintable or of the wrong type.

    """

    given: tuple[str, ...] = ()
    surname: str = ""
    previous_names: tuple[tuple[str, str], ...] = ()
    birth_date: date | None = None
    birth_accuracy: BirthAccuracy = BirthAccuracy.DAY
    sex: str | None = None
    addresses: tuple[Address, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that no later code should have to consider."""
        for name in ("given", "previous_names", "addresses", "identifiers"):
            if len(getattr(self, name)) > MAX_ITEMS:
                _refuse(name, f"more than {MAX_ITEMS} entries")
        for text in self.given:
            _check_text(text, "given")
        _check_text(self.surname, "surname")
        for pair in self.previous_names:
            for text in pair:
                _check_text(text, "previous_names")
        if self.sex is not None:
            _check_text(self.sex, "sex")
        for scheme, value in self.identifiers.items():
            _check_scheme(scheme)
            _check_text(value, f"identifiers.{scheme}")
        object.__setattr__(self, "identifiers", MappingProxyType(dict(self.identifiers)))

    def __repr__(self) -> str:
        """Show nothing personal: a repr ends up in logs and tracebacks."""
        return "Identity(<redacted>)"

    def strong_identifiers(self) -> Mapping[str, str]:
        """Return the valid identifiers, normalised, by scheme."""
        checked = {s: check_identifier(s, v) for s, v in self.identifiers.items()}
        return {s: v for s, v in checked.items() if isinstance(v, str)}

    def bad_identifiers(self) -> tuple[BadIdentifier, ...]:
        """Return the identifiers that cannot be used, each with the reason; no values."""
        checked = (check_identifier(s, v) for s, v in sorted(self.identifiers.items()))
        return tuple(v for v in checked if isinstance(v, BadIdentifier))

    def to_json(self) -> bytes:
        """Return the one byte form: UTF-8 JSON, sorted keys, every key present."""
        return json.dumps(
            {
                "given": list(self.given),
                "surname": self.surname,
                "previous_names": [list(pair) for pair in self.previous_names],
                "birth_date": self.birth_date.isoformat() if self.birth_date else None,
                "birth_accuracy": self.birth_accuracy.value,
                "sex": self.sex,
                "addresses": [
                    {"line": a.line, "postcode": a.postcode, "uprn": a.uprn} for a in self.addresses
                ],
                "identifiers": dict(self.identifiers),
            },
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_json(cls, data: bytes | str | Mapping[str, Any]) -> "Identity":
        """Read the JSON form, from bytes or already parsed; absent keys are unknown values.

        Raises:
            IdentityFormatError: Not JSON, not an object, unknown or doubled keys, wrong types.

        """
        members = data if isinstance(data, Mapping) else _parse(data)
        unknown = set(members) - set(cls.__slots__)
        if unknown:
            _refuse("(top)", f"{len(unknown)} unknown keys")
        return cls(
            given=tuple(_text(v, "given") for v in _items(members, "given")),
            surname=_text(members.get("surname", ""), "surname"),
            previous_names=tuple(_pair(v) for v in _items(members, "previous_names")),
            birth_date=_date(members.get("birth_date")),
            birth_accuracy=_accuracy(members.get("birth_accuracy", "day")),
            sex=None if members.get("sex") is None else _text(members["sex"], "sex"),
            addresses=tuple(_address(v) for v in _items(members, "addresses")),
            identifiers=_identifiers(members.get("identifiers", {})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One record of an agency's system, as far as matching needs it."""

    record_id: str
    identity: Identity


def clean_text(value: str) -> str:
    """Return text from a record system in a form that `Identity` accepts.

    Control, invisible and bidirectional characters become spaces; what passes `MAX_TEXT` is cut.
    """
    return " ".join(_UNSAFE.sub(" ", value).split())[:MAX_TEXT]


def _refuse(name: str, problem: str) -> NoReturn:
    raise IdentityFormatError(field=name, problem=problem)


def _check_text(value: object, name: str) -> None:
    if not isinstance(value, str):
        _refuse(name, "not text")
    if len(value) > MAX_TEXT:
        _refuse(name, f"longer than {MAX_TEXT} characters")
    if _UNSAFE.search(value):
        _refuse(name, "control, invisible or bidirectional characters")


def is_scheme(word: object) -> bool:
    """Return whether `word` can name an identifier scheme: a short lower-case word."""
    return isinstance(word, str) and bool(_SCHEME.fullmatch(word))


def _check_scheme(scheme: object) -> None:
    if not is_scheme(scheme):
        _refuse("identifiers", "a scheme is not a short lower-case word")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("(top)", "a key stands twice")
    return members


def _parse(data: bytes | str) -> Mapping[str, Any]:
    try:
        text = data.decode() if isinstance(data, bytes) else data
        members = json.loads(text, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError):
        # Without the cause: a decoder's message quotes the bytes it stumbled over.
        raise IdentityFormatError(field="(top)", problem="not JSON in UTF-8") from None
    if not isinstance(members, dict):
        _refuse("(top)", "not an object")
    return members


def _items(members: Mapping[str, Any], name: str) -> list[Any] | tuple[Any, ...]:
    value = members.get(name, ())
    if not isinstance(value, list | tuple):
        _refuse(name, "not a list")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        _refuse(name, "not text")
    return value


def _pair(value: object) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2:  # noqa: PLR2004 - a pair
        _refuse("previous_names", "not a pair of given and surname")
    return _text(value[0], "previous_names"), _text(value[1], "previous_names")


def _date(value: object) -> date | None:
    if value is None:
        return None
    text = _text(value, "birth_date")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        _refuse("birth_date", "not of the form YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise IdentityFormatError(field="birth_date", problem="no such day") from None


def _accuracy(value: object) -> BirthAccuracy:
    try:
        return BirthAccuracy(_text(value, "birth_accuracy"))
    except ValueError:
        raise IdentityFormatError(field="birth_accuracy", problem="unknown code") from None


def _address(value: object) -> Address:
    if not isinstance(value, Mapping) or set(value) - set(Address.__slots__):
        _refuse("addresses", "not an object of line, postcode and uprn")
    return Address(**{name: _text(part, f"addresses.{name}") for name, part in value.items()})


def _identifiers(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        _refuse("identifiers", "not an object")
    for scheme in value:
        _check_scheme(scheme)
    return {s: _text(v, f"identifiers.{s}") for s, v in value.items()}

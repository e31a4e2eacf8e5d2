"""Turn what record systems hold into text, dates and identities.

Record systems hold anything: wrong types, impossible dates, control characters. A value that
cannot be read becomes "not known", which can only make a match *less* automatic.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from adapters.matching.identity import (
    MAX_ITEMS,
    Address,
    BirthAccuracy,
    Identity,
    clean_text,
)

_ISO: Final = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?(?:[T ].*)?", re.ASCII)
_BRITISH: Final = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?: .*)?", re.ASCII)
_TRUE: Final = frozenset({"1", "true", "t", "y", "yes", "-1"})


def text_of(value: object) -> str:
    """Return a value as text: ISO dates, true or false, empty for nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(timespec="seconds")
        case date():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", "replace").strip()
        case _:
            return str(value).strip()


def is_true(value: object) -> bool:
    """Return whether a marker column says yes."""
    return text_of(value).casefold() in _TRUE


def birth_of(value: object) -> tuple[date | None, BirthAccuracy]:
    """Return a date of birth and how much of it was given; day before month in D/M/YYYY."""
    text = text_of(value)
    if match := _BRITISH.fullmatch(text):
        day, month, year = match.groups()
    elif match := _ISO.fullmatch(text):
        year, month, day = match.groups()
    else:
        return None, BirthAccuracy.DAY
    accuracy = BirthAccuracy.DAY if day else BirthAccuracy.MONTH if month else BirthAccuracy.YEAR
    try:
        return date(int(year), int(month or 1), int(day or 1)), accuracy
    except ValueError:
        return None, BirthAccuracy.DAY


def instant_of(value: object) -> datetime | None:
    """Return a time stamp with its zone (UTC when it has none), or None."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Draft:
    """An identity while its rows are being read; one record may have several rows."""

    given: tuple[str, ...] = ()
    surname: str = ""
    sex: str = ""
    birth: date | None = None
    accuracy: BirthAccuracy = BirthAccuracy.DAY
    previous: dict[tuple[str, str], None] = field(default_factory=dict)
    addresses: dict[Address, None] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)

    def add_name(self, given: str, surname: str) -> None:
        """Add a former, alias or preferred name."""
        pair = (clean_text(given), clean_text(surname))
        if any(pair):
            self.previous[pair] = None

    def add_full_name(self, full: str) -> None:
        """Add a name given as one text; its last word is the surname."""
        given, _, surname = clean_text(full).rpartition(" ")
        self.add_name(given, surname)

    def add_address(self, parts: Mapping[str, str]) -> None:
        """Add a present or former address."""
        cleaned = {name: clean_text(text) for name, text in parts.items()}
        if any(cleaned.values()):
            self.addresses[Address(**cleaned)] = None

    def merge(self, other: "Draft") -> None:
        """Take in a further row of the same record; what contradicts is never automatic."""
        if (other.given, other.surname) != (self.given, self.surname):
            self.add_name(" ".join(other.given), other.surname)
        if other.birth != self.birth:
            self.accuracy = BirthAccuracy.ESTIMATED
        self.previous |= other.previous
        self.addresses |= other.addresses
        self.identifiers = other.identifiers | self.identifiers

    def identity(self) -> Identity:
        """Return the finished identity."""
        return Identity(
            given=self.given[:MAX_ITEMS],
            surname=self.surname,
            previous_names=tuple(self.previous)[:MAX_ITEMS],
            birth_date=self.birth,
            birth_accuracy=self.accuracy,
            sex=self.sex or None,
            addresses=tuple(self.addresses)[:MAX_ITEMS],
            identifiers=self.identifiers,
        )


def draft_of(
    *, given: Iterable[str], single: Mapping[str, object], identifiers: Mapping[str, object]
) -> Draft:
    """Return the draft of a row.

    Args:
        given: Texts that hold given names.
        single: Values by name: surname, birth_date, birth_accuracy, sex.
        identifiers: Values by scheme.

    """
    birth, accuracy = birth_of(single.get("birth_date"))
    stated = text_of(single.get("birth_accuracy")).casefold()
    if stated in set(BirthAccuracy) and accuracy is BirthAccuracy.DAY:
        accuracy = BirthAccuracy(stated)
    elif stated:
        accuracy = BirthAccuracy.ESTIMATED
    return Draft(
        given=tuple(word for text in given for word in clean_text(text).split()),
        surname=clean_text(text_of(single.get("surname"))),
        sex=clean_text(text_of(single.get("sex"))),
        birth=birth,
        accuracy=accuracy,
        identifiers={s: t for s, v in identifiers.items() if (t := clean_text(text_of(v)))},
    )

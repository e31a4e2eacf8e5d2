"""Compare two profiles field by field; every result is a named level, never a bare number.

The levels are the evidence that a person confirming a match is shown, and the input of both the
score (`score.py`) and the guards (`guards.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import product
from typing import Final

from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import token_sort_ratio

from adapters.matching.normalise import MIN_NAME, Profile, nicknames, outward

AGREES: Final = 0.92
"""Jaro-Winkler similarity from which two names agree."""
SIMILAR: Final = 0.80
"""Jaro-Winkler similarity from which two names might be mistaken for each other."""
SIMILAR_WITH_ID: Final = 0.85
"""Jaro-Winkler similarity of given names that suffices beside an equal identifier."""
LINE_SAME: Final = 90
LINE_SIMILAR: Final = 70
CHECKED_SCHEMES: Final = frozenset({"nhs", "upn", "pnc"})
"""Schemes with a check digit: two valid numbers that differ are two numbers, not a slip."""


class Level(StrEnum):
    """How far one field of two people agrees."""

    EXACT = "exact"
    VARIANT = "variant"  # nickname, hyphen part, preferred name, near spelling
    TRANSPOSED = "transposed"  # given name and surname changed places
    PREVIOUS = "previous"  # agrees with a former name of the record only
    CLOSE = "close"  # names: Jaro-Winkler .85 and more; dates: one slip of a digit
    SIMILAR = "similar"
    SWAPPED = "swapped"  # day and month
    YEAR = "year"
    AREA = "area"
    DIFFERS = "differs"
    CONFLICT = "conflict"  # two valid numbers with a check digit, and not the same
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Levels:
    """The comparison of a subject with one record, field by field."""

    given: Level
    surname: Level
    birth: Level
    place: Level
    line: Level
    identifier: Level


def compare(subject: Profile, record: Profile) -> Levels:
    """Return the comparison levels of a subject and a record."""
    given, surname = _names(subject, record)
    return Levels(
        given,
        surname,
        _birth(subject.birth, record.birth),
        _place(subject, record),
        _line(subject.lines, record.lines),
        _identifier(subject, record),
    )


def is_similar_given(left: Profile, right: Profile) -> bool:
    """Return whether two given names might be mistaken for each other (twin trap)."""
    return any(
        JaroWinkler.similarity(a, b) >= SIMILAR or b in nicknames().get(a, ())
        for a, b in product(left.given, right.given)
    )


def _names(subject: Profile, record: Profile) -> tuple[Level, Level]:
    given = _given(subject.given, record.given, subject, record)
    surname = _surname(subject, record)
    if {given, surname} <= {Level.DIFFERS, Level.SIMILAR} and _is_transposed(subject, record):
        return Level.TRANSPOSED, Level.TRANSPOSED
    return given, surname


def _is_transposed(subject: Profile, record: Profile) -> bool:
    if not (subject.given and subject.surname and record.given and record.surname):
        return False
    return (
        _name(subject.given[0], record.surname[0]) >= AGREES
        and _name(subject.surname[0], record.given[0]) >= AGREES
    )


def _name(left: str, right: str) -> float:
    return 1.0 if left == right else JaroWinkler.similarity(left, right)


def _given(left: Sequence[str], right: Sequence[str], subject: Profile, record: Profile) -> Level:
    if not left or not right or subject.placeholder or record.placeholder:
        return Level.MISSING
    if left[0] == right[0]:
        return Level.EXACT if len(left[0]) >= MIN_NAME else Level.SIMILAR
    level = _given_forms(left, right)
    if level in {Level.VARIANT, Level.EXACT} or not (subject.previous or record.previous):
        return level
    return _preferred(left, right, subject, record) or level


def _preferred(
    left: Sequence[str], right: Sequence[str], subject: Profile, record: Profile
) -> Level | None:
    """Return VARIANT when a former or preferred given name of either side agrees."""
    others = [(g, right) for g, _ in subject.previous] + [(left, g) for g, _ in record.previous]
    agreeing = any(
        a and b and (a[0] == b[0] or _given_forms(a, b) is Level.VARIANT) for a, b in others
    )
    return Level.VARIANT if agreeing else None


def _given_forms(left: Sequence[str], right: Sequence[str]) -> Level:
    known = nicknames()
    if right[0] in known.get(left[0], ()) or left[0] in known.get(right[0], ()):
        return Level.VARIANT
    if left[0] in right or right[0] in left:
        return Level.VARIANT
    if min(len(left[0]), len(right[0])) < MIN_NAME:
        return Level.SIMILAR if left[0][0] == right[0][0] else Level.DIFFERS
    likeness = JaroWinkler.similarity(left[0], right[0])
    # Maria and Marie are two names, not one misspelt: a slip rarely makes another known name.
    if left[0] in known and right[0] in known:
        likeness = min(likeness, SIMILAR)
    if likeness >= AGREES:
        return Level.VARIANT
    if likeness >= SIMILAR_WITH_ID:
        return Level.CLOSE
    return Level.SIMILAR if likeness >= SIMILAR else Level.DIFFERS


def _surname(subject: Profile, record: Profile) -> Level:
    mine = [subject.surname, *(s for _, s in subject.previous)]
    level = _best_surname(mine, [record.surname])
    if level in {Level.EXACT, Level.VARIANT} or not record.previous:
        return level
    former = _best_surname(mine, [s for _, s in record.previous])
    return Level.PREVIOUS if former in {Level.EXACT, Level.VARIANT} else level


def _best_surname(mine: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> Level:
    pairs = [(a, b) for a, b in product(mine, theirs) if a and b]
    if not pairs:
        return Level.MISSING
    if any(a[0] == b[0] for a, b in pairs):
        return Level.EXACT
    likeness = max(JaroWinkler.similarity(a[0], b[0]) for a, b in pairs)
    if likeness >= AGREES or any(set(a) & set(b) for a, b in pairs):
        return Level.VARIANT
    return Level.SIMILAR if likeness >= SIMILAR else Level.DIFFERS


def _birth(left: date | None, right: date | None) -> Level:
    if left is None or right is None:
        return Level.MISSING
    if left == right:
        return Level.EXACT
    if (left.year, left.month, left.day) == (right.year, right.day, right.month):
        return Level.SWAPPED
    # Optimal string alignment: one digit wrong, or two neighbours exchanged, counts 1.
    if OSA.distance(f"{left:%Y%m%d}", f"{right:%Y%m%d}", score_cutoff=1) == 1:
        return Level.CLOSE
    return Level.YEAR if left.year == right.year else Level.DIFFERS


def _place(subject: Profile, record: Profile) -> Level:
    if subject.place_ids & record.place_ids or subject.postcodes & record.postcodes:
        return Level.EXACT
    if not (subject.postcodes and record.postcodes):
        return Level.DIFFERS if subject.place_ids and record.place_ids else Level.MISSING
    pairs = list(product(subject.postcodes, record.postcodes))
    if any(OSA.distance(a, b, score_cutoff=1) == 1 for a, b in pairs):
        return Level.CLOSE
    if any(outward(a) and outward(a) == outward(b) for a, b in pairs):
        return Level.AREA
    return Level.DIFFERS


def _line(left: Sequence[str], right: Sequence[str]) -> Level:
    if not left or not right:
        return Level.MISSING
    likeness = max(token_sort_ratio(a, b) for a, b in product(left, right))
    if likeness >= LINE_SAME:
        return Level.EXACT
    return Level.SIMILAR if likeness >= LINE_SIMILAR else Level.DIFFERS


def _identifier(subject: Profile, record: Profile) -> Level:
    shared = subject.identifiers.keys() & record.identifiers.keys()
    if not shared:
        return Level.MISSING
    pairs = {s: (subject.identifiers[s], record.identifiers[s]) for s in shared}
    if any(a != b for s, (a, b) in pairs.items() if s in CHECKED_SCHEMES):
        return Level.CONFLICT
    if any(a == b for a, b in pairs.values()):
        return Level.EXACT
    slips = all(OSA.distance(a, b, score_cutoff=2) <= 2 for a, b in pairs.values())  # noqa: PLR2004 - two slips
    return Level.CLOSE if slips else Level.DIFFERS

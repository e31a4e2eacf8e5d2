"""Decide MATCH, CANDIDATE or NOT_KNOWN by rule; the score alone never returns a person.

Rules of the project's matching paper, section 4. Inside a family address, surname and year of
birth go together, so a high score finds the sibling as well as the child: a MATCH needs the given
name *and* the exact day of birth, or a valid identifier that the name does not contradict.
Where this module is stricter than the paper it says so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from adapters.matching.compare import Level, Levels, is_similar_given
from adapters.matching.normalise import Profile

MATCH_PROBABILITY: Final = 0.95
CANDIDATE_PROBABILITY: Final = 0.5
RUNNER_UP_BITS: Final = 3.0
FAR_YEARS: Final = 12
"""Trusted dates of birth this many years apart are two generations, not a slip."""
MAX_CANDIDATES: Final = 10


class Outcome(StrEnum):
    """What a search for a subject found."""

    MATCH = "MATCH"
    CANDIDATE = "CANDIDATE"
    NOT_KNOWN = "NOT_KNOWN"


class Rule(StrEnum):
    """Which rule gave the outcome; kept with the result."""

    ID_AGREES = "R1_id_agrees"
    ID_NAME_CONFLICT = "R1_id_name_conflict"
    ID_SHARED = "R1_id_shared"
    FIELDS_AGREE = "R2_fields_agree"
    ID_DIFFERS = "R2_id_differs"
    SEVERAL = "R2_several"
    TWIN_TRAP = "R2_twin_trap"
    RUNNER_UP = "R2_runner_up"
    UNSAFE_VALUE = "R4_unsafe_value"
    TWO_AGREE = "R3_two_agree"
    NOTHING_AGREES = "R4_nothing_agrees"


@dataclass(frozen=True, slots=True)
class Scored:
    """One record compared with the subject."""

    profile: Profile
    levels: Levels
    bits: float
    probability: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """Outcome, the rule that gave it, and the records it is about, likeliest first."""

    outcome: Outcome
    rule: Rule
    records: tuple[Scored, ...]


_GIVEN: Final = frozenset({Level.EXACT, Level.VARIANT, Level.TRANSPOSED})
_SURNAME: Final = _GIVEN
_BIRTH_NEAR: Final = frozenset({Level.EXACT, Level.SWAPPED, Level.CLOSE})


def rule_on(
    subject: Profile, scored: Iterable[Scored], neighbours: Callable[[Profile], Sequence[Profile]]
) -> Ruling:
    """Return the ruling on a subject.

    Args:
        subject: Who is asked about.
        scored: Every record that blocking found, in any order.
        neighbours: Gives the agency's records with the same date of birth as a record.

    """
    ranked = sorted(scored, key=lambda s: (-s.bits, s.profile.record_id))
    holders = [s for s in ranked if s.levels.identifier is Level.EXACT]
    fitting = [s for s in ranked if _fits(s)]
    candidates = [s for s in ranked if s in holders or _is_candidate(s)]
    if not holders and not fitting:
        return _by_hand(Rule.TWO_AGREE, candidates)
    objection = (
        _objection_to_holder(subject, holders, fitting)
        if holders
        else _objection_to_fitting(subject, fitting, ranked, neighbours)
    )
    if objection is not None:
        return _by_hand(objection, candidates)
    rule = Rule.ID_AGREES if holders else Rule.FIELDS_AGREE
    return Ruling(Outcome.MATCH, rule, ((holders or fitting)[0],))


def _by_hand(rule: Rule, candidates: Sequence[Scored]) -> Ruling:
    if not candidates:
        return Ruling(Outcome.NOT_KNOWN, Rule.NOTHING_AGREES, ())
    return Ruling(Outcome.CANDIDATE, rule, tuple(candidates[:MAX_CANDIDATES]))


def _objection_to_holder(
    subject: Profile, holders: Sequence[Scored], fitting: Sequence[Scored]
) -> Rule | None:
    """Return what forbids an automatic match by identifier with the first of `holders`."""
    best = holders[0]
    if len(holders) > 1 or any(s is not best for s in fitting):
        return Rule.ID_SHARED
    if not _is_id_confirmed(subject, best):
        return Rule.ID_NAME_CONFLICT
    return Rule.UNSAFE_VALUE if _has_unsafe_mark(subject, best.profile) else None


def _objection_to_fitting(
    subject: Profile,
    fitting: Sequence[Scored],
    ranked: Sequence[Scored],
    neighbours: Callable[[Profile], Sequence[Profile]],
) -> Rule | None:
    """Return what forbids an automatic match by fields with the first of `fitting`."""
    best = fitting[0]
    objections = {
        Rule.ID_DIFFERS: _has_other_number(best.levels),
        Rule.SEVERAL: len(fitting) > 1,
        Rule.UNSAFE_VALUE: _is_unsafe(subject, best),
        Rule.RUNNER_UP: any(s is not best and s.bits > best.bits - RUNNER_UP_BITS for s in ranked),
        Rule.TWIN_TRAP: _has_double(best.profile, neighbours(best.profile)),
    }
    return next((rule for rule, holds in objections.items() if holds), None)


def _fits(scored: Scored) -> bool:
    """Return whether rule 2 holds for the pair on its own."""
    levels = scored.levels
    return (
        levels.given in _GIVEN
        and levels.birth is Level.EXACT
        and (levels.surname in _SURNAME or levels.place is Level.EXACT)
        and scored.probability >= MATCH_PROBABILITY
    )


def _is_id_confirmed(subject: Profile, scored: Scored) -> bool:
    """Return whether name and birth confirm an equal identifier.

    Stricter than rule 1: an exact birth date beside a given name that *differs* is the twin with
    the swapped number (test T3, one twin known), and a birth date a generation away is the father
    of the same name.
    """
    levels = scored.levels
    if levels.given in _GIVEN | {Level.CLOSE}:
        near = levels.birth in _BIRTH_NEAR | {Level.MISSING}
        return near or (levels.surname in _SURNAME and not _is_far(subject, scored.profile))
    known_to_differ = levels.given is Level.DIFFERS
    return not known_to_differ and levels.birth is Level.EXACT and levels.surname in _SURNAME


def _has_other_number(levels: Levels) -> bool:
    """Return whether the identifiers speak against a match by fields.

    A number without a check digit may be miskeyed: then everything else has to agree.
    """
    everything = levels.surname in _SURNAME and levels.place is Level.EXACT
    return levels.identifier is Level.CONFLICT or (
        levels.identifier is Level.DIFFERS and not everything
    )


def _has_unsafe_mark(subject: Profile, record: Profile) -> bool:
    """Return whether "Baby", "Unborn of ..." or a temporary number bars an automatic match."""
    return any(p.placeholder or p.temporary_id for p in (subject, record))


def _is_unsafe(subject: Profile, best: Scored) -> bool:
    """Return whether a value of either side bars a match by fields, whatever agrees."""
    both = (subject, best.profile)
    # A former name alone may be an adopted child's: asked by the old, held under the new.
    former = best.levels.surname is Level.PREVIOUS
    # Stricter than the paper: Daniel and Daniela, Oliver and Olivia are often twins.
    opposite = {p.sex for p in both} == {"f", "m"} and best.levels.given is not Level.EXACT
    untrusted = not all(p.birth_trusted for p in both)
    return former or opposite or untrusted or _has_unsafe_mark(*both)


def _has_double(best: Profile, neighbours: Sequence[Profile]) -> bool:
    """Return whether another record of that birth date could be the one that was meant."""
    return any(
        other.record_id != best.record_id
        and (_shares_home(best, other) or bool(set(best.surname) & set(other.surname)))
        and is_similar_given(best, other)
        for other in neighbours
    )


def _shares_home(left: Profile, right: Profile) -> bool:
    return bool(left.place_ids & right.place_ids or left.postcodes & right.postcodes)


def _is_candidate(scored: Scored) -> bool:
    """Return whether rule 3 sends the pair to a person; an equal address line counts as home."""
    levels = scored.levels
    given, birth = levels.given in _GIVEN, levels.birth in _BIRTH_NEAR
    surname = levels.surname in _SURNAME | {Level.PREVIOUS}
    home = Level.EXACT in {levels.place, levels.line}
    return (
        given + birth + surname + home >= 2  # noqa: PLR2004 - rule 3
        and (given or birth)
        and scored.probability >= CANDIDATE_PROBABILITY
    )


def _is_far(left: Profile, right: Profile) -> bool:
    if left.birth is None or right.birth is None:
        return False
    trusted = left.birth_trusted and right.birth_trusted
    return trusted and abs(left.birth.year - right.birth.year) >= FAR_YEARS

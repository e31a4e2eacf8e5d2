"""Search an agency's people for a subject: block, compare, score, rule.

The index lives in memory and is rebuilt from the connector; it holds matching fields only.
Blocking keys pair two facts, so that a common surname alone never drags a county in; together
they cover every pair that rule 3 can send to a person.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Final

from adapters.matching.compare import Levels, compare
from adapters.matching.guards import Outcome, Rule, Scored, rule_on
from adapters.matching.identity import Identity, Person
from adapters.matching.normalise import Profile, profile_of
from adapters.matching.score import DEFAULT_MODEL, Model, learn_model, probability

_RANDOM_PAIRS: Final = 50_000
_STEM: Final = 3
"""Letters of the second name in a key of two names: a slip is likelier in the later ones."""
_LARGE_STRIDE: Final = 7919  # a prime: pairs far apart in the file, without a random source


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why one record was returned: enough to reproduce the ruling."""

    record_id: str
    levels: Levels
    bits: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchResult:
    """What the search found, with its reasons; stays at the supplying node.

    Attributes:
        outcome: MATCH, CANDIDATE or NOT_KNOWN.
        record_id: The record, for a MATCH only.
        candidates: Records for a person to choose among, for a CANDIDATE only.
        evidence: One entry per record above, likeliest first.
        rule: The rule that gave the outcome.
        model_version: The weights that were used.
        probability: Of the likeliest record returned; 0 for NOT_KNOWN.
        unusable: Identifiers of the subject that were ignored, as "scheme: reason".

    """

    outcome: Outcome
    record_id: str | None
    candidates: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    rule: Rule
    model_version: str
    probability: float
    unusable: tuple[str, ...]


class Matcher:
    """An index of one system's people."""

    def __init__(self, people: Iterable[Person], *, model: Model = DEFAULT_MODEL) -> None:
        """Index `people`; later changes to the source need a new matcher."""
        self._model = model
        self._profiles = [profile_of(person) for person in people]
        self._blocks: dict[str, list[int]] = defaultdict(list)
        for position, profile in enumerate(self._profiles):
            for key in _keys(profile):
                self._blocks[key].append(position)

    def __len__(self) -> int:
        """Return the number of records searched."""
        return len(self._profiles)

    def find(self, identity: Identity) -> MatchResult:
        """Return the ruling on a subject."""
        subject = profile_of(Person(record_id="", identity=identity))
        scored = [self._score(subject, record) for record in self._blocked(subject)]
        ruling = rule_on(subject, scored, self._born_with)
        evidence = tuple(_evidence(s) for s in ruling.records)
        matched = ruling.outcome is Outcome.MATCH
        return MatchResult(
            outcome=ruling.outcome,
            record_id=evidence[0].record_id if matched else None,
            candidates=() if matched else tuple(e.record_id for e in evidence),
            evidence=evidence,
            rule=ruling.rule,
            model_version=self._model.version,
            probability=evidence[0].probability if evidence else 0.0,
            unusable=tuple(f"{bad.scheme}: {bad.reason}" for bad in identity.bad_identifiers()),
        )

    def learn(self, subjects: Iterable[Identity]) -> Model:
        """Return weights learnt, without labels, from subjects searched for so far."""
        wanted = [profile_of(Person(record_id="", identity=identity)) for identity in subjects]
        blocked = (compare(s, record) for s in wanted for record in self._blocked(s))
        return learn_model(blocked, islice(self._random_pairs(wanted), _RANDOM_PAIRS))

    def _score(self, subject: Profile, record: Profile) -> Scored:
        levels = compare(subject, record)
        bits = self._model.bits(levels)
        return Scored(record, levels, bits, probability(bits, population=len(self)))

    def _blocked(self, subject: Profile) -> Iterator[Profile]:
        found: set[int] = set()
        for key in _keys(subject):
            found.update(self._blocks.get(key, ()))
        if subject.birth is not None and (swapped := _swapped(subject.birth)):
            found.update(self._blocks.get(f"b|{swapped}", ()))
        return (self._profiles[position] for position in sorted(found))

    def _born_with(self, record: Profile) -> Sequence[Profile]:
        return [self._profiles[p] for p in self._blocks.get(f"b|{record.birth}", ())]

    def _random_pairs(self, subjects: Sequence[Profile]) -> Iterator[Levels]:
        total = len(self._profiles)
        rounds = range(_RANDOM_PAIRS // max(len(subjects), 1) + 1) if total else range(0)
        for turn in rounds:
            for i, subject in enumerate(subjects):
                yield compare(subject, self._profiles[(i + (turn + 1) * _LARGE_STRIDE) % total])


def _evidence(scored: Scored) -> Evidence:
    return Evidence(
        record_id=scored.profile.record_id,
        levels=scored.levels,
        bits=round(scored.bits, 3),
        probability=round(scored.probability, 6),
    )


def _keys(profile: Profile) -> Iterator[str]:
    """Yield the blocks a profile belongs to; may repeat."""
    for scheme, value in profile.identifiers.items():
        yield f"i|{scheme}|{value}"
    if profile.birth is not None:
        yield f"b|{profile.birth}"
    names = _names(profile)
    facts = [f"y|{profile.birth.year}", f"d|{profile.birth:%m%d}"] if profile.birth else []
    facts += [f"p|{postcode}" for postcode in profile.postcodes]
    facts += [f"u|{uprn}" for uprn in profile.place_ids]
    for name in names:
        yield from (f"n|{name}|{fact}" for fact in facts)
        yield from (f"n|{name}|{other[:_STEM]}" for other in names if other != name)
    for place in facts[2:] if profile.birth else ():
        yield from (f"{place}|{fact}" for fact in facts[:2])


def _names(profile: Profile) -> frozenset[str]:
    """Return every name form: given and family names in one pot, so exchanged ones meet."""
    former = {form for pair in profile.previous for forms in pair for form in forms}
    return frozenset({*profile.given, *profile.surname, *former})


def _swapped(birth: date) -> date | None:
    try:
        return birth.replace(month=birth.day, day=birth.month)
    except ValueError:
        return None

"""Past decisions made again: first as they were, then under a draft.

A past decision is a line of the ledger; the facts it rested on are kept elsewhere,
for as long as their retention lasts. What cannot be made again is counted by
reason and never guessed: the promise is about the others only.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from policies.agreement import Agreement
from policies.decide import Engine
from policies.errors import CasesError, FactsError
from policies.facts import CaseFacts, Query
from policies.standing import Standing

MAX_LINE_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """One line of a decision set as the ledger has it; `standing` is that of the time."""

    entry: int
    request: str
    supplier: str
    category: str
    subject: str | None
    role: str
    party: str
    outcome: str
    rules: tuple[str, ...]
    agreement: str
    standing: Standing

    @property
    def words(self) -> str:
        """Outcome and first rule."""
        return f"{self.outcome} {self.rules[0] if self.rules else '-'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """The clear facts of one request, and its subjects' roles by reference."""

    case: CaseFacts
    subjects: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A past decision that the draft would make otherwise."""

    past: PastDecision
    would_be: str


@dataclass(slots=True, kw_only=True)
class Replay:
    """What came of it; `not_made` counts reasons, `unlike` are not as recorded."""

    made: int = 0
    changed: list[Change] = field(default_factory=list)
    unlike: list[Change] = field(default_factory=list)
    not_made: Counter[str] = field(default_factory=Counter)


def read_facts(lines: Iterable[str]) -> dict[tuple[str, str], KeptFacts]:
    """Return kept facts by request and supplier.

    Each line is a JSON object: `request`, `supplier`, `subjects` (role by reference)
    and `facts` as `CaseFacts.to_json` writes them.

    Raises:
        CasesError: A line is not of this form; says which, quotes nothing.

    """
    kept = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        if len(line) > MAX_LINE_CHARS:
            raise CasesError("too long", place=place)
        try:
            row = json.loads(line)
            key = (_text(row["request"]), _text(row["supplier"]))
            subjects = {_text(ref): _text(role) for ref, role in row["subjects"].items()}
            kept[key] = KeptFacts(case=CaseFacts.from_json(row["facts"]), subjects=subjects)
        except FactsError as error:
            raise CasesError(f"facts: {error}", place=place) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CasesError("needs request, supplier, subjects and facts", place=place) from error
    return kept


def _text(value: Any) -> str:  # noqa: ANN401 - a value of unread JSON
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def replay(
    old: Agreement,
    new: Agreement,
    past: Iterable[PastDecision],
    kept: Mapping[tuple[str, str], KeptFacts],
) -> Replay:
    """Make past decisions again under `old`, and see what `new` would change.

    `new` is taken as in force at any time, signed by whoever stood behind `old` at
    the time and by every party that only it has.
    """
    result = Replay()
    engines = _Engines(old, new)
    for line in past:
        missing = _missing(line, old, kept)
        if missing is not None:
            result.not_made[missing] += 1
            continue
        facts = kept[line.request, line.supplier]
        query = _query(line, facts)
        before, after = engines.of(line.standing)
        again = before.decide(query, facts.case)
        if again.outcome != line.outcome or (again.rule,) != line.rules[:1]:
            result.unlike.append(Change(past=line, would_be=f"{again.outcome} {again.rule}"))
            continue
        result.made += 1
        draft = after.decide(query, facts.case)
        if (draft.outcome, draft.rule) != (again.outcome, again.rule):
            result.changed.append(Change(past=line, would_be=f"{draft.outcome} {draft.rule}"))
    return result


def _missing(
    line: PastDecision, old: Agreement, kept: Mapping[tuple[str, str], KeptFacts]
) -> str | None:
    if line.agreement != old.sha256:
        return "decided under another agreement"
    facts = kept.get((line.request, line.supplier))
    if facts is None:
        return "no facts kept"
    if line.subject is not None and line.subject not in facts.subjects:
        return "the subject's role is not kept"
    return None


def _query(line: PastDecision, facts: KeptFacts) -> Query:
    return Query(
        category=line.category,
        supplier=line.supplier,
        subject_role=None if line.subject is None else facts.subjects[line.subject],
        recipient_role=line.role,
        recipient_party=line.party,
    )


class _Engines:
    """Both agreements' engines, by who stood behind the old one."""

    def __init__(self, old: Agreement, new: Agreement) -> None:
        self._old = old
        self._new = replace(
            new, terms=replace(new.terms, effective_from=date.min, expires=date.max)
        )
        self._by_standing: dict[Standing, tuple[Engine, Engine]] = {}

    def of(self, standing: Standing) -> tuple[Engine, Engine]:
        found = self._by_standing.get(standing)
        if found is None:
            added = self._new.terms.parties.keys() - self._old.terms.parties.keys()
            assumed = replace(standing, signed=standing.signed | added)
            found = (Engine(self._old, standing), Engine(self._new, assumed))
            self._by_standing[standing] = found
        return found

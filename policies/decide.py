"""Decisions: PERMIT, REVIEW or DENY for one query, with every rule that fired.

Casbin makes the outcome from the compiled rows; the explanation is a second
step over the same rows; if the two disagree, or anything goes wrong, the answer
is DENY by rule D00 with a human to ring. Without supplier facts the decision is
the broker's ceiling; with them it can only be narrower.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final, TypeVar

from policies.agreement import Agreement
from policies.compile import NO_RATING, Policy, compile_terms
from policies.facts import CaseFacts, Query, SupplierFacts
from policies.predicates import Route, facts_of
from policies.situation import (
    Moment,
    Place,
    is_told,
    moment_of,
    place_of,
    prohibitions_on,
    resolve,
)
from policies.standing import Standing
from policies.terms import Contact, Notice, Prohibition, Rule, Terms

CACHE_ENTRIES: Final = 65_536
UNDECIDABLE: Final = "D00"
_T = TypeVar("_T")

# Everything of a case but its time, which counts only by what it means (a Moment).
_TIMELESS: Final = attrgetter(*(name for name in CaseFacts.__dataclass_fields__ if name != "at"))


class Outcome(StrEnum):
    """PERMIT, REVIEW or DENY, the words of the national draft."""

    PERMIT = "PERMIT"
    REVIEW = "REVIEW"
    DENY = "DENY"


_STRICTNESS: Final = {"deny": 0, "hold": 1, "permit": 2, "review": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A rule that applied; `effect` is deny, hold, permit or review."""

    rule: str
    effect: str
    reason: str
    legal: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What is owed for what is shared: codes of the agreement.

    `deadline` is how soon the supplier answers, such as PT24H on the clock `elapsed`
    or `working`; a notice has a deadline of its own (clock None); both are None where
    nothing is due. `Agreement.deadline` turns it into an instant.
    """

    deadline: str | None
    clock: str | None
    retention: str
    onward: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision and everything needed to explain it.

    `rule` is the first that fired of those that made the outcome; `fired` has
    all, stricter effects first, each in the agreement's order. `fields_allowed`
    is None when all fields may be read, and empty on a denial. `contact` is whom
    to ring at the supplier. `warnings` are codes for everybody's eyes that change
    nothing: `isa_review_overdue`.
    """

    outcome: Outcome
    rule: str
    reason: str
    fired: tuple[Fired, ...]
    remedy: str
    retriable: bool
    contact: Contact
    fields_allowed: tuple[str, ...] | None
    fields_masked: tuple[str, ...]
    fields_never: tuple[str, ...]
    obligations: Obligations
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the decision as plain JSON values."""
        return asdict(self) | {"outcome": str(self.outcome)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with the facts it rests on and every rule, fired or not."""

    decision: Decision
    facts: tuple[str, ...]
    rules: tuple[tuple[Rule, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A query with its facts and the entries of the agreement that it is about."""

    query: Query
    case: CaseFacts
    supplier: SupplierFacts | None
    moment: Moment
    place: Place

    @property
    def bucket(self) -> dict[str, str]:
        """The partition of the policy that decides it."""
        rag = self.place.rag
        return {"rag": NO_RATING if rag is None else rag.id, "group": self.place.group}


_UNDECIDED: Final = Fired(
    rule=UNDECIDABLE,
    effect="deny",
    reason="undecidable",
    legal="UK GDPR art 5(1)(f)",
    why="The facts cannot be decided automatically.",
)


class Engine:
    """Decides under one agreement; thread-safe; equal fact sets are remembered."""

    def __init__(
        self,
        agreement: Agreement,
        standing: Standing,
        others: Sequence[tuple[Agreement, Standing]] = (),
        *,
        cache_entries: int = CACHE_ENTRIES,
    ) -> None:
        """Compile `agreement`.

        Args:
            agreement: The agreement that requests name.
            standing: Who has signed exactly this agreement.
            others: Further agreements; the absolute bars of those that a supplier
                has signed bind it here too.
            cache_entries: Remembered decisions; 0 remembers none.

        Raises:
            CompileError: The rules do not make rows that fail closed.

        """
        self._agreement = agreement
        self._standing = standing
        self._policy: Policy = compile_terms(agreement.terms)
        self._rules: Mapping[str, Rule] = {rule.id: rule for rule in agreement.terms.rules}
        self._bars = _bars_elsewhere(agreement, others)
        self._moments: dict[object, Moment] = {}
        self._decisions: dict[object, Decision] = {}
        self._cache_entries = cache_entries

    def decide(
        self, query: Query, case: CaseFacts, supplier: SupplierFacts | None = None
    ) -> Decision:
        """Return the decision on `query`.

        Never raises for bad values: an unknown code or any failure is a DENY by
        rule D00 that names whom to ring.

        Args:
            query: What is asked about whom, from whom and for whom.
            case: The clear facts.
            supplier: Only at the supplying node; narrows.

        """
        try:
            moment = self._moment(case)
            key = (query, _TIMELESS(case), supplier, moment)
            found = self._decisions.get(key)
            if found is None:
                found = self._fresh(self._asked(query, case, supplier, moment))
                _remember(self._decisions, key, found, self._cache_entries)
        except Exception:  # noqa: BLE001  # fail closed: whatever went wrong, nothing is shared
            return self._undecided(query, case)
        return found

    def explain(
        self, query: Query, case: CaseFacts, supplier: SupplierFacts | None = None
    ) -> Explanation:
        """Return the decision with its facts and every rule, for people to read.

        Raises:
            UndecidableError: A code that nobody knows.

        """
        asked = self._asked(query, case, supplier, self._moment(case))
        facts = self._facts(asked)
        matching = self._policy.matching(**asked.bucket, facts=facts)
        return Explanation(
            decision=self.decide(query, case, supplier),
            facts=tuple(sorted(facts)),
            rules=tuple((rule, rule.id in matching) for rule in self._rules.values()),
        )

    def _moment(self, case: CaseFacts) -> Moment:
        minute = case.at.replace(second=0, microsecond=0)
        found = self._moments.get(minute)
        if found is None:
            found = moment_of(self._agreement.terms, case.at)
            _remember(self._moments, minute, found, self._cache_entries)
        return found

    def _asked(
        self, query: Query, case: CaseFacts, supplier: SupplierFacts | None, moment: Moment
    ) -> _Asked:
        place = place_of(self._agreement, query, case)
        return _Asked(query=query, case=case, supplier=supplier, moment=moment, place=place)

    def _facts(self, asked: _Asked) -> frozenset[str]:
        situation = resolve(
            self._agreement,
            self._standing,
            query=asked.query,
            case=asked.case,
            supplier=asked.supplier,
            moment=asked.moment,
            place=asked.place,
            barred=bool(self._prohibitions(asked)),
        )
        return facts_of(situation)

    def _prohibitions(self, asked: _Asked) -> tuple[Prohibition, ...]:
        category, day = asked.query.category, asked.moment.day
        return prohibitions_on(self._agreement.terms, category) + tuple(
            bar
            for terms, bar in self._bars.get(category, ())
            if terms.effective_from <= day <= terms.expires
        )

    def _fresh(self, asked: _Asked) -> Decision:
        facts = self._facts(asked)
        matching = self._policy.matching(**asked.bucket, facts=facts)
        fired = _in_order([rule for rule in self._rules.values() if rule.id in matching])
        expected = _expected(fired)
        outcome = self._enforced(asked.bucket, facts, expected)
        denied_by_nobody = outcome is Outcome.DENY and (not fired or fired[0].effect != "deny")
        if denied_by_nobody or outcome is not expected:
            return self._undecided(asked.query, asked.case)
        return self._decision(outcome, fired, asked)

    def _enforced(
        self, bucket: Mapping[str, str], facts: frozenset[str], expected: Outcome
    ) -> Outcome:
        """Return Casbin's outcome.

        Every row that allows `auto` has its twin for `review`, so a denial is asked
        for once; if the twin were missing the answer would still be a denial.
        """
        if expected is not Outcome.DENY and self._policy.allows("auto", **bucket, facts=facts):
            return Outcome.PERMIT
        if self._policy.allows("review", **bucket, facts=facts):
            return Outcome.REVIEW
        return Outcome.DENY

    def _decision(self, outcome: Outcome, fired: list[Rule], asked: _Asked) -> Decision:
        first, category = fired[0], asked.place.category
        bars = self._prohibitions(asked)
        return Decision(
            outcome=outcome,
            rule=first.id,
            reason=first.reason,
            fired=tuple(_fired(rule, bars) for rule in fired),
            remedy=first.remedy,
            retriable=first.retriable,
            contact=self._agreement.contact(asked.query.supplier, asked.case.at),
            fields_allowed=() if outcome is Outcome.DENY else self._fields(asked),
            fields_masked=() if outcome is Outcome.DENY else category.mask,
            fields_never=category.never,
            obligations=self._obligations(outcome, asked),
            warnings=("isa_review_overdue",) if asked.moment.review_overdue else (),
        )

    def _obligations(self, outcome: Outcome, asked: _Asked) -> Obligations:
        notice, rag = self._notice(asked), asked.place.rag
        deadline = clock = None
        if outcome is not Outcome.DENY and notice is not None:
            deadline = notice.deadline
        elif outcome is not Outcome.DENY and rag is not None and rag.deadline_hours is not None:
            deadline = f"PT{rag.deadline_hours}H"
            clock = "working" if rag.working else "elapsed"
        return Obligations(
            deadline=deadline,
            clock=clock,
            retention=self._agreement.terms.retention["product"],
            onward=asked.place.category.onward,
        )

    def _notice(self, asked: _Asked) -> Notice | None:
        """Return the notice a query is sent under, if its purpose is one."""
        purpose = asked.place.purpose
        if purpose is None or purpose.route is not Route.NOTICE:
            return None
        return next(
            (
                notice
                for notice in self._agreement.terms.notices
                if notice.purpose == purpose.id and is_told(notice, asked.query)
            ),
            None,
        )

    def _fields(self, asked: _Asked) -> tuple[str, ...] | None:
        """Return the fields that may be read: a notice has its own, fewer ones."""
        notice = self._notice(asked)
        return asked.place.category.allow if notice is None else notice.fields

    def _undecided(self, query: Query, case: CaseFacts) -> Decision:
        terms = self._agreement.terms
        party = str(query.supplier)  # a party nobody knows leads to the agreement's owner
        return Decision(
            outcome=Outcome.DENY,
            rule=_UNDECIDED.rule,
            reason=_UNDECIDED.reason,
            fired=(_UNDECIDED,),
            remedy="Ring the agency; a person can decide what a system cannot.",
            retriable=False,
            contact=self._agreement.contact(party, case.at),
            fields_allowed=(),
            fields_masked=(),
            fields_never=(),
            obligations=Obligations(
                deadline=None,
                clock=None,
                retention=terms.retention["product"],
                onward=terms.onward["default"],
            ),
        )


def _bars_elsewhere(
    agreement: Agreement, others: Sequence[tuple[Agreement, Standing]]
) -> Mapping[str, tuple[tuple[Terms, Prohibition], ...]]:
    """Return, by category, the bars of other agreements that its supplier has signed."""
    return {
        category: tuple(
            (other.terms, bar)
            for other, standing in others
            if standing.is_party(agreement.supplier_of(category))
            for bar in prohibitions_on(other.terms, category)
        )
        for category in agreement.terms.categories
    }


def _remember(cache: dict[object, _T], key: object, value: _T, entries: int) -> None:
    if len(cache) >= entries:
        cache.clear()
    if entries:
        cache[key] = value


def _in_order(rules: list[Rule]) -> list[Rule]:
    """Return the rules stricter first; a review grant counts only where nothing permits."""
    if any(rule.effect == "permit" for rule in rules):
        rules = [rule for rule in rules if rule.effect != "review"]
    return sorted(rules, key=lambda rule: _STRICTNESS[rule.effect])


def _expected(fired: list[Rule]) -> Outcome:
    """Return the outcome of the explanation: deny over hold and review over permit."""
    effects = {rule.effect for rule in fired}
    if "deny" in effects or not effects & {"permit", "review"}:
        return Outcome.DENY
    if "hold" in effects or "permit" not in effects:
        return Outcome.REVIEW
    return Outcome.PERMIT


def _fired(rule: Rule, bars: tuple[Prohibition, ...]) -> Fired:
    if rule.when == "absolute_bar":
        legal, why = bars[0].legal, bars[0].why
    else:
        legal, why = rule.legal, rule.why
    return Fired(rule=rule.id, effect=rule.effect, reason=rule.reason, legal=legal, why=why)

"""The terms of an agreement as values: parties, posts, purposes, gates, rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from policies.predicates import ConsentRule, DashRule, Route


def covers(prefixes: tuple[str, ...], category: str) -> bool:
    """Return whether `category` is one of `prefixes` or below one of them."""
    return any(category == p or category.startswith(f"{p}.") for p in prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom to ring: a party, a post there and its telephone number."""

    party: str
    post: str
    telephone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency, what it supplies and who signs for it."""

    id: str
    name: str
    kind: str
    supplies: tuple[str, ...]
    signs: tuple[str, ...]

    @property
    def is_health(self) -> bool:
        """Whether a Caldicott Guardian answers for what it supplies."""
        return self.kind.startswith(("nhs_", "camhs", "icb", "ambulance", "substance"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A post that may receive; `parties` may hold it, the first by default."""

    id: str
    title: str
    group: str
    parties: tuple[str, ...]
    own: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """A purpose with its legal fields kept apart."""

    id: str
    title: str
    gateway: str
    art6: str
    art9: tuple[str, ...]
    art10: tuple[str, ...]
    confidentiality: str
    route: Route
    report_families: tuple[str, ...]
    report_at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What a practitioner sees, and the categories it proposes to ask for."""

    id: str
    title: str
    rag: str
    purpose: str
    asks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rag:
    """A rating: its clock in hours (None: nothing is shared) and what it asks of consent."""

    id: str
    title: str
    deadline_hours: int | None
    working: bool
    consent: ConsentRule
    fan_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A kind of information; `allow` is None when the agreement names no fields."""

    id: str
    title: str
    sensitivity: int
    safe_address: bool
    allow: tuple[str, ...] | None
    mask: tuple[str, ...]
    never: tuple[str, ...]
    onward: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Highest sensitivity automatic and highest after review."""

    auto: int
    review: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCap:
    """A limit of one group on some families, by RAG."""

    group: str
    families: tuple[str, ...]
    at_most: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All numeric limits."""

    justification_characters: int
    sensitivity: Mapping[tuple[str, str], Gate]
    subject_caps: Mapping[str, int]
    group_caps: tuple[GroupCap, ...]
    own_at_most: int
    own_groups: Mapping[str, int]
    dash_purposes: tuple[str, ...]
    dash_grades: Mapping[str, DashRule]
    safe_address_rag: tuple[str, ...]
    safe_address_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as the agreement states it."""

    id: str
    effect: str
    when: str
    rag: str | None
    reason: str
    legal: str
    why: str
    remedy: str
    retriable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prohibition:
    """Categories that nothing opens."""

    id: str
    categories: tuple[str, ...]
    legal: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Working hours in England's local time; `days` count from Monday as 0."""

    opens: time
    closes: time
    days: tuple[int, ...]
    bank_holidays: bool
    out_of_hours_roles: tuple[str, ...]
    out_of_hours_rag: tuple[str, ...]
    opened_in_hours_rag: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A statutory notice: who tells whom which fields."""

    id: str
    purpose: str
    supplier: str
    to: tuple[str, ...]
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    deadline: str
    legal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team, its posts, and which concerns come into its queue and when."""

    id: str
    title: str
    party: str
    roles: tuple[str, ...]
    concerns: tuple[str, ...]
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The board that approved the agreement, and the day."""

    name: str
    approved: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Everything the parties agreed on; `document` is the text form of it."""

    title: str
    effective_from: date
    review_due: date
    expires: date
    owner: str
    board: Board | None
    parties: Mapping[str, Party]
    roles: Mapping[str, Role]
    purposes: Mapping[str, Purpose]
    concerns: Mapping[str, Concern]
    rag: Mapping[str, Rag]
    rag_aliases: Mapping[str, str]
    categories: Mapping[str, Category]
    gates: Gates
    rules: tuple[Rule, ...]
    prohibitions: tuple[Prohibition, ...]
    reasons_without_consent: tuple[str, ...]
    hours: Hours
    teams: tuple[Team, ...]
    emergency_lifts: tuple[str, ...]
    retention: Mapping[str, str]
    onward: Mapping[str, str]
    notices: tuple[Notice, ...]
    contacts: Mapping[str, tuple[Contact, Contact]]
    tests_signed: tuple[str, ...]
    document: Mapping[str, Any]

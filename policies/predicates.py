"""The closed list of conditions that rules may name, as plain functions of a situation.

A situation is the resolved state of one query: every fact already looked up in
the agreement. Rules name these conditions; nothing in an agreement is an
expression. Conditions of the ordinary route do not hold for the two statutory
routes (a notice, a report to a court), which open nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Route(StrEnum):
    """How a purpose is decided."""

    ORDINARY = "ordinary"
    NOTICE = "notice"
    COURT = "court_report"
    NONE = "none"


class ConsentRule(StrEnum):
    """What a RAG level asks of consent."""

    NOT_REQUIRED = "not_required"
    SEEK = "seek_or_record_reason"
    REQUIRED = "required"
    NOT_SHARED = "not_shared"


class DashRule(StrEnum):
    """What a DASH grade asks of consent where the DASH gate replaces the consent gate."""

    SHARE = "share"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One query with every fact resolved against the agreement."""

    in_force: bool
    second_factor: bool
    all_signed: bool
    subject_on_case: bool
    closed: bool
    conflict: bool
    barred: bool
    sealed: bool
    safe_address: bool
    may_see_safe_address: bool
    role_permitted: bool
    route: Route
    route_open: bool
    rag: str | None
    consent_rule: ConsentRule | None
    hours_open: bool
    justified: bool
    own_records: bool
    own_request: bool
    dash_rule: DashRule | None
    consent_valid: bool
    consent_covers: bool
    reason_listed: bool
    above_subject_cap: bool
    above_group_cap: bool
    sensitivity: int
    identity_confirmed: bool
    local_review: bool

    @property
    def ordinary(self) -> bool:
        """Whether the ordinary rules (RAG, hours, consent, gates) apply."""
        return self.route is Route.ORDINARY

    @property
    def consent_counts(self) -> bool:
        """Whether the RAG level's consent rule applies.

        Reading one's own records at one's own request is no sharing; for the
        purposes that name it the DASH gate takes the consent gate's place.
        """
        return self.ordinary and not self.own_request and self.dash_rule is None


PREDICATES: Final[Mapping[str, Callable[[Situation], bool]]] = {
    "agreement_not_in_force": lambda s: not s.in_force,
    "second_factor_missing": lambda s: not s.second_factor,
    "party_not_signed": lambda s: not s.all_signed,
    "subject_not_on_case": lambda s: not s.subject_on_case,
    "case_closed": lambda s: s.closed,
    "conflict_of_interest": lambda s: s.conflict,
    "absolute_bar": lambda s: s.barred,
    "record_sealed": lambda s: s.sealed,
    "safe_address_protected": lambda s: s.safe_address and not s.may_see_safe_address,
    "role_not_in_agreement": lambda s: not s.role_permitted,
    "statutory_notice": lambda s: s.route is Route.NOTICE and s.route_open,
    "own_court_report": lambda s: s.route is Route.COURT and s.route_open,
    "purpose_not_allowed": lambda s: not s.ordinary and not s.route_open,
    "rag_missing": lambda s: s.ordinary and s.rag is None,
    "rag_not_shared": lambda s: s.ordinary and s.consent_rule is ConsentRule.NOT_SHARED,
    "outside_hours": lambda s: s.ordinary and not s.hours_open,
    "justification_missing": lambda s: s.ordinary and not s.justified,
    "own_records": lambda s: s.ordinary and s.own_records,
    "dash_needs_consent": lambda s: (
        s.ordinary
        and not s.own_request
        and s.dash_rule is DashRule.CONSENT
        and not (s.consent_valid and s.consent_covers)
    ),
    "consent_missing": lambda s: (
        s.consent_counts and s.consent_rule is ConsentRule.REQUIRED and not s.consent_valid
    ),
    "consent_out_of_scope": lambda s: (
        s.consent_counts
        and s.consent_rule is ConsentRule.REQUIRED
        and s.consent_valid
        and not s.consent_covers
    ),
    "consent_or_reason_missing": lambda s: (
        s.consent_counts
        and s.consent_rule is ConsentRule.SEEK
        and not (s.consent_valid and s.consent_covers)
        and not s.reason_listed
    ),
    "above_subject_cap": lambda s: s.ordinary and not s.own_records and s.above_subject_cap,
    "above_group_cap": lambda s: s.ordinary and not s.own_records and s.above_group_cap,
    "identity_unconfirmed": lambda s: not s.identity_confirmed,
    "local_policy_review": lambda s: s.local_review,
}

# Conditions that compile to the numbers of the sensitivity gates instead of a plain fact.
GATES: Final = frozenset({"within_automatic_gate", "within_review_gate", "above_role_gate"})
CONDITIONS: Final = frozenset(PREDICATES) | GATES

# What every agreement must refuse or hold, whatever else it says.
OBLIGATORY: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "agreement_not_in_force",
            "second_factor_missing",
            "party_not_signed",
            "subject_not_on_case",
            "case_closed",
            "conflict_of_interest",
            "absolute_bar",
            "record_sealed",
            "safe_address_protected",
            "role_not_in_agreement",
            "purpose_not_allowed",
            "rag_missing",
            "rag_not_shared",
            "outside_hours",
            "justification_missing",
            "dash_needs_consent",
            "consent_missing",
            "consent_out_of_scope",
            "consent_or_reason_missing",
            "above_subject_cap",
            "above_group_cap",
            "above_role_gate",
        ),
        "deny",
    ),
    "identity_unconfirmed": "hold",
    "local_policy_review": "hold",
}

MAX_SENSITIVITY: Final = 4


def facts_of(situation: Situation) -> frozenset[str]:
    """Return the names of all conditions that hold, gates as `sensitivity_*` facts."""
    found = {name for name, holds in PREDICATES.items() if holds(situation)}
    if situation.ordinary:
        level = situation.sensitivity
        found.update(f"sensitivity_at_most_{n}" for n in range(level, MAX_SENSITIVITY + 1))
        if not situation.own_records:
            found.update(f"sensitivity_at_least_{n}" for n in range(level + 1))
    return frozenset(found)

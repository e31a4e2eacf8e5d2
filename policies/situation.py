"""From query and facts to a situation: every look-up in the agreement, once, fail closed.

A code that neither agreement nor vocabulary knows makes the query undecidable;
a known code without an entry in the agreement counts as the strictest entry.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Final

from policies.agreement import Agreement
from policies.compile import NO_GROUP
from policies.errors import UndecidableError
from policies.facts import CaseFacts, Consent, Query, SupplierFacts
from policies.predicates import DashRule, Route, Situation
from policies.standing import Standing
from policies.terms import Category, Notice, Prohibition, Purpose, Rag, Role, Terms, covers
from policies.vocabulary import vocabulary
from policies.working_time import LOCAL, is_open

UNRATED: Final = "unrated"
HARMLESS: Final = SupplierFacts(identity_confirmed=True)

# A text such as "no" is true to Python; a fact that is no truth value decides nothing.
_FLAGS: Final = tuple(f.name for f in fields(CaseFacts) if f.type is bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the time of a query means: decided once, equal for equal answers."""

    in_force: bool
    open: bool
    review_overdue: bool
    day: date


def moment_of(terms: Terms, at: datetime) -> Moment:
    """Return what the aware time `at` means under `terms`."""
    day = at.astimezone(LOCAL).date()
    return Moment(
        in_force=terms.effective_from <= day <= terms.expires,
        open=is_open(terms.hours, at),
        review_overdue=day > terms.review_due,
        day=day,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The entries of the agreement that a query is about."""

    category: Category
    role: Role | None
    rag: Rag | None
    purpose: Purpose | None

    @property
    def group(self) -> str:
        """The role's group, or the group of nobody."""
        return NO_GROUP if self.role is None else self.role.group


def place_of(agreement: Agreement, query: Query, case: CaseFacts) -> Place:
    """Return the entries for a query.

    Raises:
        UndecidableError: A code that neither agreement nor vocabulary knows, a supplier
            that does not supply the category, or a flag that is neither true nor false.

    """
    terms = agreement.terms
    for flag in _FLAGS:
        if not isinstance(getattr(case, flag), bool):
            raise UndecidableError(flag)
    category = terms.categories.get(query.category)
    if category is None or agreement.supplier_of(query.category) != query.supplier:
        raise UndecidableError("category")
    words = vocabulary()
    if query.subject_role is not None and query.subject_role not in words["subject_roles"]:
        raise UndecidableError("subject_role")
    if case.dash is not None and case.dash not in words["dash"]:
        raise UndecidableError("dash")
    return Place(
        category=category,
        role=terms.roles.get(query.recipient_role),
        rag=_rag(terms, case.rag),
        purpose=terms.purposes.get(case.purpose),
    )


def _rag(terms: Terms, code: str | None) -> Rag | None:
    if code is None or code == UNRATED:
        return None
    found = terms.rag.get(terms.rag_aliases.get(code, code))
    if found is None:
        raise UndecidableError("rag")
    return found


def prohibitions_on(terms: Terms, category: str) -> tuple[Prohibition, ...]:
    """Return the absolute bars of an agreement on `category`."""
    return tuple(p for p in terms.prohibitions if covers(p.categories, category))


def resolve(
    agreement: Agreement,
    standing: Standing,
    *,
    query: Query,
    case: CaseFacts,
    supplier: SupplierFacts | None,
    moment: Moment,
    place: Place,
    barred: bool,
) -> Situation:
    """Return the situation; `supplier` None is the broker's view, its facts harmless."""
    terms = agreement.terms
    local = HARMLESS if supplier is None else supplier
    level = place.category.sensitivity
    own = _is_own(terms, query, place)
    return Situation(
        in_force=moment.in_force,
        second_factor=case.second_factor,
        all_signed=_all_signed(terms, standing, query, case),
        subject_on_case=query.subject_role is not None,
        closed=case.closed,
        conflict=case.conflict or local.conflict,
        barred=barred,
        sealed=local.sealed,
        safe_address=place.category.safe_address or local.safe_address,
        may_see_safe_address=_may_see_safe_address(terms, place),
        role_permitted=place.role is not None and query.recipient_party in place.role.parties,
        route=Route.NONE if place.purpose is None else place.purpose.route,
        route_open=_route_open(terms, query, case, place),
        rag=None if place.rag is None else place.rag.id,
        consent_rule=None if place.rag is None else place.rag.consent,
        hours_open=moment.open or _hours_lifted(terms, query, case, place),
        justified=case.justified,
        own_records=own,
        own_request=own and case.requester_party == query.supplier,
        dash_rule=_dash_rule(terms, case),
        consent_valid=_is_valid(case.consent, moment.day),
        consent_covers=_is_covered(case.consent, query),
        reason_listed=case.reason_without_consent in terms.reasons_without_consent,
        above_subject_cap=_above_subject_cap(terms, query, level),
        above_group_cap=_above_group_cap(terms, query, place),
        sensitivity=level,
        identity_confirmed=local.identity_confirmed,
        local_review=covers(tuple(local.local_review), query.category),
    )


def _all_signed(terms: Terms, standing: Standing, query: Query, case: CaseFacts) -> bool:
    acting = (query.supplier, case.requester_party, query.recipient_party)
    return all(party in terms.parties and standing.is_party(party) for party in acting)


def is_told(notice: Notice, query: Query) -> bool:
    """Return whether a notice is from this supplier, to this post and of this category."""
    return (
        notice.supplier == query.supplier
        and query.recipient_role in notice.to
        and covers(notice.categories, query.category)
    )


def _is_own(terms: Terms, query: Query, place: Place) -> bool:
    role = place.role
    if role is None or query.recipient_party != query.supplier:
        return False
    limit = terms.gates.own_groups.get(role.group, terms.gates.own_at_most)
    return covers(role.own, query.category) and place.category.sensitivity <= limit


def _may_see_safe_address(terms: Terms, place: Place) -> bool:
    gates = terms.gates
    rated = place.rag is not None and place.rag.id in gates.safe_address_rag
    return rated and place.group in gates.safe_address_groups


def _route_open(terms: Terms, query: Query, case: CaseFacts, place: Place) -> bool:
    purpose = place.purpose
    if purpose is None or purpose.route is Route.NONE:
        return False
    if purpose.route is Route.ORDINARY:
        return True
    if purpose.route is Route.NOTICE:
        return case.children_in_household and any(
            notice.purpose == purpose.id and is_told(notice, query) for notice in terms.notices
        )
    return (
        case.evidenced_authority
        and case.requester_party == query.supplier
        and _is_own(terms, query, place)
        and covers(purpose.report_families, query.category)
        and place.category.sensitivity <= purpose.report_at_most
    )


def _hours_lifted(terms: Terms, query: Query, case: CaseFacts, place: Place) -> bool:
    hours = terms.hours
    rag = None if place.rag is None else place.rag.id
    on_duty = query.recipient_role in hours.out_of_hours_roles and rag in hours.out_of_hours_rag
    emergency = case.emergency and "outside_hours" in terms.emergency_lifts
    continued = case.opened_in_hours and rag in hours.opened_in_hours_rag
    return on_duty or emergency or continued


def _dash_rule(terms: Terms, case: CaseFacts) -> DashRule | None:
    if case.purpose not in terms.gates.dash_purposes or case.dash is None:
        return None
    return terms.gates.dash_grades.get(case.dash, DashRule.CONSENT)


def _is_valid(consent: Consent | None, day: date) -> bool:
    if consent is None or not consent.given or consent.withdrawn or not consent.capacity:
        return False
    return consent.until is None or day <= consent.until


def _is_covered(consent: Consent | None, query: Query) -> bool:
    if consent is None:
        return False
    parties = consent.parties is None or query.supplier in consent.parties
    return parties and (consent.categories is None or covers(consent.categories, query.category))


def _above_subject_cap(terms: Terms, query: Query, level: int) -> bool:
    if query.subject_role is None:
        return False  # D04 speaks; a cap belongs to a role
    cap = terms.gates.subject_caps.get(query.subject_role)
    return cap is None or level > cap


def _above_group_cap(terms: Terms, query: Query, place: Place) -> bool:
    rag = "" if place.rag is None else place.rag.id
    return any(
        cap.group == place.group
        and covers(cap.families, query.category)
        and place.category.sensitivity > cap.at_most.get(rag, -1)
        for cap in terms.gates.group_caps
    )

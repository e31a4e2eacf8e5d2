"""What an agreement opens of one category, as a set of sentences that can be compared.

Sound for comparing: whatever a version newly permits, or newly sends to a person at
the supplier, adds at least one sentence (property test). When one may ask, and the
formalities of asking, are left out.
"""

import itertools
from collections.abc import Iterator

from policies.agreement import Agreement
from policies.predicates import ConsentRule, DashRule, Route
from policies.terms import Category, Rag, Role, Terms, covers

_ASKED = {
    ConsentRule.REQUIRED: ("with consent",),
    ConsentRule.SEEK: ("with consent", "for a recorded reason"),
    ConsentRule.NOT_REQUIRED: ("with consent", "for a recorded reason", "without consent"),
}


def reach_of(agreement: Agreement, category: str) -> frozenset[str]:
    """Return what `category` is opened to; empty if it is unknown or barred."""
    terms = agreement.terms
    found = terms.categories.get(category)
    if found is None or any(covers(bar.categories, category) for bar in terms.prohibitions):
        return frozenset()
    return frozenset(
        {
            f"is supplied by {agreement.supplier_of(category)}",
            *_fields(found),
            *_posts(terms, found),
            *_people(terms, found),
            *_conditions(terms, found),
            *_routes(terms, found),
        }
    )


def _fields(category: Category) -> Iterator[str]:
    if category.allow is None:  # what is kept back is all there is to compare
        yield "holds any field"
        yield f"keeps back only {', '.join(category.never) or 'nothing'}"
        yield f"masks only {', '.join(category.mask) or 'nothing'}"
    for name in set(category.allow or ()) - set(category.never):
        yield f"holds {name}"
        if name not in category.mask:
            yield f"shows {name} unmasked"


def _posts(terms: Terms, category: Category) -> Iterator[str]:
    for role in terms.roles.values():
        for party in role.parties:
            who = f"{role.title} ({role.id}) at {party}"
            if covers(role.own, category.id):
                limit = terms.gates.own_groups.get(role.group, terms.gates.own_at_most)
                if category.sensitivity <= limit:
                    yield f"{who} reads it as an own record"
            for rag in terms.rag.values():
                yield from _gated(terms, category, role, rag, who)


def _gated(terms: Terms, category: Category, role: Role, rag: Rag, who: str) -> Iterator[str]:
    gate = terms.gates.sensitivity.get((rag.id, role.group))
    if gate is None or rag.consent is ConsentRule.NOT_SHARED:
        return
    caps = [
        cap.at_most.get(rag.id, -1)
        for cap in terms.gates.group_caps
        if cap.group == role.group and covers(cap.families, category.id)
    ]
    if category.sensitivity > min(caps, default=category.sensitivity):
        return
    if category.sensitivity <= gate.review:
        yield f"{who} may ask in {rag.id.upper()}"
    if category.sensitivity <= gate.auto:
        yield f"{who} sees it in {rag.id.upper()} without a person at the supplier looking"


def _people(terms: Terms, category: Category) -> Iterator[str]:
    for role, cap in terms.gates.subject_caps.items():
        if category.sensitivity <= cap:
            yield f"may be asked about a {role}"


def _conditions(terms: Terms, category: Category) -> Iterator[str]:
    for rag in terms.rag.values():
        for how in _ASKED.get(rag.consent, ()):
            yield f"{rag.id.upper()} shares {how}"
    for reason in terms.reasons_without_consent:
        yield f"'{reason}' counts as a reason"
    for grade, rule in terms.gates.dash_grades.items():
        for purpose in terms.gates.dash_purposes:
            yield f"DASH {grade} takes the place of consent in {purpose} after consent"
            if rule is DashRule.SHARE:
                yield f"DASH {grade} takes the place of consent in {purpose}"
    if category.safe_address:
        gates = terms.gates
        for rated, group in itertools.product(gates.safe_address_rag, gates.safe_address_groups):
            yield f"a safe address is open to {group} in {rated.upper()}"
    else:
        yield "is no safe address"


def _routes(terms: Terms, category: Category) -> Iterator[str]:
    for purpose in terms.purposes.values():
        yield f"may be asked for {purpose.id}, {purpose.route}"
        told = covers(purpose.report_families, category.id)
        if purpose.route is Route.COURT and told and category.sensitivity <= purpose.report_at_most:
            yield f"goes to a court under {purpose.id}"
    for notice in terms.notices:
        if covers(notice.categories, category.id):
            for role, name in itertools.product(notice.to, notice.fields):
                yield f"notice {notice.id} of {notice.purpose} tells {role} {name}"

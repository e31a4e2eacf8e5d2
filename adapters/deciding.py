"""The decisions on an ask, computed alike by preview, broker and supplying node (promise T3).

Three callers, one function: the requester's node previews, the broker decides on the clear facts,
the supplying node decides again with what only it knows and keeps the stricter result.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

from adapters.errors import SenderMayNotError
from adapters.protocol import (
    AgreementRef,
    Ask,
    AskItem,
    Code,
    ConsentFacts,
    NumericDate,
    OrderId,
    Post,
    Ref,
    Request,
    Sha256,
    Wire,
)
from policies.agreement import Agreement
from policies.decide import Decision, Engine, Outcome
from policies.facts import CaseFacts, Consent, Query, SupplierFacts

DECISIONS_TYP: Final = "mash-decisions+jws"
PERMITTED: Final = frozenset({Outcome.PERMIT.value, Outcome.REVIEW.value})


class DecisionLine(Wire, frozen=True):
    """One decision: category, subject and post; `rules` are all that fired, in fixed order."""

    category: Code
    subject: Ref | None
    post: Post
    outcome: str
    rule: str
    reason: str
    rules: list[str]


class AskDecision(Wire, frozen=True):
    """The decisions on one ask; `route` is node, telephone or none."""

    digest: Sha256
    supplier: Code
    order: OrderId | None
    route: str
    lines: list[DecisionLine]


class DecisionSet(Wire, frozen=True):
    """All decisions on a request, signed by the broker; compared with the preview by node A."""

    request: Ref
    message: Sha256
    agreement: AgreementRef
    due: NumericDate | None
    asks: list[AskDecision]


def case_facts(request: Request, ask: Ask) -> CaseFacts:
    """Return the clear facts of `request` as the policy engine takes them.

    Raises:
        ValueError: The consent's end date is no ISO date.

    """
    facts = request.facts
    return CaseFacts(
        at=datetime.fromtimestamp(request.iat, UTC),
        purpose=request.purpose,
        rag=request.rag,
        consent=_consent(facts.consent),
        reason_without_consent=facts.reason_without_consent,
        dash=facts.dash,
        children_in_household=facts.children_in_household,
        closed=facts.closed,
        emergency=facts.emergency,
        requester_party=request.iss,
        second_factor=facts.second_factor,
        conflict=facts.conflict,
        justified=ask.justified,
        evidenced_authority=facts.evidenced_authority,
    )


def _consent(consent: ConsentFacts | None) -> Consent | None:
    if consent is None:
        return None
    return Consent(
        given=consent.given,
        parties=None if consent.parties is None else tuple(consent.parties),
        categories=None if consent.categories is None else tuple(consent.categories),
        until=None if consent.until is None else date.fromisoformat(consent.until),
        withdrawn=consent.withdrawn,
        capacity=consent.capacity,
    )


def check_requester(agreement: Agreement, request: Request) -> None:
    """Check that the requester's party holds the role it asks in.

    Raises:
        SenderMayNotError: The agreement knows no such role, or not at that party.

    """
    role = agreement.terms.roles.get(request.role)
    if role is None or request.iss not in role.parties:
        raise SenderMayNotError("the agreement gives the requester's party no such role")


def decide(
    engine: Engine,
    request: Request,
    ask: Ask,
    *,
    item: AskItem,
    post: Post,
    supplier: SupplierFacts | None = None,
) -> Decision:
    """Return the decision on one category about one subject for one post."""
    roles = {subject.ref: subject.role for subject in request.subjects}
    query = Query(
        category=item.category,
        supplier=ask.supplier,
        subject_role=roles.get(item.subject) if item.subject else None,
        recipient_role=post.role,
        recipient_party=post.party,
    )
    return engine.decide(query, case_facts(request, ask), supplier)


def decide_ask(
    engine: Engine,
    request: Request,
    ask: Ask,
    *,
    supplier: Mapping[str, SupplierFacts] | None = None,
) -> list[DecisionLine]:
    """Return one line for every (category, subject, post) of `ask`, in the ask's own order.

    Args:
        engine: The agreement in force, compiled.
        request: The verified request.
        ask: The ask whose digest the request names.
        supplier: By subject reference, what only the supplying node knows; None elsewhere.

    """
    known = supplier or {}
    return [
        line_of(
            item,
            post,
            decide(
                engine, request, ask, item=item, post=post, supplier=known.get(item.subject or "")
            ),
        )
        for item in ask.items
        for post in item.recipients
    ]


def line_of(item: AskItem, post: Post, decision: Decision) -> DecisionLine:
    """Return the wire form of `decision`: codes only."""
    return DecisionLine(
        category=item.category,
        subject=item.subject,
        post=post,
        outcome=decision.outcome.value,
        rule=decision.rule,
        reason=decision.reason,
        rules=[fired.rule for fired in decision.fired],
    )

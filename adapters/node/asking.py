"""The asking side: preview a case's decisions, seal what is asked, raise the request.

What the preview denies is not sealed to anyone; the denied parts go to the broker all the same,
as codes, so that the ledger shows that they were asked for.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from adapters.deciding import PERMITTED, DecisionLine, decide, line_of
from adapters.errors import CaseInputError
from adapters.matching.identity import Identity
from adapters.node.caseinput import AskInput, CaseInput, ItemInput
from adapters.node.compose import Composed, compose, queue, queue_credential
from adapters.node.context import Node
from adapters.node.indicators import find_conflicts
from adapters.node.intake import envelope_context
from adapters.node.records import Raised
from adapters.protocol import (
    GUARDIAN_ROLE,
    Ask,
    AskItem,
    EnvelopeRef,
    Post,
    Request,
    SealedIdentity,
    Subject,
    encode,
    encode_json,
    order_id,
    sha256_hex,
)
from keys.credentials import Credential
from keys.randomness import new_ref, new_salt
from keys.sealing import seal_envelope
from keys.signing import SigningKey
from policies.decide import Decision

MIN_REASON: Final = 30  # rule D14: a reason a family could read


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The practitioner on whose token a case is raised, in the role they act in."""

    name: str
    title: str
    role: str
    second_factor: bool
    key: SigningKey
    credential: Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A request before sealing: fresh references, asks as the policies take them."""

    case: CaseInput
    actor: Actor
    request: Request
    asks: list[tuple[AskInput, Ask]]
    labels: dict[str, str]  # reference -> the practitioner's label


def preview(node: Node, case: CaseInput, actor: Actor) -> list[dict[str, Any]]:
    """Return the decisions as they would be, with reason, remedy and whom to ring.

    Raises:
        CaseInputError: The case names a category, role or subject that does not exist.

    """
    draft = _draft(node, case, actor)
    return [shown for shown, _ in _decided(node, draft)]


def raise_request(node: Node, case: CaseInput, actor: Actor) -> str:
    """Seal and keep a request for sending; return the identifier of the request.

    Raises:
        CaseInputError: The case names a category, role or subject that does not exist.

    """
    draft = _draft(node, case, actor)
    decided = _decided(node, draft)
    by_ask: dict[str, list[DecisionLine]] = {ask.salt: [] for _, ask in draft.asks}
    for shown, line in decided:
        by_ask[shown["ask"]].append(line)
    blobs: list[bytes] = []
    digests = []
    for given, ask in draft.asks:
        whole = _sealed(node, draft, given, ask, lines=by_ask[ask.salt], blobs=blobs)
        blobs.append(encode(whole))
        digests.append(sha256_hex(blobs[-1]))
    narrative = _seal_narrative(node, draft, blobs)
    composed = _signed(node, draft, digests, narrative)
    raised = _raised(node, draft, decided, composed)
    with node.store.begin() as tx:
        queue_credential(tx, actor.credential)
        queue(
            tx,
            composed,
            kind="request",
            path="/requests",
            reference=draft.request.request,
            due=0.0,
            blobs=blobs,
        )
        tx.put(raised)
        for indicator in find_conflicts(node, case, actor.name, draft.request.request):
            tx.put(indicator)
    node.wake.set()
    return draft.request.request


def _draft(node: Node, case: CaseInput, actor: Actor) -> _Draft:
    labels = {subject.label: new_ref("s") for subject in case.subjects}
    request = _unsigned(node, case, actor, labels)
    asks = [
        (
            given,
            Ask(
                request=request.request,
                supplier=given.supplier,
                salt=new_salt().hex(),
                justified=len(given.reason.strip()) >= MIN_REASON,
                items=[_item(node, item, labels) for item in given.items],
            ),
        )
        for given in case.asks
    ]
    return _Draft(
        case=case,
        actor=actor,
        request=request,
        asks=asks,
        labels={ref: label for label, ref in labels.items()},
    )


def _unsigned(node: Node, case: CaseInput, actor: Actor, labels: dict[str, str]) -> Request:
    now = int(node.now().timestamp())
    facts = msgspec.structs.replace(case.facts, second_factor=actor.second_factor)
    return Request(
        iss=node.party,
        aud=node.origin,
        iat=now,
        exp=now,
        jti=new_ref("j"),
        mash=node.believed.agreement.mash,
        agreement=node.believed.reference,
        seen=node.view.seen,
        case=new_ref("c"),
        case_seq=0,
        prev=None,
        request=new_ref("r"),
        actor_ref=actor.credential.actor_ref or "",
        role=actor.role,
        rag=case.rag,
        purpose=case.purpose,
        concern=case.concern,
        facts=facts,
        subjects=[Subject(ref=labels[s.label], role=s.role) for s in case.subjects],
        asks=[],
    )


def _item(node: Node, item: ItemInput, labels: dict[str, str]) -> AskItem:
    if item.subject is not None and item.subject not in labels:
        raise CaseInputError("asks.items.subject", "names nobody among the subjects")
    return AskItem(
        category=item.category,
        subject=None if item.subject is None else labels[item.subject],
        recipients=[_post(node, role) for role in item.posts],
    )


def _post(node: Node, role: str) -> Post:
    try:
        return Post(party=node.believed.agreement.role_party(role), role=role)
    except KeyError:
        raise CaseInputError("asks.items.posts", "names no role of the agreement") from None


def _decided(node: Node, draft: _Draft) -> list[tuple[dict[str, Any], DecisionLine]]:
    """Every line with what a person needs to understand it, in the order asked."""
    shown = []
    for _, ask in draft.asks:
        for item in ask.items:
            for post in item.recipients:
                decision = decide(node.believed.engine, draft.request, ask, item=item, post=post)
                shown.append(
                    (
                        _shown(draft, ask, item, post, decision),
                        line_of(item, post, decision),
                    )
                )
    return shown


def _shown(
    draft: _Draft, ask: Ask, item: AskItem, post: Post, decision: Decision
) -> dict[str, Any]:
    first = decision.fired[0] if decision.fired else None
    return {
        "ask": ask.salt,
        "supplier": ask.supplier,
        "category": item.category,
        "subject": draft.labels.get(item.subject or ""),
        "subject_ref": item.subject,
        "subject_role": {s.ref: s.role for s in draft.request.subjects}.get(item.subject or ""),
        "party": post.party,
        "role": post.role,
        "outcome": decision.outcome.value,
        "rule": decision.rule,
        "reason": decision.reason,
        "legal": first.legal if first else "",
        "why": first.why if first else "",
        "remedy": decision.remedy,
        "retriable": decision.retriable,
        "contact": {"post": decision.contact.post, "telephone": decision.contact.telephone},
    }


def _sealed(
    node: Node,
    draft: _Draft,
    given: AskInput,
    ask: Ask,
    *,
    lines: list[DecisionLine],
    blobs: list[bytes],
) -> Ask:
    """Seal identities and reason of an ask to its supplier's node; nothing where all is denied."""
    needed = sorted({x.subject for x in lines if x.outcome in PERMITTED and x.subject})
    target = node.believed.book.node_seal(given.supplier, at=node.now())
    if not needed or target is None:
        return ask
    by_label = {subject.label: subject for subject in draft.case.subjects}

    def sealed(kind: str, subject: str, plaintext: bytes) -> EnvelopeRef:
        context = envelope_context(
            kind=kind,
            request=ask.request,
            order=order_id(ask.request, ask.supplier),
            subject=subject,
            recipient=ask.supplier,
            sender_kid=draft.actor.credential.kid,
        )
        blob = seal_envelope(
            plaintext,
            to_public=target.public,
            context=context,
            classes=node.believed.agreement.schedule.size_classes,
        )
        blobs.append(blob)
        return EnvelopeRef(sha256=sha256_hex(blob), kid=target.kid)

    return msgspec.structs.replace(
        ask,
        identities=[
            SealedIdentity(
                subject=ref,
                envelope=sealed(
                    "identity",
                    ref,
                    Identity.from_json(by_label[draft.labels[ref]].identity).to_json(),
                ),
            )
            for ref in needed
        ],
        reason=sealed("reason", "", encode_json(_reason(node, draft.actor, given))),
    )


def _reason(node: Node, actor: Actor, given: AskInput) -> dict[str, Any]:
    """What the supplier's people see before they release anything: the verified requester."""
    return {
        "reason": given.reason,
        "requester": {
            "name": actor.name,
            "post": actor.title,
            "agency": node.settings.agency,
            "switchboard": node.settings.switchboard,
        },
    }


def _seal_narrative(node: Node, draft: _Draft, blobs: list[bytes]) -> EnvelopeRef | None:
    """The narrative goes to the requester's own guardian's office and nowhere else."""
    office = node.believed.book.posts(node.party, GUARDIAN_ROLE, at=node.now())
    if office is None:
        return None
    context = envelope_context(
        kind="narrative",
        request=draft.request.request,
        order="",
        subject="",
        recipient=node.party,
        sender_kid=draft.actor.credential.kid,
    )
    blob = seal_envelope(
        encode_json({"narrative": draft.case.narrative, "referral": draft.case.referral}),
        to_public=office.public,
        context=context,
        classes=node.believed.agreement.schedule.size_classes,
    )
    blobs.append(blob)
    return EnvelopeRef(sha256=sha256_hex(blob), kid=office.kid)


def _signed(
    node: Node, draft: _Draft, digests: list[str], narrative: EnvelopeRef | None
) -> Composed:
    request = draft.request
    return compose(
        node,
        Request,
        key=draft.actor.key,
        lasting_as=request.rag,
        case=request.case,
        case_seq=request.case_seq,
        prev=request.prev,
        request=request.request,
        actor_ref=request.actor_ref,
        role=request.role,
        rag=request.rag,
        purpose=request.purpose,
        concern=request.concern,
        facts=request.facts,
        subjects=request.subjects,
        asks=digests,
        narrative=narrative,
    )


def _raised(
    node: Node,
    draft: _Draft,
    decided: list[tuple[dict[str, Any], DecisionLine]],
    composed: Composed,
) -> Raised:
    return Raised(
        id=draft.request.request,
        state="sending",
        case=draft.request.case,
        created=node.now().timestamp(),
        case_input=msgspec.to_builtins(draft.case),
        subjects=draft.labels,
        actor={
            "name": draft.actor.name,
            "title": draft.actor.title,
            "role": draft.actor.role,
        },
        preview=[shown for shown, _ in decided],
        message=composed.jws,
        case_seq=0,
        head=composed.sha256,
    )

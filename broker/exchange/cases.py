"""What people do with answers: open them, take one by telephone, close the case."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from adapters.protocol import (
    Answer,
    ManualRoute,
    Opened,
    Outcome,
    Post,
)
from audit.entry import Event, timestamp
from broker.domain import (
    DeliveryKind,
    Order,
    OrderState,
    Reply,
    StoredAnswer,
    StoredRequest,
)
from broker.errors import (
    CaseIncompleteError,
    NotFoundError,
    OrderStateError,
    SectionMismatchError,
)
from broker.exchange.hub import Hub
from broker.exchange.intake import (
    Apply,
    Incoming,
    advance_case,
    check_blobs,
    entry_of,
    keep_blobs,
    seconds,
)
from broker.exchange.requests import check_seal_key
from broker.exchange.work import deliver, find_order, read_answer
from broker.ports import Tx
from keys.credentials import Kind

BY_TELEPHONE: Final = "reported_by_telephone"
_LEVELS: Final = {"weak": "weak"}  # every other level the ledger calls strong


def prepare_opened(_: Hub, incoming: Incoming, opened: Opened) -> Apply:
    """Return the unit that records an opening; nil answers count too."""
    check_blobs(incoming, ())
    post = Post(party=opened.iss, role=opened.role)

    def apply(tx: Tx) -> Reply:
        order = find_order(tx, opened.order, opened.request)
        stored = tx.find(StoredAnswer, order_id=order.id, version=opened.version)
        if stored is None or stored.release is None or stored.message != opened.answer:
            raise NotFoundError("released answer")
        _check_own_sections(read_answer(tx, stored), opened, post)
        entry = tx.log(
            entry_of(
                incoming,
                Event.OPENED,
                case=order.case,
                concerned=[order.requester],
                answer=opened.answer,
                recipient={"party": post.party, "role": post.role},
                level=_LEVELS.get(opened.receipt_level, "strong"),
                order=order.id,
                version=opened.version,
                supplier=order.supplier,
            )
        )
        return Reply(entries=(entry,))

    return apply


def _check_own_sections(answer: Answer, opened: Opened, post: Post) -> None:
    own = {section.blob for section in answer.sections if section.post == post}
    if not own:
        raise NotFoundError("released answer")
    if not opened.sections or not set(opened.sections) <= own:
        raise SectionMismatchError("sections that were not sealed to this post")


def prepare_manual_route(_: Hub, incoming: Incoming, told: ManualRoute) -> Apply:
    """Return the unit that enters an answer taken by telephone, with the time it happened."""
    check_blobs(incoming, ())

    def apply(tx: Tx) -> Reply:
        request = own_request(tx, told.request, party=told.iss, case=told.case)
        order = find_order(tx, told.order, request.id)
        if order.state in {OrderState.RELEASED, OrderState.TOLD}:
            raise OrderStateError(state=order.state, problem="it is answered already")
        _advance(tx, incoming, told)
        entry = tx.log(
            entry_of(
                incoming,
                Event.MANUAL_ROUTE,
                case=told.case,
                request=request.id,
                order=order.id,
                supplier=order.supplier,
                route=BY_TELEPHONE,
                happened_at=timestamp(datetime.fromtimestamp(told.occurred_at, UTC)),
                content_c=told.reported_c,
            )
        )
        by_telephone = order.state == OrderState.BY_TELEPHONE
        state = OrderState.TOLD.value if by_telephone else order.state
        tx.save(dataclasses.replace(order, state=state, told_at=seconds(tx)))
        return Reply(entries=(entry,))

    return apply


def own_request(tx: Tx, request_id: str, *, party: str, case: str) -> StoredRequest:
    """Return the party's request in that case.

    Raises:
        NotFoundError: Absent, or not the party's.

    """
    request = tx.find(StoredRequest, id=request_id)
    if request is None or (request.party, request.case) != (party, case):
        raise NotFoundError("request")
    return request


def _advance(
    tx: Tx, incoming: Incoming, message: ManualRoute | Outcome, *, close: bool = False
) -> None:
    advance_case(
        tx,
        ref=message.case,
        party=message.iss,
        seq=message.case_seq,
        prev=message.prev,
        sha256=incoming.verified.sha256,
        close=close,
    )


def prepare_outcome(hub: Hub, incoming: Incoming, outcome: Outcome) -> Apply:
    """Return the unit that closes a case, with feedback to everybody who answered.

    Raises:
        UnknownPostError: Feedback is sealed to a key that is not that party's node's.

    """
    check_blobs(incoming, [feedback.envelope.sha256 for feedback in outcome.feedback])
    for feedback in outcome.feedback:
        check_seal_key(
            hub.book.find(feedback.envelope.kid),
            party=feedback.party,
            kind=Kind.NODE_SEAL,
            role=None,
        )

    def apply(tx: Tx) -> Reply:
        request = own_request(tx, outcome.request, party=outcome.iss, case=outcome.case)
        answered = _answered(tx, outcome.case)
        _check_feedback(hub, outcome, answered)
        _advance(tx, incoming, outcome, close=True)
        entry = tx.log(
            entry_of(
                incoming,
                Event.OUTCOME,
                case=outcome.case,
                concerned=sorted(order.supplier for order in answered),
                request=request.id,
                content_c=outcome.outcome_c,
            )
        )
        _deliver_feedback(tx, incoming, outcome, answered, entry)
        return Reply(entries=(entry,))

    return apply


def _answered(tx: Tx, case: str) -> Sequence[Order]:
    """The orders of a case that were answered, by node or by telephone.

    An answer whose keys were never released can be read by nobody: it must not keep a case open.
    """
    orders = tx.select(Order, case=case)
    return [order for order in orders if order.told_at is not None or _is_released(tx, order)]


def _is_released(tx: Tx, order: Order) -> bool:
    answers = tx.select(StoredAnswer, order_id=order.id)
    return any(answer.release is not None for answer in answers)


def _check_feedback(hub: Hub, outcome: Outcome, answered: Sequence[Order]) -> None:
    """Parties without a node are told by hand; everybody else who answered must be named."""
    suppliers = {order.supplier for order in answered}
    reachable = {p for p in suppliers if hub.book.node_seal(p, at=hub.clock()) is not None}
    named = [feedback.party for feedback in outcome.feedback]
    missing, unasked = reachable - set(named), set(named) - suppliers
    if missing or unasked or len(set(named)) != len(named) or not outcome.referrer_told:
        raise CaseIncompleteError(
            missing=tuple(sorted(missing)),
            unasked=tuple(sorted(unasked)),
            told=outcome.referrer_told,
        )


def _deliver_feedback(
    tx: Tx, incoming: Incoming, outcome: Outcome, answered: Sequence[Order], entry: int
) -> None:
    order_of = {order.supplier: order for order in answered}
    for feedback in outcome.feedback:
        order, name = order_of[feedback.party], feedback.envelope.sha256
        keep_blobs(tx, order.id, {name: incoming.blobs[name]})
        deliver(
            tx,
            party=feedback.party,
            kind=DeliveryKind.OUTCOME,
            order=order,
            message=incoming.verified.sha256,
            entry=entry,
            blobs=[name],
        )

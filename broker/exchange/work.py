"""Orders and answers: claim under a lease, answer in full, release against the receipt, refuse.

An answer is taken only whole: one section for every permitted category, subject and post, and
the sharing record for the guardians' offices of both parties. Its keys follow in the release,
which must name the ledger entry of the very answer (promise T5).
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.deciding import DecisionLine
from adapters.protocol import (
    GUARDIAN_ROLE,
    SHARING_RECORD,
    Answer,
    Claim,
    Post,
    Refusal,
    Release,
    Section,
    decode_message,
)
from audit.entry import Draft, Event
from audit.merkle import leaf_hash, root_hash
from broker.domain import (
    DeliveryKind,
    DeliveryRecord,
    Grant,
    Order,
    OrderState,
    Reply,
    StoredAnswer,
    StoredAsk,
    StoredMessage,
    StoredRequest,
)
from broker.errors import (
    NotFoundError,
    OrderStateError,
    SectionMismatchError,
    StaleLeaseError,
    WrongMessageError,
)
from broker.exchange.hub import Hub
from broker.exchange.intake import Apply, Incoming, check_blobs, entry_of, keep_blobs, seconds
from broker.exchange.requests import check_seal_key
from broker.ports import Tx
from keys.credentials import Kind
from keys.signing import read_payload_unsafe

_SENDABLE: Final = frozenset({OrderState.CLAIMED, OrderState.ANSWERED, OrderState.RELEASED})
_ANSWERED: Final = frozenset({OrderState.ANSWERED, OrderState.RELEASED})
_lines_decoder: Final = msgspec.json.Decoder(list[DecisionLine])


def prepare_claim(hub: Hub, incoming: Incoming, claim: Claim) -> Apply:
    """Return the unit that hands out waiting orders; with none, it leaves no trace."""
    check_blobs(incoming, ())

    def apply(tx: Tx) -> Reply:
        orders = tx.waiting_orders(claim.iss, most=claim.max, resume=claim.resume)
        entries, grants = [], []
        for order in orders:
            held = order
            if order.state != OrderState.ANSWERED:
                held = _leased(hub, tx, order)
                entries.append(tx.log(_claim_entry(incoming, held)))
            grants.append(_grant(held))
        return Reply(entries=tuple(entries), grants=tuple(grants))

    return apply


def _leased(hub: Hub, tx: Tx, order: Order) -> Order:
    """A lease begins where the slot ends: nobody could answer before."""
    now = seconds(tx)
    request = tx.find(StoredRequest, id=order.request)
    slot = hub.agreement.slot_seconds(None if request is None else request.rag)
    held = dataclasses.replace(
        order,
        state=OrderState.CLAIMED.value,
        epoch=order.epoch + 1,
        claimed_at=now,
        lease_until=now + slot + int(hub.lease.total_seconds()),
    )
    tx.save(held)
    return held


def _claim_entry(incoming: Incoming, order: Order) -> Draft:
    return entry_of(
        incoming,
        Event.ORDER_CLAIMED,
        case=order.case,
        concerned=[order.requester],
        order=order.id,
        epoch=order.epoch,
    )


def _grant(order: Order) -> Grant:
    return Grant(
        order=order.id,
        epoch=order.epoch,
        claimed_at=order.claimed_at,
        lease_until=order.lease_until,
        last_version=order.last_version,
    )


def prepare_answer(hub: Hub, incoming: Incoming, answer: Answer) -> Apply:
    """Return the unit that takes a version of an answer.

    Raises:
        SectionMismatchError: A key, size or blob does not fit.
        UnknownPostError: A section is sealed to a key that is not the post's.

    """
    check_blobs(incoming, [section.blob for section in answer.sections])
    for section in answer.sections:
        _check_section(hub, incoming, section)

    def apply(tx: Tx) -> Reply:
        order = find_order(tx, answer.order, answer.request, supplier=answer.iss)
        _check_turn(order, answer)
        _check_complete(tx, order, answer)
        entry = tx.log(_answer_entry(incoming, order, answer))
        tx.add(
            StoredAnswer(
                order_id=order.id,
                version=answer.version,
                message=incoming.verified.sha256,
                entry=entry,
            )
        )
        keep_blobs(tx, order.id, incoming.blobs)
        tx.save(
            dataclasses.replace(order, state=OrderState.ANSWERED.value, last_version=answer.version)
        )
        return Reply(entries=(entry,))

    return apply


def _check_section(hub: Hub, incoming: Incoming, section: Section) -> None:
    check_seal_key(
        hub.book.find(section.kid),
        party=section.post.party,
        kind=Kind.POST,
        role=section.post.role,
    )
    if section.size_class not in hub.agreement.schedule.size_classes:
        raise SectionMismatchError("a section names a size class that the agreement has not")
    if len(incoming.blobs[section.blob]) != section.size_class:
        raise SectionMismatchError("a section's blob is not as long as its size class")


def find_order(tx: Tx, order_id: str, request: str, *, supplier: str | None = None) -> Order:
    """Return the order of this request, and of this supplier if one is given.

    Raises:
        NotFoundError: There is none.

    """
    order = tx.find(Order, id=order_id)
    if order is None or order.request != request or supplier not in {None, order.supplier}:
        raise NotFoundError("order")
    return order


def _check_turn(order: Order, answer: Answer) -> None:
    if order.state not in _SENDABLE:
        raise OrderStateError(state=order.state, problem="it takes no answer")
    if answer.version != order.last_version + 1:
        raise OrderStateError(
            state=order.state, problem=f"the next version is {order.last_version + 1}"
        )
    if answer.version == 1 and answer.epoch != order.epoch:
        raise StaleLeaseError(epoch=answer.epoch, current=order.epoch)


def _check_complete(tx: Tx, order: Order, answer: Answer) -> None:
    """Sections are exactly the permitted lines, and one sharing record for each office."""
    ask = tx.find(StoredAsk, digest=order.ask)
    if ask is None:
        raise NotFoundError("ask")
    wanted = {
        (line.category, line.subject, line.post) for line in _lines_decoder.decode(ask.permitted)
    }
    wanted |= {
        (SHARING_RECORD, None, Post(party=party, role=GUARDIAN_ROLE))
        for party in (order.supplier, order.requester)
    }
    found = [(section.category, section.subject, section.post) for section in answer.sections]
    if len(found) != len(set(found)):
        raise SectionMismatchError("two sections for one category, subject and post")
    if set(found) - wanted:
        raise SectionMismatchError("a section for what was not permitted")
    if wanted - set(found):
        raise SectionMismatchError("a permitted category, subject and post has no section")


def _answer_entry(incoming: Incoming, order: Order, answer: Answer) -> Draft:
    classes = {section.blob: section.size_class for section in answer.sections}
    return entry_of(
        incoming,
        Event.ANSWER,
        case=order.case,
        concerned=[order.requester, *recipients_of(answer)],
        order=order.id,
        version=answer.version,
        blobs=[{"sha256": name, "class": size} for name, size in sorted(classes.items())],
        key_commitments=[section.commitment for section in answer.sections],
    )


def recipients_of(answer: Answer) -> list[str]:
    """Return the parties that an answer has sections for, sorted."""
    return sorted({section.post.party for section in answer.sections})


def read_answer(tx: Tx, answer: StoredAnswer) -> Answer:
    """Return the accepted message of a stored answer."""
    stored = tx.find(StoredMessage, sha256=answer.message)
    message = None if stored is None else decode_message(read_payload_unsafe(stored.jws))
    if not isinstance(message, Answer):
        raise NotFoundError("answer")
    return message


def prepare_release(_: Hub, incoming: Incoming, release: Release) -> Apply:
    """Return the unit that takes the wrapped keys and makes the deliveries."""

    def apply(tx: Tx) -> Reply:
        order = find_order(tx, release.order, release.request, supplier=release.iss)
        stored = tx.find(StoredAnswer, order_id=order.id, version=release.version)
        if order.state not in _ANSWERED or stored is None:
            raise OrderStateError(state=order.state, problem="that version is not answered")
        if stored.release is not None:
            raise OrderStateError(state=order.state, problem="that version is released already")
        if (release.answer, release.entry) != (stored.message, stored.entry):
            raise WrongMessageError("a release that names the answer's hash and ledger entry")
        answer = read_answer(tx, stored)
        check_blobs(incoming, [section.wrap for section in answer.sections])
        entry = tx.log(_release_entry(incoming, order, release, answer))
        released = dataclasses.replace(
            stored, release=incoming.verified.sha256, release_entry=entry
        )
        tx.save(released)
        keep_blobs(tx, order.id, incoming.blobs)
        for party in recipients_of(answer):
            _deliver_answer(tx, order, released, answer, party)
        if release.version == order.last_version:
            tx.save(dataclasses.replace(order, state=OrderState.RELEASED.value))
        return Reply(entries=(entry,))

    return apply


def _release_entry(incoming: Incoming, order: Order, release: Release, answer: Answer) -> Draft:
    wraps = [leaf_hash(bytes.fromhex(section.wrap)) for section in answer.sections]
    return entry_of(
        incoming,
        Event.RELEASE,
        case=order.case,
        concerned=[order.requester, *recipients_of(answer)],
        order=order.id,
        version=release.version,
        wraps=root_hash(wraps).hex(),
        answer=release.answer,
    )


def _deliver_answer(tx: Tx, order: Order, stored: StoredAnswer, answer: Answer, party: str) -> None:
    """Only the party's own sections and wraps; of the others it learns no more than names."""
    own = [section for section in answer.sections if section.post.party == party]
    names = sorted({name for section in own for name in (section.blob, section.wrap)})
    deliver(
        tx,
        party=party,
        kind=DeliveryKind.ANSWER,
        order=order,
        message=stored.message,
        entry=stored.entry,
        release=(stored.release, stored.release_entry),
        blobs=names,
    )


def deliver(
    tx: Tx,
    *,
    party: str,
    kind: DeliveryKind,
    order: Order,
    message: str,
    entry: int,
    release: tuple[str | None, int | None] = (None, None),
    blobs: Sequence[str] = (),
) -> None:
    """Put something into a party's deliveries; its blobs lie beside the order."""
    tx.add(
        DeliveryRecord(
            party=party,
            number=tx.next_number(DeliveryRecord, party=party),
            kind=kind.value,
            request=order.request,
            owner=order.id,
            message=message,
            entry=entry,
            release=release[0],
            release_entry=release[1],
            blobs=msgspec.json.encode(list(blobs)),
        )
    )


def prepare_refusal(_: Hub, incoming: Incoming, refusal: Refusal) -> Apply:
    """Return the unit that ends an order its supplier refuses whole."""
    check_blobs(incoming, ())

    def apply(tx: Tx) -> Reply:
        order = find_order(tx, refusal.order, refusal.request, supplier=refusal.iss)
        if order.state != OrderState.CLAIMED:
            raise OrderStateError(state=order.state, problem="only a claimed order is refused")
        if refusal.epoch != order.epoch:
            raise StaleLeaseError(epoch=refusal.epoch, current=order.epoch)
        entry = tx.log(
            entry_of(
                incoming,
                Event.ORDER_REFUSED,
                case=order.case,
                concerned=[order.requester],
                order=order.id,
                rule=refusal.rule.upper(),
                epoch=refusal.epoch,
            )
        )
        tx.save(dataclasses.replace(order, state=OrderState.REFUSED.value))
        deliver(
            tx,
            party=order.requester,
            kind=DeliveryKind.REFUSAL,
            order=order,
            message=incoming.verified.sha256,
            entry=entry,
        )
        return Reply(entries=(entry,))

    return apply

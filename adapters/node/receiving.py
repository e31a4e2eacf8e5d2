"""The receiving side: take deliveries, verify, and open sections when a person asks to.

A section opens only with its released key, after the answer's and the release's receipts have
been checked (promise T5), and its opening is signed by the person and recorded, nil answers too.
"""

from typing import Any, Final

import msgspec
import structlog

from adapters.errors import (
    BrokerRefusedError,
    BrokerUnavailableError,
    NotOurOrderError,
    WrongReceiptError,
)
from adapters.node.answering import post_label, section_context
from adapters.node.asking import Actor
from adapters.node.compose import compose, queue, queue_credential
from adapters.node.contents import check_content
from adapters.node.context import Node
from adapters.node.faults import ONE_MESSAGE, STOP
from adapters.node.intake import envelope_context, verify_delivered
from adapters.node.records import Delivered, Meta, OpenedSection
from adapters.node.store import Tx
from adapters.protocol import (
    Answer,
    Deliveries,
    Delivery,
    Message,
    Opened,
    Outcome,
    Refusal,
    Release,
    Section,
    decode,
    order_id,
    sha256_hex,
)
from adapters.trust import Verified
from audit.entry import Event
from keys.errors import SealError
from keys.sealing import open_envelope, open_sealed, unwrap

_log = structlog.get_logger()
CURSOR: Final = "deliveries"
_AT_ONCE: Final = 32


def cursor(node: Node) -> int:
    """Return the number of the newest delivery this node has taken."""
    with node.store.begin() as tx:
        meta = tx.get(Meta, CURSOR)
    return 0 if meta is None else int(meta.value)


def fetch_deliveries(node: Node) -> int:
    """Take what has been delivered since; return how many.

    A delivery that does not verify is passed over with an alarm: it opens nothing here.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: The broker gave no delivery, or no proof
            that a delivery needs; try again.
        audit.errors.WitnessError: Two histories: stop and alarm.

    """
    after = cursor(node)
    reply = decode(node.client.get("/deliveries", after=after, max=_AT_ONCE), Deliveries)
    for delivery in reply.deliveries:
        document = _taken(node, delivery)
        with node.store.begin() as tx:
            if document is not None and tx.get(Delivered, document.id) is None:
                tx.put(document)
            tx.put(Meta(id=CURSOR, value=str(delivery.number)))
    if reply.deliveries:
        node.notify()
    return len(reply.deliveries)


def _taken(node: Node, delivery: Delivery) -> Delivered | None:
    try:
        return take_delivery(node, delivery)
    except (*STOP, BrokerUnavailableError, BrokerRefusedError):
        raise  # nothing is known against the delivery: it must not be lost
    except ONE_MESSAGE as error:
        _log.warning(
            "delivery_refused", number=delivery.number, kind=delivery.kind, why=type(error).__name__
        )
        return None


def take_delivery(node: Node, delivery: Delivery) -> Delivered:
    """Return a delivery, verified, ready to be kept.

    Raises:
        AuditError, KeysError, AdaptersError, ProtocolError: It does not hold.

    """
    events = {
        "answer": Event.ANSWER,
        "refusal": Event.ORDER_REFUSED,
        "outcome": Event.OUTCOME,
    }
    if delivery.kind not in events:
        raise WrongReceiptError(delivery.kind)
    verified, entry, level = verify_delivered(
        node, delivery.message, delivery.receipt, event=events[delivery.kind]
    )
    _check_order(verified.message)
    match verified.message:
        case Answer() as answer:
            _check_release(node, delivery, answer, verified)
            return _document(delivery, verified, level, sections=_ours(node, answer))
        case Refusal():
            return _document(delivery, verified, level, content={"rule": verified.message.rule})
        case Outcome() as outcome:
            return _document(
                delivery, verified, level, content=_feedback(node, outcome, delivery, verified)
            )
        case _:
            raise WrongReceiptError(entry["event"])


def _check_order(message: Message) -> None:
    """A party answers and refuses its own orders only: the number follows from who was asked."""
    if isinstance(message, Answer | Refusal) and message.order != order_id(
        message.request, message.iss
    ):
        raise NotOurOrderError("the order's number is not that of its sender")


def _check_release(node: Node, delivery: Delivery, answer: Answer, verified: Verified) -> None:
    """No release with its receipt, no opening: the wraps alone prove nothing."""
    if delivery.release is None or delivery.release_receipt is None:
        raise WrongReceiptError("release")
    released, _, _ = verify_delivered(
        node, delivery.release, delivery.release_receipt, event=Event.RELEASE
    )
    release = released.message
    if (
        not isinstance(release, Release)
        or release.answer != verified.sha256
        or (release.order, release.version) != (answer.order, answer.version)
        or release.iss != answer.iss
    ):
        raise WrongReceiptError("release")


def _ours(node: Node, answer: Answer) -> list[Section]:
    return [section for section in answer.sections if section.post.party == node.party]


def _document(
    delivery: Delivery,
    verified: Verified,
    level: str,
    *,
    sections: list[Section] | None = None,
    content: dict[str, Any] | None = None,
) -> Delivered:
    message = verified.message
    order = getattr(message, "order", "")
    return Delivered(
        id=f"{delivery.kind}:{verified.sha256}",
        number=delivery.number,
        kind=delivery.kind,
        reference=getattr(message, "request", ""),
        order=order,
        version=getattr(message, "version", 0),
        supplier=message.iss,
        message=delivery.message,
        request=delivery.request,
        receipt_level=level,
        received=float(message.iat),
        sections=[msgspec.to_builtins(section) for section in sections or []],
        blobs={sha256_hex(blob): blob for blob in delivery.blobs},
        content={"sender_kid": verified.credential.kid} | (content or {}),
    )


def _feedback(
    node: Node, outcome: Outcome, delivery: Delivery, verified: Verified
) -> dict[str, Any]:
    """Open the feedback sealed to this node (DESIGN 4.7)."""
    blobs = {sha256_hex(blob): blob for blob in delivery.blobs}
    envelope = next((f.envelope for f in outcome.feedback if f.party == node.party), None)
    key = None if envelope is None else node.keyring.seal_key(envelope.kid)
    if envelope is None or key is None or envelope.sha256 not in blobs:
        raise SealError("the feedback is not sealed to this node, or missing")
    context = envelope_context(
        kind="feedback",
        request=outcome.request,
        order="",
        subject="",
        recipient=node.party,
        sender_kid=verified.credential.kid,
    )
    opened = open_envelope(blobs[envelope.sha256], key=key, context=context)
    return {"feedback": decode(opened, dict[str, Any])}


def open_for_role(node: Node, request: str, actor: Actor) -> list[OpenedSection]:
    """Open every section of a request sealed to the actor's post, newest versions last.

    Each opening is signed by the person and queued for the ledger before its content is shown,
    also where a colleague at the same post has opened the section before.
    A section that does not open is passed over with an alarm: one agency's broken answer must
    not keep the others' from those who decide (promise T8).
    """
    with node.store.begin() as tx:
        answers = [d for d in tx.find(Delivered, reference=request) if d.kind == "answer"]
    for delivered in answers:
        _open_sections(node, delivered, actor)
    with node.store.begin() as tx:
        opened = tx.find(OpenedSection, reference=request)
    return [section for section in opened if section.role == actor.role]


def _open_sections(node: Node, delivered: Delivered, actor: Actor) -> None:
    mine = [
        msgspec.convert(section, Section)
        for section in delivered.sections
        if section["post"]["role"] == actor.role
    ]
    with node.store.begin() as tx:
        held = {section.blob: tx.get(OpenedSection, section.blob) for section in mine}
    documents = [
        document
        for section in mine
        if (document := _read(node, delivered, section, actor, held[section.blob])) is not None
    ]
    if not documents:
        return
    composed = compose(
        node,
        Opened,
        key=actor.key,
        request=delivered.reference,
        order=delivered.order,
        version=delivered.version,
        answer=sha256_hex(delivered.message.encode()),
        actor_ref=actor.credential.actor_ref,
        role=actor.role,
        sections=[document.id for document in documents],
        receipt_level=delivered.receipt_level,
    )
    with node.store.begin() as tx:
        queue_credential(tx, actor.credential)
        queue(
            tx,
            composed,
            kind="opened",
            path="/cases/opened",
            reference=delivered.reference,
            due=0.0,
        )
        _keep(tx, documents)
    node.wake.set()


def _read(
    node: Node, delivered: Delivered, section: Section, actor: Actor, held: OpenedSection | None
) -> OpenedSection | None:
    """Return what this person reads here for the first time: each reader's opening is recorded."""
    if held is None:
        return _opened(node, delivered, section, actor)
    if actor.name in {held.actor, *held.readers}:
        return None
    return msgspec.structs.replace(held, readers=(*held.readers, actor.name))


def _keep(tx: Tx, documents: list[OpenedSection]) -> None:
    for document in documents:
        tx.put(document)


def _opened(
    node: Node, delivered: Delivered, section: Section, actor: Actor
) -> OpenedSection | None:
    try:
        content = open_section(node, delivered, section)
    except ONE_MESSAGE as error:
        _log.error(
            "section_refused",
            order=delivered.order,
            version=delivered.version,
            why=type(error).__name__,
        )
        return None
    return OpenedSection(
        id=section.blob,
        reference=delivered.reference,
        order=delivered.order,
        version=delivered.version,
        supplier=delivered.supplier,
        role=actor.role,
        category=section.category,
        subject=section.subject or "",
        content=content,
        opened=node.now().timestamp(),
        actor=actor.name,
    )


def open_section(node: Node, delivered: Delivered, section: Section) -> dict[str, Any]:
    """Return a section's plain text.

    Raises:
        SealError: The key is not ours, a part is missing, or anything was changed.
        ProtocolError: What was sealed is no section, or one of another place.

    """
    key = node.keyring.seal_key(section.kid)
    wrapped, blob = delivered.blobs.get(section.wrap), delivered.blobs.get(section.blob)
    if key is None or wrapped is None or blob is None:
        raise SealError("the section is not sealed to this node, or a part of it is missing")
    context = section_context(
        request=delivered.reference,
        order=delivered.order,
        version=delivered.version,
        category=section.category,
        subject=section.subject,
        sender_kid=delivered.content["sender_kid"],
    )
    content_key = unwrap(wrapped, key=key, context=context.to(post_label(section.post)))
    opened = open_sealed(
        blob, content_key=content_key, commitment=section.commitment, context=context
    )
    value: dict[str, Any] = decode(opened, dict[str, Any])
    check_content(
        value,
        section,
        request=delivered.reference,
        order=delivered.order,
        supplier=delivered.supplier,
    )
    value.pop("pad", None)  # only hides how long the rest is
    return value

"""Taking up an order: what the supplying node checks before it reads a record (promise T3).

Receipt, signatures, agreement and digests first; then the decisions are made again on the node's
own copy of the agreement. Where the broker permits what this node would not, nothing is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from adapters.deciding import PERMITTED, DecisionLine, check_requester, decide_ask
from adapters.errors import NotOurOrderError, OverAskError, UnknownCredentialError
from adapters.matching.identity import Identity
from adapters.node.context import Node
from adapters.node.standing import entry_time
from adapters.protocol import Ask, EnvelopeRef, OrderOut, Request, decode, order_id, sha256_hex
from adapters.trust import Verified, check_message
from audit.entry import Event
from keys.errors import SealError
from keys.sealing import Context, open_envelope

OLDEST_ORDER: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOrder:
    """An order whose every claim has been verified.

    `lines` are the decisions that both the broker and this node permit or send to review.
    """

    out: OrderOut
    request: Request
    sender: Verified
    ask: Ask
    lines: tuple[DecisionLine, ...]
    blobs: Mapping[str, bytes]

    def role_of(self, subject: str | None) -> str:
        """Return the subject's role in the case."""
        return {s.ref: s.role for s in self.request.subjects}.get(subject or "", "")


def verify_delivered(
    node: Node, jws: str, receipt: dict[str, Any], *, event: Event
) -> tuple[Verified, dict[str, Any], str]:
    """Return a message delivered with its receipt, the ledger entry, and the receipt's level.

    The message is judged as of its entry's time: its place in the ledger proves when it came.

    Raises:
        AuditError, KeysError, TrustError, ProtocolError: Something does not hold.

    """
    entry, level = node.view.check_receipt(
        receipt, message_sha256=sha256_hex(jws.encode()), event=event
    )
    verified = verify_as_of(node, jws, entry)
    node.view.check_seen(verified.message.seen)
    return verified, entry, level


def verify_as_of(node: Node, jws: str, entry: dict[str, Any]) -> Verified:
    """Return the message in `jws`, judged as of the time of a verified ledger `entry`.

    Raises:
        KeysError, TrustError, ProtocolError: Something does not hold.

    """
    for attempt in (1, 2):
        try:
            return check_message(
                jws,
                book=node.believed.book,
                audience=node.origin,
                mash=node.believed.agreement.mash,
                agreement=node.believed.reference,
                at=entry_time(entry),
            )
        except UnknownCredentialError:
            if attempt == 2:  # noqa: PLR2004 - the credential is not in the ledger either
                raise
            node.believed.refresh()
    raise AssertionError  # pragma: no cover - the loop returns or raises


def check_order(node: Node, out: OrderOut) -> CheckedOrder:
    """Return the order, verified and decided again.

    Raises:
        NotOurOrderError: Addressed, numbered or digested wrongly.
        OverAskError: The broker permits what this node's own decision denies.
        AuditError, KeysError, TrustError, ProtocolError: Something does not hold.

    """
    sender, entry, _ = verify_delivered(node, out.request, out.receipt, event=Event.ASK)
    request, ask = sender.message, decode(out.ask, Ask)
    if not isinstance(request, Request):
        raise NotOurOrderError("the message is no request")
    check_requester(node.believed.agreement, request)
    if node.now() - entry_time(entry) > OLDEST_ORDER:
        raise NotOurOrderError("it stands in the ledger for too long to be answered now")
    digest = sha256_hex(out.ask)
    _check_addressing(node, out, request, ask, digest=digest, entry=entry)
    broker = _lines_of(entry)
    own = _decide(node, request, ask)
    _check_no_over_ask(broker, own)
    permitted = tuple(line for line in own if _key(line) in broker and line.outcome in PERMITTED)
    blobs = {sha256_hex(blob): blob for blob in out.blobs}
    _check_whole(ask, blobs)
    return CheckedOrder(
        out=out, request=request, sender=sender, ask=ask, lines=permitted, blobs=blobs
    )


def _check_whole(ask: Ask, blobs: Mapping[str, bytes]) -> None:
    """Every envelope is there, needed or not: a missing reason must not show who is known.

    It is opened only after a match, so that without this check an order without it would be
    answered exactly where nobody is known.
    """
    named = [sealed.envelope for sealed in ask.identities]
    named += [] if ask.reason is None else [ask.reason]
    if any(envelope.sha256 not in blobs for envelope in named):
        raise NotOurOrderError("an envelope that the ask names is missing")


def _decide(node: Node, request: Request, ask: Ask) -> list[DecisionLine]:
    try:
        return decide_ask(node.believed.engine, request, ask)
    except ValueError:
        raise NotOurOrderError("the request's facts hold a date that is none") from None


def _check_addressing(
    node: Node, out: OrderOut, request: Request, ask: Ask, *, digest: str, entry: dict[str, Any]
) -> None:
    if ask.supplier != node.party or entry["supplier"] != node.party:
        raise NotOurOrderError("it is addressed to another party")
    if ask.request != request.request or entry["request"] != request.request:
        raise NotOurOrderError("ask and request do not belong together")
    if digest not in request.asks or entry["digest"] != digest:
        raise NotOurOrderError("the request does not name this ask")
    if out.order != order_id(request.request, node.party):
        raise NotOurOrderError("the order's number is not the request's")


def _lines_of(entry: dict[str, Any]) -> set[tuple[str, str | None, str, str]]:
    return {
        (line["category"], line["subject"], line["party"], line["role"])
        for line in entry["decisions"]
        if line["outcome"] in PERMITTED
    }


def _key(line: DecisionLine) -> tuple[str, str | None, str, str]:
    return (line.category, line.subject, line.post.party, line.post.role)


def _check_no_over_ask(
    broker: set[tuple[str, str | None, str, str]], own: list[DecisionLine]
) -> None:
    ours = {_key(line) for line in own if line.outcome in PERMITTED}
    if surplus := broker - ours:
        denied = next((line for line in own if _key(line) in surplus), None)
        raise OverAskError("D00" if denied is None else denied.rule)


def open_identities(node: Node, order: CheckedOrder) -> dict[str, Identity]:
    """Return the asked subjects' identities by reference, opened with the node's seal key.

    Raises:
        SealError: An envelope does not open: wrong key, or not the one the request names.
        IdentityFormatError: The sealed bytes are no identity.

    """
    return {
        sealed.subject: Identity.from_json(
            _open(node, order, sealed.envelope, kind="identity", subject=sealed.subject)
        )
        for sealed in order.ask.identities
    }


def open_reason(node: Node, order: CheckedOrder) -> dict[str, Any]:
    """Return the ask's reason and the requester, opened only after a match (DESIGN 4.2).

    Raises:
        NotOurOrderError: The ask carries no reason.
        SealError: The envelope is missing or does not open.
        ProtocolError: What was sealed is no reason.

    """
    if order.ask.reason is None:
        raise NotOurOrderError("the ask carries no reason")
    opened = _open(node, order, order.ask.reason, kind="reason", subject="")
    value: dict[str, Any] = decode(opened, dict[str, Any])
    return value


def envelope_context(
    *, kind: str, request: str, order: str, subject: str, recipient: str, sender_kid: str
) -> Context:
    """Return the context that binds an envelope of the request to its place."""
    return Context(
        kind=kind,
        request=request,
        order=order,
        subject=subject,
        recipient=recipient,
        sender_kid=sender_kid,
    )


def _open(
    node: Node, order: CheckedOrder, reference: EnvelopeRef, *, kind: str, subject: str
) -> bytes:
    key = node.keyring.seal_key(reference.kid)
    blob = order.blobs.get(reference.sha256)
    if key is None or blob is None:
        raise SealError("an envelope of this order is not sealed to this node, or missing")
    context = envelope_context(
        kind=kind,
        request=order.request.request,
        order=order.out.order,
        subject=subject,
        recipient=node.party,
        sender_kid=order.sender.credential.kid,
    )
    return open_envelope(blob, key=key, context=context)

"""What the broker's reply to each kind of message changes at this node.

Every handler first checks the reply (network and proofs, outside any transaction) and returns
what to do to the store, so that "sent" and its consequence are kept together or not at all.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from adapters.deciding import DECISIONS_TYP, DecisionSet
from adapters.node.answering import mark_released, prepare_release, queue_release
from adapters.node.context import Node
from adapters.node.records import Indicator, Order, Outgoing, Raised, Telephoned
from adapters.node.store import Tx
from adapters.protocol import Accepted, decode, order_id, sha256_hex
from audit.entry import Event
from keys.signing import check_jws, kid_of, read_payload_unsafe

_log = structlog.get_logger()
Change = Callable[[Tx], None]


def on_reply(node: Node, item: Outgoing, reply: bytes) -> Change:
    """Return the change that `reply` to `item` makes.

    Raises:
        AuditError, KeysError, AdaptersError, ProtocolError: The reply does not hold.

    """
    handler = _HANDLERS.get(item.kind, _only_receipt)
    return handler(node, item, reply)


def on_refusal(node: Node, item: Outgoing, problem: dict[str, Any]) -> Change:
    """Return the change that the broker's refusal of `item` makes."""
    slug = str(problem.get("type", "")).rsplit(":", 1)[-1]
    _log.warning("message_refused", kind=item.kind, id=item.id, problem=slug)

    def change(tx: Tx) -> None:
        if item.kind == "request":
            _update_raised(tx, item.reference, state="refused", alarm=slug)
        if item.kind in CHAINED:
            _step_back(tx, item)
        if item.kind == "opened":
            tx.put(_unrecorded(node, item))
        if item.kind in {"answer", "release"}:
            order = tx.get(Order, item.reference)
            if order is not None:
                tx.put(msgspec.structs.replace(order, problem=slug))
        node.wake.set()

    return change


def _unrecorded(node: Node, item: Outgoing) -> Indicator:
    """What was opened and is not in the ledger must at least be seen by the guardian."""
    return Indicator(
        id=f"{item.id}:opening_not_recorded",
        kind="opening_not_recorded",
        sentence="An answer was opened here, and the ledger did not take the record of it.",
        reference=item.reference,
        found=node.now().timestamp(),
    )


def _only_receipt(node: Node, item: Outgoing, reply: bytes) -> Change:
    receipts = decode(reply, Accepted).receipts
    node.view.check_receipt(
        receipts[0], message_sha256=sha256_hex(item.message.encode()), event=_EVENTS[item.kind]
    )

    def change(tx: Tx) -> None:
        if item.kind == "outcome":
            _update_raised(tx, item.reference, state="closed")

    return change


def _on_credential(node: Node, item: Outgoing, reply: bytes) -> Change:
    """Its receipt is checked with everybody's, before anything signed with it is believed."""
    del node, item, reply
    return lambda _: None


def _on_answer(node: Node, item: Outgoing, reply: bytes) -> Change:
    release = prepare_release(node, item, reply)
    return lambda tx: queue_release(tx, item, release)


def _on_release(node: Node, item: Outgoing, reply: bytes) -> Change:
    _only_receipt(node, item, reply)
    return lambda tx: mark_released(tx, item)


def _on_request(node: Node, item: Outgoing, reply: bytes) -> Change:
    accepted = decode(reply, Accepted)
    message_sha256 = sha256_hex(item.message.encode())
    node.view.check_receipt(
        accepted.receipts[0], message_sha256=message_sha256, event=Event.REQUEST
    )
    log_key = node.believed.agreement.schedule.broker.log_key
    payload = check_jws(
        accepted.decisions or "",
        public=log_key,
        kid=kid_of("Ed25519", log_key),
        typ=DECISIONS_TYP,
    )
    decisions: DecisionSet = decode(payload, DecisionSet)

    def change(tx: Tx) -> None:
        raised = tx.get(Raised, item.reference)
        if raised is not None:
            alarm = _difference(raised, decisions, message_sha256)
            if alarm:
                _log.error("decisions_differ_from_preview", request=raised.id, where=alarm)
            tx.put(
                msgspec.structs.replace(
                    raised,
                    state="sent",
                    decisions=msgspec.to_builtins(decisions),
                    alarm=alarm,
                )
            )

    return change


def _difference(raised: Raised, decisions: DecisionSet, message_sha256: str) -> str:
    """Return where the broker's decisions differ from the preview; empty when they do not."""
    if decisions.message != message_sha256 or decisions.request != raised.id:
        return "the decision set is about another request"
    broker = {
        (ask.supplier, line.category, line.subject, line.post.party, line.post.role): (
            line.outcome,
            line.rule,
        )
        for ask in decisions.asks
        for line in ask.lines
    }
    own = {
        (
            line["supplier"],
            line["category"],
            line["subject_ref"],
            line["party"],
            line["role"],
        ): (line["outcome"], line["rule"])
        for line in raised.preview
    }
    different = sorted(
        str(key[1]) for key in own.keys() | broker if own.get(key) != broker.get(key)
    )
    return ", ".join(different)


def _step_back(tx: Tx, item: Outgoing) -> None:
    """Take a refused message off the case's chain, and what was written behind it.

    Otherwise everything later would name a message that the ledger has not: no case with one
    refused outcome could ever close.
    """
    held, raised = tx.get(Outgoing, item.id), tx.get(Raised, item.reference)
    if held is None or held.state != "waiting" or raised is None:
        return
    message = decode(read_payload_unsafe(item.message), dict[str, Any])
    _mark_report(tx, item)
    for behind in tx.find(Outgoing, state="waiting", reference=item.reference):
        if behind.kind in CHAINED and behind.id != item.id:
            tx.put(msgspec.structs.replace(behind, state="refused", problem="case-chain"))
            _mark_report(tx, behind)
    seq, head = message["case_seq"] - 1, message["prev"] or ""
    tx.put(msgspec.structs.replace(raised, case_seq=seq, head=head))


def _mark_report(tx: Tx, item: Outgoing) -> None:
    """What was said on the telephone stays here; the ledger has no entry of it."""
    order = decode(read_payload_unsafe(item.message), dict[str, Any]).get("order")
    for told in tx.find(Telephoned, reference=item.reference):
        if order_id(item.reference, told.supplier) == order:
            tx.put(msgspec.structs.replace(told, state="refused"))


def _update_raised(tx: Tx, request: str, **changes: str) -> None:
    raised = tx.get(Raised, request)
    if raised is not None:
        tx.put(msgspec.structs.replace(raised, **changes))


CHAINED: Final = frozenset({"outcome", "manual_route"})
_EVENTS: Final = {
    "release": Event.RELEASE,
    "refusal": Event.ORDER_REFUSED,
    "opened": Event.OPENED,
    "manual_route": Event.MANUAL_ROUTE,
    "outcome": Event.OUTCOME,
}
_HANDLERS: Final = {
    "credential": _on_credential,
    "request": _on_request,
    "answer": _on_answer,
    "release": _on_release,
}

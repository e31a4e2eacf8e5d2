"""The supplying side: from a claimed order to versions of an answer.

Version 1 leaves at the end of the slot with what could be said by machine; what people decide
follows as further versions. Every order has a second version at a random time, unless people
have decided before: then theirs takes its place. So a second version tells the broker nothing; a
third one probably means that somebody is known (DESIGN 9).
"""

import secrets
from typing import Any, Final

import msgspec
import structlog

from adapters.errors import OverAskError
from adapters.matching.identity import Identity
from adapters.node.answering import Status, build_answer, queue_answer
from adapters.node.compose import compose, queue
from adapters.node.context import Node
from adapters.node.intake import CheckedOrder, check_order, open_identities, open_reason
from adapters.node.lookup import FOUND, match_subjects, section_content
from adapters.node.records import Order, Outgoing, Task
from adapters.node.store import Tx
from adapters.node.tasks import make_confirm_tasks, make_manual_tasks, make_review_tasks, task_id
from adapters.protocol import (
    Ask,
    Claim,
    OrderOut,
    Orders,
    Post,
    Refusal,
    Submission,
    decode,
    encode,
    encode_json,
)
from keys.sealing import BLOB_OVERHEAD_BYTES, ENVELOPE_OVERHEAD_BYTES

_log = structlog.get_logger()
UNDECIDABLE: Final = "D00"
_LONGEST_STATUS: Final = max(map(len, Status))


def write_claim(node: Node, *, resume: bool) -> bytes:
    """Return a claim's exact bytes; sent again unchanged, it is answered with the same orders."""
    claim = compose(
        node, Claim, key=node.keyring.node, max=node.settings.claim_at_once, resume=resume
    )
    return encode(Submission(message=claim.jws))


def claim_orders(node: Node, claim: bytes) -> int:
    """Claim what waits for this party and remember it; return how many orders came.

    Raises:
        BrokerRefusedError, BrokerUnavailableError: As the client.

    """
    orders = decode(node.client.post("/work/claim", claim), Orders).orders
    with node.store.begin() as tx:
        for out in orders:
            _remember(tx, out, at=node.now().timestamp())
    return len(orders)


def _remember(tx: Tx, out: OrderOut, *, at: float) -> None:
    """Keep an order claimed `at` this time; one that is known comes back only with a newer lease.

    The slot runs by this node's own clock: under a broker's time in the past the answer would
    leave as soon as it is made, and how long that takes depends on whether somebody is known.

    What people have decided on it stays; what was written under the older lease would be refused
    as stale, or answer out of turn, and is not sent any more.
    """
    known = tx.get(Order, out.order)
    if known is not None and (known.epoch >= out.epoch or known.state == "done"):
        return
    for item in tx.find(Outgoing, state="waiting", reference=out.order):
        if item.kind == "answer":
            done = {"state": "refused", "problem": "stale-lease", "body": b"", "context": {}}
            tx.put(msgspec.structs.replace(item, **done))
    tx.put(
        Order(
            id=out.order,
            state="claimed",
            epoch=out.epoch,
            claimed_at=at,
            version=out.last_version,
            rag="" if known is None else known.rag,
            raw=encode(out),
            reference="" if known is None else known.reference,
            matches={} if known is None else known.matches,
            actor={} if known is None else known.actor,
        )
    )


def take_up(node: Node, document: Order) -> None:
    """Verify a claimed order, look for its subjects, and queue version 1 for the slot's end.

    Raises:
        AuditError, KeysError, AdaptersError, ProtocolError: The order does not hold; nothing
            was read and nothing is answered.

    """
    document, known = _as_kept(node, document)
    try:
        order = check_order(node, decode(document.raw, OrderOut))
    except OverAskError as error:
        refuse(node, document, rule=error.rule)
        return
    identities = open_identities(node, order)
    decided = {k: m for k, m in document.matches.items() if "confirmed_by" in m}
    matches = match_subjects(node, order, identities) | decided
    document = msgspec.structs.replace(
        document,
        state="answering",
        rag=order.request.rag or "",
        reference=order.request.request,
        matches=matches,
    )
    slot = node.believed.agreement.slot_seconds(order.request.rag or "")
    due = document.claimed_at + slot
    tasks = [
        *make_confirm_tasks(node, order, document, identities, _reason(node, order, matches)),
        *make_manual_tasks(node, order, identities),
        *make_review_tasks(node, order, document, identities),
    ]
    dues = [due, due + _cover_delay(node)]
    _queue_versions(node, order, document, identities, known=known, tasks=tasks, dues=dues)


def _as_kept(node: Node, document: Order) -> tuple[Order, dict[str, Task]]:
    """Return an order and its tasks as of one moment: people decide while the agent works."""
    with node.store.begin() as tx:
        tasks = tx.find(Task, reference=document.id)
        return tx.get(Order, document.id) or document, {task.id: task for task in tasks}


def _cover_delay(node: Node) -> float:
    shortest, longest = node.settings.cover_seconds
    return shortest + secrets.randbelow(1001) / 1000 * (longest - shortest)


def _reason(
    node: Node, order: CheckedOrder, matches: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    """The reason is opened only after a match, or where a person answers by hand."""
    by_hand = any(node.systems.supplying(line.category) is None for line in order.lines)
    found = any(match["status"] in FOUND for match in matches.values())
    return open_reason(node, order) if found or by_hand else None


def refuse(node: Node, document: Order, *, rule: str) -> None:
    """Tell the requester at once that this order is not answered, so that they ring.

    This node's own decision is stricter (T3 at work, or an attack), or the order does not hold.
    """
    out = decode(document.raw, OrderOut)
    ask: Ask = decode(out.ask, Ask)
    refusal = compose(
        node,
        Refusal,
        key=node.keyring.node,
        request=ask.request,
        order=out.order,
        epoch=out.epoch,
        rule=rule.lower(),
    )
    _log.warning("order_refused", order=out.order, rule=rule)
    with node.store.begin() as tx:
        queue(
            tx,
            refusal,
            kind="refusal",
            path=f"/work/{out.order}/refuse",
            reference=out.order,
            due=0.0,
        )
        tx.put(msgspec.structs.replace(document, state="refused", problem=rule))


def next_version(node: Node, document: Order) -> None:
    """Queue a further version of an order's answer, with what people have decided since.

    Raises:
        AuditError, KeysError, AdaptersError, ProtocolError: The order no longer holds.

    """
    document, known = _as_kept(node, document)
    order = check_order(node, decode(document.raw, OrderOut))
    identities = open_identities(node, order)
    reviews = make_review_tasks(node, order, document, identities)
    document = _take_cover_back(node, document)
    slot_end = document.claimed_at + node.believed.agreement.slot_seconds(document.rag)
    due = max(slot_end, node.now().timestamp())
    _queue_versions(node, order, document, identities, known=known, tasks=reviews, dues=[due])


def _take_cover_back(node: Node, document: Order) -> Order:
    """Withdraw a second version that has not been tried yet: people were quicker."""
    with node.store.begin() as tx:
        waiting = tx.find(Outgoing, state="waiting", reference=document.id)
        covers = [item for item in waiting if item.context.get("cover")]
        for item in covers:
            tx.put(msgspec.structs.replace(item, state="withdrawn", body=b"", context={}))
        document = msgspec.structs.replace(document, version=document.version - len(covers))
        tx.put(document)
    return document


def _contents(
    node: Node,
    order: CheckedOrder,
    document: Order,
    identities: dict[str, Identity],
    *,
    known: dict[str, Task],
) -> list[tuple[str, str | None, Post, dict[str, Any]]]:
    """Return what every permitted section says as things stand now."""
    return [
        (
            line.category,
            line.subject,
            line.post,
            section_content(
                node,
                order,
                document,
                line,
                identity=identities.get(line.subject or ""),
                task=known.get(task_id(document.id, line.subject, line.category)),
            ),
        )
        for line in order.lines
    ]


def _queue_versions(
    node: Node,
    order: CheckedOrder,
    document: Order,
    identities: dict[str, Identity],
    *,
    known: dict[str, Task],
    tasks: list[Task],
    dues: list[float],
) -> None:
    contents = _contents(node, order, document, identities, known=known)
    record = _sharing_record(node, order, contents, _reason(node, order, document.matches))
    signer = (node.keyring.node, node.keyring.node_credential)
    built = [
        (
            build_answer(
                node,
                order,
                version=document.version + number,
                contents=contents,
                sharing_record=record | {"version": document.version + number},
                signer=signer,
            ),
            due,
        )
        for number, due in enumerate(dues, start=1)
    ]
    with node.store.begin() as tx:
        if {task.id: task for task in tx.find(Task, reference=document.id)} != known:
            return  # a person has decided meanwhile: the agent builds the versions anew
        for number, ((answer, blobs, wraps), due) in enumerate(built):
            cover = number > 0
            queue_answer(tx, answer, blobs=blobs, wraps=wraps, order=order, due=due, cover=cover)
        for task in tasks:
            if task.id not in known:
                tx.put(task)
        version = document.version + len(dues)
        tx.put(msgspec.structs.replace(document, state="answering", version=version))
    node.notify()


def _sharing_record(
    node: Node,
    order: CheckedOrder,
    contents: list[tuple[str, str | None, Any, dict[str, Any]]],
    reason: dict[str, Any] | None,
) -> dict[str, Any]:
    """What the guardians' offices of both parties are told; the reason only after a match.

    As long without the reason as with it: else its size class would tell the broker of a match.
    """
    lines = {(line.category, line.subject, line.post): line for line in order.lines}
    return {
        "v": 1,
        "request": order.request.request,
        "order": order.out.order,
        "supplier": node.party,
        "requester_party": order.request.iss,
        "requester_role": order.request.role,
        "requester": None if reason is None else reason["requester"],
        "reason": None if reason is None else reason["reason"],
        "purpose": order.request.purpose,
        "concern": order.request.concern,
        "rag": order.request.rag,
        "emergency": order.request.facts.emergency,
        "without_consent": order.request.facts.reason_without_consent,
        "lines": [
            {
                "category": category,
                "subject_role": content["subject"]["role"],
                "post": f"{post.party}/{post.role}",
                "rule": lines[(category, subject, post)].rule,
                "status": content["status"],
            }
            for category, subject, post, content in contents
        ],
        "subjects": sorted({content["subject"]["name"] for _, _, _, content in contents}),
        "at": node.now().isoformat(timespec="seconds"),
        "pad": _padding(order, [content["status"] for *_, content in contents], reason),
    }


def _padding(order: CheckedOrder, statuses: list[str], reason: dict[str, Any] | None) -> str:
    """Return spaces in place of a reason that stays closed, and of what short statuses lack."""
    sealed = b"" if order.ask.reason is None else order.blobs[order.ask.reason.sha256]
    room = len(sealed) - ENVELOPE_OVERHEAD_BYTES - BLOB_OVERHEAD_BYTES
    shown = [None, None] if reason is None else [reason["requester"], reason["reason"]]
    used = len(encode_json(shown))
    short = sum(_LONGEST_STATUS - len(status) for status in statuses)
    return " " * (max(room - used, 0) + short)

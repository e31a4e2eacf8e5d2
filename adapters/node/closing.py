"""Closing a case: telephone answers entered, the outcome sealed, feedback to everyone who helped.

A case cannot close without feedback to every party that answered and to the referrer (DESIGN
4.7); what the outcome was is committed to in the ledger and readable only by those it is for.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from adapters.errors import CaseInputError
from adapters.node.asking import Actor
from adapters.node.compose import compose, queue, queue_credential
from adapters.node.context import Node
from adapters.node.intake import envelope_context
from adapters.node.posts import raised_for
from adapters.node.records import Delivered, Outgoing, Raised, Telephoned
from adapters.node.store import Tx
from adapters.protocol import (
    EnvelopeRef,
    Feedback,
    ManualRoute,
    Outcome,
    encode_json,
    order_id,
    sha256_hex,
)
from adapters.trust import CLOCK_TOLERANCE
from keys.randomness import commit, new_salt
from keys.sealing import seal_envelope

OUTCOMES: Final = frozenset(
    {
        "nfa_advice",
        "signposted",
        "early_help",
        "child_family_assessment_s17",
        "strategy_discussion",
        "s47_single",
        "s47_joint",
        "police_protection_epo",
        "s42_enquiry",
        "adult_other",
        "marac",
        "mappa",
        "lado",
        "transfer_other_hub",
        "already_open_to_worker",
        "court_report_supplied",
        "not_a_referral",
    }
)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_REPORT_KEYS: Final = frozenset({"speaker", "number", "occurred_at", "said", "categories"})
_OUTCOME_KEYS: Final = frozenset(
    {
        "outcome",
        "threshold_level",
        "reason",
        "used",
        "took_part",
        "dissent",
        "family_told",
        "referrer_told",
    }
)


def record_telephone(
    node: Node, request: str, supplier: str, report: dict[str, Any], actor: Actor
) -> str:
    """Record what a party without a node said on the telephone; return the message to watch.

    Raises:
        CaseInputError: The report is incomplete, or the request is not ours.

    """
    if set(report) != _REPORT_KEYS:
        raise CaseInputError("report", f"needs exactly {', '.join(sorted(_REPORT_KEYS))}")
    _check_texts("report.categories", report["categories"])
    raised = raised_for(node, request, roles=[actor.role], to_act=True)
    key = new_salt()
    occurred = _moment(report["occurred_at"], now=node.now())

    def write(tx: Tx, seq: int, prev: str) -> Any:  # noqa: ANN401 - a composed message
        composed = compose(
            node,
            ManualRoute,
            key=actor.key,
            case=raised.case,
            case_seq=seq,
            prev=prev,
            request=request,
            order=order_id(request, supplier),
            actor_ref=actor.credential.actor_ref,
            role=actor.role,
            occurred_at=int(occurred.timestamp()),
            reported_c=commit(key, encode_json(report)),
        )
        tx.put(
            Telephoned(
                id=f"{request}:{supplier}",
                reference=request,
                supplier=supplier,
                report=report | {"commitment_key": key.hex()},
                recorded=node.now().timestamp(),
            )
        )
        return composed, "manual_route", "/cases/manual-route", []

    return _append_to_case(node, request, actor, write)


def close_case(node: Node, request: str, outcome: dict[str, Any], actor: Actor) -> str:
    """Seal and keep the case's outcome for sending; return the message to watch.

    The same outcome again, from somebody who did not hear the answer, is the same message.

    Raises:
        CaseInputError: The outcome is incomplete, or the request is not ours; or the case was
            given another outcome before.

    """
    if set(outcome) != _OUTCOME_KEYS:
        raise CaseInputError("outcome", f"needs exactly {', '.join(sorted(_OUTCOME_KEYS))}")
    if outcome["outcome"] not in OUTCOMES:
        raise CaseInputError("outcome.outcome", f"must be one of {', '.join(sorted(OUTCOMES))}")
    _check_texts("outcome.used", outcome["used"])
    if outcome["referrer_told"] is not True:
        raise CaseInputError(
            "outcome.referrer_told", "must be true: a case closes once the referrer has been told"
        )
    raised = raised_for(node, request, roles=[actor.role], to_act=True)
    if earlier := _outcome_on_its_way(node, raised, outcome):
        return earlier
    feedback, blobs = _feedback(node, raised, outcome, actor)
    key = new_salt()

    def write(tx: Tx, seq: int, prev: str) -> Any:  # noqa: ANN401 - a composed message
        composed = compose(
            node,
            Outcome,
            key=actor.key,
            case=raised.case,
            case_seq=seq,
            prev=prev,
            request=request,
            actor_ref=actor.credential.actor_ref,
            role=actor.role,
            outcome_c=commit(key, encode_json(outcome)),
            referrer_told=outcome["referrer_told"],
            feedback=feedback,
        )
        held = tx.get(Raised, request)
        if held is not None:
            kept = outcome | {"commitment_key": key.hex()}
            tx.put(msgspec.structs.replace(held, outcome=kept))
        return composed, "outcome", "/cases/outcome", blobs

    return _append_to_case(node, request, actor, write)


def _outcome_on_its_way(node: Node, raised: Raised, outcome: dict[str, Any]) -> str | None:
    with node.store.begin() as tx:
        kept = tx.find(Outgoing, reference=raised.id)
    sent = [item.id for item in kept if item.kind == "outcome" and item.state != "refused"]
    if not sent:
        return None
    held = {key: (raised.outcome or {}).get(key) for key in _OUTCOME_KEYS}
    if held != outcome:
        raise CaseInputError("outcome", "this case was given another outcome before")
    return sent[-1]


def _feedback(
    node: Node, raised: Raised, outcome: dict[str, Any], actor: Actor
) -> tuple[list[Feedback], list[bytes]]:
    with node.store.begin() as tx:
        answers = [d for d in tx.find(Delivered, reference=raised.id) if d.kind == "answer"]
        told = [t for t in tx.find(Telephoned, reference=raised.id) if t.state == "recorded"]
    feedback, blobs = [], []
    for party in sorted({d.supplier for d in answers} | {t.supplier for t in told}):
        target = node.believed.book.node_seal(party, at=node.now())
        if target is None:
            continue
        context = envelope_context(
            kind="feedback",
            request=raised.id,
            order="",
            subject="",
            recipient=party,
            sender_kid=actor.credential.kid,
        )
        used = [item for item in outcome["used"] if item.split(":", 1)[0] == party]
        content = {
            "outcome": outcome["outcome"],
            "used_of_yours": used,
            "text": "Thank you. What you told us was considered in this decision.",
        }
        blob = seal_envelope(
            encode_json(content),
            to_public=target.public,
            context=context,
            classes=node.believed.agreement.schedule.size_classes,
        )
        blobs.append(blob)
        envelope = EnvelopeRef(sha256=sha256_hex(blob), kid=target.kid)
        feedback.append(Feedback(party=party, envelope=envelope))
    return feedback, blobs


def _check_texts(place: str, value: object) -> None:
    """What is kept here is read again for every summary: a wrong type must not get that far."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CaseInputError(place, "must be a list of texts")


def _append_to_case(
    node: Node, request: str, actor: Actor, write: Callable[[Tx, int, str], Any]
) -> str:
    """Write the next message of the case's chain and keep it, in one transaction."""
    with node.store.begin() as tx:
        raised = tx.get(Raised, request)
        if raised is None:
            raise CaseInputError("request", "was not raised at this node")
        seq = raised.case_seq + 1
        composed, kind, path, blobs = write(tx, seq, raised.head)
        held = tx.get(Raised, request) or raised
        tx.put(msgspec.structs.replace(held, case_seq=seq, head=composed.sha256))
        queue_credential(tx, actor.credential)
        id_ = queue(tx, composed, kind=kind, path=path, reference=request, due=0.0, blobs=blobs)
    node.wake.set()
    return id_


def _moment(value: object, *, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise CaseInputError("report.occurred_at", "is no ISO 8601 time") from None
    if moment.tzinfo is None:
        raise CaseInputError("report.occurred_at", "needs a time zone")
    if not _EARLIEST <= moment <= now + CLOCK_TOLERANCE:
        raise CaseInputError("report.occurred_at", "lies in the future, or in another century")
    return moment

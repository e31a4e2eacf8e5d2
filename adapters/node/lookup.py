"""What an order finds in this agency's systems, and what of it may go into a section.

Two steps kept apart: `match_subjects` finds people and never reads a record; `section_content`
reads one category of one confirmed person, only the fields that the effective decision permits.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from adapters.deciding import DecisionLine, decide
from adapters.errors import AnswerByHandError, ConnectorUnavailableError
from adapters.matching.identity import Identity
from adapters.matching.matcher import MatchResult
from adapters.node.answering import Status
from adapters.node.context import Node
from adapters.node.intake import CheckedOrder
from adapters.node.records import Order, Task
from adapters.protocol import AskItem
from policies.decide import Decision, Outcome
from policies.facts import SupplierFacts

MASKED: Final = "(masked)"
OPEN_MATCHES: Final = frozenset({"matched", "candidate"})
FOUND: Final = OPEN_MATCHES | {"confirmed"}


def match_key(subject: str, system: str) -> str:
    """Return the key of a match in an order's document."""
    return f"{subject}|{system}"


def match_subjects(
    node: Node, order: CheckedOrder, identities: Mapping[str, Identity]
) -> dict[str, dict[str, Any]]:
    """Return, for every (subject, system) that a permitted line needs, what matching found.

    The value's `status` is matched, candidate, not_known or unavailable. A match is a proposal:
    a representative confirms it (promise T7).
    """
    needed = {
        (line.subject, system.info.name)
        for line in order.lines
        if line.subject in identities and (system := node.systems.supplying(line.category))
    }
    return {
        match_key(subject, name): _match(node, name, identities[subject])
        for subject, name in sorted(needed)
        if subject is not None
    }


def _match(node: Node, name: str, identity: Identity) -> dict[str, Any]:
    try:
        found = node.systems.named(name).find(identity)
    except ConnectorUnavailableError as error:
        return {"status": "unavailable", "reason": error.reason, "system": name}
    return _match_document(found) | {"system": name}


def _match_document(found: MatchResult) -> dict[str, Any]:
    status = {"MATCH": "matched", "CANDIDATE": "candidate", "NOT_KNOWN": "not_known"}
    return {
        "status": status[found.outcome.value],
        "record_id": found.record_id,
        "candidates": list(found.candidates),
        "probability": found.probability,
        "rule": found.rule.value,
        "model": found.model_version,
        "evidence": [msgspec.to_builtins(part) for part in found.evidence],
    }


def section_content(
    node: Node,
    order: CheckedOrder,
    document: Order,
    line: DecisionLine,
    *,
    identity: Identity | None,
    task: Task | None,
) -> dict[str, Any]:
    """Return the plain text of one section as it stands now.

    Args:
        node: This node.
        order: The verified order.
        document: What this node remembers of it: matches and their confirmation.
        line: The permitted line.
        identity: The subject as asked; None when the ask sealed no identity.
        task: The review or manual task of this line, done or open; None when there is none.

    """
    base = _base(node, order, line, identity)
    system = node.systems.supplying(line.category)
    if system is None:
        return base | {"system": "by hand"} | _reviewed(task)
    base["system"] = system.info.name
    match = document.matches.get(match_key(line.subject or "", system.info.name))
    if match is None or match["status"] != "confirmed":
        return base | _unmatched(match)
    try:
        return base | _known(node, order, line, match, task)
    except ConnectorUnavailableError as error:
        return base | {"status": Status.UNAVAILABLE, "reason": error.reason}
    except AnswerByHandError:
        return base | {"status": Status.PENDING_HUMAN}


def _unmatched(match: dict[str, Any] | None) -> dict[str, Any]:
    """A system that was away, or nobody to look for, is never "not known"."""
    if match is None:
        return {"status": Status.UNAVAILABLE, "reason": "no identity to look for"}
    if match["status"] == "unavailable":
        return {"status": Status.UNAVAILABLE, "reason": match["reason"]}
    is_open = match["status"] in OPEN_MATCHES
    return {"status": Status.PENDING_HUMAN if is_open else Status.NOT_KNOWN}


def effective_decision(
    node: Node, order: CheckedOrder, line: DecisionLine, *, record_id: str, system: str
) -> Decision:
    """Return this agency's own decision on a line, with the facts that only it knows.

    Raises:
        ConnectorUnavailableError: The record's markers cannot be read.

    """
    markers = node.systems.named(system).markers(record_id)
    local = node.local_policy
    facts = SupplierFacts(
        identity_confirmed=True,
        sealed=markers["sealed"],
        safe_address=markers["safe_address"],
        local_review=frozenset()
        if local is None
        else local.review_for(node.believed.agreement, line.post.role),
    )
    item = AskItem(category=line.category, subject=line.subject, recipients=[line.post])
    return decide(
        node.believed.engine,
        order.request,
        order.ask,
        item=item,
        post=line.post,
        supplier=facts,
    )


def permitted_fields(node: Node, decision: Decision, category: str) -> tuple[str, ...]:
    """Return the fields that may be read: allowed by the agreement and held by the system."""
    system = node.systems.supplying(category)
    held = () if system is None else system.info.categories[category]
    allowed = held if decision.fields_allowed is None else decision.fields_allowed
    barred = {*decision.fields_never, *decision.fields_masked}
    return tuple(name for name in held if name in allowed and name not in barred)


def read_rows(
    node: Node, decision: Decision, *, category: str, record_id: str, system: str
) -> list[dict[str, str]]:
    """Return the rows of a category with permitted fields; masked ones show that they exist.

    Raises:
        ConnectorUnavailableError, AnswerByHandError: As the connector.

    """
    fields = permitted_fields(node, decision, category)
    rows = node.systems.named(system).read(record_id, category=category, fields=fields)
    masked = dict.fromkeys(decision.fields_masked, MASKED)
    return [row | masked for row in rows]


def _known(
    node: Node, order: CheckedOrder, line: DecisionLine, match: dict[str, Any], task: Task | None
) -> dict[str, Any]:
    record_id, system = match["record_id"], match["system"]
    decision = effective_decision(node, order, line, record_id=record_id, system=system)
    if decision.outcome is Outcome.DENY:
        return {"status": Status.KNOWN_WITHHELD, "reason": decision.reason}
    if decision.outcome is Outcome.REVIEW:
        return _reviewed(task)
    rows = read_rows(node, decision, category=line.category, record_id=record_id, system=system)
    status = Status.KNOWN_DATA if rows else Status.KNOWN_NO_RELEVANT
    return {"status": status, "rows": rows, "confirmed_by": match["confirmed_by"]}


def _reviewed(task: Task | None) -> dict[str, Any]:
    if task is None or task.state != "done":
        return {"status": Status.PENDING_HUMAN}
    return dict(task.result["section"])


def _base(
    node: Node, order: CheckedOrder, line: DecisionLine, identity: Identity | None
) -> dict[str, Any]:
    contact = node.believed.agreement.contact(node.party, node.now())
    return {
        "v": 1,
        "category": line.category,
        "supplier": node.party,
        "subject": {
            "ref": line.subject,
            "role": order.role_of(line.subject),
            "name": "" if identity is None else name_of(identity),
        },
        "answered_at": node.now().isoformat(timespec="seconds"),
        "contact": {"post": contact.post, "telephone": contact.telephone},
    }


def name_of(identity: Identity) -> str:
    """Return the name as it is said."""
    return " ".join([*identity.given, identity.surname]).strip()


def identity_document(identity: Identity) -> dict[str, Any]:
    """Return an identity as plain JSON values, for a representative's screen."""
    value: dict[str, Any] = msgspec.json.decode(identity.to_json())
    return value

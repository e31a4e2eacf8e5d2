"""What a representative is asked to do: confirm a person, review lines, answer by hand."""

from collections.abc import Mapping
from typing import Any

from adapters.deciding import DecisionLine
from adapters.errors import AnswerByHandError, ConnectorUnavailableError
from adapters.matching.identity import Identity
from adapters.node.context import Node
from adapters.node.intake import CheckedOrder
from adapters.node.lookup import (
    OPEN_MATCHES,
    effective_decision,
    identity_document,
    match_key,
    read_rows,
)
from adapters.node.records import Order, Task
from policies.decide import Outcome


def task_id(order: str, subject: str | None, what: str) -> str:
    """Return a task's id: one per order, subject and system or category."""
    return f"{order}:{subject or '-'}:{what}"


def make_confirm_tasks(
    node: Node,
    order: CheckedOrder,
    document: Order,
    identities: Mapping[str, Identity],
    reason: dict[str, Any] | None,
) -> list[Task]:
    """Return a task for every proposed match: the asked person beside the records found.

    Every match is confirmed by hand (promise T7). The requester sees only that the agency is
    still answering.
    """
    tasks = []
    for key, match in document.matches.items():
        if match["status"] not in OPEN_MATCHES:
            continue
        subject, system = key.split("|", 1)
        found = [match["record_id"]] if match["record_id"] else match["candidates"]
        people = node.systems.named(system)
        payload = {
            "subject": subject,
            "subject_role": order.role_of(subject),
            "system": system,
            "proposal": match["status"],
            "evidence": match["evidence"],
            "asked": identity_document(identities[subject]),
            "records": {id_: identity_document(people.person(id_)) for id_ in found},
            "requester": reason and reason["requester"],
            "reason": reason and reason["reason"],
        }
        tasks.append(_task(order, subject, system, kind="confirm", payload=payload))
    return tasks


def make_manual_tasks(
    node: Node, order: CheckedOrder, identities: Mapping[str, Identity]
) -> list[Task]:
    """Return a task for every category that no system of this party holds."""
    asked = {
        (line.category, line.subject)
        for line in order.lines
        if node.systems.supplying(line.category) is None
    }
    return [
        _task(
            order,
            subject,
            category,
            kind="manual",
            payload={
                "subject": subject,
                "subject_role": order.role_of(subject),
                "category": category,
                "asked": identity_document(identities[subject]),
            },
        )
        for category, subject in sorted(asked, key=str)
        if subject is not None and subject in identities
    ]


def make_review_tasks(
    node: Node, order: CheckedOrder, document: Order, identities: Mapping[str, Identity]
) -> list[Task]:
    """Return a task for every confirmed line that a person must release: the proposed extract."""
    tasks: dict[str, Task] = {}
    for line in order.lines:
        task = _review_task(node, order, document, line, identities)
        if task is not None:
            tasks.setdefault(task.id, task)
    return list(tasks.values())


def _review_task(
    node: Node,
    order: CheckedOrder,
    document: Order,
    line: DecisionLine,
    identities: Mapping[str, Identity],
) -> Task | None:
    system = node.systems.supplying(line.category)
    if system is None or line.subject is None:
        return None
    match = document.matches.get(match_key(line.subject, system.info.name), {})
    if match.get("status") != "confirmed":
        return None
    record_id, name = match["record_id"], system.info.name
    try:
        decision = effective_decision(node, order, line, record_id=record_id, system=name)
        if decision.outcome is not Outcome.REVIEW:
            return None
        rows = read_rows(node, decision, category=line.category, record_id=record_id, system=name)
    except (ConnectorUnavailableError, AnswerByHandError):
        return None
    payload = {
        "subject": line.subject,
        "subject_role": order.role_of(line.subject),
        "category": line.category,
        "rule": decision.rule,
        "why": decision.reason,
        "posts": sorted(
            f"{other.post.party}/{other.post.role}"
            for other in order.lines
            if (other.category, other.subject) == (line.category, line.subject)
        ),
        "asked": identity_document(identities[line.subject]),
        "rows": rows,
    }
    return _task(order, line.subject, line.category, kind="review", payload=payload)


def _task(
    order: CheckedOrder, subject: str | None, what: str, *, kind: str, payload: dict[str, Any]
) -> Task:
    return Task(
        id=task_id(order.out.order, subject, what),
        kind=kind,
        state="open",
        due=0.0,
        reference=order.out.order,
        order=order.out.order,
        payload=payload | {"rag": order.request.rag, "request": order.request.request},
    )

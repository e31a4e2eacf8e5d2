"""The worklist: representatives confirm, keep, withhold, add, and answer by hand.

A completed task changes what the next version of the answer says; the agent sends it once no
task of the order's present stage is open.
"""

from typing import Any, Final

import msgspec

from adapters.errors import TaskError
from adapters.node.answering import Status
from adapters.node.context import Node
from adapters.node.lookup import match_key
from adapters.node.records import Order, Task
from adapters.node.store import Tx

MANUAL_STATUSES: Final = frozenset(
    {Status.KNOWN_DATA, Status.KNOWN_NO_RELEVANT, Status.KNOWN_WITHHELD, Status.NOT_KNOWN}
)
_MAX_NOTE: Final = 4000


def open_tasks(node: Node) -> list[Task]:
    """Return the open tasks, RED first, then oldest first."""
    with node.store.begin() as tx:
        tasks = tx.find(Task, state="open")
    return sorted(tasks, key=lambda task: task.payload.get("rag") != "red")


def complete(node: Node, id_: str, decision: dict[str, Any], *, actor: dict[str, str]) -> Task:
    """Carry out a representative's decision on a task and return the task as it now stands.

    Args:
        node: This node.
        id_: The task.
        decision: confirm: `{"confirm": record id or null}`; review: `{"keep": [row numbers],
            "reason": code, "note": text}`; manual: `{"status": ..., "note": text}`.
        actor: Name and title of the representative.

    Raises:
        TaskError: No such open task, or the decision does not fit it.

    """
    with node.store.begin() as tx:
        task = tx.get(Task, id_)
        if task is None or task.state != "open":
            raise TaskError("there is no open task with this id")
        handler = {"confirm": _confirm, "review": _review, "manual": _manual}[task.kind]
        done = msgspec.structs.replace(
            task, state="done", result=handler(tx, task, decision, actor)
        )
        tx.put(done)
        _advance(tx, task.order, actor)
    node.wake.set()
    return done


def _confirm(tx: Tx, task: Task, decision: dict[str, Any], actor: dict[str, str]) -> dict[str, Any]:
    chosen = decision.get("confirm")
    if set(decision) != {"confirm"} or (
        chosen is not None and chosen not in task.payload["records"]
    ):
        raise TaskError("confirm must name one of the records shown, or null for none of them")
    order = _order(tx, task.order)
    key = match_key(task.payload["subject"], task.payload["system"])
    match = order.matches[key] | {
        "status": "rejected" if chosen is None else "confirmed",
        "record_id": chosen,
        "confirmed_by": actor,
    }
    tx.put(msgspec.structs.replace(order, matches=order.matches | {key: match}))
    return {"confirm": chosen, "by": actor}


def _review(
    tx: Tx,  # noqa: ARG001 - the three handlers are called alike
    task: Task,
    decision: dict[str, Any],
    actor: dict[str, str],
) -> dict[str, Any]:
    rows = task.payload["rows"]
    keep = _row_numbers(decision, len(rows))
    withheld = len(rows) - len(keep)
    if withheld and not decision.get("reason"):
        raise TaskError("withholding a line needs a reason")
    section: dict[str, Any] = {
        "rows": [rows[number] for number in keep],
        "note": _note(decision),
        "answered_by": actor,
        "status": _review_status(rows, keep, decision),
    }
    if withheld:
        section |= {"withheld": withheld, "reason": str(decision["reason"])[:80]}
    return {"section": section, "by": actor}


def _row_numbers(decision: dict[str, Any], count: int) -> list[int]:
    keep = decision.get("keep")
    fits = (
        set(decision) <= {"keep", "reason", "note"}
        and isinstance(keep, list)
        and all(type(number) is int and 0 <= number < count for number in keep)
        and len(set(keep)) == len(keep)
    )
    if not fits or keep is None:
        raise TaskError("keep must list the numbers of the lines to release, from 0")
    return list(keep)


def _review_status(rows: list[Any], keep: list[int], decision: dict[str, Any]) -> Status:
    if not rows:
        return Status.KNOWN_DATA if decision.get("note") else Status.KNOWN_NO_RELEVANT
    if len(keep) == len(rows):
        return Status.KNOWN_DATA
    return Status.PARTIAL if keep or decision.get("note") else Status.KNOWN_WITHHELD


def _manual(
    tx: Tx,  # noqa: ARG001 - the three handlers are called alike
    task: Task,  # noqa: ARG001
    decision: dict[str, Any],
    actor: dict[str, str],
) -> dict[str, Any]:
    status = decision.get("status")
    if not set(decision) <= {"status", "note"} or status not in MANUAL_STATUSES:
        raise TaskError(f"status must be one of {', '.join(sorted(MANUAL_STATUSES))}")
    section = {"status": status, "note": _note(decision), "answered_by": actor}
    return {"section": section, "by": actor}


def _note(decision: dict[str, Any]) -> str:
    note = decision.get("note", "")
    if not isinstance(note, str) or len(note) > _MAX_NOTE:
        raise TaskError(f"note must be text of at most {_MAX_NOTE} characters")
    return note


def _advance(tx: Tx, order_id: str, actor: dict[str, str]) -> None:
    """Let the agent send the next version once nothing of this order waits for a person.

    An order that has just been claimed anew takes the decision into its first version.
    """
    waiting = [t for t in tx.find(Task, reference=order_id) if t.state == "open"]
    order = _order(tx, order_id)
    if not waiting and order.state != "claimed":
        tx.put(msgspec.structs.replace(order, state="due_version", actor=actor))


def _order(tx: Tx, id_: str) -> Order:
    order = tx.get(Order, id_)
    if order is None:
        raise TaskError("the order of this task is gone")
    return order

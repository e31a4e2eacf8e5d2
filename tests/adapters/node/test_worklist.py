from typing import Any

import pytest

from adapters.errors import TaskError
from adapters.node.context import Node
from adapters.node.lookup import match_key
from adapters.node.records import Order, Task
from adapters.node.worklist import complete, open_tasks
from broker.testing_nodes import Mesh
from keys.randomness import new_ref

ACTOR = {"name": "Dawn Tranter", "title": "Disclosure officer"}
ROWS = [{"offence": "one"}, {"offence": "two"}, {"offence": "three"}]


@pytest.fixture
def node(mesh: Mesh) -> Node:
    """A node with nothing open."""
    node = mesh.police
    with node.store.begin() as tx:
        for task in tx.find(Task, state="open"):
            tx.put(
                Task(**{f: getattr(task, f) for f in task.__struct_fields__} | {"state": "done"})
            )
    return node


def put(node: Node, kind: str, *, rag: str = "amber", order: str | None = None) -> Task:
    """Put an open task, and its order, into the node's store."""
    order = order or new_ref("o")
    key = match_key("s_1", "records")
    payload: dict[str, Any] = {"subject": "s_1", "system": "records", "rag": rag}
    payload |= {"records": {"R1": {}, "R2": {}}, "rows": ROWS, "category": "pol.intel_graded"}
    task = Task(
        id=f"{order}:{new_ref('t')}",
        kind=kind,
        state="open",
        due=0.0,
        reference=order,
        order=order,
        payload=payload,
    )
    with node.store.begin() as tx:
        tx.put(task)
        tx.put(
            Order(
                id=order,
                state="done",
                epoch=1,
                claimed_at=0.0,
                version=1,
                rag=rag,
                raw=b"",
                reference="r_1",
                matches={key: {"status": "candidate", "record_id": None, "system": "records"}},
            )
        )
    return task


def order_of(node: Node, task: Task) -> Order:
    with node.store.begin() as tx:
        order = tx.get(Order, task.order)
    assert order is not None
    return order


def test_red_comes_first_then_the_oldest(node: Node) -> None:
    tasks = [put(node, "confirm", rag=rag) for rag in ("amber", "green", "red", "red")]

    assert [t.id for t in open_tasks(node)] == [tasks[i].id for i in (2, 3, 0, 1)]


def test_a_confirmed_person_is_remembered_with_who_confirmed(node: Node) -> None:
    task = put(node, "confirm")

    done = complete(node, task.id, {"confirm": "R2"}, actor=ACTOR)

    order = order_of(node, task)
    (match,) = order.matches.values()
    assert done.state == "done"
    assert (match["status"], match["record_id"], match["confirmed_by"]) == (
        "confirmed",
        "R2",
        ACTOR,
    )
    assert (order.state, order.actor) == ("due_version", ACTOR)
    assert node.wake.is_set()


def test_none_of_them_is_a_rejection(node: Node) -> None:
    task = put(node, "confirm")

    complete(node, task.id, {"confirm": None}, actor=ACTOR)

    (match,) = order_of(node, task).matches.values()
    assert (match["status"], match["record_id"]) == ("rejected", None)


def test_the_next_version_waits_for_the_last_open_task(node: Node) -> None:
    first = put(node, "confirm")
    second = put(node, "manual", order=first.order)

    complete(node, second.id, {"status": "NOT_KNOWN"}, actor=ACTOR)
    assert order_of(node, first).state == "done"

    complete(node, first.id, {"confirm": None}, actor=ACTOR)
    assert order_of(node, first).state == "due_version"


@pytest.mark.parametrize(
    ("decision", "status", "kept", "withheld"),
    [
        ({"keep": [0, 1, 2]}, "KNOWN_DATA", 3, None),
        ({"keep": [0, 1, 2], "note": "More."}, "KNOWN_DATA", 3, None),
        ({"keep": [2], "reason": "third_party_confidence"}, "PARTIAL", 1, 2),
        ({"keep": [], "reason": "harm", "note": "Ring me."}, "PARTIAL", 0, 3),
        ({"keep": [], "reason": "harm"}, "KNOWN_WITHHELD", 0, 3),
    ],
)
def test_a_review_keeps_withholds_and_adds(
    node: Node, decision: dict[str, Any], status: str, kept: int, withheld: int | None
) -> None:
    task = put(node, "review")

    section = complete(node, task.id, decision, actor=ACTOR).result["section"]

    assert (section["status"], len(section["rows"]), section.get("withheld")) == (
        status,
        kept,
        withheld,
    )
    assert section["answered_by"] == ACTOR


@pytest.mark.parametrize(
    ("kind", "decision"),
    [
        ("confirm", {}),
        ("confirm", {"confirm": "R9"}),
        ("confirm", {"confirm": "R1", "note": "x"}),
        ("review", {}),
        ("review", {"keep": "all"}),
        ("review", {"keep": [3]}),
        ("review", {"keep": [-1]}),
        ("review", {"keep": [0, 0]}),
        ("review", {"keep": [True]}),
        ("review", {"keep": [0]}),  # withheld without a reason
        ("review", {"keep": [0, 1, 2], "rows": []}),
        ("review", {"keep": [0, 1, 2], "note": 5}),
        ("review", {"keep": [0, 1, 2], "note": "x" * 4001}),
        ("manual", {}),
        ("manual", {"status": "UNAVAILABLE"}),
        ("manual", {"status": "PENDING_HUMAN"}),
        ("manual", {"status": "KNOWN_DATA", "rows": []}),
        ("manual", {"status": "KNOWN_DATA", "note": None}),
    ],
)
def test_a_decision_that_does_not_fit_changes_nothing(
    node: Node, kind: str, decision: dict[str, Any]
) -> None:
    task = put(node, kind)
    before = order_of(node, task)

    with pytest.raises(TaskError):
        complete(node, task.id, decision, actor=ACTOR)

    assert order_of(node, task) == before
    assert [t.id for t in open_tasks(node)] == [task.id]


def test_a_task_is_done_once(node: Node) -> None:
    task = put(node, "manual")
    complete(node, task.id, {"status": "NOT_KNOWN"}, actor=ACTOR)

    with pytest.raises(TaskError):
        complete(node, task.id, {"status": "KNOWN_DATA"}, actor=ACTOR)
    with pytest.raises(TaskError):
        complete(node, "no such task", {"status": "KNOWN_DATA"}, actor=ACTOR)

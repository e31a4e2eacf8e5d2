"""What a kill leaves half done, set up step by step: nothing decided is lost, nothing is stuck."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.connectors.base import Health
from adapters.node.agent import flush, work_orders
from adapters.node.closing import close_case, record_telephone
from adapters.node.records import Order, Outgoing, Raised
from adapters.node.supply import claim_orders, write_claim
from adapters.protocol import sha256_hex
from broker.testing import COUNCIL, DECIDER, POLICE
from broker.testing_nodes import MemoryRecords, Mesh

SLOT_SECONDS = 61
COVER_SECONDS = 300
OUTCOME = {
    "outcome": "nfa_advice",
    "threshold_level": 1,
    "reason": "On what was known at the time of the decision.",
    "used": [],
    "took_part": ["MASH decision maker"],
    "dissent": "",
    "referrer_told": True,
    "family_told": "told",
}
REPORT = {
    "speaker": "Duty officer",
    "number": "01632 960 001",
    "occurred_at": "2026-10-06T10:15:00+01:00",
    "said": "Known; nothing relevant.",
    "categories": ["pol.crimes_convictions"],
}


@dataclass(slots=True, kw_only=True)
class BusyRecords(MemoryRecords):
    """Records in which something happens while somebody is looked for."""

    meanwhile: Callable[[], None] = lambda: None

    def health(self) -> Health:
        self.meanwhile()
        return Health(live=True)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    mesh = Mesh(tmp_path)
    mesh.know_child()
    yield mesh
    mesh.close()


def take_back(mesh: Mesh) -> None:
    """What a node does first after a restart."""
    claim_orders(mesh.police, write_claim(mesh.police, resume=True))


def answers(mesh: Mesh) -> list[str]:
    """Return what became of each answer in the police's outbox, oldest first."""
    with mesh.police.store.begin() as tx:
        kept = [item for item in tx.find(Outgoing) if item.kind == "answer"]
    return [item.problem or item.state for item in kept]


def order_of(mesh: Mesh) -> Order:
    with mesh.police.store.begin() as tx:
        (order,) = tx.find(Order)
    return order


def send_all(mesh: Mesh) -> None:
    """Let the slot pass, and the time after which every order has its second version."""
    mesh.world.clock.move(seconds=SLOT_SECONDS + COVER_SECONDS)
    for _ in range(2):
        work_orders(mesh.police)
        flush(mesh.police)


def raised_of(mesh: Mesh) -> Raised:
    with mesh.council.store.begin() as tx:
        (raised,) = tx.find(Raised)
    return raised


def test_an_answer_written_under_an_old_lease_is_not_sent_any_more(mesh: Mesh) -> None:
    mesh.raise_request()
    mesh.take_orders()
    work_orders(mesh.police)

    take_back(mesh)
    work_orders(mesh.police)
    send_all(mesh)

    assert answers(mesh) == ["stale-lease", "stale-lease", "sent", "sent"]
    assert [e["version"] for e in mesh.world.entries("answer")] == [1, 2]
    assert mesh.world.entries("refused") == []


@pytest.mark.parametrize("moment", ["before the restart", "before the take-up", "during it"])
def test_a_decision_made_around_a_restart_stands_in_the_answer(mesh: Mesh, moment: str) -> None:
    mesh.records = BusyRecords(people_by_id=mesh.records.people_by_id, rows=mesh.records.rows)
    mesh.restart_node(POLICE).believed.refresh()
    mesh.raise_request()
    mesh.take_orders()
    work_orders(mesh.police)

    if moment == "before the restart":
        mesh.confirm()
    take_back(mesh)
    if moment == "before the take-up":
        mesh.confirm()
    mesh.records.meanwhile = mesh.confirm
    work_orders(mesh.police)
    mesh.records.meanwhile = lambda: None
    send_all(mesh)
    mesh.world.clock.move(seconds=SLOT_SECONDS)
    flush(mesh.police)

    assert [match["status"] for match in order_of(mesh).matches.values()] == ["confirmed"]
    assert order_of(mesh).state == "done"
    assert mesh.records.reads
    assert {e["version"] for e in mesh.world.entries("release")} == {1, 2}


def test_a_refused_outcome_leaves_the_case_as_it_was(mesh: Mesh) -> None:
    request = mesh.raise_request()
    mesh.take_orders()
    work_orders(mesh.police)
    send_all(mesh)
    actor = mesh.actor(COUNCIL, DECIDER)

    close_case(mesh.council, request, OUTCOME, actor)  # it names no feedback for the police
    record_telephone(mesh.council, request, POLICE, REPORT, actor)  # chained to the outcome
    flush(mesh.council)

    raised = raised_of(mesh)
    assert (raised.case_seq, raised.head) == (0, sha256_hex(raised.message.encode()))
    mesh.fetch(COUNCIL)
    close_case(mesh.council, request, OUTCOME, actor)
    flush(mesh.council)
    assert raised_of(mesh).state == "closed"
    assert len(mesh.world.entries("outcome")) == 1

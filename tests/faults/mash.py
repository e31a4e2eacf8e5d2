"""One broker and two nodes with a relay on every line, and one request led through its whole life.

The practitioner and the representative are scripts that do what people do when a screen does not
answer: they look again, and try again.
"""

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from adapters.errors import LocalApiError
from adapters.localclient import LocalClient
from adapters.node.records import Delivered, OpenedSection, Order, Outgoing, Raised, Task
from adapters.node.store import D, Store
from adapters.protocol import decode_message, order_id
from broker.demo.deployment import Deployment, Plan, deploy
from broker.demo.representatives import ADDED_SENTENCE, WITHHELD_REASON
from broker.demo.staff import REPRESENTATIVE
from broker.demo.world import World, write_world
from keys.signing import read_payload_unsafe
from tests.faults.relay import Relay, Trap

LONG = os.environ.get("MASH_LONG") == "1"  # noqa: TID251 - the tests' own switch
ASKER = "northshire-cc"
HOLDER = "northshire-mh"
ROLE = "mash_decision_maker"
BROKER = "broker"
INVOLVEMENT = "hlt.mh.involvement"
RISK = "hlt.mh.risk_summary"
PATIENCE_SECONDS = 40.0
OUTCOME = {
    "outcome": "child_family_assessment_s17",
    "threshold_level": 3,
    "reason": "On what was known at the time of the decision.",
    "used": [f"{HOLDER}:{RISK}"],
    "took_part": ["MASH decision maker", "health"],
    "dissent": "",
    "referrer_told": True,
    "family_told": "told",
}


class GaveUpError(AssertionError):
    """Something that must happen did not happen in time."""


def wait_for(what: str, ready: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `ready` is true; a node that does not answer is not ready."""
    end = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except LocalApiError:
            pass  # it is being restarted
        if time.monotonic() > end:
            raise GaveUpError(what)
        time.sleep(0.1)


@dataclass(slots=True, kw_only=True)
class Mash:
    """The running system, its relays (by party: to the broker; `screens`: to the local API)."""

    deployment: Deployment
    world: World
    lines: Mapping[str, Relay]
    screens: Mapping[str, Relay]
    clients: dict[tuple[str, str], LocalClient] = field(default_factory=dict)

    def client(self, party: str, role: str) -> LocalClient:
        """Return a client on a person's token that goes through the screen's relay."""
        if (party, role) not in self.clients:
            token = self.deployment.tokens[party, self.deployment.person(party, role).name]
            self.clients[party, role] = LocalClient(self.screens[party].url, token)
        return self.clients[party, role]

    def close(self) -> None:
        """Let the clients' connections go."""
        for client in self.clients.values():
            client.close()

    def kill(self, name: str) -> None:
        """Kill -9 the broker or a party's node."""
        self.deployment.kill(name)

    def restart(self, name: str) -> None:
        """Start what was killed, on the same data and port, and wait until it is ready."""
        if name == BROKER:
            self.deployment.start_broker()
        else:
            self.deployment.start_node(name)
            self.deployment.await_node(name)

    def recover(self) -> None:
        """Lift every trap and start whatever an earlier test has left dead."""
        for relay in (*self.lines.values(), *self.screens.values()):
            relay.set(None)
            relay.closed_to = None
        for name in (BROKER, *self.deployment.plan.parties):
            process = self.deployment.processes.get(name)
            if process is None or process.poll() is not None:
                self.deployment.processes.pop(name, None)
                self.restart(name)

    @contextmanager
    def store(self, party: str) -> Iterator[Store]:
        """Open a node's own memory beside the node."""
        store = Store(self.deployment.plan.directory / "parties" / party / "node.sqlite")
        try:
            yield store
        finally:
            store.close()

    def documents(self, party: str, type_: type[D], *, reference: str | None = None) -> list[D]:
        """Return what a node remembers."""
        with self.store(party) as store, store.begin() as tx:
            return tx.find(type_, reference=reference)

    def ledger(self) -> list[dict[str, Any]]:
        """Return every entry of the ledger, read beside the broker."""
        path = self.deployment.plan.directory / "broker" / "broker.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT entry FROM ledger_entries ORDER BY i").fetchall()
        return [msgspec.json.decode(row[0], type=dict[str, Any]) for row in rows]

    def case(self) -> dict[str, Any]:
        """Return a case about a mother whom the mental health trust knows."""
        mother = self.world.cases["S03"].subject("parent_carer")
        return {
            "rag": "amber",
            "purpose": "cin_s17",
            "concern": "neglect",
            "facts": {"reason_without_consent": "seeking_would_increase_risk"},
            "referral": {"words": "A health visitor is worried about the children."},
            "narrative": "A health visitor is worried about the children.",
            "subjects": [
                {"label": "mother", "role": "parent_carer", "identity": dict(mother.identity)}
            ],
            "asks": [
                {
                    "supplier": HOLDER,
                    "reason": "To learn what help the children's mother has and needs.",
                    "items": [
                        {"category": category, "subject": "mother", "posts": [ROLE]}
                        for category in (INVOLVEMENT, RISK)
                    ],
                }
            ],
        }


@contextmanager
def running(
    folder: Path, *, lease_seconds: float | None = None, slot_seconds: int = 1
) -> Iterator[Mash]:
    """Deploy and start a broker and two nodes; stop them afterwards."""
    world = write_world(folder / "world", seed=1, others=0)
    parties = (ASKER, HOLDER)
    deployment = deploy(
        Plan(
            directory=folder,
            systems={party: world.mappings_of(party) for party in parties},
            parties=parties,
            slot_seconds=slot_seconds,
            cover_seconds=(0.2, 0.4),
        )
    )
    if lease_seconds is not None:
        lease = {"MASH_LEASE_SECONDS": str(lease_seconds)}
        deployment.environment = {**deployment.environment, **lease}
    lines = {party: Relay(target=deployment.broker_port) for party in parties}
    screens = {party: Relay(target=deployment.ports[party]) for party in parties}
    for party, line in lines.items():
        config = folder / "parties" / party / "node.yaml"
        values = yaml.safe_load(config.read_text()) | {"broker_url": line.url}
        config.write_text(yaml.safe_dump(values, allow_unicode=True))
    for relay in (*lines.values(), *screens.values()):
        relay.start()
    try:
        deployment.start_broker()
        deployment.start_nodes()
        mash = Mash(deployment=deployment, world=world, lines=lines, screens=screens)
        with contextlib.closing(mash):
            yield mash
    finally:
        for name in [*deployment.processes]:
            deployment.kill(name)  # nothing is lost by it, as these tests show
        deployment.http.close()
        for relay in (*lines.values(), *screens.values()):
            relay.stop()


def live(mash: Mash, trap: Trap | None = None) -> str:
    """Lead a new request through its whole life and return its identifier."""
    request = raise_request(mash)
    answer(mash, request)
    close(mash, request)
    if trap is not None:
        if not trap.sprung.is_set():
            raise GaveUpError("the trap never sprang: the step was not reached")
        trap.over.wait(PATIENCE_SECONDS)
        if trap.failure:
            raise trap.failure[0]
    settle(mash, request)
    return request


def raise_request(mash: Mash) -> str:
    """Raise the case, once: before trying again the practitioner looks whether it is there."""
    before = len(mash.documents(ASKER, Raised))

    def raised() -> bool:
        if len(mash.documents(ASKER, Raised)) == before:
            mash.client(ASKER, ROLE).post("/requests", mash.case(), role=ROLE)
        return mash.documents(ASKER, Raised)[-1].state == "sent"

    wait_for("the request is taken", raised)
    newest: Raised = mash.documents(ASKER, Raised)[-1]
    return newest.id


def answer(mash: Mash, request: str) -> None:
    """Work the holder's list until the last version has come back."""

    def answered() -> bool:
        work(mash, request)
        last = last_version(mash, request)
        status = mash.client(ASKER, ROLE).get(f"/requests/{request}")
        return last in {d["version"] for d in status["delivered"] if d["kind"] == "answer"}

    wait_for("everything is answered", answered)


def last_version(mash: Mash, request: str) -> int | None:
    """Return the version after which nothing is to come; None while something is.

    Mostly 3: pending; the person confirmed; the risk summary reviewed. What a person has decided
    before a node was killed stands in the first version that the node writes afterwards.
    """
    with mash.store(HOLDER) as store, store.begin() as tx:
        order = tx.get(Order, order_id(request, HOLDER))
        tasks = tx.find(Task, reference=order_id(request, HOLDER))
    reviewed = any(task.kind == "review" for task in tasks)
    done = all(task.state == "done" for task in tasks) and order and order.state == "done"
    return order.version if order and done and reviewed else None


def work(mash: Mash, request: str) -> None:
    """See to the holder's open tasks as its representative."""
    holder = mash.client(HOLDER, REPRESENTATIVE)
    order = order_id(request, HOLDER)
    for task in holder.get("/worklist")["tasks"]:
        if task["order"] == order:
            holder.post(f"/worklist/{task['id']}", decide(task))


def decide(task: dict[str, Any]) -> dict[str, Any]:
    """Confirm the proposed person; keep all but the last line and add what is known."""
    if task["kind"] == "confirm":
        return {"confirm": next(iter(task["records"]))}
    keep = list(range(len(task["rows"]) - 1))
    return {"keep": keep, "reason": WITHHELD_REASON, "note": ADDED_SENTENCE}


def close(mash: Mash, request: str) -> None:
    """Open everything, read the summary, decide."""
    client = mash.client(ASKER, ROLE)

    def read() -> bool:
        summary = client.get(f"/requests/{request}/summary", role=ROLE)
        shown = {item["category"] for item in summary["items"] if item["kind"] == "answer"}
        return shown == {INVOLVEMENT, RISK}

    def closed() -> bool:
        reply = client.post(f"/requests/{request}/outcome", OUTCOME, role=ROLE)
        return bool(reply["state"] == "sent")

    wait_for("the summary shows both answers", read)
    wait_for("the outcome is taken", closed)


def settle(mash: Mash, request: str) -> None:
    """Wait until nothing of the request is on its way any more."""

    def quiet() -> bool:
        sending = [
            item
            for party in (ASKER, HOLDER)
            for item in mash.documents(party, Outgoing)
            if item.state == "waiting"
        ]
        fed_back = mash.client(HOLDER, REPRESENTATIVE).get("/feedback")["feedback"]
        return not sending and request in {item["request"] for item in fed_back}

    wait_for("nothing is on its way", quiet)


def check_once(mash: Mash, request: str) -> int:
    """Check that all of a request is kept, everywhere once; return its number of versions."""
    last = last_version(mash, request)
    assert last in {2, 3, 4}  # the slot, the second version, confirmed, reviewed
    order = order_id(request, HOLDER)
    entries = [e for e in mash.ledger() if request == e.get("request") or order == e.get("order")]
    counted = Counter((e["event"], e.get("version")) for e in entries)
    versions = range(1, last + 1)
    expected: dict[tuple[str, int | None], int] = {
        ("request", None): 1,
        ("ask", None): 1,
        ("outcome", None): 1,
    }
    expected |= {(event, version): 1 for event in ("answer", "release") for version in versions}
    expected |= {("opened", last): 1}
    claims = [e["epoch"] for e in entries if e["event"] == "order_claimed"]

    assert {key: counted[key] for key in expected} == expected
    assert {event for event, _ in counted} <= {event for event, _ in expected} | {"order_claimed"}
    assert claims == list(range(1, len(claims) + 1))
    assert [e["msg"] for e in entries if e["event"] == "opened"] == _unique(entries, "opened")
    _check_deliveries(mash, request, order, last)
    _check_kept(mash, request, last)
    _check_bytes(mash)
    return last


def _unique(entries: list[dict[str, Any]], event: str) -> list[str]:
    """One opening for each version, whatever was repeated."""
    return list({e["version"]: e["msg"] for e in entries if e["event"] == event}.values())


def _check_deliveries(mash: Mash, request: str, order: str, last: int) -> None:
    answers = mash.documents(ASKER, Delivered, reference=request)
    assert [(d.kind, d.version) for d in answers] == [
        ("answer", version) for version in range(1, last + 1)
    ]
    for party in (ASKER, HOLDER):
        every = mash.documents(party, Delivered)
        assert len({d.number for d in every}) == len(every)
        assert len({(d.kind, d.order, d.reference, d.version) for d in every}) == len(every)
    fed_back = mash.documents(HOLDER, Delivered, reference=request)
    assert [d.kind for d in fed_back].count("outcome") == 1
    (state,) = [o.state for o in mash.documents(HOLDER, Order) if o.id == order]
    assert state == "done"


def _check_kept(mash: Mash, request: str, last: int) -> None:
    """What the representative was told is kept stands in what the practitioner read."""
    opened = mash.documents(ASKER, OpenedSection, reference=request)
    newest = {s.category: s for s in sorted(opened, key=lambda s: s.version) if s.role == ROLE}
    assert newest[INVOLVEMENT].content["status"] == "KNOWN_DATA"
    assert newest[RISK].content["note"] == ADDED_SENTENCE
    assert newest[RISK].version == last


def _check_bytes(mash: Mash) -> None:
    """A message that was sent again had the same bytes, and was always answered alike."""
    for line in mash.lines.values():
        sent: dict[tuple[str, str], set[bytes]] = {}
        for body in line.bodies(r"/v1/(requests|work/.+|cases/.+)"):
            message = decode_message(read_payload_unsafe(msgspec.json.decode(body)["message"]))
            sent.setdefault((message.iss, message.jti), set()).add(body)
        assert {len(bodies) for bodies in sent.values()} <= {1}

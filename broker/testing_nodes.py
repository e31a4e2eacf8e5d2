"""Real nodes over a broker of the test's own, driven step by step: no agent, no waiting.

`Mesh` is `broker.testing.World` behind a real HTTP server on the loopback address, and nodes
built as `mash node run` builds them. The clock stands still until it is moved, so a whole life of
a request takes no time. What the broker would do to a node, a test does by hand: it holds the
broker's own keys and writer, as a hostile operator would.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from adapters.ceremony import certify
from adapters.connectors.base import MARKERS_CATEGORY, Health
from adapters.matching.identity import Identity, Person
from adapters.node.agent import flush, work_orders
from adapters.node.asking import Actor, raise_request
from adapters.node.caseinput import read_case
from adapters.node.compose import queue_credential
from adapters.node.context import Node
from adapters.node.main import build
from adapters.node.receiving import fetch_deliveries
from adapters.node.records import Task
from adapters.node.settings import NodeSettings, PersonSettings
from adapters.node.supply import claim_orders, write_claim
from adapters.node.systems import System, SystemInfo, Systems
from adapters.node.worklist import complete
from adapters.protocol import (
    GUARDIAN_ROLE,
    Deliveries,
    Delivery,
    OrderOut,
    Orders,
    decode,
    encode_json,
)
from broker.testing import COUNCIL, DECIDER, POLICE, SECRET, World
from keys.keystore import FileKeyStore

CATEGORY: Final = "pol.crimes_convictions"
DENIED_CATEGORY: Final = "pol.intel_sensitive_source"  # to the decision maker's post: rule D02
FIELDS: Final = ("crime_no", "offence", "date", "disposal")
CHILD: Final[Mapping[str, Any]] = {
    "given": ["Marigold"],
    "surname": "Quillfeather",
    "birth_date": "2017-03-09",
    "addresses": [{"line": "3 Bramblewick Steps", "postcode": "ZZ7 4QD"}],
    "identifiers": {"nhs": "9990000018"},
}
TOKEN: Final = "a token of the test's own"  # noqa: S105 - opens nothing outside a test
_SLOT_SECONDS: Final = 61
_START_SECONDS: Final = 10


class Served:
    """An application behind a free loopback port, in a thread of its own."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve `app` from now on; `url` says where."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started and time.monotonic() < end:
            time.sleep(0.005)

    def stop(self) -> None:
        """End the server and wait for its thread."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@dataclass(slots=True, kw_only=True)
class MemoryRecords:
    """A record system in memory; a `Connector` that counts what is read of it."""

    people_by_id: dict[str, Identity] = field(default_factory=dict)
    rows: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    searched: int = 0
    reads: list[tuple[str, str]] = field(default_factory=list)

    def people(self) -> Iterator[Person]:
        """See Connector."""
        self.searched += 1
        for id_, identity in self.people_by_id.items():
            yield Person(record_id=id_, identity=identity)

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """See Connector."""
        if category == MARKERS_CATEGORY:
            return [dict.fromkeys(fields, "false")]
        self.reads.append((record_id, category))
        rows = self.rows.get((record_id, category), [])
        return [{name: row[name] for name in fields if name in row} for row in rows]

    def health(self) -> Health:
        """See Connector."""
        return Health(live=True)


class Mesh:
    """A broker and two nodes: the council asks, the police hold records."""

    def __init__(self, directory: Path, *, parties: tuple[str, ...] = (COUNCIL, POLICE)) -> None:
        """Hold the ceremony and start the broker; every node has logged its credentials."""
        self.directory = directory
        (directory / "broker").mkdir()
        self.world = World(directory / "broker", parties=())
        self.served = Served(self.world.app)
        self.records = MemoryRecords()
        self.nodes = {party: self._node(party) for party in parties}
        for node in self.nodes.values():
            self._log_credentials(node)
        for node in self.nodes.values():
            node.believed.refresh()

    @property
    def council(self) -> Node:
        """The asking node."""
        return self.nodes[COUNCIL]

    @property
    def police(self) -> Node:
        """The supplying node."""
        return self.nodes[POLICE]

    @property
    def log_public(self) -> bytes:
        """The ledger's public key, from the agreement."""
        return self.world.agreement.schedule.broker.log_key

    def close(self) -> None:
        """End server, broker and nodes."""
        self.served.stop()
        self.world.broker.close()
        for node in self.nodes.values():
            _close(node)

    def restart_node(self, party: str, *, broker_url: str | None = None) -> Node:
        """Return a party's node built anew over its folder, perhaps led to another broker."""
        _close(self.nodes[party])
        settings = self.nodes[party].settings
        moved = settings.model_copy(update={"broker_url": broker_url or settings.broker_url})
        self.nodes[party] = self._build(moved)
        return self.nodes[party]

    def _build(self, settings: NodeSettings) -> Node:
        node = build(settings, secret=SECRET, clock=self.world.clock)
        return replaced(node, systems=self._systems() if settings.party == POLICE else Systems([]))

    def _node(self, party: str) -> Node:
        agency = self.world.agencies[party]
        self.world.sign_agreement(agency)
        directory = self.directory / party
        directory.mkdir()
        FileKeyStore(
            directory / "keys",
            secret=SECRET,
            operations=1,  # the cheapest store there is: its secret guards nothing
            memory_bytes=8192,
        )
        terms = self.world.agreement.terms.roles.items()
        roles = tuple(role for role, role_terms in terms if party in role_terms.parties)
        certify(
            directory,
            root=agency.root,
            secret=SECRET,
            mash=self.world.agreement.mash,
            party=party,
            roles=roles,
            now=self.world.clock(),
        )
        return self._build(self._settings(party, directory, roles))

    def _settings(self, party: str, directory: Path, roles: tuple[str, ...]) -> NodeSettings:
        """Return a node's settings: one person, who holds every role of the party."""
        person = PersonSettings(
            name=f"Sam {party.rsplit('-', 1)[-1].title()}",
            title="Practitioner",
            roles=(*roles, GUARDIAN_ROLE, "agency_representative"),
            token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
            second_factor=True,
        )
        return NodeSettings(
            party=party,
            broker_url=self.served.url,
            data_dir=directory,
            agreement=self.world.directory / "agreement.yaml",
            agreement_sha256=self.world.agreement.sha256,
            agency=self.world.agreement.terms.parties[party].name,
            switchboard="01632 960 000",
            people=(person,),
            cover_seconds=(300.0, 300.0),  # people are quicker here
            poll_seconds=1.0,
        )

    def _systems(self) -> Systems:
        held = dict.fromkeys((CATEGORY, DENIED_CATEGORY), FIELDS)
        info = SystemInfo(name="records", categories=held)
        return Systems([System(info, self.records, index_seconds=3600)])

    def _log_credentials(self, node: Node) -> None:
        with node.store.begin() as tx:
            for credential in node.keyring.credentials:
                queue_credential(tx, credential)
        flush(node)

    def know_child(self, rows: int = 2) -> None:
        """Put the child into the police's records."""
        self.records.people_by_id["R1"] = Identity.from_json(dict(CHILD))
        self.records.rows["R1", CATEGORY] = [
            {name: f"{name} {number}" for name in FIELDS} for number in range(rows)
        ]

    def actor(self, party: str, role: str) -> Actor:
        """Return a person of `party` in `role`."""
        node = self.nodes[party]
        person = node.settings.people[0]
        key, credential = node.keyring.person(person.name, role)
        return Actor(
            name=person.name,
            title=person.title,
            role=role,
            second_factor=True,
            key=key,
            credential=credential,
        )

    def raise_request(self, *categories: str) -> str:
        """Raise a RED request of the council's to the police, and send it."""
        body = encode_json(case_about_child(*categories))
        request = raise_request(self.council, read_case(body), self.actor(COUNCIL, DECIDER))
        flush(self.council)
        return request

    def take_orders(self) -> int:
        """Let the police's node claim what waits for it; return how many orders came."""
        return claim_orders(self.police, write_claim(self.police, resume=False))

    def claim(self) -> OrderOut:
        """Return the one order that waits for the police, exactly as the broker hands it out."""
        claim = write_claim(self.police, resume=False)
        (order,) = decode(self.police.client.post("/work/claim", claim), Orders).orders
        return cast("OrderOut", order)

    def deliveries(self, party: str = COUNCIL, *, after: int = 0) -> list[Delivery]:
        """Return what the broker delivers, exactly as it came."""
        reply = self.nodes[party].client.get("/deliveries", after=after, max=64)
        delivered: list[Delivery] = decode(reply, Deliveries).deliveries
        return delivered

    def answer(self) -> None:
        """Let the police's node answer everything: both versions, whatever people decide."""
        self.take_orders()
        for _ in range(3):
            work_orders(self.police)
            self.world.clock.move(seconds=_SLOT_SECONDS)
            flush(self.police)
            self.confirm()

    def confirm(self) -> None:
        """Confirm every proposed match at the police's node, and release every line."""
        with self.police.store.begin() as tx:
            tasks = tx.find(Task, state="open")
        for task in tasks:
            decision = (
                {"confirm": next(iter(task.payload["records"]))}
                if task.kind == "confirm"
                else {"keep": list(range(len(task.payload["rows"])))}
            )
            complete(self.police, task.id, decision, actor={"name": "Sam", "title": "Officer"})

    def fetch(self, party: str = COUNCIL) -> None:
        """Let a node take everything that was delivered."""
        while fetch_deliveries(self.nodes[party]):
            pass


def _close(node: Node) -> None:
    node.client.close()
    node.store.close()


def case_about_child(*categories: str) -> dict[str, Any]:
    """Return a case that asks the police about one child, for the decision maker."""
    return {
        "rag": "red",
        "purpose": "cp_s47",
        "concern": "physical_abuse_nai",
        "referral": {"words": "Seen at school with a bruise."},
        "narrative": "A child was seen at school with a bruise.",
        "subjects": [{"label": "child", "role": "subject_child", "identity": dict(CHILD)}],
        "asks": [
            {
                "supplier": POLICE,
                "reason": "To learn whether anyone at home has harmed a child before.",
                "items": [
                    {"category": category, "subject": "child", "posts": [DECIDER]}
                    for category in categories or (CATEGORY,)
                ],
            }
        ],
    }

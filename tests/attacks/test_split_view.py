"""T4: a broker that shows two nodes two histories is found out by what their messages have seen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from adapters.node.agent import Agent, work_orders
from adapters.node.compose import compose
from adapters.node.receiving import take_delivery
from adapters.node.records import Delivered, Order
from adapters.protocol import Delivery, OrderOut, Refusal, Request, decode_message
from audit.entry import Draft, Event, draft
from audit.errors import SplitViewError
from broker.exchange.membership import prepare_credential
from broker.testing import COUNCIL, DECIDER, POLICE, World
from broker.testing_nodes import Mesh, Served
from keys.signing import read_payload_unsafe
from tests.attacks.hostile import hand_to, log, log_like

_PATIENCE_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Forked:
    """One log key, two histories: the council follows `mesh.world`, the police `theirs`."""

    mesh: Mesh
    theirs: World
    theirs_url: str

    def grow(self, world: World, entries: int) -> None:
        """Let one history grow without a word to the other."""
        for number in range(entries):
            log(world, heartbeat(number))


def heartbeat(number: int) -> Draft:
    return draft(
        Event.HEARTBEAT,
        party="broker",
        kid="0" * 32,
        actor_ref=None,
        role=None,
        msg=None,
        heads={"northshire-cc": number},
    )


@pytest.fixture
def forked(own_mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    mesh = own_mesh
    mesh.served.stop()
    mesh.world.stop()
    theirs = mesh.world.fork(tmp_path_factory.mktemp("fork") / "broker")
    theirs.clock = mesh.world.clock
    mesh.world.broker = mesh.world.start()
    mesh.served = Served(mesh.world.app)
    other = Served(theirs.app)
    for party in (COUNCIL, POLICE):
        mesh.restart_node(party, broker_url=mesh.served.url)
    yield Forked(mesh=mesh, theirs=theirs, theirs_url=other.url)
    other.stop()
    theirs.stop()


def order_across(forked: Forked) -> OrderOut:
    """Let the histories part, then show the police, in theirs, what the council asked in its own.

    The operator copies what it needs: the request, the credential it is signed with, an entry.
    """
    mesh, theirs = forked.mesh, forked.theirs
    mesh.council.believed.refresh()
    forked.grow(mesh.world, 3)
    mesh.council.view.refresh()
    mesh.raise_request()
    order = mesh.claim()
    mesh.restart_node(POLICE, broker_url=forked.theirs_url).believed.refresh()
    person = mesh.actor(COUNCIL, DECIDER).credential
    theirs.broker.services.call(prepare_credential(theirs.broker.services.hub, person.text))
    forked.grow(theirs, 9)
    mesh.police.believed.refresh()
    return msgspec.structs.replace(order, receipt=log_like(theirs, order.receipt))


def refusal_across(forked: Forked, order: OrderOut) -> Delivery:
    """Show the council, in its history, what the police wrote having seen the other."""
    police = forked.mesh.police
    request = decode_message(read_payload_unsafe(order.request))
    assert isinstance(request, Request)
    refusal = compose(
        police,
        Refusal,
        key=police.keyring.node,
        request=request.request,
        order=order.order,
        epoch=1,
        rule="d07",
    )
    receipt = log(
        forked.mesh.world,
        draft(
            Event.ORDER_REFUSED,
            party=POLICE,
            kid=police.keyring.node.kid,
            actor_ref=None,
            role=None,
            msg=refusal.sha256,
            order=order.order,
            rule="D07",
        ),
    )
    return Delivery(
        number=1, kind="refusal", request=order.request, message=refusal.jws, receipt=receipt
    )


def test_the_supplying_node_stops_before_it_reads(forked: Forked) -> None:
    order = order_across(forked)
    hand_to(forked.mesh.police, order)

    with pytest.raises(SplitViewError):
        work_orders(forked.mesh.police)

    assert (forked.mesh.records.searched, forked.mesh.records.reads) == (0, [])


def test_the_asking_node_stops_too(forked: Forked) -> None:
    order = order_across(forked)

    with pytest.raises(SplitViewError):
        take_delivery(forked.mesh.council, refusal_across(forked, order))


def test_a_running_agent_stops_and_says_why(forked: Forked) -> None:
    order = order_across(forked)
    hand_to(forked.mesh.police, order)
    agent = Agent(forked.mesh.police)

    agent.start()
    end = time.monotonic() + _PATIENCE_SECONDS
    while not agent.state.startswith("stopped") and time.monotonic() < end:
        time.sleep(0.02)
    agent.stop()

    assert agent.state == "stopped: SplitViewError"
    with forked.mesh.police.store.begin() as tx:
        held = tx.get(Order, order.order)
    assert held is not None
    assert held.state == "claimed"  # not answered, not forgotten


def test_one_history_seen_at_two_sizes_is_no_alarm(own_mesh: Mesh) -> None:
    """The control: growth alone is no contradiction."""
    own_mesh.raise_request()
    for number in range(5):
        log(own_mesh.world, heartbeat(number))
    own_mesh.council.view.refresh()
    own_mesh.raise_request()
    own_mesh.answer()

    own_mesh.fetch()

    with own_mesh.council.store.begin() as tx:
        assert len(tx.find(Delivered)) == 4


def test_a_shorter_history_than_was_seen_is_a_rollback(forked: Forked) -> None:
    """The same node led back to the copy that never saw what it has seen."""
    mesh = forked.mesh
    mesh.council.believed.refresh()
    forked.grow(mesh.world, 3)
    mesh.council.view.refresh()
    seen = mesh.council.view.seen

    led = mesh.restart_node(COUNCIL, broker_url=forked.theirs_url)

    assert led.view.seen == seen  # kept over the restart
    forked.grow(forked.theirs, 9)
    with pytest.raises(SplitViewError):
        led.view.refresh()

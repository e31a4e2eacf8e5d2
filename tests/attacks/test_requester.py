"""Who may ask, how late an order may be answered, and what happens to a record refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.deciding import check_requester
from adapters.errors import NotOurOrderError, SenderMayNotError
from adapters.node.intake import OLDEST_ORDER, check_order
from adapters.node.records import Indicator, Outgoing
from adapters.node.replies import on_refusal
from adapters.protocol import Request, decode_message
from broker.testing_nodes import Mesh
from keys.signing import read_payload_unsafe


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    made = Mesh(tmp_path)
    made.know_child()
    yield made
    made.close()


@pytest.mark.parametrize(
    "role", ["agency_representative", "caldicott_guardian", "mash_police_researcher", "nobody"]
)
def test_only_a_role_that_the_agreement_gives_the_party_may_ask(mesh: Mesh, role: str) -> None:
    actor = mesh.actor("northshire-cc", "mash_decision_maker")
    mesh.raise_request()
    order = mesh.claim()
    request = decode_message(read_payload_unsafe(order.request))
    assert isinstance(request, Request)
    check_requester(mesh.world.agreement, request)
    assert actor.role == request.role

    changed = {f: getattr(request, f) for f in request.__struct_fields__} | {"role": role}
    with pytest.raises(SenderMayNotError):
        check_requester(mesh.world.agreement, Request(**changed))


def test_an_opening_that_the_ledger_refuses_is_shown_to_the_guardian(mesh: Mesh) -> None:
    node = mesh.council
    item = Outgoing(
        id="j_opening",
        kind="opened",
        path="/cases/opened",
        body=b"",
        message="",
        due=0.0,
        reference="r_request",
    )

    with node.store.begin() as tx:
        on_refusal(node, item, {"type": "urn:mash:problem:expired"})(tx)
        (found,) = tx.find(Indicator, reference="r_request")

    assert found.kind == "opening_not_recorded"


def test_an_order_that_lay_too_long_is_not_answered(mesh: Mesh) -> None:
    mesh.raise_request()
    order = mesh.claim()
    check_order(mesh.police, order)

    mesh.world.clock.move(days=OLDEST_ORDER.days, seconds=60)

    with pytest.raises(NotOurOrderError):
        check_order(mesh.police, order)

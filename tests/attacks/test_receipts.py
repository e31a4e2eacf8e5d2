"""T5: an answer opens only against receipts that it, and its release, stand in the ledger."""

import base64
import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from adapters.errors import BrokerUnavailableError, TrustError, WrongReceiptError
from adapters.node.agent import flush, work_orders
from adapters.node.answering import prepare_release
from adapters.node.context import Node
from adapters.node.receiving import fetch_deliveries, open_for_role, take_delivery
from adapters.node.records import Delivered, OpenedSection, Outgoing
from adapters.node.replies import on_reply
from adapters.protocol import Accepted, Delivery, decode, sha256_hex
from audit.checkpoint import open_checkpoint, sign_checkpoint
from audit.entry import Event
from audit.errors import AuditError, ReceiptError
from broker.testing import COUNCIL, DECIDER, POLICE
from broker.testing_nodes import Mesh
from keys.signing import SigningKey
from tests.attacks.hostile import Rewrite

Lead = Callable[[Mesh, str, Rewrite], Node]
change = msgspec.structs.replace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Captured:
    """Two versions of one answer and one of another, as the broker delivers them."""

    mesh: Mesh
    first: Delivery
    second: Delivery
    other: Delivery


@pytest.fixture(scope="module")
def captured(mesh: Mesh) -> Captured:
    mesh.raise_request()
    mesh.answer()
    mesh.raise_request()
    mesh.answer()
    first, second, other, _ = mesh.deliveries()
    return Captured(mesh=mesh, first=first, second=second, other=other)


def forge(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return the receipt under a checkpoint that says the same, signed by another key."""
    text = receipt["checkpoint"].split("\n")
    key = SigningKey.generate()
    note = sign_checkpoint(
        origin=text[0],
        size=int(text[1]),
        root=base64.b64decode(text[2]),
        signer=key,
        public=key.public,
    )
    return receipt | {"checkpoint": note}


def edit_entry(receipt: dict[str, Any]) -> dict[str, Any]:
    entry = base64.b64decode(receipt["entry"])
    edited = entry.replace(b'"version":1', b'"version":2')
    assert edited != entry
    return receipt | {"entry": base64.b64encode(edited).decode()}


def no_release(c: Captured) -> Delivery:
    return change(c.first, release=None, release_receipt=None)


def a_release_without_its_receipt(c: Captured) -> Delivery:
    return change(c.first, release_receipt=None)


def a_receipt_without_its_release(c: Captured) -> Delivery:
    return change(c.first, release=None)


def the_release_of_another_version(c: Captured) -> Delivery:
    return change(c.first, release=c.second.release, release_receipt=c.second.release_receipt)


def the_release_of_another_answer(c: Captured) -> Delivery:
    return change(c.first, release=c.other.release, release_receipt=c.other.release_receipt)


def the_answer_in_place_of_its_release(c: Captured) -> Delivery:
    return change(c.first, release=c.first.message, release_receipt=c.first.receipt)


def the_answers_receipt_for_the_release(c: Captured) -> Delivery:
    return change(c.first, release_receipt=c.first.receipt)


def another_releases_receipt(c: Captured) -> Delivery:
    return change(c.first, release_receipt=c.second.release_receipt)


def a_forged_release_receipt(c: Captured) -> Delivery:
    return change(c.first, release_receipt=forge(c.first.release_receipt or {}))


def no_receipt(c: Captured) -> Delivery:
    return change(c.first, receipt={})


def the_receipt_of_another_answer(c: Captured) -> Delivery:
    return change(c.first, receipt=c.other.receipt)


def the_releases_receipt_for_the_answer(c: Captured) -> Delivery:
    return change(c.first, receipt=c.first.release_receipt)


def a_checkpoint_of_another_key(c: Captured) -> Delivery:
    return change(c.first, receipt=forge(c.first.receipt))


def a_proof_cut_short(c: Captured) -> Delivery:
    return change(c.first, receipt=c.first.receipt | {"proof": c.first.receipt["proof"][:-1]})


def no_proof(c: Captured) -> Delivery:
    return change(c.first, receipt=c.first.receipt | {"proof": []})


def a_proof_turned_round(c: Captured) -> Delivery:
    return change(c.first, receipt=c.first.receipt | {"proof": c.first.receipt["proof"][::-1]})


def another_place(c: Captured) -> Delivery:
    return change(c.first, receipt=c.first.receipt | {"index": c.first.receipt["index"] + 1})


def an_edited_entry(c: Captured) -> Delivery:
    return change(c.first, receipt=edit_entry(c.first.receipt))


def another_answers_message(c: Captured) -> Delivery:
    return change(c.first, message=c.other.message)


def delivered_as_an_outcome(c: Captured) -> Delivery:
    return change(c.first, kind="outcome")


def delivered_as_nothing_known(c: Captured) -> Delivery:
    return change(c.first, kind="gift")


TAMPERED = (
    no_release,
    a_release_without_its_receipt,
    a_receipt_without_its_release,
    the_release_of_another_version,
    the_release_of_another_answer,
    the_answer_in_place_of_its_release,
    the_answers_receipt_for_the_release,
    another_releases_receipt,
    a_forged_release_receipt,
    no_receipt,
    the_receipt_of_another_answer,
    the_releases_receipt_for_the_answer,
    a_checkpoint_of_another_key,
    a_proof_cut_short,
    no_proof,
    a_proof_turned_round,
    another_place,
    an_edited_entry,
    another_answers_message,
    delivered_as_an_outcome,
    delivered_as_nothing_known,
)


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_delivery_without_both_receipts_is_refused(
    captured: Captured, tamper: Callable[[Captured], Delivery]
) -> None:
    with pytest.raises((TrustError, AuditError)):
        take_delivery(captured.mesh.council, tamper(captured))


def test_the_same_delivery_untouched_is_taken(captured: Captured) -> None:
    taken = take_delivery(captured.mesh.council, captured.first)

    assert (taken.kind, taken.version) == ("answer", 1)


def test_refused_deliveries_open_nothing_though_the_wraps_are_there(
    own_mesh: Mesh, lead: Lead
) -> None:
    mesh = own_mesh
    request = mesh.raise_request()
    mesh.answer()

    def withhold_releases(path: str, body: bytes) -> bytes:
        if not path.endswith("/deliveries"):
            return body
        value = msgspec.json.decode(body)
        for delivery in value["deliveries"]:
            assert delivery["blobs"]
            delivery["release"] = delivery["release_receipt"] = None
        return msgspec.json.encode(value)

    node = lead(mesh, COUNCIL, withhold_releases)
    node.believed.refresh()
    while fetch_deliveries(node):
        pass

    assert open_for_role(node, request, mesh.actor(COUNCIL, DECIDER)) == []
    with node.store.begin() as tx:
        assert tx.find(Delivered) == []
        assert tx.find(OpenedSection) == []
        assert tx.find(Outgoing, state="waiting") == []


def waiting_answer(mesh: Mesh) -> Outgoing:
    """Let the police prepare an answer; return it as it waits to be sent."""
    mesh.raise_request()
    mesh.take_orders()
    work_orders(mesh.police)
    mesh.world.clock.move(seconds=61)
    with mesh.police.store.begin() as tx:
        return next(i for i in tx.find(Outgoing, state="waiting") if i.kind == "answer")


def of_another_entry(mesh: Mesh, receipt: dict[str, Any]) -> dict[str, Any]:
    reads = mesh.world.broker.services.reads
    return reads.receipts((receipt["index"] - 1,))[0]


def of_another_key(_: Mesh, receipt: dict[str, Any]) -> dict[str, Any]:
    return forge(receipt)


def with_its_proof_cut(_: Mesh, receipt: dict[str, Any]) -> dict[str, Any]:
    return receipt | {"proof": receipt["proof"][:-1]}


def with_its_entry_edited(_: Mesh, receipt: dict[str, Any]) -> dict[str, Any]:
    return edit_entry(receipt)


def empty(_: Mesh, __: dict[str, Any]) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    "tamper", [of_another_entry, of_another_key, with_its_proof_cut, with_its_entry_edited, empty]
)
def test_a_supplier_never_releases_against_a_receipt_that_does_not_hold(
    own_mesh: Mesh, tamper: Callable[[Mesh, dict[str, Any]], dict[str, Any]], lead: Lead
) -> None:
    mesh = own_mesh
    item = waiting_answer(mesh)

    def spoil(path: str, body: bytes) -> bytes:
        if not path.endswith("/answer"):
            return body
        reply = msgspec.json.decode(body)
        reply["receipts"][0] = tamper(mesh, reply["receipts"][0])
        return msgspec.json.encode(reply)

    node = lead(mesh, POLICE, spoil)
    with pytest.raises(ReceiptError):
        flush(node)

    with node.store.begin() as tx:
        assert tx.get(Outgoing, item.id) == item  # still waiting, the very same bytes
        assert not [i for i in tx.find(Outgoing) if i.kind == "release"]
    assert mesh.world.entries(Event.RELEASE) == []
    assert mesh.deliveries() == []


def test_an_honest_receipt_afterwards_releases_once(own_mesh: Mesh, lead: Lead) -> None:
    mesh = own_mesh
    item = waiting_answer(mesh)

    def cut_off(path: str, body: bytes) -> bytes:
        return b'{"receipts":[]}' if path.endswith("/answer") else body

    with pytest.raises(LookupError):
        flush(lead(mesh, POLICE, cut_off))
    node = mesh.restart_node(POLICE, broker_url=mesh.served.url)
    flush(node)

    assert len(mesh.world.entries(Event.ANSWER)) == 1
    (released,) = mesh.world.entries(Event.RELEASE)
    assert released["answer"] == sha256_hex(item.message.encode())
    with node.store.begin() as tx:
        sent = [i for i in tx.find(Outgoing, state="sent") if i.kind == "release"]
    assert [i.reference for i in sent] == [item.reference]


def test_a_receipt_of_the_right_message_for_another_event_is_refused(own_mesh: Mesh) -> None:
    mesh, node = own_mesh, own_mesh.council
    mesh.raise_request()
    with node.store.begin() as tx:
        sent = next(i for i in tx.find(Outgoing) if i.kind == "request")
    accepted = decode(sent.reply, Accepted)
    of_the_ask = change(accepted, receipts=accepted.receipts[1:])

    with pytest.raises(ReceiptError):
        on_reply(node, sent, msgspec.json.encode(of_the_ask))
    with pytest.raises(ReceiptError):
        prepare_release(node, sent, sent.reply)


def test_a_delivery_whose_proof_is_not_to_be_had_is_asked_for_again(
    own_mesh: Mesh, lead: Lead
) -> None:
    """Nothing is known against it: passed over, it would be lost."""
    mesh = own_mesh
    mesh.raise_request()
    mesh.answer()

    def refuse_proofs(path: str, body: bytes) -> bytes:
        return b"<html>" if path.endswith("/consistency") else body

    led = lead(mesh, COUNCIL, refuse_proofs)
    with pytest.raises(BrokerUnavailableError):
        fetch_deliveries(led)

    with led.store.begin() as tx:
        assert tx.find(Delivered) == []
    mesh.restart_node(COUNCIL, broker_url=mesh.served.url).believed.refresh()
    mesh.fetch()
    with mesh.council.store.begin() as tx:
        assert [d.version for d in tx.find(Delivered)] == [1, 2]


def test_the_forged_checkpoint_of_these_tests_holds_under_its_own_key(captured: Captured) -> None:
    """The control: what is refused is the key, not the form."""
    key = SigningKey.generate()
    honest = captured.first.receipt["checkpoint"]
    checkpoint = open_checkpoint(
        honest, origin=captured.mesh.world.origin, public=captured.mesh.log_public
    )
    note = sign_checkpoint(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        signer=key,
        public=key.public,
    )

    assert open_checkpoint(note, origin=checkpoint.origin, public=key.public) == checkpoint
    with pytest.raises(WrongReceiptError):
        take_delivery(captured.mesh.council, no_release(captured))

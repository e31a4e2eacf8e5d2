"""T2, T3: a broker that holds its own keys and lies can neither forge an order nor over-ask."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from adapters.errors import (
    ForeignAgreementError,
    MessageExpiredError,
    MessageNotForUsError,
    NotOurOrderError,
    OverAskError,
    SenderMayNotError,
    UnknownCredentialError,
)
from adapters.node.agent import flush, work_orders
from adapters.node.answering import build_answer
from adapters.node.compose import compose
from adapters.node.context import Node
from adapters.node.intake import check_order
from adapters.node.receiving import open_for_role, take_delivery
from adapters.node.records import Order, Outgoing, Raised
from adapters.node.summary import build_summary
from adapters.protocol import (
    MESSAGE_TYP,
    Delivery,
    OrderOut,
    Outcome,
    Refusal,
    Request,
    decode_message,
    encode,
    sha256_hex,
)
from audit.entry import Event, draft, parse_entry
from audit.errors import ReceiptError
from broker.testing import COUNCIL, DECIDER, POLICE
from broker.testing_nodes import CATEGORY, DENIED_CATEGORY, Mesh
from keys.encoding import encode_base64url
from keys.errors import KeysError, MessageError
from keys.randomness import new_ref
from keys.signing import SigningKey, read_payload_unsafe, sign_jws
from tests.attacks.hostile import Rewrite, hand_to, log, log_like, log_permitted, log_request

Lead = Callable[[Mesh, str, Rewrite], Node]
change = msgspec.structs.replace


@pytest.fixture
def order(mesh: Mesh) -> OrderOut:
    """A genuine order for one permitted and one denied category."""
    mesh.raise_request(CATEGORY, DENIED_CATEGORY)
    return mesh.claim()


def request_in(out: OrderOut) -> Request:
    message = decode_message(read_payload_unsafe(out.request))
    assert isinstance(message, Request)
    return message


def signed(request: Request, key: SigningKey, **changes: Any) -> str:
    return sign_jws(encode(change(request, **changes)), key=key, typ=MESSAGE_TYP)


def reads(mesh: Mesh) -> tuple[int, list[tuple[str, str]]]:
    return mesh.records.searched, list(mesh.records.reads)


def test_an_order_for_a_denied_category_is_refused_and_nothing_is_read(
    mesh: Mesh, order: OrderOut
) -> None:
    before = reads(mesh)
    hand_to(mesh.police, log_permitted(mesh.world, order))

    work_orders(mesh.police)
    flush(mesh.police)

    with mesh.police.store.begin() as tx:
        held = tx.get(Order, order.order)
        queued = [i.kind for i in tx.find(Outgoing, reference=order.order)]
    assert held is not None
    assert (held.state, held.problem) == ("refused", "D07")
    assert queued == ["refusal"]
    assert reads(mesh) == before


def test_the_requester_learns_that_the_agencys_own_rule_refused(
    mesh: Mesh, order: OrderOut
) -> None:
    hand_to(mesh.police, log_permitted(mesh.world, order))
    work_orders(mesh.police)
    flush(mesh.police)

    mesh.fetch()

    request = request_in(order).request
    actor = mesh.actor(COUNCIL, DECIDER)
    with mesh.council.store.begin() as tx:
        raised = tx.get(Raised, request)
    assert raised is not None
    opened = open_for_role(mesh.council, request, actor)
    summary = build_summary(mesh.council, raised, opened, role=DECIDER)
    assert [gap["why"] for gap in summary["missing"]] == ["refused by the agency's own rule d07"]


def test_the_same_order_without_the_surplus_is_read(mesh: Mesh, order: OrderOut) -> None:
    """The control: counting reads counts something."""
    before = len(mesh.records.reads)
    hand_to(mesh.police, order)
    work_orders(mesh.police)
    mesh.confirm()
    work_orders(mesh.police)

    assert mesh.records.reads[before:] == [("R1", CATEGORY)]


def test_a_decision_on_what_was_never_asked_is_an_over_ask(mesh: Mesh, order: OrderOut) -> None:
    entry = parse_entry(base64.b64decode(order.receipt["entry"]))
    wider = entry["decisions"][0] | {"role": "mash_business_support"}
    receipt = log_like(mesh.world, order.receipt, decisions=[*entry["decisions"], wider])

    with pytest.raises(OverAskError) as caught:
        check_order(mesh.police, change(order, receipt=receipt))

    assert caught.value.rule == "D00"


def test_the_stricter_decision_wins_where_the_broker_denies(mesh: Mesh, order: OrderOut) -> None:
    entry = parse_entry(base64.b64decode(order.receipt["entry"]))
    none = [line | {"outcome": "DENY", "rules": ["D07"]} for line in entry["decisions"]]
    receipt = log_like(mesh.world, order.receipt, decisions=none)

    assert check_order(mesh.police, change(order, receipt=receipt)).lines == ()


def with_no_algorithm(mesh: Mesh, out: OrderOut) -> str:
    del mesh
    header = encode_base64url(b'{"alg":"none","typ":"mash+jws"}')
    return f"{header}.{out.request.split('.')[1]}."


def with_its_signature_cut_off(mesh: Mesh, out: OrderOut) -> str:
    del mesh
    return out.request.rpartition(".")[0] + "."


def of_a_key_nobody_certified(mesh: Mesh, out: OrderOut) -> str:
    del mesh
    return signed(request_in(out), SigningKey.generate())


def of_the_brokers_own_key(mesh: Mesh, out: OrderOut) -> str:
    return signed(request_in(out), mesh.world.broker.services.hub.log_key)


def of_another_partys_node(mesh: Mesh, out: OrderOut) -> str:
    return signed(request_in(out), mesh.police.keyring.node)


def of_the_asking_partys_node(mesh: Mesh, out: OrderOut) -> str:
    return signed(request_in(out), mesh.council.keyring.node)


def of_a_person_in_another_role(mesh: Mesh, out: OrderOut) -> str:
    return signed(request_in(out), mesh.actor(COUNCIL, DECIDER).key, role="mash_social_worker")


def of_a_person_by_another_name(mesh: Mesh, out: OrderOut) -> str:
    return signed(request_in(out), mesh.actor(COUNCIL, DECIDER).key, actor_ref=new_ref("p"))


def to_another_broker(mesh: Mesh, out: OrderOut) -> str:
    return signed(request_in(out), mesh.actor(COUNCIL, DECIDER).key, aud="elsewhere.example")


def under_another_agreement(mesh: Mesh, out: OrderOut) -> str:
    request = request_in(out)
    older = change(request.agreement, seq=request.agreement.seq + 1)
    return signed(request, mesh.actor(COUNCIL, DECIDER).key, agreement=older)


def that_has_expired(mesh: Mesh, out: OrderOut) -> str:
    request = request_in(out)
    key = mesh.actor(COUNCIL, DECIDER).key
    return signed(request, key, iat=request.iat - 600, exp=request.iat - 300)


def that_is_valid_for_ever(mesh: Mesh, out: OrderOut) -> str:
    request = request_in(out)
    return signed(request, mesh.actor(COUNCIL, DECIDER).key, exp=request.iat + 10**8)


def that_is_a_refusal(mesh: Mesh, out: OrderOut) -> str:
    return compose(
        mesh.police,
        Refusal,
        key=mesh.police.keyring.node,
        request=request_in(out).request,
        order=out.order,
        epoch=1,
        rule="d07",
    ).jws


@pytest.mark.parametrize(
    ("forge", "error"),
    [
        (with_no_algorithm, MessageError),
        (with_its_signature_cut_off, MessageError),
        (of_a_key_nobody_certified, UnknownCredentialError),
        (of_the_brokers_own_key, UnknownCredentialError),
        (of_another_partys_node, SenderMayNotError),
        (of_the_asking_partys_node, SenderMayNotError),
        (of_a_person_in_another_role, SenderMayNotError),
        (of_a_person_by_another_name, SenderMayNotError),
        (to_another_broker, MessageNotForUsError),
        (under_another_agreement, ForeignAgreementError),
        (that_has_expired, MessageExpiredError),
        (that_is_valid_for_ever, MessageExpiredError),
        (that_is_a_refusal, NotOurOrderError),
    ],
)
def test_a_request_that_nobody_signed_so_is_no_order(
    mesh: Mesh,
    order: OrderOut,
    forge: Callable[[Mesh, OrderOut], str],
    error: type[Exception],
) -> None:
    """Each stands in the ledger under a genuine receipt: the receipt is not what refuses it."""
    before = reads(mesh)
    forged = log_request(mesh.world, order, forge(mesh, order))

    with pytest.raises(error):
        check_order(mesh.police, forged)

    assert reads(mesh) == before


def test_the_same_request_logged_again_is_an_order(mesh: Mesh, order: OrderOut) -> None:
    """The control of the test above."""
    again = log_request(mesh.world, order, order.request)

    assert check_order(mesh.police, again).request == request_in(order)


def test_an_order_shown_to_another_node_is_not_its_order(mesh: Mesh, order: OrderOut) -> None:
    with pytest.raises(NotOurOrderError):
        check_order(mesh.council, order)


def with_the_number_of_another(mesh: Mesh, one: OrderOut, other: OrderOut) -> OrderOut:
    del mesh
    return change(one, order=other.order)


def with_the_ask_of_another(mesh: Mesh, one: OrderOut, other: OrderOut) -> OrderOut:
    del mesh
    return change(one, ask=other.ask)


def with_the_ask_of_another_logged(mesh: Mesh, one: OrderOut, other: OrderOut) -> OrderOut:
    receipt = log_like(mesh.world, one.receipt, digest=sha256_hex(other.ask))
    return change(one, ask=other.ask, receipt=receipt)


def with_an_ask_nobody_named(mesh: Mesh, one: OrderOut, other: OrderOut) -> OrderOut:
    del other
    wider = one.ask.replace(b'"justified":true', b'"justified":false')
    assert wider != one.ask
    receipt = log_like(mesh.world, one.receipt, digest=sha256_hex(wider))
    return change(one, ask=wider, receipt=receipt)


def for_another_supplier(mesh: Mesh, one: OrderOut, other: OrderOut) -> OrderOut:
    del other
    return change(one, receipt=log_like(mesh.world, one.receipt, supplier=COUNCIL))


def of_another_request(mesh: Mesh, one: OrderOut, other: OrderOut) -> OrderOut:
    changed = log_like(mesh.world, one.receipt, request=request_in(other).request)
    return change(one, receipt=changed)


@pytest.mark.parametrize(
    "mix",
    [
        with_the_number_of_another,
        with_the_ask_of_another,
        with_the_ask_of_another_logged,
        with_an_ask_nobody_named,
        for_another_supplier,
        of_another_request,
    ],
)
def test_parts_of_two_orders_make_none(
    mesh: Mesh, order: OrderOut, mix: Callable[[Mesh, OrderOut, OrderOut], OrderOut]
) -> None:
    mesh.raise_request()
    other = mesh.claim()

    with pytest.raises(NotOurOrderError):
        check_order(mesh.police, mix(mesh, order, other))


def test_another_requests_receipt_proves_nothing(mesh: Mesh, order: OrderOut) -> None:
    mesh.raise_request()
    other = mesh.claim()

    with pytest.raises(ReceiptError):
        check_order(mesh.police, change(order, receipt=other.receipt))


def test_an_order_of_an_old_lease_is_not_taken_up_again(own_mesh: Mesh, lead: Lead) -> None:
    mesh = own_mesh
    mesh.raise_request()
    kept: list[bytes] = []

    def replay_claims(path: str, body: bytes) -> bytes:
        if not path.endswith("/work/claim"):
            return body
        kept.append(body)
        return kept[0]

    lead(mesh, POLICE, replay_claims).believed.refresh()
    mesh.answer()
    with mesh.police.store.begin() as tx:
        before = tx.find(Outgoing), tx.find(Order)
    searched = reads(mesh)

    assert mesh.take_orders() == 1
    work_orders(mesh.police)

    with mesh.police.store.begin() as tx:
        assert (tx.find(Outgoing), tx.find(Order)) == before
    assert reads(mesh) == searched


def test_no_party_answers_in_anothers_place(mesh: Mesh, order: OrderOut) -> None:
    """Two parties, one of them the operator's accomplice: its answer is not the police's."""
    taken = check_order(mesh.police, order)
    signer = (mesh.council.keyring.node, mesh.council.keyring.node_credential)
    answer, blobs, _ = build_answer(
        mesh.council, taken, version=1, contents=[], sharing_record={}, signer=signer
    )
    receipt = log(
        mesh.world,
        draft(
            Event.ANSWER,
            party=COUNCIL,
            kid=mesh.council.keyring.node.kid,
            actor_ref=None,
            role=None,
            msg=answer.sha256,
            order=order.order,
            version=1,
            blobs=[],
            key_commitments=[],
        ),
    )
    delivery = Delivery(
        number=1,
        kind="answer",
        request=order.request,
        message=answer.jws,
        receipt=receipt,
        blobs=blobs,
    )

    with pytest.raises(NotOurOrderError):
        take_delivery(mesh.council, delivery)


def test_an_outcome_without_feedback_for_us_is_refused_by_name(mesh: Mesh, order: OrderOut) -> None:
    """It used to end the agent's thread: no error of ours, and nobody answered any more."""
    request, actor = request_in(order), mesh.actor(COUNCIL, DECIDER)
    outcome = compose(
        mesh.council,
        Outcome,
        key=actor.key,
        case=request.case,
        case_seq=1,
        prev=sha256_hex(order.request.encode()),
        request=request.request,
        actor_ref=actor.credential.actor_ref,
        role=DECIDER,
        outcome_c="0" * 64,
        referrer_told=True,
        feedback=[],
    )
    receipt = log(
        mesh.world,
        draft(
            Event.OUTCOME,
            party=COUNCIL,
            kid=actor.key.kid,
            actor_ref=actor.credential.actor_ref,
            role=DECIDER,
            msg=outcome.sha256,
            content_c="0" * 64,
        ),
    )
    delivery = Delivery(
        number=1, kind="outcome", request=order.request, message=outcome.jws, receipt=receipt
    )

    with pytest.raises(KeysError):
        take_delivery(mesh.police, delivery)

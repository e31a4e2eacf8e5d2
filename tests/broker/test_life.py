"""The main job at the broker, over HTTP, from request to outcome."""

from adapters import protocol as wire
from adapters.deciding import DECISIONS_TYP, DecisionSet
from audit.entry import Event
from audit.receipt import Receipt, check_receipt
from broker.testing import COUNCIL, DECIDER, POLICE
from broker.testing_story import Story
from keys.signing import check_jws


def test_a_request_goes_from_asking_to_outcome(story: Story) -> None:
    world = story.world

    request, decisions = story.send_request()
    (ask,) = decisions.asks
    assert (ask.supplier, ask.route) == (POLICE, "node")
    assert [line.outcome for line in ask.lines] == ["PERMIT"]
    world.check()

    (order,) = story.claim().orders
    assert order.request == request.jws
    assert [wire.sha256_hex(blob) for blob in order.blobs] == [
        wire.decode(order.ask, wire.Ask).identities[0].envelope.sha256,
        wire.decode(order.ask, wire.Ask).reason.sha256,
    ]
    world.check()

    answer, wraps, entry = story.send_answer(order)
    assert story.deliveries(story.council) == []
    release = story.write_release(answer, wraps, entry)
    assert story.police.post(f"/work/{order.order}/release", release).status_code == 201
    world.check()

    (delivered,) = story.deliveries(story.council)
    assert (delivered.kind, delivered.message, delivered.release) == (
        "answer",
        answer.jws,
        release.jws,
    )
    (own,) = story.deliveries(story.police)
    assert len(delivered.blobs) == 4
    assert len(own.blobs) == 2

    message = answer.message
    opened = story.council.agency.sign_as(
        DECIDER,
        wire.Opened,
        request=message.request,
        order=order.order,
        version=1,
        answer=answer.sha256,
        sections=[message.sections[0].blob],
        receipt_level="weak",
    )
    assert story.council.post("/cases/opened", opened).status_code == 201
    assert story.council.post("/cases/outcome", story.write_outcome(request)).status_code == 201
    assert story.deliveries(story.police)[-1].kind == "outcome"
    world.check()

    assert [e["event"] for e in world.entries()][-7:] == [
        "request",
        "ask",
        "order_claimed",
        "answer",
        "release",
        "opened",
        "outcome",
    ]


def test_receipts_and_decisions_hold_against_the_agreements_log_key(story: Story) -> None:
    keys = story.world.agreement.schedule.broker
    request = story.write_request()

    accepted = wire.decode(story.council.post("/requests", request).content, wire.Accepted)

    check_receipt(
        Receipt.from_json(accepted.receipts[0]),
        origin=keys.origin,
        public=keys.log_key,
        msg_sha256=request.sha256,
        event=Event.REQUEST,
    )
    check_receipt(
        Receipt.from_json(accepted.receipts[1]),
        origin=keys.origin,
        public=keys.log_key,
        msg_sha256=request.sha256,
        event=Event.ASK,
    )
    hub = story.world.broker.services.hub
    payload = check_jws(
        accepted.decisions, public=keys.log_key, kid=hub.log_key.kid, typ=DECISIONS_TYP
    )
    decisions = wire.decode(payload, DecisionSet)
    assert decisions.message == request.sha256
    assert decisions.due == request.message.iat + 2 * 3600


def test_status_is_shown_to_the_requester_and_to_nobody_else(story: Story) -> None:
    request, _ = story.send_request()
    path = f"/requests/{request.message.request}"

    own = story.council.get(path).json()

    assert [order["state"] for order in own["orders"]] == ["queued"]
    assert story.police.get(path).status_code == 404
    assert COUNCIL not in story.police.get(path).text

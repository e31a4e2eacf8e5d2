"""Orders under leases, whole answers, releases against receipts, refusals."""

from typing import Any

import msgspec
import pytest

from adapters import protocol as wire
from broker.testing import COUNCIL, FIRE, POLICE, TRUST, blob_of
from broker.testing_story import Story


def slug_of(reply: Any) -> str:
    return str(reply.json()["type"]).rpartition(":")[2]


def order_state(story: Story, request: str) -> dict[str, Any]:
    found: dict[str, Any] = story.council.get(f"/requests/{request}").json()["orders"][0]
    return found


def test_an_empty_claim_leaves_no_trace(story: Story) -> None:
    before = story.world.seen()

    reply = story.police.post("/work/claim", story.police.agency.sign(wire.Claim, max=1))

    assert wire.decode(reply.content, wire.Orders).orders == []
    assert int(reply.headers["retry-after"]) >= 1
    assert story.world.seen() == before


def test_an_order_goes_to_its_supplier_alone_and_once(story: Story) -> None:
    story.send_request()

    assert story.claim(story.lines[TRUST]).orders == []
    assert len(story.claim().orders) == 1
    assert story.claim().orders == []


def test_red_goes_first_then_the_one_due_sooner(story: Story) -> None:
    facts = wire.ClearFacts(second_factor=True, reason_without_consent="risk_of_significant_harm")
    amber, _ = story.send_request(rag="amber", facts=facts, purpose="cp_s47")
    story.world.clock.move(minutes=5)
    late, _ = story.send_request()
    requests = [order.ask for order in story.claim(most=1).orders]

    assert [wire.decode(ask, wire.Ask).request for ask in requests] == [late.message.request]
    assert amber.message.request != late.message.request


def test_a_lease_that_ran_out_passes_the_order_on_with_a_new_epoch(story: Story) -> None:
    story.send_request()
    (first,) = story.claim().orders
    story.world.clock.move(seconds=10 + 31)  # RED slot, then the lease
    (second,) = story.claim().orders

    assert (second.order, second.epoch) == (first.order, first.epoch + 1)
    stale, _ = story.write_answer(first)
    assert slug_of(story.police.post(f"/work/{first.order}/answer", stale)) == "stale-lease"
    story.send_answer(second)


def test_an_answer_after_the_lease_is_taken_while_nobody_else_has_claimed(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    story.world.clock.move(minutes=5)

    story.send_answer(order)


def test_resuming_brings_back_what_was_leased_or_answered_but_not_released(story: Story) -> None:
    story.send_request()
    story.send_request()
    first, second = story.claim().orders
    story.send_answer(first)

    resumed = {order.order: order for order in story.claim(resume=True).orders}

    assert resumed.keys() == {first.order, second.order}
    assert (resumed[first.order].epoch, resumed[first.order].last_version) == (first.epoch, 1)
    assert resumed[second.order].epoch == second.epoch + 1


def test_a_repeated_claim_gets_the_same_orders_again(story: Story) -> None:
    story.send_request()
    claim = story.police.agency.sign(wire.Claim, max=4)

    first = wire.decode(story.police.post("/work/claim", claim).content, wire.Orders)
    again = wire.decode(story.police.post("/work/claim", claim).content, wire.Orders)

    (one,), (two,) = first.orders, again.orders
    assert (one.order, one.epoch, one.ask, one.blobs) == (two.order, two.epoch, two.ask, two.blobs)


def test_a_supplier_receives_only_its_own_ask(story: Story) -> None:
    request, _ = story.send_request(suppliers=(POLICE, TRUST))

    (order,) = story.claim().orders

    body = wire.encode(order)
    other = next(
        blob
        for blob in msgspec.json.decode(request.body, type=wire.Submission).blobs
        if TRUST.encode() in blob
    )
    assert wire.decode(order.ask, wire.Ask).supplier == POLICE
    assert msgspec.json.encode(other)[1:-1] not in body


@pytest.mark.parametrize("drop", [1, 2])
def test_an_answer_with_a_missing_section_is_refused(story: Story, drop: int) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, _ = story.write_answer(order, drop=drop)

    assert slug_of(story.police.post(f"/work/{order.order}/answer", answer)) == "section-mismatch"


def changed_section(story: Story, order: wire.OrderOut, **changes: Any) -> Any:
    answer, _ = story.write_answer(order)
    message = answer.message
    blobs = msgspec.json.decode(answer.body, type=wire.Submission).blobs
    first, *rest = message.sections
    sections = [msgspec.structs.replace(first, **changes), *rest]
    changed, _ = story.write_answer(order, sections=sections, blobs=blobs)
    return story.police.post(f"/work/{order.order}/answer", changed)


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"category": "pol.intel_graded"}, "section-mismatch"),
        ({"subject": None}, "section-mismatch"),
        ({"size_class": 16384}, "section-mismatch"),
        ({"size_class": 5}, "section-mismatch"),
        ({"kid": "0" * 32}, "unknown-post"),
        ({"post": wire.Post(party=POLICE, role=wire.GUARDIAN_ROLE)}, "unknown-post"),
    ],
    ids=["category", "subject", "class", "no class", "unknown key", "another post's key"],
)
def test_a_section_for_what_was_not_permitted_is_refused(
    story: Story, changes: dict[str, Any], slug: str
) -> None:
    story.send_request()
    (order,) = story.claim().orders

    assert slug_of(changed_section(story, order, **changes)) == slug


def test_another_party_cannot_answer_an_order(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, _ = story.write_answer(order, line=story.lines[TRUST])

    reply = story.lines[TRUST].post(f"/work/{order.order}/answer", answer)

    assert (reply.status_code, slug_of(reply)) == (404, "not-found")


def test_an_order_that_does_not_exist_takes_no_answer(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    other = wire.order_id("r_" + "a" * 26, POLICE)
    answer, _ = story.write_answer(msgspec.structs.replace(order, order=other))

    assert story.police.post(f"/work/{other}/answer", answer).status_code == 404


def test_versions_follow_one_another_at_any_epoch(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    story.answer_and_release(order)
    skipped, _ = story.write_answer(order, version=3)
    later = msgspec.structs.replace(order, epoch=order.epoch + 5)

    assert slug_of(story.police.post(f"/work/{order.order}/answer", skipped)) == "order-state"
    answer, wraps, entry = story.send_answer(later, version=2)
    release = story.write_release(answer, wraps, entry)
    assert story.police.post(f"/work/{order.order}/release", release).status_code == 201
    assert [d.number for d in story.deliveries(story.council)] == [1, 2]


@pytest.mark.parametrize("changes", [{"answer": "0" * 64}, {"entry": 0}], ids=["hash", "entry"])
def test_keys_are_released_only_against_the_very_answers_entry(
    story: Story, changes: dict[str, Any]
) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, wraps, entry = story.send_answer(order)
    release = story.write_release(answer, wraps, entry, **changes)

    reply = story.police.post(f"/work/{order.order}/release", release)

    assert slug_of(reply) == "wrong-message"
    assert story.deliveries(story.council) == []


def test_keys_without_an_answer_in_the_ledger_deliver_nothing(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, wraps = story.write_answer(order)
    release = story.write_release(answer, wraps, 0)

    reply = story.police.post(f"/work/{order.order}/release", release)

    assert slug_of(reply) == "order-state"
    assert story.deliveries(story.council) == []


def test_a_release_is_whole_and_happens_once(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, wraps, entry = story.send_answer(order)
    path = f"/work/{order.order}/release"

    short = story.write_release(answer, wraps[1:], entry)
    assert slug_of(story.police.post(path, short)) == "blob-mismatch"
    release = story.write_release(answer, wraps, entry)
    assert story.police.post(path, release).status_code == 201
    assert story.police.post(path, release).status_code == 201
    second = story.write_release(answer, wraps, entry)
    assert slug_of(story.police.post(path, second)) == "order-state"
    assert len(story.deliveries(story.council)) == 1


def test_a_refusal_ends_the_order_and_reaches_the_requester(story: Story) -> None:
    request, _ = story.send_request()
    (order,) = story.claim().orders
    fields: dict[str, Any] = {
        "request": request.message.request,
        "order": order.order,
        "epoch": order.epoch,
    }
    refusal = story.police.agency.sign(wire.Refusal, rule="d08", **fields)

    assert story.police.post(f"/work/{order.order}/refuse", refusal).status_code == 201

    (delivered,) = story.deliveries(story.council)
    assert (delivered.kind, delivered.message) == ("refusal", refusal.jws)
    assert order_state(story, request.message.request)["state"] == "refused"
    answer, _ = story.write_answer(order)
    assert slug_of(story.police.post(f"/work/{order.order}/answer", answer)) == "order-state"
    again = story.police.agency.sign(wire.Refusal, rule="d08", **fields)
    assert slug_of(story.police.post(f"/work/{order.order}/refuse", again)) == "order-state"
    story.world.check()


def test_a_refusal_under_an_old_lease_is_refused(story: Story) -> None:
    request, _ = story.send_request()
    (order,) = story.claim().orders
    refusal = story.police.agency.sign(
        wire.Refusal,
        rule="d08",
        request=request.message.request,
        order=order.order,
        epoch=order.epoch + 1,
    )

    reply = story.police.post(f"/work/{order.order}/refuse", refusal)

    assert slug_of(reply) == "stale-lease"


def test_a_supplier_that_has_not_signed_is_denied_and_gets_no_order(story: Story) -> None:
    request, decisions = story.send_request(suppliers=(FIRE,))
    (ask,) = decisions.asks

    assert {line.outcome for line in ask.lines} == {"DENY"}
    assert (ask.route, ask.order) == ("none", None)
    entry = story.world.entries("ask")[-1]
    assert [line["rules"][0] for line in entry["decisions"]] == ["D03"]
    assert entry["request"] == request.message.request


def test_a_signed_supplier_without_a_node_is_asked_by_telephone(story: Story) -> None:
    party = "northshire-mh"
    story.world.sign_agreement(story.world.agencies[party])

    request, decisions = story.send_request(suppliers=(party,))

    (ask,) = decisions.asks
    assert (ask.supplier, ask.route) == (party, "telephone")
    assert order_state(story, request.message.request)["state"] == "by_telephone"


def test_what_a_party_sees_of_an_answer_is_its_own_part(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, wraps, entry = story.send_answer(order)
    story.police.post(f"/work/{order.order}/release", story.write_release(answer, wraps, entry))
    message = answer.message

    (delivered,) = story.deliveries(story.council)

    own = {s.blob for s in message.sections if s.post.party == COUNCIL}
    own |= {s.wrap for s in message.sections if s.post.party == COUNCIL}
    assert {wire.sha256_hex(blob) for blob in delivered.blobs} == own
    assert story.deliveries(story.lines[TRUST]) == []


def test_a_blob_nobody_named_is_refused_with_an_answer(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, _ = story.write_answer(order)
    blobs = [*msgspec.json.decode(answer.body, type=wire.Submission).blobs, blob_of()]
    body = wire.encode(wire.Submission(message=answer.jws, blobs=blobs))

    assert slug_of(story.police.post(f"/work/{order.order}/answer", body)) == "blob-mismatch"

"""Openings, answers by telephone, outcomes: what people do with answers."""

from typing import Any

import pytest

from adapters import protocol as wire
from broker.testing import COUNCIL, DECIDER, POLICE, TRUST, Signed, commitment
from broker.testing_story import Story


def slug_of(reply: Any) -> str:
    return str(reply.json()["type"]).rpartition(":")[2]


def answered(story: Story) -> tuple[Signed[wire.Request], wire.OrderOut, Signed[wire.Answer]]:
    request, _ = story.send_request()
    (order,) = story.claim().orders
    return request, order, story.answer_and_release(order)


def write_opened(
    story: Story,
    answer: Signed[wire.Answer],
    *,
    role: str = DECIDER,
    party: str = COUNCIL,
    **changes: Any,
) -> Signed[wire.Opened]:
    message = answer.message
    fields: dict[str, Any] = {
        "request": message.request,
        "order": message.order,
        "version": message.version,
        "answer": answer.sha256,
        "sections": [message.sections[0].blob],
        "receipt_level": "weak",
    }
    return story.lines[party].agency.sign_as(role, wire.Opened, **fields | changes)


def test_an_opening_names_the_post_and_concerns_both_parties(story: Story) -> None:
    _, _, answer = answered(story)

    assert story.council.post("/cases/opened", write_opened(story, answer)).status_code == 201

    entry = story.world.entries("opened")[-1]
    assert entry["recipient"] == {"party": COUNCIL, "role": DECIDER}
    assert entry["streams"].keys() == {COUNCIL, POLICE}


def test_only_sections_of_the_persons_own_post_can_be_opened(story: Story) -> None:
    _, _, answer = answered(story)
    message = answer.message
    guardian = next(s.blob for s in message.sections if s.post.role == wire.GUARDIAN_ROLE)

    for sections in ([guardian], list[str]()):
        opened = write_opened(story, answer, sections=sections)
        assert slug_of(story.council.post("/cases/opened", opened)) == "section-mismatch"
    other = write_opened(story, answer, role="mash_social_worker")
    assert slug_of(story.council.post("/cases/opened", other)) == "not-found"


def test_an_answer_that_was_not_released_cannot_be_opened(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, _, _ = story.send_answer(order)

    reply = story.council.post("/cases/opened", write_opened(story, answer))

    assert slug_of(reply) == "not-found"


def write_told(
    story: Story, request: Signed[wire.Request], order: str, **changes: Any
) -> Signed[wire.ManualRoute]:
    message = request.message
    fields: dict[str, Any] = {
        "case": message.case,
        "case_seq": 1,
        "prev": request.sha256,
        "request": message.request,
        "order": order,
        "occurred_at": int(story.world.clock().timestamp()) - 600,
        "reported_c": commitment(),
    }
    return story.council.agency.sign_as(DECIDER, wire.ManualRoute, **fields | changes)


def test_an_answer_by_telephone_is_entered_with_the_time_it_happened(story: Story) -> None:
    party = "northshire-mh"
    story.world.sign_agreement(story.world.agencies[party])
    request, decisions = story.send_request(suppliers=(party,))
    order = decisions.asks[0].order or ""
    told = write_told(story, request, order)

    assert story.council.post("/cases/manual-route", told).status_code == 201

    entry = story.world.entries("manual_route")[-1]
    assert (entry["happened_at"], entry["ts"]) == (
        "2026-10-06T09:05:00.000Z",
        "2026-10-06T09:15:00.000Z",
    )
    status = story.council.get(f"/requests/{request.message.request}").json()
    assert status["orders"][0]["state"] == "told"
    outcome = story.write_outcome(request, parties=(), case_seq=2, prev=told.sha256)
    assert story.council.post("/cases/outcome", outcome).status_code == 201
    story.world.check()


def test_a_node_that_is_silent_can_be_rung_too_and_may_still_answer(story: Story) -> None:
    request, decisions = story.send_request()
    (order,) = story.claim().orders
    told = write_told(story, request, decisions.asks[0].order or "")

    assert story.council.post("/cases/manual-route", told).status_code == 201
    story.answer_and_release(order)


def test_an_answered_order_is_not_answered_by_telephone(story: Story) -> None:
    request, order, _ = answered(story)

    reply = story.council.post("/cases/manual-route", write_told(story, request, order.order))

    assert slug_of(reply) == "order-state"


def test_a_case_closes_with_feedback_and_takes_nothing_more(story: Story) -> None:
    request, _, _ = answered(story)
    outcome = story.write_outcome(request)

    assert story.council.post("/cases/outcome", outcome).status_code == 201

    delivered = story.deliveries(story.police)[-1]
    assert (delivered.kind, len(delivered.blobs)) == ("outcome", 1)
    more = story.write_outcome(request, case_seq=2, prev=outcome.sha256)
    assert slug_of(story.council.post("/cases/outcome", more)) == "case-chain"


@pytest.mark.parametrize(
    "changes",
    [{"parties": ()}, {"parties": (POLICE, TRUST)}, {"referrer_told": False}],
    ids=["nobody", "one who did not answer", "referrer not told"],
)
def test_a_case_cannot_close_without_feedback_to_all(story: Story, changes: dict[str, Any]) -> None:
    request, _, _ = answered(story)

    reply = story.council.post("/cases/outcome", story.write_outcome(request, **changes))

    assert slug_of(reply) == "case-incomplete"
    assert story.world.entries("outcome") == []


def test_a_case_with_no_answer_closes_without_feedback(story: Story) -> None:
    request, _ = story.send_request()

    reply = story.council.post("/cases/outcome", story.write_outcome(request, parties=()))

    assert reply.status_code == 201


@pytest.mark.parametrize(
    "changes", [{"case_seq": 2}, {"prev": "0" * 64}, {"case_seq": 0, "prev": None}]
)
def test_a_case_message_out_of_order_is_refused(story: Story, changes: dict[str, Any]) -> None:
    request, _, _ = answered(story)

    reply = story.council.post("/cases/outcome", story.write_outcome(request, **changes))

    assert slug_of(reply) == "case-chain"


def test_another_partys_case_does_not_exist(story: Story) -> None:
    request, _, _ = answered(story)
    message = request.message
    stolen = story.police.agency.sign_as(
        "mash_police_researcher",
        wire.Outcome,
        case=message.case,
        case_seq=1,
        prev=request.sha256,
        request=message.request,
        outcome_c=commitment(),
        referrer_told=True,
        feedback=[],
    )

    assert slug_of(story.police.post("/cases/outcome", stolen)) == "not-found"


def test_a_second_request_of_a_case_is_chained_to_the_first(story: Story) -> None:
    request, _ = story.send_request()
    message = request.message

    unchained = story.write_request(case=message.case)
    assert slug_of(story.council.post("/requests", unchained)) == "case-chain"
    chained = story.write_request(case=message.case, case_seq=1, prev=request.sha256)
    assert story.council.post("/requests", chained).status_code == 201

"""Late orders: derived from timestamps, entered once."""

from broker.api.app import mark_late
from broker.testing import COUNCIL, POLICE
from broker.testing_story import Story


def test_an_order_past_its_time_is_entered_late_once(story: Story) -> None:
    story.send_request()
    services = story.world.broker.services
    mark_late(services)
    assert story.world.entries("late") == []

    story.world.clock.move(hours=2)
    mark_late(services)
    mark_late(services)

    (entry,) = story.world.entries("late")
    assert entry["streams"].keys() == {COUNCIL, POLICE, "broker"}
    assert entry["due"] == "2026-10-06T11:15:00.000Z"
    story.world.check()


def test_a_late_order_can_still_be_answered(story: Story) -> None:
    request, _ = story.send_request()
    story.world.clock.move(hours=3)
    for line in story.lines.values():
        line.forget_token()
    mark_late(story.world.broker.services)
    (order,) = story.claim().orders

    story.answer_and_release(order)

    (status,) = story.council.get(f"/requests/{request.message.request}").json()["orders"]
    assert status["state"] == "released"
    assert status["late_at"] == int(story.world.clock().timestamp())


def test_an_answered_order_is_never_late(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    story.answer_and_release(order)
    story.world.clock.move(hours=3)

    mark_late(story.world.broker.services)

    assert story.world.entries("late") == []

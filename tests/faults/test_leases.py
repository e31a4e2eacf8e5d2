"""A lease outlasts the slot: an order whose answer must wait is not handed out again meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from adapters import protocol as wire
from broker.testing import COUNCIL, POLICE, World
from broker.testing_story import Story

LEASE_SECONDS = 30  # the broker's default


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    world = World(tmp_path, parties=(COUNCIL, POLICE))
    with TestClient(world.app) as client:
        yield Story(world, client)
    world.stop()


@pytest.mark.parametrize("rag", ["red", "amber"])
def test_an_order_is_handed_out_again_only_after_its_slot_and_its_lease(
    story: Story, rag: str
) -> None:
    facts = wire.ClearFacts(
        second_factor=True, reason_without_consent="seeking_would_increase_risk"
    )
    story.send_request(rag=rag, facts=facts)
    (first,) = story.claim().orders
    slot = story.world.agreement.slot_seconds(rag)

    story.world.clock.move(seconds=slot + LEASE_SECONDS - 1)
    meanwhile = story.claim().orders
    story.world.clock.move(seconds=2)
    (again,) = story.claim().orders

    assert meanwhile == []
    assert (again.order, again.epoch) == (first.order, first.epoch + 1)

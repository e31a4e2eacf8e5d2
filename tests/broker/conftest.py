from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from broker.testing import COUNCIL, POLICE, TRUST, World
from broker.testing_story import Story


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("founded"), parties=(COUNCIL, POLICE, TRUST))
    world.stop()
    return world


@pytest.fixture
def world(founded: World, tmp_path: Path) -> Iterator[World]:
    world = founded.fork(tmp_path / "broker")
    yield world
    world.stop()


@pytest.fixture
def story(world: World) -> Iterator[Story]:
    with TestClient(world.app) as client:
        yield Story(world, client)

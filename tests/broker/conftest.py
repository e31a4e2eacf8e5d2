from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from broker.testing import COUNCIL, POLICE, TRUST, World
from broker.testing_story import Story


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, parties=(COUNCIL, POLICE, TRUST))
    yield world
    world.broker.close()


@pytest.fixture
def story(world: World) -> Iterator[Story]:
    with TestClient(world.app, raise_server_exceptions=True) as client:
        yield Story(world, client)

"""A real node over a broker of the test's own; nothing runs unless a test makes it."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from adapters.node.agent import Agent
from adapters.node.api import create_app
from broker.testing_nodes import TOKEN, Mesh


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    made = Mesh(tmp_path_factory.mktemp("mesh"))
    made.know_child()
    yield made
    made.close()


@pytest.fixture(scope="module")
def api(mesh: Mesh) -> Iterator[TestClient]:
    """The council's local API on the token of somebody who holds every role there."""
    app = create_app(mesh.council, Agent(mesh.council))
    with TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client

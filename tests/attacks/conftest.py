"""Fixtures of the attack tests: a mesh of real nodes, and a hostile operator between them."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.node.context import Node
from broker.testing_nodes import Mesh, Served
from tests.attacks.hostile import Rewrite, Rewriting

LONG = os.environ.get("MASH_LONG") == "1"  # noqa: TID251 - the tests' own switch


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether every position is tried, not a sample."""
    return LONG


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh for a module; its tests raise requests of their own."""
    made = Mesh(tmp_path_factory.mktemp("mesh"))
    made.know_child()
    yield made
    made.close()


@pytest.fixture
def own_mesh(tmp_path: Path) -> Iterator[Mesh]:
    """A mesh for one test, to be broken."""
    made = Mesh(tmp_path)
    made.know_child()
    yield made
    made.close()


@pytest.fixture
def lead() -> Iterator[Callable[[Mesh, str, Rewrite], Node]]:
    """Lead a party's node to a broker that rewrites its replies; it comes back built anew."""
    with ExitStack() as stack:

        def led(mesh: Mesh, party: str, rewrite: Rewrite) -> Node:
            served = Served(Rewriting(mesh.world.app, rewrite))
            stack.callback(served.stop)
            return mesh.restart_node(party, broker_url=served.url)

        yield led


@pytest.fixture(scope="session")
def positions(long: bool) -> Callable[[int], list[int]]:  # noqa: FBT001 - a fixture
    """Return the offsets at which something of a given length is damaged."""

    def chosen(length: int, *, about: int = 24) -> list[int]:
        if long:
            return list(range(length))
        stride = max(1, length // about)
        return sorted({*range(0, length, stride), 0, 1, length // 2, length - 2, length - 1})

    return chosen


def pytest_make_parametrize_id(val: Any) -> str | None:
    return val.__name__ if callable(val) else None

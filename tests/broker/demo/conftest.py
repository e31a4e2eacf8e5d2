from pathlib import Path

import pytest

from broker.demo.world import World, write_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("northshire") / "world", seed=20261006)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The households written by hand and nobody else."""
    folder: Path = tmp_path_factory.mktemp("small") / "world"
    return write_world(folder, seed=1, others=0)

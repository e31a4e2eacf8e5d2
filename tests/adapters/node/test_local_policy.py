"""A supplier's own policy narrows what the agreement permits: a person reads it first."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.errors import SettingsError
from adapters.node.agent import work_orders
from adapters.node.main import build
from adapters.node.records import Task
from broker.testing import POLICE, SECRET
from broker.testing_nodes import CATEGORY, Mesh
from policies.local import LocalPolicy, LocalReview

POLICY = f"""
format: mash-local-policy-1
party: northshire-icb-gp
review:
  - groups: [police]
    categories: [hlt.gp.problems_medication]
    why: Not a policy of the police, and {CATEGORY} is not in it.
"""


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    made = Mesh(tmp_path)
    made.know_child()
    yield made
    made.close()


def open_tasks(mesh: Mesh) -> list[str]:
    with mesh.police.store.begin() as tx:
        return [task.kind for task in tx.find(Task, state="open")]


@pytest.mark.parametrize(("group", "waiting"), [("decider", ["review"]), ("admin", [])])
def test_what_the_agreement_permits_waits_for_a_person_where_the_supplier_says_so(
    mesh: Mesh, group: str, waiting: list[str]
) -> None:
    review = LocalReview(groups=(group,), categories=(CATEGORY,), why="read by an officer first")
    policy = LocalPolicy(party=POLICE, reviews=(review,))
    mesh.nodes[POLICE] = replace(mesh.police, local_policy=policy)
    mesh.raise_request()
    mesh.take_orders()
    work_orders(mesh.police)
    assert open_tasks(mesh) == ["confirm"]

    mesh.confirm()
    work_orders(mesh.police)

    assert open_tasks(mesh) == waiting


def test_another_partys_policy_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "local.yaml"
    path.write_text(POLICY)
    settings = mesh.police.settings.model_copy(update={"local_policy": path})

    with pytest.raises(SettingsError, match="another party's"):
        build(settings, secret=SECRET, clock=mesh.world.clock)

"""A supplier's local policy narrows and never widens."""

import random  # noqa: TID251  # seeded instances only: every run decides the same cases
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
import yaml

from policies.agreement import Agreement
from policies.decide import Engine, Outcome
from policies.errors import AgreementError
from policies.facts import CaseFacts, Query, SupplierFacts
from policies.local import LocalPolicy, load_local_policy
from policies.predicates import CONDITIONS

ORDER = {Outcome.PERMIT: 0, Outcome.REVIEW: 1, Outcome.DENY: 2}


@pytest.fixture
def gp_yaml() -> bytes:
    folder = resources.files("policies.agreements").joinpath("local")
    return folder.joinpath("northshire-icb-gp.yaml").read_bytes()


@pytest.fixture
def gp(northshire: Agreement, gp_yaml: bytes) -> LocalPolicy:
    return load_local_policy(gp_yaml, agreement=northshire, source="gp")


def test_clinical_detail_for_the_police_is_read_by_a_person(
    northshire: Agreement, engine: Engine, gp: LocalPolicy, query: Query, case: CaseFacts
) -> None:
    detail = replace(
        query,
        category="hlt.gp.problems_medication",
        supplier="northshire-icb-gp",
        subject_role="subject_child",
        recipient_role="mash_police_researcher",
        recipient_party="northshire-police",
    )
    narrowed = SupplierFacts(
        identity_confirmed=True,
        local_review=gp.review_for(northshire, detail.recipient_role),
    )

    assert engine.decide(detail, case).rule == "P10"
    assert engine.decide(detail, case, narrowed).rule == "V20"
    assert gp.review_for(northshire, "mash_decision_maker") == frozenset()
    assert gp.review_for(northshire, "nobody") == {"hlt.gp.problems_medication"}


def test_a_local_policy_never_widens(
    northshire: Agreement,
    engine: Engine,
    gp: LocalPolicy,
    draw: Callable[[random.Random], tuple[Query, CaseFacts, SupplierFacts]],
) -> None:
    chance = random.Random(21)  # noqa: S311  # seeded on purpose
    for _ in range(800):
        query, case, supplier = draw(chance)
        without = replace(supplier, local_review=frozenset())
        local = replace(supplier, local_review=gp.review_for(northshire, query.recipient_role))
        narrowed = engine.decide(query, case, local).outcome
        assert ORDER[narrowed] >= ORDER[engine.decide(query, case, without).outcome]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"party: northshire-icb-gp", b"party: northshire-icb"),
        (b"hlt.gp.problems_medication", b"pol.da_incidents"),
        (b"groups: [police]", b"groups: [polis]"),
        (b"review:", b"permit:"),
        (b"mash-local-policy-1", b"mash-local-policy-2"),
        (b"    why:", b"    effect: permit\n    why:"),
    ],
)
def test_a_local_policy_about_anything_else_is_refused(
    northshire: Agreement, gp_yaml: bytes, old: bytes, new: bytes
) -> None:
    assert old in gp_yaml

    with pytest.raises(AgreementError):
        load_local_policy(gp_yaml.replace(old, new), agreement=northshire, source="gp")


def test_the_guide_names_every_condition_and_a_local_policy_that_loads(
    northshire: Agreement,
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "agreements.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in guide.split("```yaml\n")[1:]]

    assert [name for name in CONDITIONS if f"`{name}`" not in guide] == []
    assert yaml.safe_load(blocks[0])[0]["id"] == "D18"
    load_local_policy(blocks[1].encode(), agreement=northshire, source="guide")

from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.demo.people import PARTY_SYSTEMS, System
from broker.demo.world import World
from policies.agreement import Agreement, load_agreement

AGREEMENT = Path(__file__).parents[3] / "policies" / "agreements" / "northshire.yaml"

RESTRICTED = {
    *("pol.intel_sensitive_source", "hlt.gp.sexual_health", "csc.adoption_preidentity"),
    "hou.safe_address",
}
"""Sensitivity 4: no machine reads them, a representative answers or nobody does."""


@pytest.fixture(scope="module")
def agreement() -> Agreement:
    data = AGREEMENT.read_bytes()
    return load_agreement(data, source=AGREEMENT.name, allow_unpinned=True)


def mapping(world: World, system: System) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(world.mapping(system).read_text(encoding="utf-8"))
    return data


def test_only_the_agreements_sensitivity_4_stays_unread(agreement: Agreement) -> None:
    categories = agreement.terms.categories.values()

    assert {c.id for c in categories if c.sensitivity == 4} == RESTRICTED


@pytest.mark.parametrize("party", sorted(PARTY_SYSTEMS))
def test_a_partys_systems_cover_its_agreed_categories_once_but_never_the_restricted(
    world: World, agreement: Agreement, party: str
) -> None:
    mapped = [c for s in PARTY_SYSTEMS[party] for c in mapping(world, s)["categories"]]
    agreed = {c for c in agreement.terms.categories if agreement.supplier_of(c) == party}

    assert len(mapped) == len(set(mapped))
    assert set(mapped) == agreed - RESTRICTED


@pytest.mark.parametrize("system", list(System))
def test_the_fields_are_exactly_those_the_agreement_allows(
    world: World, agreement: Agreement, system: System
) -> None:
    for code, entry in mapping(world, system)["categories"].items():
        assert set(entry["fields"]) == set(agreement.terms.categories[code].allow or ()), code


@pytest.mark.parametrize("system", list(System))
def test_a_mapping_bears_the_name_of_its_system(world: World, system: System) -> None:
    assert mapping(world, system)["system"] == system.value


def test_intelligence_that_could_show_its_source_is_filtered_out_in_the_query(
    world: World,
) -> None:
    category = mapping(world, System.POLICE)["categories"]["pol.intel_graded"]

    assert category["where"] == {"handling": "P"}

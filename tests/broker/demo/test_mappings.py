from typing import Any

import pytest
import yaml

from broker.demo.people import PARTY_SYSTEMS, System
from broker.demo.world import World

AGREED = {
    "northshire-police": {
        *("pol.involvement", "pol.da_incidents", "pol.crimes_convictions", "pol.missing"),
        *("pol.intel_graded", "pol.intel_sensitive_source", "pol.bail_conditions"),
    },
    "northshire-cc": {
        *("csc.involvement", "csc.plans_status", "csc.assessment_narrative"),
        *("csc.adoption_preidentity", "asc.involvement", "asc.safeguarding_concerns"),
        *("asc.care_needs", "eh.involvement", "eh.assessment", "edu.enrolment"),
        *("edu.attendance_exclusion", "edu.sen", "edu.safeguarding_file", "hou.tenancy"),
        *("hou.arrears_asb", "hou.safe_address"),
    },
    "northshire-icb-gp": {
        *("hlt.gp.registration", "hlt.gp.attendance", "hlt.gp.problems_medication"),
        "hlt.gp.sexual_health",
    },
    "northshire-nhs-ft": {"hlt.community.hv_sn_contacts", "hlt.acute.ed_attendance"},
    "northshire-mh": {
        *("hlt.mh.involvement", "hlt.mh.risk_summary", "hlt.camhs.involvement"),
        "hlt.camhs.care_plan",
    },
}
RESTRICTED = {
    *("pol.intel_sensitive_source", "hlt.gp.sexual_health", "csc.adoption_preidentity"),
    "hou.safe_address",
}
"""Sensitivity 4: no machine reads them, a representative answers or nobody does."""


def mapping(world: World, system: System) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(world.mapping(system).read_text(encoding="utf-8"))
    return data


@pytest.mark.parametrize("party", sorted(AGREED))
def test_a_partys_systems_cover_its_agreed_categories_once_but_never_the_restricted(
    world: World, party: str
) -> None:
    mapped = [c for s in PARTY_SYSTEMS[party] for c in mapping(world, s)["categories"]]

    assert len(mapped) == len(set(mapped))
    assert set(mapped) == AGREED[party] - RESTRICTED


@pytest.mark.parametrize("system", list(System))
def test_a_mapping_bears_the_name_of_its_system(world: World, system: System) -> None:
    assert mapping(world, system)["system"] == system.value


def test_intelligence_that_could_show_its_source_is_filtered_out_in_the_query(
    world: World,
) -> None:
    category = mapping(world, System.POLICE)["categories"]["pol.intel_graded"]

    assert category["where"] == {"handling": "P"}

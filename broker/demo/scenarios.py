"""The cases that the demonstration's practitioners state: from `scenarios.yaml` and the world."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from broker.demo.households import CaseSeed
from policies.agreement import Agreement

NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario: who raises it, and the case as the local API takes it."""

    name: str
    title: str
    requester: str
    case: Mapping[str, Any]


def load_scenarios(cases: Mapping[str, CaseSeed], agreement: Agreement) -> list[Scenario]:
    """Return the scenarios of `scenarios.yaml`, about the people of the world."""
    text = (resources.files("broker.demo") / "scenarios.yaml").read_text(encoding="utf-8")
    described: dict[str, Any] = yaml.safe_load(text)
    return [_scenario(name, value, cases[name], agreement) for name, value in described.items()]


def _scenario(
    name: str, described: dict[str, Any], seed: CaseSeed, agreement: Agreement
) -> Scenario:
    facts: dict[str, Any] = {}
    for key in ("consent", "reason_without_consent"):
        if key in described:
            facts[key] = described[key]
    case = {
        "rag": described["rag"],
        "purpose": described["purpose"],
        "concern": seed.concern,
        "facts": facts,
        "referral": {"words": seed.referrer_words},
        "narrative": seed.narrative,
        "subjects": [
            {"label": s.name, "role": s.case_role, "identity": dict(s.identity)}
            for s in seed.subjects
        ],
        "asks": _asks(described, seed, agreement),
    }
    return Scenario(
        name=name, title=described["title"], requester=described["requester"], case=case
    )


def _asks(described: dict[str, Any], seed: CaseSeed, agreement: Agreement) -> list[dict[str, Any]]:
    """One ask per supplier; posts that want the same of the same person share an item."""
    items: dict[str, dict[tuple[str, str | None], list[str]]] = {}
    for post, category, about in described["asks"]:
        subject = None if about == NOBODY else seed.subject(about).name
        supplier = items.setdefault(agreement.supplier_of(category), {})
        supplier.setdefault((category, subject), []).append(post)
    return [
        {
            "supplier": supplier,
            "reason": described["reason"],
            "items": [
                {"category": category, "subject": subject, "posts": posts}
                for (category, subject), posts in wanted.items()
            ],
        }
        for supplier, wanted in items.items()
    ]

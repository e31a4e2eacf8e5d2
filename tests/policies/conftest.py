"""Northshire's agreement and builders of queries; the keys stay unpinned."""

import random  # noqa: TID251  # seeded instances only: every run decides the same cases
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import resources

import pytest

from policies.agreement import Agreement, load_agreement
from policies.cases import signed_standing
from policies.decide import Engine
from policies.facts import CaseFacts, Consent, Query, SupplierFacts
from policies.standing import Standing
from policies.vocabulary import vocabulary

Draw = tuple[Query, CaseFacts, SupplierFacts]


@pytest.fixture(scope="session")
def northshire_yaml() -> bytes:
    return resources.files("policies.agreements").joinpath("northshire.yaml").read_bytes()


@pytest.fixture(scope="session")
def northshire(northshire_yaml: bytes) -> Agreement:
    return load_agreement(northshire_yaml, source="northshire.yaml", allow_unpinned=True)


@pytest.fixture(scope="session")
def standing(northshire: Agreement) -> Standing:
    return signed_standing(northshire)


@pytest.fixture(scope="session")
def engine(northshire: Agreement, standing: Standing) -> Engine:
    return Engine(northshire, standing)


@pytest.fixture
def case() -> CaseFacts:
    """A RED section 47 case on a Tuesday morning, all formalities met."""
    return CaseFacts(
        at=datetime(2026, 10, 6, 9, 15, tzinfo=UTC),
        purpose="cp_s47",
        requester_party="northshire-cc",
        rag="red",
        second_factor=True,
        justified=True,
    )


@pytest.fixture
def query() -> Query:
    """Domestic abuse incidents of the person alleged to have caused harm."""
    return Query(
        category="pol.da_incidents",
        supplier="northshire-police",
        subject_role="alleged_perpetrator",
        recipient_role="mash_decision_maker",
        recipient_party="northshire-cc",
    )


@pytest.fixture(scope="session")
def draw(northshire: Agreement) -> Callable[[random.Random], Draw]:
    """A function that draws one query with facts, weighted towards those that pass."""
    return lambda chance: _draw(northshire, chance)


def _draw(agreement: Agreement, chance: random.Random) -> Draw:
    category = chance.choice(sorted(agreement.terms.categories))
    role = chance.choice([*sorted(agreement.terms.roles), "nobody"])
    known = role in agreement.terms.roles
    party = agreement.role_party(role) if known else "northshire-cc"
    if chance.random() < 0.1:
        party = chance.choice([*sorted(agreement.terms.parties), "southshire-cc"])
    query = Query(
        category=category,
        supplier=agreement.supplier_of(category),
        subject_role=chance.choice([None, *sorted(vocabulary()["subject_roles"])]),
        recipient_role=role,
        recipient_party=party,
    )
    supplier = SupplierFacts(
        identity_confirmed=chance.random() < 0.9,
        sealed=chance.random() < 0.05,
        safe_address=chance.random() < 0.05,
        conflict=chance.random() < 0.05,
        local_review=frozenset(chance.choice([(), (), (), (), ("hlt.gp",), ("pol", "edu.sen")])),
    )
    return query, _draw_case(agreement, chance, query), supplier


def _draw_case(agreement: Agreement, chance: random.Random, query: Query) -> CaseFacts:
    other = chance.choice(sorted(agreement.terms.parties))
    purposes = [*sorted(agreement.terms.purposes), "prevent"]
    return CaseFacts(
        at=_draw_time(chance),
        purpose=chance.choice(purposes),
        requester_party=query.recipient_party if chance.random() < 0.8 else other,
        rag=chance.choice(
            ["red", "amber", "green", "red", "amber", "green", "orange", "blue", None]
        ),
        consent=_draw_consent(chance),
        reason_without_consent=chance.choice(
            [None, "seeking_would_increase_risk", "refused_but_public_interest", "because"]
        ),
        dash=chance.choice([None, "standard", "medium", "high"]),
        children_in_household=chance.random() < 0.7,
        closed=chance.random() < 0.04,
        emergency=chance.random() < 0.1,
        second_factor=chance.random() < 0.96,
        conflict=chance.random() < 0.04,
        justified=chance.random() < 0.95,
        evidenced_authority=chance.random() < 0.6,
        opened_in_hours=chance.random() < 0.3,
    )


def _draw_time(chance: random.Random) -> datetime:
    if chance.random() < 0.8:  # working time, mostly
        day = datetime(2026, 10, 5, 8, 0, tzinfo=UTC) + timedelta(days=7 * chance.randrange(40))
        return day + timedelta(hours=chance.randrange(8))
    return datetime(2026, 8, 20, tzinfo=UTC) + timedelta(minutes=chance.randrange(480 * 1440))


def _draw_consent(chance: random.Random) -> Consent | None:
    if chance.random() < 0.35:
        return None
    return Consent(
        given=chance.random() < 0.85,
        parties=chance.choice([None, None, ("northshire-cc",), ("northshire-police",), ()]),
        categories=chance.choice([None, None, ("edu", "eh"), ("pol.da_incidents", "hlt"), ()]),
        until=chance.choice([None, None, date(2026, 12, 31), date(2026, 10, 5)]),
        withdrawn=chance.random() < 0.1,
        capacity=chance.random() < 0.9,
    )


@pytest.fixture(scope="session")
def signers() -> Callable[[Standing, str], Standing]:
    """A function that removes one signature."""
    return lambda standing, party: replace(standing, signed=standing.signed - {party})

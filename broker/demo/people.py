"""The values of the ground truth: people, addresses, and what each record system holds of them.

Nothing here knows a file format: `stores` and `fhir` write these values in six shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

AS_OF = date(2026, 10, 6)
"""The day of the scenarios: every record is written as it stood that morning."""


class System(StrEnum):
    """The record systems of Northshire, named as in truth.json and in their mapping files."""

    POLICE = "police"
    COUNCIL = "council"
    TRUST = "trust"
    MENTAL_HEALTH = "mental_health"
    GP = "gp"
    EDUCATION = "education"


PARTY_SYSTEMS: Mapping[str, tuple[System, ...]] = {
    "northshire-cc": (System.COUNCIL, System.EDUCATION),
    "northshire-police": (System.POLICE,),
    "northshire-icb-gp": (System.GP,),
    "northshire-nhs-ft": (System.TRUST,),
    "northshire-mh": (System.MENTAL_HEALTH,),
}
"""Which systems each party of the agreement runs. Probation and youth justice run none here."""


class PersonRef(str):
    """A value of a row that stands for another person's record id in the same system."""

    __slots__ = ()


Value = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A dwelling that exists nowhere; `uprn` is None for a caravan or an informal site."""

    line: str
    postcode: str
    uprn: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One invented person as they are, or as one system has written them down.

    `sex` is "F" or "M"; `former_surname` a birth or married name; `identifiers` maps the schemes
    nhs, upn, pnc and crn. A system's own view may lack the date of birth or the address.
    """

    truth_id: str
    given: tuple[str, ...]
    surname: str
    birth_date: date | None
    sex: str
    address: Address | None
    former_address: Address | None = None
    known_as: str | None = None
    former_surname: str | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row about a person, or about an incident or tenancy that several people share.

    `table` is a table, CSV file or FHIR resource type of the system that holds it.
    """

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one system holds of one person: the person as written there, and the events."""

    system: System
    person: Person
    events: tuple[Event, ...] = ()

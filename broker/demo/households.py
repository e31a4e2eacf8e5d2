"""The families written by hand: the scenarios' households and the families easily confused.

Each is a YAML file in `households/`. Events stand there as rows of the system's own table;
`@name` is another person's record id in that system, `address: name` expands to the columns of an
address. `as` says how a system spells the person; what it leaves out is as in the truth.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import yaml

from broker.demo.errors import HouseholdFileError
from broker.demo.identifiers import Identifiers
from broker.demo.people import Address, Event, Holding, Person, PersonRef, System, Value

SCHEMES: Mapping[System, tuple[str, ...]] = {
    System.POLICE: ("pnc",),
    System.COUNCIL: ("nhs",),
    System.TRUST: ("nhs",),
    System.MENTAL_HEALTH: ("nhs",),
    System.GP: ("nhs",),
    System.EDUCATION: ("upn",),
}
"""The identifiers each system keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSeed:
    """A person asked about: the role on the case and the identity as the referrer knows it.

    `identity` has the JSON shape of `adapters.matching.identity.Identity`.
    """

    name: str
    truth_id: str
    case_role: str
    identity: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSeed:
    """What the requester of a scenario types in: subjects, concern, narrative, first words."""

    scenario: str
    concern: str
    narrative: str
    referrer_words: str
    subjects: tuple[SubjectSeed, ...]

    def subject(self, case_role: str) -> SubjectSeed:
        """Return the subject of a role. Raises LookupError when the case has none."""
        for subject in self.subjects:
            if subject.case_role == case_role:
                return subject
        raise LookupError(f"{self.scenario} has no {case_role}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """A family of the ground truth, what systems hold of it, and its case if it has one."""

    people: tuple[Person, ...]
    holdings: tuple[Holding, ...]
    case: CaseSeed | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict: a misspelt key stops the reading."""


class _AddressFile(_File, frozen=True, kw_only=True):
    line: str
    postcode: str
    uprn: bool = True


class _Written(_File, frozen=True, kw_only=True):
    given: tuple[str, ...] | None = None
    surname: str | None = None
    address: str | None = None
    identifiers: tuple[str, ...] | None = None
    nhs_of: str | None = None


class _Held(_File, frozen=True, kw_only=True):
    written: _Written = msgspec.field(name="as", default=_Written())
    events: tuple[dict[str, Value], ...] = ()


class _PersonFile(_File, frozen=True, kw_only=True):
    given: tuple[str, ...]
    surname: str
    born: date
    sex: str
    role: str | None = None
    known_as: str | None = None
    former_surname: str | None = None
    address: str = "home"
    former_address: str | None = None
    upn: bool = False
    pnc: bool = False
    crn: bool = False
    asked: _Written = _Written()
    held: dict[System, _Held] = {}


class _HouseholdFile(_File, frozen=True, kw_only=True):
    id: str
    addresses: dict[str, _AddressFile]
    people: dict[str, _PersonFile]
    concern: str = ""
    narrative: str = ""
    referrer_words: str = ""


def read_households(
    identifiers: Identifiers, *, folder: Traversable | None = None
) -> tuple[Household, ...]:
    """Return every family written by hand, scenarios first, with identifiers allocated.

    Args:
        identifiers: Gives out the numbers, in the order of the files.
        folder: Holds the YAML files; None for this package's own.

    Raises:
        HouseholdFileError: A file is wrong.

    """
    return tuple(
        _Settled(name=name, file=file, identifiers=identifiers).household()
        for name, file in _household_files(folder or resources.files("broker.demo") / "households")
    )


def _household_files(folder: Traversable) -> Iterator[tuple[str, _HouseholdFile]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml"):
            continue
        data = _plain(yaml.safe_load(entry.read_text(encoding="utf-8")))
        for item in data if isinstance(data, list) else [data]:
            try:
                yield entry.name, msgspec.convert(item, _HouseholdFile)
            except msgspec.ValidationError as error:
                raise HouseholdFileError(entry.name, str(error)) from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - a parsed YAML tree
    """Return the tree with dates as ISO text, which is what every store holds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


class _Settled:
    """One household file with its addresses and people made."""

    def __init__(self, *, name: str, file: _HouseholdFile, identifiers: Identifiers) -> None:
        self._name = name
        self._file = file
        self._addresses = {
            key: Address(
                line=item.line,
                postcode=identifiers.reserve(item.postcode),
                uprn=identifiers.uprn() if item.uprn else None,
            )
            for key, item in file.addresses.items()
        }
        self._people = {
            key: self._person(key, item, identifiers) for key, item in file.people.items()
        }

    def household(self) -> Household:
        """Return the family, its holdings and its case."""
        return Household(
            people=tuple(self._people.values()),
            holdings=tuple(
                self._holding(key, system, held)
                for key, item in self._file.people.items()
                for system, held in item.held.items()
            ),
            case=self._case() if self._file.concern else None,
        )

    def _truth_id(self, key: str) -> str:
        if key not in self._file.people:
            raise HouseholdFileError(self._name, f"{self._file.id} has no person {key}")
        return f"{self._file.id}-{key}"

    def _address(self, key: str) -> Address:
        try:
            return self._addresses[key]
        except KeyError as error:
            raise HouseholdFileError(self._name, f"{self._file.id} has no address {key}") from error

    def _person(self, key: str, item: _PersonFile, identifiers: Identifiers) -> Person:
        numbers = {"nhs": identifiers.nhs_number()}
        if item.upn:
            numbers["upn"] = identifiers.upn(item.born.year)
        if item.pnc:
            numbers["pnc"] = identifiers.pnc(item.born.year)
        if item.crn:
            numbers["crn"] = identifiers.crn()
        return Person(
            truth_id=self._truth_id(key),
            given=item.given,
            surname=item.surname,
            birth_date=item.born,
            sex=item.sex,
            address=self._address(item.address),
            former_address=self._address(item.former_address) if item.former_address else None,
            known_as=item.known_as,
            former_surname=item.former_surname,
            identifiers=numbers,
        )

    def _holding(self, key: str, system: System, held: _Held) -> Holding:
        written = self._as_written(self._people[key], held.written, default_schemes=SCHEMES[system])
        events = tuple(self._event(dict(row)) for row in held.events)
        return Holding(system=system, person=written, events=events)

    def _as_written(
        self, person: Person, written: _Written, *, default_schemes: tuple[str, ...]
    ) -> Person:
        schemes = default_schemes if written.identifiers is None else written.identifiers
        numbers = {s: person.identifiers[s] for s in schemes if s in person.identifiers}
        if written.nhs_of:
            numbers["nhs"] = self._people[written.nhs_of].identifiers["nhs"]
        return dataclasses.replace(
            person,
            given=written.given or person.given,
            surname=written.surname or person.surname,
            address=self._address(written.address) if written.address else person.address,
            identifiers=numbers,
        )

    def _event(self, row: dict[str, Value]) -> Event:
        table = str(row.pop("table"))
        if "address" in row:
            address = self._address(str(row.pop("address")))
            row |= {"uprn": address.uprn, "line": address.line, "postcode": address.postcode}
        values = {
            key: PersonRef(self._truth_id(value[1:]))
            if isinstance(value, str) and value.startswith("@")
            else value
            for key, value in row.items()
        }
        return Event(table=table, values=values)

    def _case(self) -> CaseSeed:
        return CaseSeed(
            scenario=self._file.id,
            concern=self._file.concern,
            narrative=self._file.narrative.strip(),
            referrer_words=self._file.referrer_words.strip(),
            subjects=tuple(
                SubjectSeed(
                    name=key,
                    truth_id=self._truth_id(key),
                    case_role=item.role,
                    identity=identity_json(
                        self._as_written(self._people[key], item.asked, default_schemes=())
                    ),
                )
                for key, item in self._file.people.items()
                if item.role
            ),
        )


def identity_json(person: Person) -> dict[str, Any]:
    """Return a person's matching fields in the JSON shape that nodes exchange under seal."""
    addresses = [a for a in (person.address, person.former_address) if a is not None]
    names = [(person.given[0], person.former_surname)] if person.former_surname else []
    return {
        "given": list(person.given),
        "surname": person.surname,
        "previous_names": [list(pair) for pair in names],
        "birth_date": person.birth_date.isoformat() if person.birth_date else None,
        "birth_accuracy": "day",
        "sex": person.sex,
        "addresses": [
            {"line": a.line, "postcode": a.postcode, "uprn": a.uprn or ""} for a in addresses
        ],
        "identifiers": dict(person.identifiers),
    }

"""Northshire: one ground truth, six stores, and the list of who is who kept apart from them."""

import json
import random  # noqa: TID251 - seeded, for invented data only
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from broker.demo.errors import FolderNotEmptyError
from broker.demo.households import CaseSeed, Household, read_households
from broker.demo.identifiers import Identifiers
from broker.demo.people import PARTY_SYSTEMS, Holding, Person, System
from broker.demo.population import Families
from broker.demo.stores import record_ids, write_stores

TRUTH_FILE = "truth.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was written, and the truth about it that no agency holds.

    Attributes:
        directory: Holds the stores, `mappings/<system>.yaml` and truth.json.
        cases: Scenario (S01, S03, S04, S05, S07) to what its requester types in.
        people: Truth id to person.
        truth: Truth id to {system: record id}; a system that is absent does not know the person.

    """

    directory: Path
    cases: Mapping[str, CaseSeed]
    people: Mapping[str, Person]
    truth: Mapping[str, Mapping[System, str]]

    def mapping(self, system: System) -> Path:
        """Return the connector mapping of a system."""
        return self.directory / "mappings" / f"{system.value}.yaml"

    def mappings_of(self, party: str) -> tuple[Path, ...]:
        """Return the mappings of a party's systems; none for a party that answers by hand."""
        return tuple(self.mapping(system) for system in PARTY_SYSTEMS.get(party, ()))


def write_world(directory: Path, *, seed: int, others: int = 300) -> World:
    """Write six stores, their connector mappings and truth.json; return the world.

    The same seed gives the same bytes. Beside the scenarios' households and the families that are
    easily confused there are `others` ordinary people.

    Args:
        directory: A new or empty folder.
        seed: Any integer.
        others: Number of ordinary people.

    Raises:
        FolderNotEmptyError: `directory` holds something.
        HouseholdFileError: A household file of this package is wrong.

    """
    _claim(directory)
    rng = random.Random(seed)  # noqa: S311 - reproducible invented data, no secret
    households = _households(rng, others)
    holdings = [holding for household in households for holding in household.holdings]
    ids = record_ids(holdings, rng=rng)
    write_stores(directory, holdings, ids)
    _write_mappings(directory / "mappings")
    truth = _truth(households, holdings, ids)
    text = json.dumps(truth, indent=1, sort_keys=True)
    (directory / TRUTH_FILE).write_text(text + "\n", encoding="utf-8")
    return World(
        directory=directory,
        cases={item.case.scenario: item.case for item in households if item.case},
        people={person.truth_id: person for item in households for person in item.people},
        truth=truth,
    )


def _claim(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise FolderNotEmptyError(directory)
    directory.mkdir(parents=True, exist_ok=True)


def _households(
    rng: random.Random,
    others: int,
) -> tuple[Household, ...]:
    identifiers = Identifiers(rng=rng)
    by_hand = read_households(identifiers)
    surnames = frozenset(person.surname for item in by_hand for person in item.people)
    families = Families(rng=rng, identifiers=identifiers, reserved_surnames=surnames)
    return (*by_hand, *families.people(others))


def _truth(
    households: tuple[Household, ...],
    holdings: list[Holding],
    ids: Mapping[System, Mapping[str, str]],
) -> dict[str, dict[System, str]]:
    truth: dict[str, dict[System, str]] = {
        person.truth_id: {} for household in households for person in household.people
    }
    for holding in holdings:
        truth_id = holding.person.truth_id
        truth[truth_id][holding.system] = ids[holding.system][truth_id]
    return truth


def _write_mappings(folder: Path) -> None:
    folder.mkdir()
    source = resources.files("broker.demo") / "mappings"
    for system in System:
        text = (source / f"{system.value}.yaml").read_text(encoding="utf-8")
        (folder / f"{system.value}.yaml").write_bytes(text.encode())

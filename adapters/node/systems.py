"""The party's record systems: which one supplies a category, and who is in it."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters.clock import Clock
from adapters.connectors.base import MARKER_FIELDS, MARKERS_CATEGORY, Connector
from adapters.connectors.load import load_connector
from adapters.errors import ConnectorUnavailableError
from adapters.matching.identity import Identity
from adapters.matching.matcher import Matcher, MatchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInfo:
    """A record system as its mapping describes it; fields by category."""

    name: str
    categories: Mapping[str, tuple[str, ...]]


class System:
    """One record system: its connector and an index of the people in it."""

    def __init__(self, info: SystemInfo, connector: Connector, *, index_seconds: float) -> None:
        """Index lazily: the first question builds the index, an old one is built anew."""
        self.info = info
        self._connector = connector
        self._index_seconds = index_seconds
        self._matcher: Matcher | None = None
        self._people: dict[str, Identity] = {}
        self._built = 0.0
        self._lock = threading.Lock()

    def find(self, identity: Identity) -> MatchResult:
        """Return who `identity` is in this system.

        Raises:
            ConnectorUnavailableError: The system is not live; never to be read as "not known".

        """
        health = self._connector.health()
        if not health.live:
            raise ConnectorUnavailableError(self.info.name, health.reason or "not live")
        return self._index().find(identity)

    def person(self, record_id: str) -> Identity:
        """Return the matching fields of a record found by `find`."""
        self._index()
        return self._people[record_id]

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """Return the rows of one category, with the named fields only. Raises as the connector."""
        return self._connector.read(record_id, category=category, fields=fields)

    def markers(self, record_id: str) -> dict[str, bool]:
        """Return the supplier facts of a record: sealed, safe_address."""
        rows = self._connector.read(record_id, category=MARKERS_CATEGORY, fields=MARKER_FIELDS)
        return {name: any(row.get(name) == "true" for row in rows) for name in MARKER_FIELDS}

    def _index(self) -> Matcher:
        with self._lock:
            age = time.monotonic() - self._built
            if self._matcher is None or age > self._index_seconds:
                people = list(self._connector.people())
                self._matcher = Matcher(people)
                self._people = {p.record_id: p.identity for p in people}
                self._built = time.monotonic()
            return self._matcher


class Systems:
    """All record systems of one party."""

    def __init__(self, systems: Iterable[System]) -> None:
        """Keep the systems in the order of the configuration."""
        self._systems = tuple(systems)

    def named(self, name: str) -> System:
        """Return the system with this name; KeyError when there is none."""
        return {system.info.name: system for system in self._systems}[name]

    def supplying(self, category: str) -> System | None:
        """Return the system that holds `category`; None means that a person answers."""
        return next((s for s in self._systems if category in s.info.categories), None)


def load_systems(mappings: Iterable[Path], *, index_seconds: float, clock: Clock) -> Systems:
    """Return the systems that the mapping files describe.

    Raises:
        adapters.errors.MappingError: A mapping is wrong; says which file, key and nearest word.

    """
    loaded = []
    for path in mappings:
        raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        categories = {
            str(code): tuple(str(name) for name in spec.get("fields", ()))
            for code, spec in (raw.get("categories") or {}).items()
        }
        info = SystemInfo(name=str(raw["system"]), categories=categories)
        loaded.append(System(info, load_connector(path, clock=clock), index_seconds=index_seconds))
    return Systems(loaded)

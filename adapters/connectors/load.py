"""Build connectors from mapping files.

A mapping's `connector` names an entry point of the group `mash_broker.connectors`; each is a
class with `from_mapping(section, *, secrets, clock) -> Connector`. The four in this package need
no installation.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from adapters.clock import Clock, system_clock
from adapters.connectors.base import Connector
from adapters.connectors.document import Section, load_document

GROUP: Final = "mash_broker.connectors"


class ConnectorClass(Protocol):
    """What an entry point of the group must offer."""

    def from_mapping(self, top: Section, *, secrets: Mapping[str, str], clock: Clock) -> Connector:
        """Return the connector of a mapping.

        Raises:
            MappingError: The mapping is wrong. A source that is merely down is no reason.

        """
        ...


_OWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sql": "adapters.connectors.sql:SqlConnector",
        "fhir": "adapters.connectors.fhir:FhirConnector",
        "table": "adapters.connectors.table:TableConnector",
        "manual": "adapters.connectors.manual:ManualConnector",
    }
)  # imported when used: a node without SQL systems should not pay for SQLAlchemy
_NO_SECRETS: Final[Mapping[str, str]] = MappingProxyType({})


def load_connector(
    path: Path, *, secrets: Mapping[str, str] = _NO_SECRETS, clock: Clock = system_clock
) -> Connector:
    """Return the connector that a mapping file describes.

    Args:
        path: The YAML mapping; `docs/connectors.md` has its grammar.
        secrets: The node's secrets, for `{secret: name}`.
        clock: Judges how old a drop is.

    Raises:
        MappingError: The mapping is wrong; says which file, key and nearest valid word.

    """
    return _build(load_document(path), secrets=secrets, clock=clock)


def load_connectors(
    config: Path, *, secrets: Mapping[str, str] = _NO_SECRETS, clock: Clock = system_clock
) -> dict[str, Connector]:
    """Return a node's connectors by system name, in the order of its configuration.

    Args:
        config: YAML file with `systems`, a list of mapping files relative to it.
        secrets: The node's secrets, for `{secret: name}`.
        clock: Judges how old a drop is.

    Raises:
        MappingError: As `load_connector`; also two mappings with one system name.

    """
    top = load_document(config)
    top.allow("systems")
    connectors: dict[str, Connector] = {}
    for name in top.texts("systems"):
        section = load_document(top.folder / name)
        system = section.text("system")
        if system in connectors:
            section.refuse("system", f"two mappings are named '{system}'")
        connectors[system] = _build(section, secrets=secrets, clock=clock)
    return connectors


def _build(top: Section, *, secrets: Mapping[str, str], clock: Clock) -> Connector:
    kind = top.text("connector")
    return _class_of(top, kind).from_mapping(top, secrets=secrets, clock=clock)


def _class_of(top: Section, kind: str) -> ConnectorClass:
    if kind in _OWN:
        module, _, name = _OWN[kind].partition(":")
        own: ConnectorClass = getattr(import_module(module), name)
        return own
    others = {point.name: point for point in entry_points(group=GROUP)}
    if kind not in others:
        top.refuse("connector", f"no connector '{kind}'", word=kind, valid={*_OWN, *others})
    found: ConnectorClass = others[kind].load()
    return found

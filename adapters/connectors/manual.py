"""A system with nothing machine readable: every question goes to a person's worklist."""

from collections.abc import Iterator, Mapping

from adapters.clock import Clock
from adapters.connectors.base import Health
from adapters.connectors.document import Section
from adapters.errors import AnswerByHandError
from adapters.matching.identity import Person


class ManualConnector:
    """A record system that only people can read: paper, or a screen without an export."""

    def __init__(self, system: str) -> None:
        """Keep the name of the system."""
        self._system = system

    @classmethod
    def from_mapping(
        cls, top: Section, *, secrets: Mapping[str, str], clock: Clock
    ) -> "ManualConnector":
        """Return the connector that a mapping file describes; raises MappingError."""
        del secrets, clock  # nothing is opened, nothing ages
        top.allow("connector", "system")
        return cls(top.text("system"))

    def people(self) -> Iterator[Person]:
        """See Connector. Always raises: an empty list would read as "nobody is known"."""
        raise AnswerByHandError(self._system)

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """See Connector. Always raises."""
        del record_id, fields
        raise AnswerByHandError(self._system, category)

    def health(self) -> Health:
        """See Connector."""
        return Health(live=True, reason="answered by hand")

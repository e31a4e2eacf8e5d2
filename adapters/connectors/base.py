"""What the node asks of a record system: three reads, and no way to write.

A connector returns *matching fields* for everyone and *named fields* for one person, nothing
else. Minimisation happens in the query itself (issue 8 part 3): a field that is not named in
`read` must not leave the record system.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from adapters.matching.identity import Person

MARKERS_CATEGORY: Final = "_markers"
"""Pseudo-category under which `read` gives the supplier facts of one record."""

MARKER_FIELDS: Final = ("sealed", "safe_address")
"""Fields of `MARKERS_CATEGORY`; each is answered "true" or "false"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a system can answer now, and how old its data are."""

    live: bool
    as_of: datetime | None = None
    reason: str | None = None


class Connector(Protocol):
    """One record system, read-only.

    Every method may block on I/O and must be safe to call from several threads.
    """

    def people(self) -> Iterator[Person]:
        """Yield everyone the system knows, with matching fields only.

        Two records never share a `record_id`. An iteration that ends normally is complete:
        a source that stops half-way raises instead.

        Raises:
            ConnectorUnavailableError: The source is missing, slow, stale or broken.
            AnswerByHandError: The system has nothing machine readable.

        """
        ...

    def read(
        self, record_id: str, *, category: str, fields: tuple[str, ...]
    ) -> list[dict[str, str]]:
        """Return the rows of one category of one person, with the named fields only.

        A field that the system does not hold, or holds empty, is absent from the row. An empty
        list means that the person is known and there is nothing under this category.

        Args:
            record_id: As yielded by `people`.
            category: Code from the agreement, or `MARKERS_CATEGORY`.
            fields: Fields that the decision permits; no other is read from the source.

        Raises:
            ConnectorUnavailableError: The source is missing, slow, stale or broken.
            AnswerByHandError: The mapping does not cover this category.

        """
        ...

    def health(self) -> Health:
        """Return whether the source is live; never raises for a source that is not."""
        ...

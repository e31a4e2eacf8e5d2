"""What the use cases need: one transaction to write through, a clock, and salts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from audit.entry import Draft
from broker.domain import Order

Record = TypeVar("Record")
Clock = Callable[[], datetime]
Salt = Callable[[], bytes]  # 32 fresh random bytes


class Tx(Protocol):
    """One unit of work inside the writer's transaction.

    Everything written, the ledger's entries too, becomes durable together or not at all; a unit
    that raises leaves nothing behind. Units run one after the other, never at the same time.
    """

    @property
    def now(self) -> datetime:
        """The time of the batch, which its ledger entries will carry."""
        ...

    def add(self, record: object) -> None:
        """Insert a record that is not there yet."""
        ...

    def save(self, record: object) -> None:
        """Replace a record, found by its key."""
        ...

    def find(self, kind: type[Record], **key: object) -> Record | None:
        """Return the one record whose fields equal `key`, or None."""
        ...

    def select(self, kind: type[Record], **equal: object) -> Sequence[Record]:
        """Return every record whose fields equal `equal`, in the order of its key."""
        ...

    def waiting_orders(self, supplier: str, *, most: int, resume: bool) -> Sequence[Order]:
        """Return orders to hand out: RED first, then by due time, then oldest.

        Queued ones and those whose lease has run out; with `resume` also those still leased and
        those answered but not released.
        """
        ...

    def next_number(self, kind: type[object], **equal: object) -> int:
        """Return one more than the largest `number` among the records that match; 1 at first."""
        ...

    def signed_root(self, size: int) -> str | None:
        """Return the root, hex, of the checkpoint signed at `size`; None if none was."""
        ...

    def log(self, draft: Draft) -> int:
        """Append to the ledger with this transaction and return the entry's index.

        Raises:
            NotLoggableError: The entry is too large.

        """
        ...

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act` once the transaction is durable, before its callers are answered."""
        ...

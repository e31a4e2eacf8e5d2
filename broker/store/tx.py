"""The transaction that use cases write through: see `broker.ports.Tx`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import orjson
from sqlalchemy import Connection, NestedTransaction, and_, func, or_, select

from audit.entry import MAX_ENTRY_BYTES, Draft
from audit.merkle import EMPTY_ROOT
from broker.domain import Order, OrderState, Route
from broker.errors import NotLoggableError
from broker.store import records
from broker.store.tables import TABLES, checkpoints, orders

Record = TypeVar("Record")
_PLACE_BYTES: Final = 1024  # index, hashes, salt, time
_PER_STREAM_BYTES: Final = 72
_FAR_FUTURE: Final = 2**60


class SqlTx:
    """See Tx. One per batch; units use it one after the other."""

    def __init__(self, connection: Connection, *, now: datetime, size: int) -> None:
        """Write on `connection`; the ledger has `size` entries before this batch."""
        self.connection = connection
        self._now = now
        self._size = size
        self.drafts: list[Draft] = []
        self.acts: list[Callable[[], None]] = []

    def begin_savepoint(self) -> NestedTransaction:
        """Return the savepoint of one unit, for the writer."""
        return self.connection.begin_nested()

    @property
    def now(self) -> datetime:
        """See Tx."""
        return self._now

    def add(self, record: object) -> None:
        """See Tx."""
        records.add(self.connection, record)

    def save(self, record: object) -> None:
        """See Tx."""
        records.save(self.connection, record)

    def find(self, kind: type[Record], **key: object) -> Record | None:
        """See Tx."""
        return records.find(self.connection, kind, **key)

    def select(self, kind: type[Record], **equal: object) -> Sequence[Record]:
        """See Tx."""
        return records.select_all(self.connection, kind, **equal)

    def waiting_orders(self, supplier: str, *, most: int, resume: bool) -> Sequence[Order]:
        """See Tx."""
        seconds = int(self._now.timestamp())
        run_out = and_(orders.c.state == OrderState.CLAIMED.value, orders.c.lease_until <= seconds)
        states = [orders.c.state == OrderState.QUEUED.value, run_out]
        if resume:
            held = [OrderState.CLAIMED.value, OrderState.ANSWERED.value]
            states.append(orders.c.state.in_(held))
        rows = self.connection.execute(
            select(orders)
            .where(orders.c.supplier == supplier, orders.c.route == Route.NODE.value, or_(*states))
            .order_by(orders.c.priority, func.coalesce(orders.c.due, _FAR_FUTURE), orders.c.id)
            .limit(most)
        )
        return [records.read(Order, row) for row in rows]

    def next_number(self, kind: type[object], **equal: object) -> int:
        """See Tx."""
        table = TABLES[kind]
        newest = self.connection.execute(
            select(func.max(table.c.number)).where(*(table.c[k] == v for k, v in equal.items()))
        ).scalar_one()
        return 1 if newest is None else int(newest) + 1

    def signed_root(self, size: int) -> str | None:
        """See Tx."""
        if size == 0:
            return EMPTY_ROOT.hex()
        return self.connection.execute(
            select(checkpoints.c.root).where(checkpoints.c.size == size)
        ).scalar_one_or_none()

    def log(self, draft: Draft) -> int:
        """See Tx."""
        body = len(orjson.dumps(draft.body))
        if body + _PLACE_BYTES + _PER_STREAM_BYTES * len(draft.parties) > MAX_ENTRY_BYTES:
            raise NotLoggableError(None, "the entry would be too large")
        self.drafts.append(draft)
        return self._size + len(self.drafts) - 1

    def after_commit(self, act: Callable[[], None]) -> None:
        """See Tx."""
        self.acts.append(act)

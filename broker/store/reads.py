"""What is read back: each call one consistent snapshot, no lock held against the writer."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, and_, func, or_, select

from adapters.protocol import Deliveries, Delivery, OrderOut, Orders
from audit.receipt import Receipt
from audit.tiles import TileTree
from broker.domain import (
    AgreementAct,
    Blob,
    Case,
    Cosignature,
    DeliveryRecord,
    Grant,
    LoggedCredential,
    Order,
    OrderState,
    Reply,
    Route,
    StoredAnswer,
    StoredAsk,
    StoredMessage,
    StoredRequest,
)
from broker.errors import NotFoundError
from broker.exchange.intake import read_reply
from broker.exchange.upkeep import is_late
from broker.store import records
from broker.store.ledger_store import SqlTiles
from broker.store.tables import (
    asks,
    blobs,
    checkpoints,
    cosignatures,
    credentials,
    deliveries,
    ledger_entries,
    ledger_streams,
    orders,
)

MAX_PAGE: Final = 256
_MAX_PAGE_BYTES: Final = 12 * 1024 * 1024


class Receipts:
    """Receipts within one snapshot, under the newest cosigned checkpoint that covers the entry.

    Where none that covers it is cosigned, the newest of all.
    """

    def __init__(self, connection: Connection) -> None:
        """Read on `connection`, within its transaction."""
        self._connection = connection
        newest = _newest_checkpoint(connection)
        self._notes: dict[int, str] = {} if newest is None else {newest[0]: newest[1]}
        self._newest = 0 if newest is None else newest[0]
        self._cosigned: int = (
            connection.execute(select(func.max(cosignatures.c.size))).scalar_one() or 0
        )
        self._tree = TileTree(SqlTiles(connection), size=self._newest)

    def of(self, index: int, *, size: int | None = None) -> dict[str, Any]:
        """Return the receipt of the entry at `index`, at the checkpoint of `size` if given.

        Raises:
            NotFoundError: No such entry, or no checkpoint of that size that covers it.

        """
        if size is None:
            size = self._cosigned if self._cosigned > index else self._newest
        entry = _entry(self._connection, index)
        note = self._note(size)
        if entry is None or note is None or not index < size <= self._newest:
            raise NotFoundError("receipt")
        return Receipt(
            entry=entry,
            index=index,
            proof=self._tree.inclusion_proof(index, size),
            checkpoint=note,
            cosignatures=tuple(
                c.line for c in records.select_all(self._connection, Cosignature, size=size)
            ),
        ).to_json()

    def all(self, entries: Iterable[int]) -> list[dict[str, Any]]:
        """Return the receipts of `entries`, in that order."""
        return [self.of(index) for index in entries]

    def _note(self, size: int) -> str | None:
        if size not in self._notes:
            note = self._connection.execute(
                select(checkpoints.c.note).where(checkpoints.c.size == size)
            ).scalar_one_or_none()
            if note is None:
                return None
            self._notes[size] = note
        return self._notes[size]


def _newest_checkpoint(connection: Connection) -> tuple[int, str] | None:
    row = connection.execute(
        select(checkpoints.c.size, checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    ).one_or_none()
    return None if row is None else (row.size, row.note)


def _entry(connection: Connection, index: int) -> bytes | None:
    return connection.execute(
        select(ledger_entries.c.entry).where(ledger_entries.c.i == index)
    ).scalar_one_or_none()


class Reads:
    """The broker's read side."""

    def __init__(self, engine: Engine) -> None:
        """Read through `engine`, see `open_reader`."""
        self._engine = engine

    def close(self) -> None:
        """Close the connections, those of `LedgerReads` on the same engine too."""
        self._engine.dispose()

    def find_reply(self, sender: str, sha256: str) -> Reply | None:
        """Return what led from a message of `sender` that was taken before, or None."""
        with self._engine.begin() as connection:
            known = records.find(connection, StoredMessage, sha256=sha256, sender=sender)
        return None if known is None else read_reply(known.reply)

    def find_credential(self, sha256: str) -> Reply | None:
        """Return the reply to a credential that is in the ledger, or None."""
        with self._engine.begin() as connection:
            known = records.find(connection, LoggedCredential, sha256=sha256)
        return None if known is None else Reply(entries=(known.entry,))

    def kept_asks(self) -> Iterable[tuple[str, bytes]]:
        """Yield every request that is still kept, as its JWS, with each of its asks."""
        with self._engine.begin() as connection:
            for request in records.select_all(connection, StoredRequest):
                message = records.find(connection, StoredMessage, sha256=request.message)
                if message is None:
                    continue
                for ask in records.select_all(connection, StoredAsk, request=request.id):
                    yield message.jws, ask.body

    def membership(self) -> tuple[Sequence[LoggedCredential], Sequence[AgreementAct]]:
        """Return all credentials, issuers first, and all acts under agreements."""
        with self._engine.begin() as connection:
            return (
                records.select_all(connection, LoggedCredential),
                records.select_all(connection, AgreementAct),
            )

    def receipts(self, entries: Iterable[int]) -> list[dict[str, Any]]:
        """Return receipts of `entries`."""
        with self._engine.begin() as connection:
            return Receipts(connection).all(entries)

    def receipt(self, index: int, *, party: str, size: int | None) -> dict[str, Any]:
        """Return the receipt of an entry in the party's own stream.

        Raises:
            NotFoundError: No such entry, or it does not concern the party.

        """
        with self._engine.begin() as connection:
            if not _concerns(connection, party, index):
                raise NotFoundError("receipt")
            return Receipts(connection).of(index, size=size)

    def credentials(self, *, after: int, most: int = MAX_PAGE) -> list[dict[str, Any]]:
        """Return logged credentials after the `after`th, with receipts, issuers first."""
        with self._engine.begin() as connection:
            rows = connection.execute(
                select(credentials)
                .where(credentials.c.number > after)
                .order_by(credentials.c.number)
                .limit(most)
            )
            found = [records.read(LoggedCredential, row) for row in rows]
            receipts = Receipts(connection)
            return [{"text": c.text, "receipt": receipts.of(c.entry)} for c in found]

    def orders(self, grants: Sequence[Grant]) -> Orders:
        """Return granted orders as their supplier receives them."""
        with self._engine.begin() as connection:
            receipts = Receipts(connection)
            return Orders(orders=[_order_out(connection, receipts, grant) for grant in grants])

    def deliveries(self, party: str, *, after: int, most: int) -> Deliveries:
        """Return the party's deliveries after a cursor, as many as fit one answer."""
        with self._engine.begin() as connection:
            rows = connection.execute(
                select(deliveries)
                .where(deliveries.c.party == party, deliveries.c.number > after)
                .order_by(deliveries.c.number)
                .limit(min(most, MAX_PAGE))
            ).all()
            receipts = Receipts(connection)
            found: list[Delivery] = []
            size_bytes = 0
            for row in rows:
                made = _delivery(connection, receipts, records.read(DeliveryRecord, row))
                size_bytes += sum(map(len, made.blobs))
                if found and size_bytes > _MAX_PAGE_BYTES:
                    break
                found.append(made)
        return Deliveries(deliveries=found)

    def inbox(self, party: str, *, after: int, now: int) -> tuple[int, int]:
        """Return how many orders wait for the party, and deliveries after the cursor."""
        claimable = or_(
            orders.c.state == OrderState.QUEUED.value,
            and_(orders.c.state == OrderState.CLAIMED.value, orders.c.lease_until <= now),
        )
        with self._engine.begin() as connection:
            waiting = connection.execute(
                select(func.count())
                .select_from(orders)
                .where(orders.c.supplier == party, orders.c.route == Route.NODE.value, claimable)
            ).scalar_one()
            delivered = connection.execute(
                select(func.count())
                .select_from(deliveries)
                .where(deliveries.c.party == party, deliveries.c.number > after)
            ).scalar_one()
        return waiting, delivered

    def late_orders(self, *, now: int, most: int = MAX_PAGE) -> list[str]:
        """Return orders that have run past their due time and are not marked yet."""
        with self._engine.begin() as connection:
            rows = connection.execute(
                select(orders)
                .where(orders.c.late_at.is_(None), orders.c.due <= now, orders.c.last_version == 0)
                .order_by(orders.c.due)
                .limit(most)
            )
            found = [records.read(Order, row) for row in rows]
        return [order.id for order in found if is_late(order, now=now)]

    def status(self, request_id: str, *, party: str) -> dict[str, Any]:
        """Return where a request of `party` stands.

        Raises:
            NotFoundError: Absent, or another party's.

        """
        with self._engine.begin() as connection:
            request = records.find(connection, StoredRequest, id=request_id, party=party)
            if request is None:
                raise NotFoundError("request")
            case = records.find(connection, Case, ref=request.case)
            rows = records.select_all(connection, Order, request=request_id)
            return {
                "request": request.id,
                "case": request.case,
                "closed": case is not None and case.closed,
                "rag": request.rag,
                "at": request.at,
                "due": request.due,
                "decisions": request.decisions,
                "orders": [_order_status(connection, order) for order in rows],
            }


def _concerns(connection: Connection, party: str, index: int) -> bool:
    return (
        connection.execute(
            select(ledger_streams.c.n).where(
                ledger_streams.c.party == party, ledger_streams.c.i == index
            )
        ).scalar_one_or_none()
        is not None
    )


def _order_out(connection: Connection, receipts: Receipts, grant: Grant) -> OrderOut:
    row = connection.execute(select(asks).where(asks.c.order_id == grant.order)).one()
    ask = records.read(StoredAsk, row)
    request = records.find(connection, StoredRequest, id=ask.request)
    return OrderOut(
        order=grant.order,
        epoch=grant.epoch,
        claimed_at=grant.claimed_at,
        lease_until=grant.lease_until,
        last_version=grant.last_version,
        request=_jws(connection, "" if request is None else request.message),
        ask=ask.body,
        blobs=_envelopes(connection, grant.order, ask.body),
        receipt=receipts.of(ask.entry),
    )


def _envelopes(connection: Connection, order: str, ask: bytes) -> list[bytes]:
    """The sealed envelopes that an ask names, in its order; erased ones are left out."""
    named = msgspec.json.decode(ask, type=dict[str, Any])
    envelopes = [identity["envelope"] for identity in named.get("identities", [])]
    if named.get("reason") is not None:
        envelopes.append(named["reason"])
    return _blobs(connection, order, [envelope["sha256"] for envelope in envelopes])


def _blobs(connection: Connection, owner: str, names: Sequence[str]) -> list[bytes]:
    rows = connection.execute(
        select(blobs).where(blobs.c.owner == owner, blobs.c.sha256.in_(names))
    )
    bodies = {blob.sha256: blob.body for blob in (records.read(Blob, row) for row in rows)}
    return [bodies[name] for name in names if name in bodies]


def _jws(connection: Connection, sha256: str) -> str:
    message = records.find(connection, StoredMessage, sha256=sha256)
    if message is None:
        raise NotFoundError("message")
    return message.jws


def _delivery(connection: Connection, receipts: Receipts, record: DeliveryRecord) -> Delivery:
    released = record.release is not None and record.release_entry is not None
    return Delivery(
        number=record.number,
        kind=record.kind,
        request=record.request,
        message=_jws(connection, record.message),
        receipt=receipts.of(record.entry),
        release=_jws(connection, record.release or "") if released else None,
        release_receipt=receipts.of(record.release_entry or 0) if released else None,
        blobs=_blobs(connection, record.owner, msgspec.json.decode(record.blobs, type=list[str])),
    )


def _order_status(connection: Connection, order: Order) -> dict[str, Any]:
    answers = records.select_all(connection, StoredAnswer, order_id=order.id)
    return {
        "order": order.id,
        "supplier": order.supplier,
        "route": order.route,
        "state": order.state,
        "due": order.due,
        "late_at": order.late_at,
        "claimed_at": order.claimed_at or None,
        "told_at": order.told_at,
        "versions": order.last_version,
        "released": [answer.version for answer in answers if answer.release is not None],
    }

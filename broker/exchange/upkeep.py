"""What the broker enters by itself: late orders, heartbeats, and refused messages by the hour.

All is derived from timestamps: a run that comes late enters the same facts.
"""

import dataclasses
from datetime import UTC, datetime
from typing import Final

from audit.entry import Draft, Event, timestamp
from audit.entry import draft as audit_draft
from broker.domain import Order, OrderState, RefusalCount, Reply
from broker.exchange.hub import BROKER, Hub
from broker.exchange.intake import Apply
from broker.ports import Tx

_HOUR: Final = 3600
_OPEN: Final = (
    OrderState.QUEUED,
    OrderState.CLAIMED,
    OrderState.ANSWERED,
    OrderState.BY_TELEPHONE,
)


def prepare_late(hub: Hub, order_ids: list[str]) -> Apply:
    """Return the unit that marks those of `order_ids` late that are, each once."""

    def apply(tx: Tx) -> Reply:
        now = int(tx.now.timestamp())
        for order_id in order_ids:
            order = tx.find(Order, id=order_id)
            if order is not None and is_late(order, now=now):
                tx.save(dataclasses.replace(order, late_at=now))
                tx.log(_late_entry(hub, order))
        return Reply()

    return apply


def is_late(order: Order, *, now: int) -> bool:
    """Return whether an order has run past its due time unanswered and unmarked."""
    return (
        order.late_at is None
        and order.due is not None
        and order.due <= now
        and order.state in _OPEN
        and order.last_version == 0
        and order.told_at is None
    )


def _late_entry(hub: Hub, order: Order) -> Draft:
    return audit_draft(
        Event.LATE,
        party=BROKER,
        kid=hub.log_key.kid,
        actor_ref=None,
        role=None,
        msg=None,
        case=order.case,
        concerned=[order.requester],
        request=order.request,
        order=order.id,
        supplier=order.supplier,
        due=timestamp(datetime.fromtimestamp(order.due or 0, UTC)),
    )


def prepare_refused(hub: Hub, *, party: str, code: str) -> Apply:
    """Return the unit that counts a refused message of an identified party.

    The first of an hour makes a ledger entry, which carries the count since the last one; further
    ones of the same party and code only count.
    """

    def apply(tx: Tx) -> Reply:
        hour = int(tx.now.timestamp()) // _HOUR
        known = tx.find(RefusalCount, party=party, code=code)
        if known is None:
            tx.add(RefusalCount(party=party, code=code, hour=hour, count=0))
        elif known.hour == hour:
            tx.save(dataclasses.replace(known, count=known.count + 1))
            return Reply()
        else:
            tx.save(RefusalCount(party=party, code=code, hour=hour, count=0))
        earlier = 0 if known is None else known.count
        tx.log(_refused_entry(hub, party=party, code=code, count=earlier + 1))
        return Reply()

    return apply


def _refused_entry(hub: Hub, *, party: str, code: str, count: int) -> Draft:
    return audit_draft(
        Event.REFUSED,
        party=BROKER,
        kid=hub.log_key.kid,
        actor_ref=None,
        role=None,
        msg=None,
        concerned=[party],
        kind=code,
        count=count,
    )

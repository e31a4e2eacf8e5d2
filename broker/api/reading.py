"""Routes that a node polls: what waits for it, what was delivered, where its requests stand."""

import asyncio
import contextlib
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from broker.api.edge import Here, Party, reply
from broker.api.services import Services

router = APIRouter()
MAX_WAIT_SECONDS = 20
Cursor = Annotated[int, Query(ge=0)]


@router.get("/deliveries")
def deliveries(
    here: Here, party: Party, after: Cursor = 0, most: Annotated[int, Query(alias="max")] = 32
) -> Response:
    """Return the party's deliveries after a cursor, oldest first."""
    return reply(here.reads.deliveries(party, after=after, most=max(most, 1)))


@router.get("/inbox")
async def inbox(
    here: Here,
    party: Party,
    after: Cursor = 0,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
) -> Response:
    """Return how much waits for the party; with `wait`, as soon as anything does."""
    with here.wakeups.listen(party) as woken:
        waiting = await run_in_threadpool(_inbox, here, party, after)
        if wait and not any(waiting):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), wait)
            waiting = await run_in_threadpool(_inbox, here, party, after)
    orders, delivered = waiting
    note = await run_in_threadpool(here.ledger.checkpoint)
    return reply({"orders": orders, "deliveries": delivered, "checkpoint": note})


def _inbox(here: Services, party: str, after: int) -> tuple[int, int]:
    return here.reads.inbox(party, after=after, now=int(here.hub.clock().timestamp()))


@router.get("/requests/{request}")
def status(here: Here, party: Party, request: str) -> Response:
    """Return where one of the party's own requests stands."""
    return reply(here.reads.status(request, party=party))


@router.get("/receipts/{index}")
def receipt(
    here: Here, party: Party, index: int, size: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Return the receipt of an entry that concerns the party."""
    return reply({"receipt": here.reads.receipt(index, party=party, size=size)})

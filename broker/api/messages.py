"""Routes that take signed messages; thin, the message says everything."""

from fastapi import APIRouter
from starlette.responses import Response

from adapters.protocol import (
    Accepted,
    Answer,
    Claim,
    ManualRoute,
    Message,
    Opened,
    Outcome,
    Refusal,
    Release,
    Request,
)
from broker.api.edge import Body, Here, Party, reply
from broker.api.services import Services

router = APIRouter()
EMPTY_CLAIM_RETRY_SECONDS = 1


def _accept(
    here: Services, body: bytes, *, party: str, kind: type[Message], order: str | None = None
) -> Response:
    taken = here.take(body, party=party, kind=kind, order=order)
    accepted = Accepted(receipts=here.receipts(taken), decisions=taken.decisions)
    return reply(accepted, status=201)


@router.post("/requests")
def request(here: Here, party: Party, body: Body) -> Response:
    """Take an information request: stored, decided and in the ledger, denials too."""
    return _accept(here, body, party=party, kind=Request)


@router.post("/work/claim")
def claim(here: Here, party: Party, body: Body) -> Response:
    """Hand out waiting orders under a lease."""
    taken = here.take(body, party=party, kind=Claim)
    orders = here.reads.orders(taken.grants)
    headers = {} if orders.orders else {"Retry-After": str(EMPTY_CLAIM_RETRY_SECONDS)}
    return reply(orders, headers=headers)


@router.post("/work/{order}/answer")
def answer(here: Here, party: Party, order: str, body: Body) -> Response:
    """Take a version of an answer, sealed."""
    return _accept(here, body, party=party, kind=Answer, order=order)


@router.post("/work/{order}/release")
def release(here: Here, party: Party, order: str, body: Body) -> Response:
    """Take the wrapped keys of an answer that stands in the ledger."""
    return _accept(here, body, party=party, kind=Release, order=order)


@router.post("/work/{order}/refuse")
def refuse(here: Here, party: Party, order: str, body: Body) -> Response:
    """Take a supplying node's refusal of a whole order."""
    return _accept(here, body, party=party, kind=Refusal, order=order)


@router.post("/cases/opened")
def opened(here: Here, party: Party, body: Body) -> Response:
    """Record that a person opened sections."""
    return _accept(here, body, party=party, kind=Opened)


@router.post("/cases/manual-route")
def manual_route(here: Here, party: Party, body: Body) -> Response:
    """Enter an answer taken by telephone."""
    return _accept(here, body, party=party, kind=ManualRoute)


@router.post("/cases/outcome")
def outcome(here: Here, party: Party, body: Body) -> Response:
    """Close a case, with feedback to everybody who answered."""
    return _accept(here, body, party=party, kind=Outcome)

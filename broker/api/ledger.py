"""Routes of the ledger: checkpoints and proofs, tiles, own entries, cosignatures."""

import re
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from broker.api.edge import Body, Here, Party, reply
from broker.errors import MalformedError, NotFoundError
from broker.exchange.witness import prepare_cosignature, read_cosignature

router = APIRouter()
Size = Annotated[int, Query(ge=0, le=2**53)]
_TILE: Final = re.compile(r"((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII)
_TILE_WIDTH: Final = 256
_MAX_LEVEL: Final = 7


@router.get("/ledger/checkpoint")
def checkpoint(here: Here, size: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """Return the newest signed checkpoint, or the one of `size`; open to all."""
    return PlainTextResponse(here.ledger.checkpoint(size))


@router.get("/ledger/consistency")
def consistency(here: Here, party: Party, old: Size, new: Size) -> Response:  # noqa: ARG001 - any party
    """Return the proof that one tree is a prefix of another (RFC 9162 section 2.1.4)."""
    return reply({"old": old, "new": new, "proof": here.ledger.consistency(old, new)})


@router.get("/ledger/tile/{level}/{path:path}")
def tile(here: Here, party: Party, level: int, path: str) -> Response:  # noqa: ARG001 - any party
    """Return a hash tile, addressed as in C2SP tlog-tiles."""
    match = _TILE.fullmatch(path)
    if match is None or not 0 <= level <= _MAX_LEVEL:
        raise NotFoundError("tile")
    number = int(match[1].replace("x", "").replace("/", "") + match[2])
    width = int(match[3]) if match[3] else _TILE_WIDTH
    if not 1 <= width <= _TILE_WIDTH:
        raise NotFoundError("tile")
    data = here.ledger.tile(level, number, width)
    return Response(data, media_type="application/octet-stream")


@router.get("/ledger/entries")
def entries(
    here: Here,
    party: Party,
    after: Annotated[int, Query(ge=0)] = 0,
    most: Annotated[int, Query(alias="max", ge=1)] = 256,
) -> Response:
    """Return the entries of the party's own stream, from its number `after` on."""
    return reply({"entries": here.ledger.entries(party, after=after, most=most)})


@router.post("/witness/cosignatures")
def cosignature(here: Here, party: Party, body: Body) -> Response:
    """Keep a node's cosignature of a checkpoint."""
    try:
        given = read_cosignature(body)
    except msgspec.DecodeError as error:
        raise MalformedError("cosignature", str(error)[:160]) from None
    note = here.ledger.checkpoint(given.size)
    here.call(prepare_cosignature(here.hub, given, party=party, note=note))
    return reply({"size": given.size}, status=201)

"""Cosignatures: a node says that it has seen the ledger grow consistently up to a checkpoint."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from audit.checkpoint import check_cosignature
from audit.errors import CosignatureError
from broker.domain import Cosignature
from broker.errors import MalformedError
from broker.exchange.hub import Hub
from broker.ports import Tx
from keys.credentials import Kind


class PostedCosignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature line in C2SP tlog-cosignature form, and the checkpoint's size."""

    size: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    line: Annotated[str, Meta(max_length=1024)]


def read_cosignature(body: bytes) -> PostedCosignature:
    """Return the cosignature in a request's body; raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=PostedCosignature)


def prepare_cosignature(
    hub: Hub, given: PostedCosignature, *, party: str, note: str
) -> Callable[[Tx], None]:
    """Return the unit that keeps a cosignature of `note`, once for each party and size.

    Raises:
        MalformedError: No valid node key of the party made it.

    """
    if not any(_holds(given.line, note=note, party=party, key=key) for key in _keys(hub, party)):
        raise MalformedError("cosignature", "not made by a valid node key of this party")
    line = given.line if given.line.endswith("\n") else f"{given.line}\n"

    def apply(tx: Tx) -> None:
        if tx.find(Cosignature, size=given.size, party=party) is None:
            tx.add(Cosignature(size=given.size, party=party, line=line))

    return apply


def _keys(hub: Hub, party: str) -> list[bytes]:
    now = hub.clock()
    return [
        c.public
        for c in hub.book.all()
        if (c.party, c.kind) == (party, Kind.NODE) and c.not_before <= now < c.expires
    ]


def _holds(line: str, *, note: str, party: str, key: bytes) -> bool:
    try:
        check_cosignature(line, note=note, name=party, public=key)
    except CosignatureError:
        return False
    return True

"""What a hostile operator can do: it holds the log's key and the writer, and may say anything."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.node.context import Node
from adapters.node.records import Order
from adapters.protocol import OrderOut, encode, sha256_hex
from audit.entry import SEALED_LAST, Draft, Event, draft, parse_entry
from broker.domain import Reply
from broker.testing import World

Rewrite = Callable[[str, bytes], bytes]


class Rewriting:
    """ASGI middleware that changes what the broker answers, as whoever runs it could."""

    def __init__(self, app: ASGIApp, rewrite: Rewrite) -> None:
        self._app = app
        self._rewrite = rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self._app(scope, receive, keep)
        start, *parts = kept
        old = b"".join(part.get("body", b"") for part in parts)
        body = self._rewrite(str(scope["path"]), old)
        headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def log(world: World, entry: Draft) -> dict[str, Any]:
    """Put any entry into the ledger, under the log's own key; return its genuine receipt."""
    services = world.broker.services
    return services.receipts(services.call(lambda tx: Reply(entries=(tx.log(entry),))))[0]


def log_like(world: World, receipt: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Log an entry like the one of `receipt`, with some fields changed; return its receipt."""
    entry = parse_entry(base64.b64decode(receipt["entry"]))
    fields = {k: v for k, v in entry.items() if k not in SEALED_LAST} | changes
    event = Event(fields.pop("event"))
    return log(world, draft(event, **fields))


def log_permitted(world: World, out: OrderOut) -> OrderOut:
    """Return the order under an entry that says that everything asked is permitted."""
    entry = parse_entry(base64.b64decode(out.receipt["entry"]))
    decisions = [line | {"outcome": "PERMIT", "rules": ["P10"]} for line in entry["decisions"]]
    receipt = log_like(world, out.receipt, decisions=decisions)
    return msgspec.structs.replace(out, receipt=receipt)


def log_request(world: World, out: OrderOut, jws: str) -> OrderOut:
    """Return the order with another request in it, under an entry that records that one."""
    receipt = log_like(world, out.receipt, msg=sha256_hex(jws.encode()))
    return msgspec.structs.replace(out, request=jws, receipt=receipt)


def hand_to(node: Node, out: OrderOut) -> None:
    """Let a node hold an order as if it had claimed it."""
    with node.store.begin() as tx:
        tx.put(
            Order(
                id=out.order,
                state="claimed",
                epoch=out.epoch,
                claimed_at=float(out.claimed_at),
                version=out.last_version,
                rag="",
                raw=encode(out),
                reference="",
            )
        )

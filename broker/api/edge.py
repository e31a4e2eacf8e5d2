"""The edge of every call: who calls, what it sent, how long it may be, and an identifier."""

import re
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.protocol import MAX_SUBMISSION_BYTES
from broker.api.services import Services
from broker.errors import AuthenticationError
from keys.randomness import new_ref

_MAX_UNKNOWN_BYTES: Final = 64 * 1024
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_log = structlog.get_logger()


class TooLargeError(Exception):
    """The body exceeds what a submission may have."""


def services_of(request: Request) -> Services:
    """Return the application's services."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise TypeError("the application has no services")
    return services


async def authenticated_party(request: Request) -> str:
    """Return the party of the call's access token.

    Raises:
        AuthenticationError: No token, or not a valid one.

    """
    services = services_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationError("an access token is needed")
    hub = services.hub
    return services.tokens.check(token, audience=hub.origin, at=hub.clock())


async def raw_body(request: Request) -> bytes:
    """Return the call's body, read no further than a submission may be. Raises TooLargeError."""
    return await _read(request, most=MAX_SUBMISSION_BYTES)


async def small_body(request: Request) -> bytes:
    """Return the body of a call by nobody known yet, who may not fill the memory.

    Raises:
        TooLargeError: It is longer than any of these calls needs.

    """
    return await _read(request, most=_MAX_UNKNOWN_BYTES)


async def _read(request: Request, *, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    if int(request.headers.get("content-length") or 0) > left:
        raise TooLargeError
    async for part in request.stream():
        left -= len(part)
        if left < 0:
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)


Party = Annotated[str, Depends(authenticated_party)]
Body = Annotated[bytes, Depends(raw_body)]
SmallBody = Annotated[bytes, Depends(small_body)]
Here = Annotated[Services, Depends(services_of)]


def reply(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `value` as JSON."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


class Envelope:
    """ASGI middleware: `X-Request-ID` in and out, `no-store`, and one log line for each call."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_ref("q")

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Cache-Control"] = "no-store"
                _log.info(
                    "call_answered",
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                    request_id=request_id,
                )
            await send(message)

        await self._app(scope, receive, marked)

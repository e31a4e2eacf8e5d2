"""The application: routes, problems, and the task that marks what is late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from broker.api import ledger, membership, messages, reading
from broker.api.edge import Envelope, TooLargeError, reply
from broker.api.problems import (
    BAD_PARAMETER,
    NO_METHOD,
    NO_ROUTE,
    PROBLEMS,
    TOO_LARGE,
    kind_of,
    respond,
)
from broker.api.services import Services
from broker.errors import StorageError
from broker.exchange.upkeep import prepare_late

_log = structlog.get_logger()


def create_app(services: Services) -> FastAPI:
    """Return the broker's application over `services`, whose writer runs already."""
    app = FastAPI(
        title="MASH broker",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=_lifespan,
    )
    app.state.services = services
    for part in (membership, messages, reading, ledger):
        app.include_router(part.router, prefix="/v1")
    app.add_api_route("/healthz", _healthz)
    app.add_api_route("/readyz", _readyz)
    app.add_middleware(Envelope)
    for error in {error for error, _ in PROBLEMS}:
        app.add_exception_handler(error, _refused)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _http_error)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    sweeper = asyncio.create_task(_sweep(app.state.services))
    yield
    sweeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweeper


async def _sweep(services: Services) -> None:
    while True:
        try:
            await run_in_threadpool(mark_late, services)
        except StorageError as error:
            _log.warning("sweep_failed", why=type(error).__name__)
        await asyncio.sleep(services.sweep_seconds)


def mark_late(services: Services) -> None:
    """Enter every order that has run past its due time, once each."""
    found = services.reads.late_orders(now=int(services.hub.clock().timestamp()))
    if found:
        services.call(prepare_late(services.hub, found))


def _healthz() -> Response:
    return reply({"status": "alive"})


def _readyz(request: Request) -> Response:
    ready = request.app.state.services.writer.is_healthy
    return reply({"ready": ready}, status=200 if ready else 503)


async def _refused(_: Request, error: Exception) -> Response:
    kind = kind_of(error)
    if kind is None:
        raise error
    return respond(kind, str(error))


async def _too_large(_: Request, __: Exception) -> Response:
    return respond(TOO_LARGE, TOO_LARGE.title)


async def _bad_parameter(_: Request, error: Exception) -> Response:
    where = ""
    if isinstance(error, RequestValidationError):
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
    return respond(BAD_PARAMETER, where or BAD_PARAMETER.title)


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    kind = NO_METHOD if status == 405 else NO_ROUTE  # noqa: PLR2004 - RFC 9110
    return respond(kind, kind.title)

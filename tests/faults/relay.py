"""A real HTTP relay that stands on a line and can cut it at a chosen request.

It knows nothing of the product: bytes in, bytes out. Every exchange is recorded; a trap runs a
function at the n-th request whose path matches, before the request is passed on or after it was
answered, and then drops the connection, so that the caller never hears.
"""

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_PATIENCE_SECONDS = 60.0


class Moment(StrEnum):
    """When a trap springs."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came back; `status` None when no answer reached the relay."""

    method: str
    path: str
    sent: bytes
    status: int | None
    received: bytes


@dataclass(slots=True, kw_only=True)
class Trap:
    """What to do at the `count`-th request `method path`, and afterwards, once."""

    method: str
    path: str  # a regular expression that the whole path, without its query, must match
    moment: Moment
    cut: Callable[[], None]
    afterwards: Callable[[], None]
    count: int = 1
    sprung: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    failure: list[Exception] = field(default_factory=list)

    def meets(self, method: str, path: str) -> bool:
        """Count a request and return whether it is the one; exactly one request is."""
        fits = method == self.method and re.fullmatch(self.path, path.partition("?")[0])
        if not fits or self.sprung.is_set():
            return False
        self.count -= 1
        if self.count == 0:
            self.sprung.set()
            return True
        return False


class Relay:
    """Listens on a loopback port of its own and passes everything on to `target`."""

    def __init__(self, *, target: int | None = None) -> None:
        """Listen, but wait for `start`."""
        self.target = target
        self.closed_to: str | None = None  # paths that are dropped, a regular expression
        self.exchanges: list[Exchange] = []
        self._trap: Trap | None = None
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, 0), _Handler)
        self._server.relay = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where the relay listens."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to pass on."""
        self._thread.start()

    def stop(self) -> None:
        """Pass nothing on any more."""
        self._server.shutdown()
        self._server.server_close()

    def set(self, trap: Trap | None) -> None:
        """Lay a trap in place of the one before."""
        with self._lock:
            self._trap = trap

    def trap_for(self, method: str, path: str) -> Trap | None:
        """Return the trap that this request springs, or None."""
        with self._lock:
            trap = self._trap
            return trap if trap is not None and trap.meets(method, path) else None

    def record(self, exchange: Exchange) -> None:
        """Remember an exchange."""
        with self._lock:
            self.exchanges.append(exchange)

    def bodies(self, path: str) -> list[bytes]:
        """Return what was posted to paths that match, oldest first."""
        with self._lock:
            return [e.sent for e in self.exchanges if re.fullmatch(path, e.path) and e.sent]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    relay: Relay

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed breaks its connection: nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        relay = self.server.relay
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trap = relay.trap_for(self.command, self.path)
        if trap is not None and trap.moment is Moment.BEFORE:
            relay.record(self._exchange(body, None, b""))
            self._cut(trap)
            return
        closed = relay.closed_to and re.fullmatch(relay.closed_to, self.path.partition("?")[0])
        answer = None if closed else self._ask(relay.target, body)
        status, received = (None, b"") if answer is None else (answer[0], answer[2])
        relay.record(self._exchange(body, status, received))
        if trap is not None:
            self._cut(trap)
        elif answer is None:
            self._drop()
        else:
            self._reply(*answer)

    def _exchange(self, body: bytes, status: int | None, received: bytes) -> Exchange:
        return Exchange(
            method=self.command, path=self.path, sent=body, status=status, received=received
        )

    def _ask(self, target: int | None, body: bytes) -> tuple[int, Mapping[str, str], bytes] | None:
        """Return status, headers and body of the answer; None when there is none."""
        if target is None:
            return None
        line = http.client.HTTPConnection(LOOPBACK, target, timeout=_PATIENCE_SECONDS)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        try:
            line.request(self.command, self.path, body=body, headers=headers)
            response = line.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            line.close()

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP | {"date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, trap: Trap) -> None:
        try:
            trap.cut()
            self._drop()
            trap.afterwards()
        except Exception as error:  # noqa: BLE001 - told to the test, which raises it
            trap.failure.append(error)
        finally:
            trap.over.set()

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):  # the caller is dead already
            self.connection.shutdown(socket.SHUT_RDWR)

"""The node's line to the broker: outbound HTTPS only, tokens by `private_key_jwt`.

A refusal (4xx) is an answer and is raised with its problem document; anything else that goes
wrong is an outage, to be tried again with the same bytes.
"""

import threading
import time
from datetime import timedelta
from typing import Any, Final

import httpx2
import msgspec

from adapters.clock import Clock
from adapters.errors import BrokerRefusedError, BrokerUnavailableError
from adapters.protocol import ProtocolError, decode
from keys.randomness import new_ref
from keys.signing import SigningKey, sign_jws

_ASSERTION_LIFE: Final = timedelta(minutes=2)
_TOKEN_MARGIN_SECONDS: Final = 30.0
_RETRY_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CLIENT_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class BrokerClient:
    """Authenticated calls to one broker, for one party; safe to use from several threads."""

    def __init__(
        self, *, base_url: str, origin: str, party: str, key: SigningKey, clock: Clock
    ) -> None:
        """Connect lazily.

        Args:
            base_url: Where the broker listens, without `/v1`.
            origin: The ledger's origin, audience of every token and message.
            party: This party's code, the OAuth client id.
            key: The node's signing key.
            clock: The MASH's clock.

        """
        self._http = httpx2.Client(base_url=base_url, timeout=httpx2.Timeout(30.0, connect=5.0))
        self._origin = origin
        self._party = party
        self._key = key
        self._clock = clock
        self._token: str | None = None
        self._token_good_until = 0.0
        self._lock = threading.Lock()

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def get(self, path: str, **params: str | int) -> bytes:
        """Return the body of `GET /v1{path}`.

        Raises:
            BrokerRefusedError: The broker answered with a problem.
            BrokerUnavailableError: No answer, or an answer worth trying again for.

        """
        return self._call("GET", path, params=params)

    def post(self, path: str, body: bytes, *, token: bool = True) -> bytes:
        """Return the body of `POST /v1{path}`. Raises as `get`."""
        return self._call("POST", path, body=body, token=token)

    def get_json(self, path: str, **params: str | int) -> dict[str, Any]:
        """Return the JSON object at `GET /v1{path}`. Raises as `get`."""
        try:
            value: dict[str, Any] = decode(self.get(path, **params), dict[str, Any])
        except ProtocolError:
            raise BrokerUnavailableError("no JSON object") from None
        return value

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int] | None = None,
        body: bytes | None = None,
        token: bool = True,
    ) -> bytes:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self._bearer()}"
        try:
            reply = self._http.request(
                method, "/v1" + path, params=params or None, content=body, headers=headers
            )
        except httpx2.HTTPError as error:
            raise BrokerUnavailableError(type(error).__name__) from None
        if reply.status_code == httpx2.codes.UNAUTHORIZED:
            self._token_good_until = 0.0
            raise BrokerUnavailableError("token refused")
        if reply.status_code in _RETRY_STATUSES:
            raise BrokerUnavailableError(f"HTTP {reply.status_code}")
        if reply.status_code >= httpx2.codes.BAD_REQUEST:
            raise BrokerRefusedError(reply.status_code, _problem(reply.content))
        return reply.content

    def _bearer(self) -> str:
        with self._lock:
            if self._token is None or time.monotonic() > self._token_good_until:
                self._token = self._fetch_token()
            return self._token

    def _fetch_token(self) -> str:
        now = int(self._clock().timestamp())
        assertion = {
            "iss": self._party,
            "sub": self._party,
            "aud": self._origin,
            "iat": now,
            "exp": now + int(_ASSERTION_LIFE.total_seconds()),
            "jti": new_ref("t"),
        }
        form = {
            "grant_type": "client_credentials",
            "client_id": self._party,
            "client_assertion_type": _CLIENT_ASSERTION_TYPE,
            "client_assertion": sign_jws(msgspec.json.encode(assertion), key=self._key, typ="JWT"),
        }
        try:
            reply = self._http.post("/v1/token", data=form)
        except httpx2.HTTPError as error:
            raise BrokerUnavailableError(type(error).__name__) from None
        if reply.status_code in _RETRY_STATUSES:
            raise BrokerUnavailableError(f"HTTP {reply.status_code}")
        if reply.status_code != httpx2.codes.OK:
            raise BrokerRefusedError(reply.status_code, _problem(reply.content))
        granted = decode(reply.content, dict[str, Any])
        lifetime = float(granted["expires_in"])
        self._token_good_until = time.monotonic() + lifetime - _TOKEN_MARGIN_SECONDS
        return str(granted["access_token"])


def _problem(body: bytes) -> dict[str, Any]:
    """Return the problem document (RFC 9457), or an empty one where there is none."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}

"""A client of a node's local API, for MASH apps, the command line and the demonstration."""

import time
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec

from adapters.errors import LocalApiError


class LocalClient:
    """Calls one node's local API on one person's token."""

    def __init__(self, url: str, token: str) -> None:
        """Connect lazily to the node at `url`."""
        self._http = httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60.0
        )

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """Return the JSON object at `path`.

        Raises:
            LocalApiError: The node cannot be reached or answered with a problem.

        """
        return self._call("GET", path, params=params, body=None)

    def post(self, path: str, body: object = None, **params: str) -> dict[str, Any]:
        """Post `body` as JSON and return the JSON object that comes back. Raises as `get`."""
        return self._call("POST", path, params=params, body=body)

    def wait(self, ready: Callable[[], bool], *, seconds: float, every: float = 0.1) -> bool:
        """Return whether `ready` became true within `seconds`."""
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                return False
            time.sleep(every)
        return True

    def _call(
        self, method: str, path: str, *, params: dict[str, str], body: object
    ) -> dict[str, Any]:
        content = None if body is None else msgspec.json.encode(body)
        try:
            reply = self._http.request(method, path, params=params or None, content=content)
        except httpx2.HTTPError as error:
            raise LocalApiError(0, {"detail": f"no answer ({type(error).__name__})"}) from None
        try:
            value = msgspec.json.decode(reply.content, type=dict[str, Any])
        except msgspec.DecodeError:
            value = {"detail": "the answer is no JSON object"}
        if reply.status_code >= httpx2.codes.BAD_REQUEST:
            raise LocalApiError(reply.status_code, value)
        return value

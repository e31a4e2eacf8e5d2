"""Where FHIR R4 resources come from: a folder of JSON files, or a server's search.

Neither is trusted to be complete or to filter: a broken file, an OperationOutcome, a page that
points to another host or runs in a circle make the source unavailable, never an empty answer.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2

from adapters.errors import ConnectorUnavailableError

Resource = dict[str, Any]
PAGE_SIZE: Final = 200
MAX_PAGES: Final = 10_000
MAX_PAGE_BYTES: Final = 20_000_000


class FhirSource(Protocol):
    """Resources by type; `query` narrows where the source can, callers check again."""

    def search(self, resource_type: str, query: Mapping[str, str]) -> Iterator[Resource]:
        """Yield resources of a type; raises ConnectorUnavailableError instead of stopping early."""
        ...

    def check(self) -> datetime | None:
        """Return how old the data are, None for live; raises ConnectorUnavailableError."""
        ...


class FolderSource:
    """`*.json` (a resource or a Bundle) and `*.ndjson` files of one folder."""

    def __init__(self, system: str, folder: Path) -> None:
        """Keep the folder; it is read when its files have changed."""
        self._system = system
        self._folder = folder
        self._signature: tuple[tuple[str, int, int], ...] = ()
        self._resources: dict[str, list[Resource]] = {}
        self._lock = threading.Lock()

    def search(self, resource_type: str, query: Mapping[str, str]) -> Iterator[Resource]:
        """See FhirSource. A folder cannot narrow."""
        del query
        return iter(self._current().get(resource_type, ()))

    def check(self) -> datetime | None:
        """See FhirSource."""
        self._current()
        return datetime.fromtimestamp(min(s[1] for s in self._signature) / 1e9, UTC)

    def _current(self) -> dict[str, list[Resource]]:
        with self._lock:
            try:
                files = sorted(
                    p for p in self._folder.iterdir() if p.suffix in {".json", ".ndjson"}
                )
                stats = [(p.name, p.stat()) for p in files]
                signature = tuple((name, s.st_mtime_ns, s.st_size) for name, s in stats)
                if signature != self._signature or not signature:
                    self._resources = self._load(files)
                    self._signature = signature
            except OSError:
                raise ConnectorUnavailableError(self._system, "the folder cannot be read") from None
            return self._resources

    def _load(self, files: list[Path]) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for path in files:
            try:
                for document in _documents(path):
                    for resource in _unbundled(document, self._system):
                        found.setdefault(resource["resourceType"], []).append(resource)
            except (ValueError, RecursionError):
                raise ConnectorUnavailableError(
                    self._system, f"{path.name} is not FHIR JSON, or half-written"
                ) from None
        if not found.get("Patient"):
            raise ConnectorUnavailableError(self._system, "the folder holds no Patient")
        return found


class RestSource:
    """A FHIR server, by search with paging."""

    def __init__(
        self, system: str, base_url: str, *, token: str | None, timeout_seconds: float
    ) -> None:
        """Keep the address; connects when used."""
        headers = {"Accept": "application/fhir+json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._system = system
        self._base = httpx2.URL(base_url.rstrip("/") + "/")
        self._client = httpx2.Client(headers=headers, timeout=timeout_seconds)

    def search(self, resource_type: str, query: Mapping[str, str]) -> Iterator[Resource]:
        """See FhirSource."""
        params = {**query, "_count": str(PAGE_SIZE)}
        url: httpx2.URL | None = self._base.join(resource_type).copy_merge_params(params)
        seen: set[str] = set()
        while url is not None:
            if str(url) in seen or len(seen) >= MAX_PAGES:
                raise self._broken("its pages run in a circle")
            seen.add(str(url))
            bundle = self._get(url)
            try:
                resources = list(_unbundled(bundle, self._system))
            except ValueError:
                raise self._broken("a page is not a FHIR Bundle") from None
            yield from (r for r in resources if r["resourceType"] == resource_type)
            url = self._next(url, bundle)

    def check(self) -> datetime | None:
        """See FhirSource."""
        next(self.search("Patient", {"_elements": "id", "_summary": "count"}), None)
        return None

    def _get(self, url: httpx2.URL) -> Resource:
        try:
            with self._client.stream("GET", url) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_PAGE_BYTES:
                        raise self._broken("a page is too long")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # Without the cause: its message holds the URL, which names a patient.
            raise self._broken(type(error).__name__) from None
        if response.status_code != httpx2.codes.OK:
            raise self._broken(f"it answered {response.status_code}")
        try:
            bundle = json.loads(body)
        except (ValueError, RecursionError):
            raise self._broken("a page is not JSON") from None
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            raise self._broken("a page is not a FHIR Bundle")
        return bundle

    def _next(self, url: httpx2.URL, bundle: Resource) -> httpx2.URL | None:
        links = bundle.get("link") or []
        following = [
            i.get("url") for i in links if isinstance(i, dict) and i.get("relation") == "next"
        ]
        if not following:
            return None
        target = url.join(str(following[0]))
        # The token and the patient's id must not be carried to another host.
        if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
            raise self._broken("a page points to another host")
        return target

    def _broken(self, reason: str) -> ConnectorUnavailableError:
        return ConnectorUnavailableError(self._system, f"the FHIR server failed: {reason}")


def _documents(path: Path) -> Iterator[Any]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        yield json.loads(text)
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _unbundled(document: object, system: str) -> Iterator[Resource]:
    """Yield a resource, or those of a Bundle.

    Raises:
        ValueError: Neither.
        ConnectorUnavailableError: An OperationOutcome that reports an error.

    """
    if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
        raise ValueError("not a resource")  # noqa: TRY004 - of the file, not of our types
    if document["resourceType"] == "OperationOutcome":
        issues = document.get("issue") or []
        if any(i.get("severity") in {"error", "fatal"} for i in issues if isinstance(i, dict)):
            raise ConnectorUnavailableError(system, "the FHIR source reports an error")
    elif document["resourceType"] == "Bundle":
        for entry in document.get("entry") or []:
            if isinstance(entry, dict) and "resource" in entry:
                yield from _unbundled(entry["resource"], system)
    else:
        yield document

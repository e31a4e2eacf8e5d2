"""FHIR R4 from a folder and from a real HTTP server, good, broken and hostile."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from adapters.connectors.base import MARKER_FIELDS, MARKERS_CATEGORY, Connector
from adapters.connectors.fhir_paths import parse_path, values_at
from adapters.connectors.load import load_connector
from adapters.errors import AnswerByHandError, ConnectorUnavailableError, MappingError
from adapters.matching.identity import Address

NHS = "https://fhir.nhs.uk/Id/nhs-number"
PATIENTS: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": NHS, "value": "9999458076"}, {"system": "x", "value": "1"}],
        "name": [
            {"use": "nickname", "given": ["Millie"]},
            {"use": "official", "family": "Hargreave", "given": ["Amelia", "Rose"]},
            {"use": "maiden", "family": "Stott", "given": ["Amelia"]},
        ],
        "gender": "female",
        "birthDate": "2019-05-17",
        "telecom": [{"system": "phone", "value": "01632 960001"}],
        "address": [
            {
                "line": ["14 Weir Road"],
                "city": "Northshire",
                "postalCode": "ZZ15 3UY",
                "extension": [
                    {
                        "url": "https://fhir.hl7.org.uk/StructureDefinition/"
                        "Extension-UKCore-AddressKey",
                        "extension": [
                            {
                                "url": "type",
                                "valueCodeableConcept": {"coding": [{"code": "UPRN"}]},
                            },
                            {"url": "value", "valueString": "999000000014"},
                        ],
                    }
                ],
            }
        ],
    },
    {"resourceType": "Patient", "id": "p2", "birthDate": "2019-05"},
]


def appointment(patient: str, start: str, status: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": f"a-{patient}-{start}",
        "status": status,
        "start": start,
        "description": "secret",
        "participant": [{"actor": {"reference": f"Patient/{patient}"}}],
    }


OTHERS: list[dict[str, Any]] = [
    appointment("p1", "2026-01-01", "noshow"),
    appointment("p1", "2026-03-01", "noshow"),
    appointment("p1", "2026-04-01", "booked"),
    appointment("p1", "2026-05-01", "entered-in-error"),
    appointment("p2", "2026-02-01", "noshow"),
    {
        "resourceType": "Flag",
        "status": "active",
        "code": {"coding": [{"code": "sealed"}]},
        "subject": {"reference": "https://gp.example/Patient/p1/_history/2"},
    },
]
MAPPING: dict[str, Any] = {
    "connector": "fhir",
    "system": "gp",
    "markers": {
        "sealed": {"resource": "Flag", "where": {"code.coding.code": "sealed", "status": "active"}}
    },
    "categories": {
        "hlt.gp.attendance": {
            "resource": "Appointment",
            "where": {"status": ["noshow", "entered-in-error"]},
            "fields": {"date": "start", "status": "status", "practice": {"text": "Weir Road"}},
            "order": {"field": "date", "descending": True},
            "limit": 20,
        },
        "hlt.gp.registration": {"resource": "Patient", "fields": {"born": "birthDate"}},
    },
}


class FhirServer:
    """A small R4 server over real sockets; `answer` may be replaced to misbehave."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.filters = True
        self.answer: Callable[[str], tuple[int, bytes]] = self.search
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                outer.tokens.append(self.headers["Authorization"])
                status, body = outer.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/fhir"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def search(self, path: str) -> tuple[int, bytes]:
        """Answer one resource per page, as a bundle with a next link."""
        parts, query = urlsplit(path), parse_qs(urlsplit(path).query)
        found = [r for r in PATIENTS + OTHERS if r["resourceType"] == parts.path.split("/")[-1]]
        if self.filters and "patient" in query:
            found = [r for r in found if f"Patient/{query['patient'][0]}" in json.dumps(r)]
        if self.filters and "_id" in query:
            found = [r for r in found if r.get("id") == query["_id"][0]]
        at = int(query.get("page", ["0"])[0])
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "entry": [{"resource": r} for r in found[at : at + 1]],
        }
        if at + 1 < len(found):
            base = path.split("&page=", maxsplit=1)[0]
            bundle["link"] = [{"relation": "next", "url": f"{base}&page={at + 1}"}]
        return 200, json.dumps(bundle).encode()


@pytest.fixture
def server() -> Iterator[FhirServer]:
    server = FhirServer()
    yield server
    server.close()


def connect(folder: Path, **changes: object) -> Connector:
    path = folder / "gp.yaml"
    path.write_text(yaml.safe_dump(MAPPING | changes), "utf-8")
    return load_connector(path, secrets={"gp-token": "hunter2"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gp").mkdir()
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in PATIENTS]}
    (tmp_path / "gp" / "patients.json").write_text(json.dumps(bundle), "utf-8")
    lines = "".join(json.dumps(r) + "\n" for r in OTHERS)
    (tmp_path / "gp" / "others.ndjson").write_text(lines, "utf-8")
    return tmp_path


@pytest.fixture(params=["folder", "rest"])
def gp(request: pytest.FixtureRequest, folder: Path, server: FhirServer) -> Connector:
    return connect(folder, source="gp" if request.param == "folder" else server.url)


def test_patients_carry_their_matching_fields(gp: Connector) -> None:
    people = {p.record_id: p.identity for p in gp.people()}

    amelia = people["p1"]
    assert (amelia.given, amelia.surname) == (("Amelia", "Rose"), "Hargreave")
    assert amelia.previous_names == (("Millie", "Hargreave"), ("Amelia", "Stott"))
    assert amelia.birth_date == date(2019, 5, 17)
    assert amelia.identifiers == {"nhs": "9999458076"}
    assert amelia.addresses == (
        Address(line="14 Weir Road Northshire", postcode="ZZ15 3UY", uprn="999000000014"),
    )
    assert people["p2"].birth_accuracy == "month"


def test_a_category_is_filtered_ordered_and_without_errors(gp: Connector) -> None:
    rows = gp.read("p1", category="hlt.gp.attendance", fields=("date", "practice"))

    assert rows == [
        {"date": "2026-03-01", "practice": "Weir Road"},
        {"date": "2026-01-01", "practice": "Weir Road"},
    ]


def test_the_patient_itself_can_be_a_category(gp: Connector) -> None:
    rows = gp.read("p1", category="hlt.gp.registration", fields=("born",))

    assert rows == [{"born": "2019-05-17"}]


def test_markers_are_read_per_patient(gp: Connector) -> None:
    assert gp.read("p1", category=MARKERS_CATEGORY, fields=MARKER_FIELDS) == [
        {"sealed": "true", "safe_address": "false"}
    ]
    assert gp.read("p2", category=MARKERS_CATEGORY, fields=("sealed",)) == [{"sealed": "false"}]


def test_gone_unmapped_and_unpermitted_are_three_things(gp: Connector) -> None:
    with pytest.raises(ConnectorUnavailableError):
        gp.read("p9", category="hlt.gp.attendance", fields=("date",))
    with pytest.raises(AnswerByHandError):
        gp.read("p1", category="hlt.gp.sexual_health", fields=("date",))
    assert gp.read("p1", category="hlt.gp.attendance", fields=("description",)) == []


def test_a_live_source_says_so(gp: Connector) -> None:
    assert gp.health().live


def test_the_server_is_asked_for_the_named_elements_only(folder: Path, server: FhirServer) -> None:
    gp = connect(folder, source=server.url, token={"secret": "gp-token"})

    gp.read("p1", category="hlt.gp.attendance", fields=("status",))

    query = parse_qs(urlsplit(server.requests[0]).query)
    assert query["_elements"] == ["participant,status"]
    assert query["patient"] == ["p1"]
    assert set(server.tokens) == {"Bearer hunter2"}


def test_a_server_that_ignores_the_filter_shows_nobody_else(
    folder: Path, server: FhirServer
) -> None:
    server.filters = False
    gp = connect(folder, source=server.url)

    rows = gp.read("p2", category="hlt.gp.attendance", fields=("date",))

    assert rows == [{"date": "2026-02-01"}]


def bundle(**members: object) -> bytes:
    return json.dumps({"resourceType": "Bundle", **members}).encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (404, bundle()),
        (302, bundle()),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"resourceType": "Bundle", "entry": [{"resource": 1}]}'),
        (200, bundle(link=[{"relation": "next", "url": "http://elsewhere.example/next"}])),
        (200, bundle(link=[{"relation": "next", "url": "/fhir/Patient?page=1"}])),
        (
            200,
            bundle(
                entry=[
                    {
                        "resource": {
                            "resourceType": "OperationOutcome",
                            "issue": [{"severity": "error"}],
                        }
                    }
                ]
            ),
        ),
        (200, b'{"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}'),
    ],
)
def test_a_misbehaving_server_is_unavailable(
    folder: Path, server: FhirServer, status: int, body: bytes
) -> None:
    server.answer = lambda _: (status, body)
    gp = connect(folder, source=server.url)

    with pytest.raises(ConnectorUnavailableError) as caught:
        list(gp.people())

    assert "p1" not in str(caught.value)
    assert len(server.requests) <= 2
    assert not gp.health().live


def test_a_server_that_is_not_there_is_unavailable(folder: Path) -> None:
    gp = connect(folder, source="http://127.0.0.1:9/fhir", timeout_seconds=1)

    assert not gp.health().live


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"a": 1}', b"\xff", b'{"resourceType": 1}', b"[" * 100_000]
)
def test_a_broken_file_is_unavailable(folder: Path, content: bytes) -> None:
    (folder / "gp" / "more.json").write_bytes(content)
    gp = connect(folder, source="gp")

    assert not gp.health().live
    with pytest.raises(ConnectorUnavailableError):
        gp.people()


def test_an_empty_or_missing_folder_is_unavailable_not_empty(folder: Path) -> None:
    (folder / "empty").mkdir()

    assert not connect(folder, source="empty").health().live
    assert not connect(folder, source="nosuch").health().live


def test_a_changed_folder_is_read_again(folder: Path) -> None:
    gp = connect(folder, source="gp")
    assert len(list(gp.people())) == 2
    (folder / "gp" / "third.json").write_text('{"resourceType": "Patient", "id": "p3"}', "utf-8")

    assert len(list(gp.people())) == 3


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("name.family", ["Hargreave", "Stott"]),
        ("name[1].given", ["Amelia", "Rose"]),
        ("name[9].given", []),
        ("telecom[system=phone].value", ["01632 960001"]),
        ("telecom[system=email].value", []),
        ("identifier[system=https://fhir.nhs.uk/Id/nhs-number].value", ["9999458076"]),
        ("nosuch.thing", []),
        ("birthDate.more", []),
        ("name", []),
    ],
)
def test_paths(path: str, values: list[str]) -> None:
    assert list(values_at(PATIENTS[0], parse_path(path))) == values


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[=1]", "a b", "a()"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path|brackets"):
        parse_path(text)


@pytest.mark.parametrize(
    ("category", "message"),
    [
        ({"resource": "Apointment", "fields": {"a": "b"}}, "did you mean 'Appointment'"),
        ({"resource": "Flag", "fields": {"a": "b("}}, "x.y.fields.a: not a path"),
        ({"resource": "Flag"}, "x.y.fields: is missing"),
        (
            {"resource": "Flag", "fields": {"date": "b"}, "order": {"field": "dat"}},
            "order.field: no field 'dat'; did you mean 'date'",
        ),
    ],
)
def test_a_wrong_mapping_says_so(folder: Path, category: dict[str, Any], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        connect(folder, source="gp", categories={"x.y": category})

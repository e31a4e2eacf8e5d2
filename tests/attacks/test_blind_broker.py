"""T1 and T6: whatever passes the broker, it learns no name, no reason, no answer, no status.

Marked strings go through a whole case over real processes, with a recording relay on the line.
The broker's files, every log and the traffic are searched, also through encodings; the same
search of the nodes' own stores finds every one of them.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.localclient import LocalClient
from adapters.node.answering import Status
from adapters.node.closing import OUTCOMES
from adapters.protocol import order_id
from audit.entry import ENTRY_SCHEMA
from audit.export import read_entries
from audit.report import Report
from broker.demo.deployment import Deployment, Plan, deploy
from broker.demo.evidence import export_ledger
from broker.demo.search import files_below, search
from broker.demo.staff import GUARDIAN, REPRESENTATIVE
from tests.faults.relay import Relay

ASKER = "northshire-cc"
HOLDER = "northshire-police"
BY_HAND = "northshire-yjs"
ROLE = "mash_decision_maker"
CATEGORY = "pol.crimes_convictions"
PATIENCE_SECONDS = 40.0

GIVEN, SURNAME = "Zephrinella", "Quorblaxton"
BORN, NHS = "2013-11-27", "9990123470"
LINE, POSTCODE = "77 Wyvernmere Ginnel", "ZZ9 7QX"
NARRATIVE = "Narrative mark: the café owner saw the girl sleeping in the larkspur shed."
WORDS = "Referral mark: she told her swimming teacher about the ferret and the belt."
REASON = "Reason mark: to learn whether anyone at the ginnel is known for harming children."
NOTE = "Note mark: our duty officer met her twice at the velodrome in September."
OUTCOME_REASON = "Outcome mark: on the quinquereme report and what the velodrome told us."
DISSENT = "Dissent mark: the ombudsvole would have waited."
OFFENCE = "Offence mark: theft of a hurdy-gurdy"
UNKNOWN_SURNAME = "Vanterpoolish"
MARKS = (
    GIVEN,
    SURNAME,
    f"{GIVEN} {SURNAME}",
    BORN,
    NHS,
    LINE,
    POSTCODE,
    NARRATIVE,
    WORDS,
    REASON,
    NOTE,
    OUTCOME_REASON,
    DISSENT,
    OFFENCE,
    UNKNOWN_SURNAME,
)
OUTCOME_CODE = "s47_joint"
WITHOUT_CONSENT = "seeking_would_increase_risk"
MAPPING = """
connector: sql
system: police
url: sqlite:///police.sqlite
people:
  table: person
  key: id
  given: given
  surname: surname
  birth_date: born
  identifiers: {nhs: nhs}
  addresses: [{line: line, postcode: postcode}]
categories:
  pol.crimes_convictions:
    table: crime
    key: person_id
    fields: {crime_no: crime_no, offence: offence}
"""


@dataclass(kw_only=True)
class Case:
    """What one request was about, and what came of it."""

    request: str
    sections: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class Passage:
    """A deployment through which everything has passed, still running."""

    deployment: Deployment
    relay: Relay
    known: Case
    unknown: Case
    queues: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    export: Path
    ledger: Report

    def broker_files(self) -> list[tuple[str, bytes]]:
        return list(files_below(self.deployment.plan.directory / "broker"))

    def broker_rows(self) -> list[tuple[str, bytes]]:
        """Every value of the database on its own: a page boundary hides nothing."""
        path = self.deployment.plan.directory / "broker" / "broker.sqlite"
        found = []
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - its own name
                    parts = [v if isinstance(v, bytes) else str(v).encode() for v in row]
                    found.append((f"row of {table}", b"\n".join(parts)))
        return found

    def logs(self) -> list[tuple[str, bytes]]:
        return list(files_below(self.deployment.plan.directory / "logs"))

    def traffic(self) -> list[tuple[str, bytes]]:
        return [
            (f"{e.method} {e.path}", e.path.encode() + b"\n" + e.sent + b"\n" + e.received)
            for e in self.relay.exchanges
        ]

    def node_stores(self) -> list[tuple[str, bytes]]:
        parties = files_below(self.deployment.plan.directory / "parties")
        return [(name, data) for name, data in parties if "node.sqlite" in name]

    def entries(self) -> list[dict[str, Any]]:
        return [
            msgspec.json.decode(entry, type=dict[str, Any])
            for entry in read_entries(self.export, size=self.ledger.size)
        ]


def wait_until(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def write_store(folder: Path) -> Path:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "police.sqlite")) as connection, connection:
        connection.execute(
            "CREATE TABLE person (id, given, surname, born, nhs, line, postcode, PRIMARY KEY (id))"
        )
        connection.execute("CREATE TABLE crime (person_id, crime_no, offence)")
        person = ("N1", GIVEN, SURNAME, BORN, NHS, LINE, POSTCODE)
        connection.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?)", person)
        connection.execute("INSERT INTO crime VALUES ('N1', 'NS-26-1', ?)", (OFFENCE,))
    mapping = folder / "police.yaml"
    mapping.write_text(MAPPING)
    return mapping


def case_about(surname: str, **changes: Any) -> dict[str, Any]:
    identity = {
        "given": [GIVEN],
        "surname": surname,
        "birth_date": BORN if surname == SURNAME else "2011-02-03",
        "addresses": [{"line": LINE, "postcode": POSTCODE}] if surname == SURNAME else [],
        "identifiers": {"nhs": NHS} if surname == SURNAME else {},
    }
    ask = {
        "supplier": HOLDER,
        "reason": REASON,
        "items": [{"category": CATEGORY, "subject": "child", "posts": [ROLE]}],
    }
    return {
        "rag": "red",
        "purpose": "cp_s47",
        "concern": "physical_abuse_nai",
        "facts": {"reason_without_consent": WITHOUT_CONSENT, "dash": "high"},
        "referral": {"words": WORDS},
        "narrative": NARRATIVE,
        "subjects": [{"label": "child", "role": "subject_child", "identity": identity}],
        "asks": [ask],
    } | changes


def by_hand() -> dict[str, Any]:
    return {
        "supplier": BY_HAND,
        "reason": REASON,
        "items": [{"category": "yjs.involvement", "subject": "child", "posts": [ROLE]}],
    }


def decide(task: dict[str, Any]) -> dict[str, Any]:
    match task["kind"]:
        case "confirm":
            return {"confirm": next(iter(task["records"]))}
        case "manual":
            return {"status": "KNOWN_DATA", "note": NOTE}
        case _:
            return {"keep": list(range(len(task["rows"])))}


def work(client: LocalClient) -> None:
    for task in client.get("/worklist")["tasks"]:
        client.post(f"/worklist/{task['id']}", decide(task))


def pass_through(deployment: Deployment, body: dict[str, Any], versions: int) -> Case:
    """Raise a request, answer it by machine and by hand, and open what came."""
    asker = deployment.client(ASKER, ROLE)
    raised = asker.post("/requests", body, role=ROLE)
    assert (raised["state"], raised["alarm"]) == ("sent", ""), raised
    outcomes = {line["outcome"] for line in raised["preview"]}
    assert outcomes <= {"PERMIT", "REVIEW"}, raised["preview"]

    def answered() -> bool:
        for party in (HOLDER, BY_HAND):
            work(deployment.client(party, REPRESENTATIVE))
        return len(asker.get(f"/requests/{raised['request']}")["delivered"]) == versions

    wait_until(answered, "every version is delivered")
    opened = asker.post(f"/requests/{raised['request']}/open", role=ROLE)
    return Case(request=raised["request"], sections=opened["sections"])


def close(deployment: Deployment, case: Case) -> list[dict[str, Any]]:
    outcome = {
        "outcome": OUTCOME_CODE,
        "threshold_level": 4,
        "reason": OUTCOME_REASON,
        "used": [f"{HOLDER}:{CATEGORY}"],
        "took_part": ["MASH decision maker"],
        "dissent": DISSENT,
        "referrer_told": True,
        "family_told": "not yet",
    }
    reply = deployment.client(ASKER, ROLE).post(
        f"/requests/{case.request}/outcome", outcome, role=ROLE
    )
    assert reply == {"state": "sent", "problem": ""}
    holder = deployment.client(HOLDER, REPRESENTATIVE)
    wait_until(lambda: bool(holder.get("/feedback")["feedback"]), "feedback arrives")
    returned: list[dict[str, Any]] = holder.get("/feedback")["feedback"]
    return returned


@pytest.fixture(scope="module")
def passage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passage]:
    folder = tmp_path_factory.mktemp("blind")
    relay = Relay()
    deployment = deploy(
        Plan(
            directory=folder / "mash",
            systems={HOLDER: (write_store(folder / "store"),)},
            parties=(ASKER, HOLDER, BY_HAND),
            broker_url=relay.url,
            cover_seconds=(5.0, 5.0),  # people are quicker, so both have two versions
        )
    )
    relay.target = deployment.broker_port
    relay.start()
    try:
        deployment.start_broker()
        deployment.start_nodes()
        whole = case_about(SURNAME)
        known = pass_through(deployment, whole | {"asks": [*whole["asks"], by_hand()]}, 4)
        unknown = pass_through(deployment, case_about(UNKNOWN_SURNAME), 2)
        feedback = close(deployment, known)
        queues = [deployment.client(p, GUARDIAN).get("/review/queue") for p in (ASKER, HOLDER)]
        time.sleep(0.5)  # the openings of the guardians reach the ledger
        export, ledger = export_ledger(deployment)
        yield Passage(
            deployment=deployment,
            relay=relay,
            known=known,
            unknown=unknown,
            queues=queues,
            feedback=feedback,
            export=export,
            ledger=ledger,
        )
    finally:
        deployment.stop()
        relay.stop()


def test_everything_really_passed(passage: Passage) -> None:
    """The story behind the searches: without it they would prove nothing."""
    statuses = [section["status"] for section in passage.known.sections]
    assert statuses.count("KNOWN_DATA") == 2
    assert OFFENCE in str(passage.known.sections)
    assert NOTE in str(passage.known.sections)
    assert {s["status"] for s in passage.unknown.sections} == {"NOT_KNOWN"}
    assert passage.feedback[0]["outcome"] == OUTCOME_CODE
    assert REASON in str(passage.queues[1])
    assert passage.ledger.ok


def test_the_brokers_files_hold_no_mark(passage: Passage) -> None:
    files = passage.broker_files()

    assert any(name.endswith("-wal") for name, _ in files)
    assert search(MARKS, files) == []
    assert search(MARKS, passage.broker_rows()) == []
    assert search(MARKS, files_below(passage.export)) == []


def test_no_log_holds_a_mark(passage: Passage) -> None:
    logs = passage.logs()

    assert {name for name, _ in logs} == {
        "broker.log",
        *(f"{p}.log" for p in (ASKER, HOLDER, BY_HAND)),
    }
    assert dict(logs)["broker.log"]
    assert search(MARKS, logs) == []


def test_the_traffic_holds_no_mark(passage: Passage) -> None:
    traffic = passage.traffic()

    assert Counter(path.split("?")[0] for path, _ in traffic)["POST /v1/requests"] == 2
    assert search(MARKS, traffic) == []


def test_the_same_search_finds_every_mark_at_the_nodes(passage: Passage) -> None:
    found = {hit.number for hit in search(MARKS, passage.node_stores())}

    assert [mark for number, mark in enumerate(MARKS) if number not in found] == []


def test_no_person_who_works_at_an_agency_is_named_to_the_broker(passage: Passage) -> None:
    staff = [p.name for people in passage.deployment.staff.values() for p in people]

    assert search(staff, [*passage.broker_files(), *passage.traffic()]) == []


def test_no_status_and_no_outcome_passes_in_clear(passage: Passage) -> None:
    words = [*Status, OUTCOME_CODE, "threshold_level", "family_told", "withheld"]
    agreement = passage.deployment.plan.directory / "agreement.yaml"
    public = {words[hit.number] for hit in search(words, [("agreement", agreement.read_bytes())])}
    secret = [word for word in words if word not in public]

    assert set(Status) <= set(secret)
    assert OUTCOME_CODE in secret
    assert search(secret, [*passage.broker_rows(), *passage.traffic()]) == []
    assert search(secret, passage.node_stores()) != []


def values_of(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            for inner in value.values():
                yield from values_of(inner)
        case list():
            for inner in value:
                yield from values_of(inner)
        case _:
            yield value


def names_of(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from value
            for inner in value.values():
                yield from names_of(inner)
        case list():
            for inner in value:
                yield from names_of(inner)


def test_the_ledger_says_neither_status_nor_outcome_nor_facts(passage: Passage) -> None:
    entries = passage.entries()
    said = {str(value) for entry in entries for value in values_of(entry)}
    named = {name for entry in entries for name in names_of(entry)}

    assert {"request", "ask", "answer", "release", "opened", "outcome"} <= {
        entry["event"] for entry in entries
    }
    assert not said & ({str(s) for s in Status} | OUTCOMES | {WITHOUT_CONSENT, "high"})
    assert not named & {
        "status",
        "consent",
        "dash",
        "facts",
        "reason",
        "reason_without_consent",
        "name",
        "rows",
        "identity",
        "narrative",
    }


def test_no_event_of_the_schema_could_say_them() -> None:
    """By the closed schema itself, for every event there is, not only those of one story."""
    fields = {
        name for schema in ENTRY_SCHEMA.values() for name in {*schema.required, *schema.optional}
    }

    assert not fields & {"status", "consent", "dash", "facts", "dash_level", "name", "outcome"}


def shape(entry: dict[str, Any]) -> tuple[int, tuple[int, ...], int]:
    """What stands in clear of a version of an answer."""
    classes = tuple(sorted(blob["class"] for blob in entry["blobs"]))
    return entry["version"], classes, len(entry["key_commitments"])


def test_known_and_not_known_look_alike_from_outside(passage: Passage) -> None:
    entries = passage.entries()

    def of(case: Case, event: str) -> list[dict[str, Any]]:
        order = order_id(case.request, HOLDER)
        return [e for e in entries if e["event"] == event and e.get("order") == order]

    known, unknown = (
        [shape(e) for e in of(case, "answer")] for case in (passage.known, passage.unknown)
    )
    assert known == unknown
    assert [version for version, _, _ in known] == [1, 2]
    assert len(of(passage.known, "release")) == len(of(passage.unknown, "release")) == 2


def test_known_and_not_known_weigh_alike_on_the_line(passage: Passage) -> None:
    """Bytes posted for each version; references have one length, counters a digit or two."""

    def weights(case: Case, step: str) -> list[int]:
        path = f"/v1/work/{order_id(case.request, HOLDER)}/{step}"
        return [len(body) for body in passage.relay.bodies(path)]

    for step in ("answer", "release"):
        known, unknown = weights(passage.known, step), weights(passage.unknown, step)
        assert len(known) == len(unknown) == 2
        assert all(abs(a - b) <= 16 for a, b in zip(known, unknown, strict=True))

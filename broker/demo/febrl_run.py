"""The main job on people nobody here made up: FEBRL 4's file A asked of an agency holding file B.

The same path as every other request: previewed, sealed, decided twice, matched, confirmed by a
scripted representative who sees only what the worklist shows, answered, released, opened. The true
links are used afterwards, to count.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from adapters.localclient import LocalClient
from adapters.protocol import order_id
from broker.demo.deployment import Deployment, Plan, deploy
from broker.demo.errors import StoryError
from broker.demo.evidence import export_ledger
from broker.demo.febrl import FebrlSubject, febrl_population, write_febrl
from broker.demo.representatives import Representatives
from broker.demo.search import files_below, search
from broker.demo.staff import REPRESENTATIVE

REQUESTS: Final = 500
ASKER: Final = "northshire-police"
HOLDER: Final = "northshire-cc"
ROLE: Final = "mash_police_researcher"
CATEGORY: Final = "edu.enrolment"
_AT_ONCE: Final = 8
_PATIENCE_SECONDS: Final = 240.0


def run_febrl(folder: Path, console: Console, *, requests: int = REQUESTS) -> dict[str, Any]:
    """Ask about the first `requests` people of file A; return counts against the true links.

    Raises:
        DemoError: FEBRL 4 is not installed, a process did not start, or an answer is missing.

    """
    started = time.monotonic()
    population = febrl_population()
    mapping = write_febrl(folder / "world", population)
    subjects = population.subjects_a[:requests]
    deployment = deploy(
        Plan(directory=folder, systems={HOLDER: (mapping,)}, parties=(ASKER, HOLDER))
    )
    try:
        with console.status("Starting a broker and two nodes …"):
            deployment.start_broker()
            deployment.start_nodes()
        asked, done, statuses, decisions = _ask_all(deployment, subjects, console)
        _, ledger = export_ledger(deployment)
        leaks = _leaks(folder, subjects)
    finally:
        deployment.stop()
    matching = _count(population.truth(), asked, done, statuses)
    report = {
        "requests": len(asked),
        "decisions": decisions,
        "answers": len(statuses),
        "opened": len(statuses),
        "ledger": {"size": ledger.size, "verified": ledger.ok},
        "tampering_detected": {"tried": 0, "named": 0},
        "leaks_found": leaks,
        "matching": matching,
        "seconds": round(time.monotonic() - started, 1),
    }
    _print(console, report)
    return report


def _ask_all(
    deployment: Deployment, subjects: tuple[FebrlSubject, ...], console: Console
) -> tuple[dict[str, FebrlSubject], list[dict[str, Any]], dict[str, str], dict[str, int]]:
    asker = deployment.client(ASKER, ROLE)
    holder = deployment.client(HOLDER, REPRESENTATIVE)
    decisions = {"PERMIT": 0, "REVIEW": 0, "DENY": 0}

    def ask(subject: FebrlSubject) -> str:
        status = asker.post("/requests", case_about(subject), role=ROLE)
        if status["state"] != "sent":
            raise StoryError("the broker did not take a request")
        for line in status["preview"]:
            decisions[line["outcome"]] += 1
        return str(status["request"])

    with (
        Progress(console=console) as progress,
        Representatives([holder]) as people,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        asking = progress.add_task("asked", total=len(subjects))
        answering = progress.add_task("answered", total=len(subjects))
        asked: dict[str, FebrlSubject] = {}
        for subject, request in zip(subjects, pool.map(ask, subjects), strict=True):
            asked[request] = subject
            progress.advance(asking)
        _await_answers(
            asker, holder, people, asked, lambda n: progress.update(answering, completed=n)
        )
        statuses = dict(zip(asked, pool.map(lambda r: _status(asker, r), asked), strict=True))
    return asked, people.done, statuses, decisions


def _await_answers(
    asker: LocalClient,
    holder: LocalClient,
    people: Representatives,
    asked: Mapping[str, FebrlSubject],
    show: Any,  # noqa: ANN401 - a progress call
) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        orders = holder.get("/orders")["orders"]
        finished = sum(order["state"] == "done" for order in orders)
        show(finished)
        if finished == len(asked) and people.idle() and _delivered(asker, orders, asked):
            return
        if time.monotonic() > end:
            raise StoryError("not every request was answered in time")
        time.sleep(0.5)


def _delivered(
    asker: LocalClient, orders: list[dict[str, Any]], asked: Mapping[str, FebrlSubject]
) -> bool:
    """Whether the newest version of every order has reached the asker."""
    newest = {order["order"]: order["version"] for order in orders}
    return all(
        max((d["version"] for d in asker.get(f"/requests/{request}")["delivered"]), default=0)
        == newest[order_id(request, HOLDER)]
        for request in asked
    )


def _status(asker: LocalClient, request: str) -> str:
    sections = asker.post(f"/requests/{request}/open", role=ROLE)["sections"]
    return str(max(sections, key=lambda section: section["version"])["status"])


def case_about(subject: FebrlSubject) -> dict[str, Any]:
    """Return a case that asks one question about one subject."""
    return {
        "rag": "red",
        "purpose": "cp_s47",
        "concern": "physical_abuse_nai",
        "referral": {"words": "Population test on FEBRL 4, an open data set."},
        "narrative": "Population test on FEBRL 4, an open data set.",
        "subjects": [
            {"label": "child", "role": "subject_child", "identity": dict(subject.identity)}
        ],
        "asks": [
            {
                "supplier": HOLDER,
                "reason": "To learn whether this agency knows the person asked about.",
                "items": [{"category": CATEGORY, "subject": "child", "posts": [ROLE]}],
            }
        ],
    }


def _count(
    truth: Mapping[str, str],
    asked: Mapping[str, FebrlSubject],
    done: list[dict[str, Any]],
    statuses: Mapping[str, str],
) -> dict[str, Any]:
    """Compare what the agency confirmed, and what came back, with the true links."""
    by_order = {order_id(request, HOLDER): subject for request, subject in asked.items()}
    confirmed = {item["order"]: item["confirm"] for item in done if item["kind"] == "confirm"}
    right = sum(truth[by_order[order].truth_id] == record for order, record in confirmed.items())
    came_back = list(statuses.values())
    match = sum(status in {"KNOWN_DATA", "KNOWN_NO_RELEVANT"} for status in came_back)
    candidate = came_back.count("PENDING_HUMAN")
    return {
        "match": match,
        "candidate": candidate,
        "not_known": came_back.count("NOT_KNOWN"),
        "wrong_person": len(confirmed) - right,
        "recall_match": round(right / len(asked), 4),
        "recall_match_or_candidate": round((right + candidate) / len(asked), 4),
    }


def _leaks(folder: Path, subjects: tuple[FebrlSubject, ...]) -> int:
    """Full names of file A at the broker; single short words would be found by chance."""
    words = [
        f"{' '.join(s.identity['given'])} {s.identity['surname']}"
        for s in subjects
        if s.identity["given"] and s.identity["surname"]
    ]
    return len(search(words[:100], files_below(folder / "broker")))


def _print(console: Console, report: dict[str, Any]) -> None:
    matching = report["matching"]
    table = Table("FEBRL 4, file A asked of file B", f"{report['requests']} requests")
    for label, key in (
        ("match, confirmed by hand", "match"),
        ("candidate, still to be confirmed", "candidate"),
        ("not known", "not_known"),
        ("wrong person", "wrong_person"),
        ("recall of matches", "recall_match"),
        ("recall of matches or candidates", "recall_match_or_candidate"),
    ):
        table.add_row(label, str(matching[key]))
    table.add_row("ledger entries, verified", f"{report['ledger']['size']}")
    table.add_row("seconds", str(report["seconds"]))
    console.print(table)

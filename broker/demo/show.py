"""Printing the demonstration for people: a manager, a Caldicott Guardian, an expert witness."""

from collections import Counter
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from adapters.protocol import SHARING_RECORD
from broker.demo.evidence import Attempt, Leaks
from broker.demo.story import Told
from keys.words import twelve_words
from policies.agreement import Agreement

_COLOUR: Final = {"PERMIT": "green", "REVIEW": "yellow", "DENY": "red"}
_SAID: Final = {"PERMIT": "permitted", "REVIEW": "after review", "DENY": "not by this route"}
_STATUS: Final = {
    "KNOWN_DATA": "known",
    "KNOWN_NO_RELEVANT": "known, nothing relevant",
    "KNOWN_WITHHELD": "information held: ring",
    "PARTIAL": "known, part withheld: ring",
    "NOT_KNOWN": "not known",
    "PENDING_HUMAN": "still answering",
    "UNAVAILABLE": "we do not know",
}


def print_story(
    console: Console,
    told: list[Told],
    *,
    report: dict[str, Any],
    guardians: dict[str, dict[str, Any]],
    attempts: list[Attempt],
    leaks: Leaks,
    agreement: Agreement,
) -> None:
    """Print the whole demonstration."""
    console.rule("[bold]Northshire MASH: the main job, on invented families")
    words = " ".join(twelve_words(bytes.fromhex(agreement.sha256)))
    console.print(f"Agreement {agreement.id}, version {agreement.version}; read aloud: {words}\n")
    for one in told:
        _print_request(console, one, agreement)
    _print_broker(console, report["broker_saw"], leaks)
    _print_guardians(console, guardians)
    _print_ledger(console, report, attempts)


def _print_request(console: Console, told: Told, agreement: Agreement) -> None:
    due = told.summary["due"]
    console.print(
        Panel(
            Text(f"{told.name}  {told.scenario.title}", style="bold"),
            subtitle=f"due {due or 'never: nothing is asked'} · "
            f"answered after {told.seconds} s · outcome {told.outcome['outcome']}",
        )
    )
    console.print(f"Referrer: “{told.scenario.case['referral']['words'][:160]}…”")
    console.print(_decisions(told, agreement))
    console.print(_opened(told))
    for item in told.summary["findings"]:
        name = item["subject"]["name"]
        console.print(f"  Finding: [bold]{item['finding']}[/bold] ({name})")
    for gap in told.summary["missing"]:
        ring = gap["ring"]
        console.print(
            f"  Missing: {gap['supplier']} ({', '.join(gap['categories'])}): {gap['why']}. "
            f"Ring {ring['post']}, {ring['telephone']}",
            style="yellow",
        )
    for item in told.summary["items"]:
        if item["kind"] == "telephone":
            console.print(
                f"  By telephone, unconfirmed: {item['speaker']} of {item['controller']} "
                f"({item['number']}): {item['said']}"
            )
    console.print()


def _decisions(told: Told, agreement: Agreement) -> Table:
    table = Table("asked of", "category", "about", "for", "decision", "rule and reason", "remedy")
    for line in told.preview:
        denied = line["outcome"] == "DENY"
        ring = f"{line['contact']['post']}, {line['contact']['telephone']}"
        table.add_row(
            agreement.terms.parties[line["supplier"]].name,
            line["category"],
            _words(line["subject_role"] or "nobody on the case"),
            _words(line["role"].removeprefix("mash_")),
            Text(_SAID[line["outcome"]], style=_COLOUR[line["outcome"]]),
            f"{line['rule']} {_words(line['reason'])}",
            f"{line['remedy']} Or ring {ring}." if denied else "",
        )
    return table


def _opened(told: Told) -> Table:
    table = Table("post", "opened", "what it found", title="What each post could open")
    for post, sections in told.posts.items():
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for section in sections:
            if section["category"] != SHARING_RECORD:
                newest[section["category"], section["subject"]["ref"]] = section
        if not newest:
            table.add_row(_words(post), "0", Text("nothing is sealed to this post", style="dim"))
            continue
        statuses = Counter(_STATUS[s["status"]] for s in newest.values())
        detail = ", ".join(f"{count} {status}" for status, count in statuses.items())
        notes = [s["note"] for s in newest.values() if s.get("note")]
        note = f"\n“{notes[0]}”" if notes else ""
        table.add_row(_words(post), str(len(newest)), detail + note)
    return table


def _print_broker(console: Console, saw: dict[str, Any], leaks: Leaks) -> None:
    console.rule("[bold]What the broker saw")
    table = Table("ledger event", "entries")
    for event, count in saw["events"].items():
        table.add_row(event, str(count))
    console.print(table)
    sizes = saw["sealed_blobs_by_size"]
    shown = ", ".join(f"{count} of {size} bytes" for size, count in sizes.items())
    console.print(f"Sealed answers: {shown}. One of them, as it stands in the ledger:")
    sample = saw["an_answer_as_the_broker_sees_it"]
    keys = ("i", "event", "ts", "party", "actor_ref", "order", "version", "blobs")
    for key in keys:
        console.print(f"  {key}: {str(sample.get(key))[:100]}", style="dim")
    found = "nothing" if not leaks.at_broker else f"[red]{leaks.at_broker} words[/red]"
    console.print(
        f"Searched {leaks.files_at_broker} files of the broker (database, write-ahead log, logs; "
        f"plain, base64, hex, inflated) for {leaks.words} names, dates, numbers, addresses and "
        f"sentences of the families: found {found}. The same search at the nodes finds "
        f"{leaks.at_nodes}.\n"
    )


def _print_guardians(console: Console, guardians: dict[str, dict[str, Any]]) -> None:
    console.rule("[bold]What the Caldicott Guardians see (mash review queue)")
    table = Table("guardian of", "asked by", "RAG", "reason", "what was shared")
    for party, queue in guardians.items():
        for record in queue["shared"]:
            requester = record["requester"] or {}
            table.add_row(
                party,
                requester.get("name") or f"{record['requester_party']} (nobody matched)",
                record["rag"],
                record["reason"] or "sealed: it opens only on a match",
                ", ".join(
                    sorted(f"{line['category']}: {line['status']}" for line in _distinct(record))
                ),
            )
    console.print(table)
    for party, queue in guardians.items():
        for item in queue["look_at_first"]:
            who = (item["requester"] or {}).get("name", "")
            console.print(f"  Look first ({party}): {who}: {item['sentence']}", style="yellow")
    console.print()


def _distinct(record: dict[str, Any]) -> list[dict[str, Any]]:
    return list({(x["category"], x["status"]): x for x in record["lines"]}.values())


def _print_ledger(console: Console, report: dict[str, Any], attempts: list[Attempt]) -> None:
    console.rule("[bold]The ledger")
    ledger = report["ledger"]
    verdict = "[green]verified[/green]" if ledger["verified"] else "[red]damaged[/red]"
    console.print(f"{ledger['size']} entries, exported and {verdict} offline. Then, on copies:")
    table = Table("tampering", "named by the verifier", "what it said")
    for attempt in attempts:
        problem = attempt.report.problem
        table.add_row(
            attempt.name,
            Text("yes" if attempt.named else "NO", style="green" if attempt.named else "red"),
            "" if problem is None else f"{problem.kind}: {problem.detail}",
        )
    console.print(table)
    told = sum(report["feedback"].values())
    console.print(
        f"\n{report['requests']} requests, {report['answers']} answers, {report['opened']} "
        f"sections opened, {told} feedbacks."
    )


def _words(code: str) -> str:
    return code.replace("_", " ")

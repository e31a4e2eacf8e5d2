"""Printing the demonstration for people: a manager, a Caldicott Guardian, an expert witness."""

from collections.abc import Iterable
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
GUARDIAN_SHOWN: Final = "northshire-icb-gp"  # the others are counted
_EVENTS: Final = 4  # newest lines of the chronology to print
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
    for event in told.summary["chronology"][-_EVENTS:]:
        said = ", ".join(f"{_words(key)} {value}" for key, value in event["row"].items())
        console.print(f"  {event['date'][:10]} {event['controller']}: {said}"[:200], style="dim")
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
    table = Table(expand=True)
    table.add_column("what, about whom", ratio=5)
    table.add_column("for", ratio=2)
    table.add_column("decision", min_width=17)
    table.add_column("rule; and how to mend a refusal", ratio=6)
    answered = _answered(told)
    supplier = ""
    for line in told.preview:
        if line["supplier"] != supplier:
            supplier = line["supplier"]
            name = agreement.terms.parties[supplier].name
            table.add_section()
            table.add_row(Text(f"{name}: {answered.get(supplier, 'not asked')}", style="bold"))
        because = f"{line['rule']} {_words(line['reason'])}"
        if line["outcome"] == "DENY":
            ring = f"{line['contact']['post']}, {line['contact']['telephone']}"
            because += f". {line['remedy']} Ring {ring}."
        table.add_row(
            f"{line['category']}, {_words(line['subject_role'] or 'nobody on the case')}",
            _words(line["role"].removeprefix("mash_")),
            Text(_SAID[line["outcome"]], style=_COLOUR[line["outcome"]]),
            because,
        )
    return table


def _answered(told: Told) -> dict[str, str]:
    """Say of every supplier how it answered: by machine, by a named person, by telephone."""
    said: dict[str, str] = {}
    for section in (s for sections in told.posts.values() for s in sections):
        if section["category"] == SHARING_RECORD:
            continue
        who = section.get("answered_by") or section.get("confirmed_by")
        by = f"{who['name']}, {who['title']}" if who else "by machine"
        if who or section["supplier"] not in said:
            away = section["status"] == "UNAVAILABLE"
            said[section["supplier"]] = "its system did not answer" if away else f"answered, {by}"
    for ask in told.decisions["asks"]:
        if ask["route"] == "telephone":
            said[ask["supplier"]] = "has no node: answered by telephone"
    return said


def _opened(told: Told) -> Table:
    table = Table("post", "could open", "and found", title="Posts", expand=True)
    for post, sections in told.posts.items():
        newest = {
            (s["category"], s["subject"]["ref"]): s
            for s in sections
            if s["category"] != SHARING_RECORD
        }
        role = _words(post.split("/", 1)[1].removeprefix("mash_"))
        if not newest:
            table.add_row(role, "nothing", Text("nothing is sealed to this post", style="dim"))
            continue
        opened = ", ".join(sorted({category for category, _ in newest}))
        table.add_row(role, opened, _found(newest.values()))
    return table


def _found(sections: Iterable[dict[str, Any]]) -> str:
    said = []
    for section in sections:
        text = f"{section['category']}: {_STATUS[section['status']]}"
        if section.get("withheld"):
            text += f" ({section['withheld']} line withheld, {_words(section['reason'])})"
        if section.get("note"):
            text += f" “{section['note']}”"
        said.append(text)
    return "\n".join(said)


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
    for party in (GUARDIAN_SHOWN, *[party for party in guardians if party != GUARDIAN_SHOWN]):
        shared = guardians[party]["shared"]
        if party != GUARDIAN_SHOWN:
            console.print(f"  {party}: {len(shared)} sharing records this week")
            continue
        console.print(_records(party, shared))
    for party, queue in guardians.items():
        for item in queue["look_at_first"]:
            who = (item["requester"] or {}).get("name", "")
            console.print(f"  Look first ({party}): {who}: {item['sentence']}", style="yellow")
    console.print()


def _records(party: str, shared: list[dict[str, Any]]) -> Table:
    title = f"The week of the Caldicott Guardian of {party}"
    table = Table("asked by", "reason", "what was shared", title=title, expand=True)
    for record in shared:
        requester = record["requester"] or {}
        table.add_row(
            requester.get("name") or f"{record['requester_party']}: nobody matched",
            f"{record['rag'].upper()} {record['reason'] or '(sealed: opens on a match only)'}",
            "\n".join(
                sorted(f"{x['category']}: {_STATUS[x['status']]}" for x in _distinct(record))
            ),
        )
    return table


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

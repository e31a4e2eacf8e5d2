"""Commands about the ledger: verify an export, show an entry, count events."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from audit.checkpoint import read_checkpoint_unsafe
from audit.entry import parse_entry
from audit.errors import AuditError
from audit.export import CHECKPOINT, read_entries, read_text
from audit.report import Report
from audit.verify import verify_export

app = typer.Typer(help="Check and read the ledger.", no_args_is_help=True)

_Export = Annotated[Path, typer.Argument(help="Directory of an export.", exists=True)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_UNREADABLE = 2


@app.command()
def verify(
    export: _Export,
    *,
    vkey: Annotated[str | None, typer.Option(help="Verifier key from the agreement.")] = None,
    seen: Annotated[
        Path | None, typer.Option(help="File of lines 'size root', root in hex.", exists=True)
    ] = None,
    party: Annotated[str | None, typer.Option(help="Filtered to this party.")] = None,
    as_json: _Json = False,
) -> None:
    """Verify EXPORT. Exit status 1 when it is damaged, 2 when it cannot be read."""
    try:
        noted = [] if seen is None else _read_seen(seen.read_text("utf-8"))
        report = verify_export(export, vkey=vkey, seen=noted, party=party, progress=_progress)
    except (AuditError, ValueError) as error:
        typer.echo(f"cannot be verified: {error}", err=True)
        raise typer.Exit(_UNREADABLE) from error
    typer.echo(json.dumps(_report_json(report)) if as_json else _report_text(report))
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def show(
    export: _Export,
    index: Annotated[int, typer.Argument(help="Number of the entry, from 0.", min=0)],
) -> None:
    """Show one entry of EXPORT, unverified."""
    try:
        for number, entry in enumerate(read_entries(export, size=_size(export))):
            if number == index:
                typer.echo(json.dumps(parse_entry(entry), indent=2, sort_keys=True))
                return
    except AuditError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_UNREADABLE) from error
    typer.echo(f"there is no entry {index}", err=True)
    raise typer.Exit(1)


@app.command()
def stats(export: _Export, *, as_json: _Json = False) -> None:
    """Count the events of EXPORT, unverified; withheld entries apart."""
    try:
        counts = Counter(
            parse_entry(entry)["event"] if entry else "(withheld)"
            for entry in read_entries(export, size=_size(export))
        )
    except AuditError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_UNREADABLE) from error
    rows = dict(sorted(counts.items()))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for event, count in rows.items():
        typer.echo(f"{count:>10}  {event}")
    typer.echo(f"{counts.total():>10}  in all")


def _size(export: Path) -> int:
    return read_checkpoint_unsafe(read_text(export, CHECKPOINT)).size


def _read_seen(text: str) -> list[tuple[int, bytes]]:
    rows = (line.split() for line in text.splitlines() if line.strip())
    return [(int(size), bytes.fromhex(root)) for size, root in rows]


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else "\r"
        typer.echo(f"{done:>12,} of {total:,} entries{end}", err=True, nl=False)


def _report_json(report: Report) -> dict[str, Any]:
    problem = report.problem
    return {
        "ok": report.ok,
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "problem": problem
        and {"kind": problem.kind, "index": problem.index, "detail": problem.detail},
    }


def _report_text(report: Report) -> str:
    stated = f"{report.origin}: {report.size} entries, root {report.root.hex()}"
    problem = report.problem
    if problem is None:
        return f"OK       {stated}"
    place = "" if problem.index is None else f" at entry {problem.index}"
    return f"DAMAGED  {stated}\n{problem.kind}{place}: {problem.detail}"

"""Commands `mash agreement ...`: thin, over the package's functions."""

import json
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from policies.agreement import Agreement, load_agreement
from policies.cases import (
    Result,
    file_examples,
    one_example,
    own_examples,
    run_examples,
    signed_standing,
)
from policies.decide import Engine
from policies.diff import diff
from policies.draft import Answers, Pattern, draft
from policies.errors import PoliciesError
from policies.explain import explain_lines
from policies.export import data_flows, processing_record, sharing_policy, to_csv, to_table
from policies.lint import lint
from policies.schema import json_schema
from policies.succession import GUARDIAN, widenings

app = typer.Typer(
    no_args_is_help=True, help="Read, test and compare information sharing agreements."
)

AgreementFile = Annotated[Path, typer.Argument(help="An agreement, YAML.", exists=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _load(path: Path) -> Agreement:
    try:
        return load_agreement(path.read_bytes(), source=str(path), allow_unpinned=True)
    except (PoliciesError, OSError) as error:
        _stop(error)


def _stop(error: Exception) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(2) from error


@app.command(name="test")
def run_tests(
    agreement: AgreementFile,
    cases: Annotated[Path | None, typer.Option(help="A file of scenarios, JSON.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Decide the agreement's own examples, or a file of them; exit 1 if any differs."""
    loaded = _load(agreement)
    try:
        examples = (
            own_examples(loaded) if cases is None else file_examples(loaded, cases.read_bytes())
        )
        results = run_examples(loaded, examples)
    except (PoliciesError, OSError) as error:
        _stop(error)
    differing = [result for result in results if result.differs]
    if as_json:
        rows = [_row(result) for result in differing]
        typer.echo(json.dumps({"rows": len(results), "differ": len(rows), "differing": rows}))
    else:
        for result in differing:
            row = _row(result)
            typer.echo("{place}: {role} {category} expected {expected}, got {got}".format(**row))
        typer.echo(f"{len(results)} rows, {len(differing)} differ")
    if differing:
        raise typer.Exit(1)


def _row(result: Result) -> dict[str, str]:
    return {
        "place": result.example.place,
        "role": result.example.query.recipient_role,
        "category": result.example.query.category,
        "expected": result.example.expected,
        "got": result.got,
    }


@app.command(name="lint")
def run_lint(agreement: AgreementFile, *, as_json: AsJson = False) -> None:
    """Print what should be mended; exit 1 if anything is an error."""
    found = lint(_load(agreement))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found]))
    else:
        for finding in found:
            typer.echo(f"{finding.level}: {finding.check}: {finding.message}")
        typer.echo(f"{len(found)} findings")
    if any(finding.level == "error" for finding in found):
        raise typer.Exit(1)


@app.command(name="explain")
def run_explain(
    agreement: AgreementFile,
    facts: Annotated[str, typer.Option(help="One row as in a scenario file, JSON.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Print one decision as a tree: rules, legal basis, remedy, whom to ring."""
    loaded = _load(agreement)
    try:
        example = one_example(loaded, facts)
        engine = Engine(loaded, signed_standing(loaded))
        explanation = engine.explain(example.query, example.case, example.supplier)
    except PoliciesError as error:
        _stop(error)
    if as_json:
        decision = explanation.decision.to_json()
        typer.echo(json.dumps(decision | {"facts": explanation.facts}))
        return
    for line in explain_lines(example.query, explanation):
        typer.echo(line)


@app.command(name="diff")
def run_diff(old: AgreementFile, new: AgreementFile, *, as_json: AsJson = False) -> None:
    """Print in sentences what the second agreement changes."""
    sentences = diff(_load(old), _load(new))
    if as_json:
        typer.echo(json.dumps(sentences, ensure_ascii=False))
        return
    for sentence in sentences or ["no difference"]:
        typer.echo(sentence)


@app.command(name="widened")
def run_widened(old: AgreementFile, new: AgreementFile, *, as_json: AsJson = False) -> None:
    """Print what the second agreement newly opens of health records, and whose guardian signs."""
    found = widenings(_load(old), _load(new))
    if as_json:
        typer.echo(json.dumps([asdict(widening) for widening in found]))
        return
    for widening in found:
        typer.echo(f"{widening.category} ({GUARDIAN} of {widening.party} must sign):")
        for sentence in widening.sentences:
            typer.echo(f"  {sentence}")
    typer.echo(f"{len(found)} health categories widened")


class Kind(StrEnum):
    """What an agreement can be exported as."""

    POLICY = "policy"
    FLOWS = "flows"
    RECORD = "record"


class Form(StrEnum):
    """How a table is written."""

    CSV = "csv"
    MARKDOWN = "md"


@app.command(name="export")
def run_export(
    agreement: AgreementFile,
    kind: Annotated[
        Kind,
        typer.Option(
            "--as",
            help="policy: MAIS SharingPolicy, JSON-LD; flows: data-flow table for the DPIA;"
            " record: record of processing.",
        ),
    ],
    form: Annotated[Form, typer.Option("--format", help="Of the two tables.")] = Form.CSV,
    *,
    as_json: AsJson = False,
) -> None:
    """Print the agreement for others: national format, data-flow table, record of processing."""
    loaded = _load(agreement)
    if kind is Kind.POLICY:
        typer.echo(json.dumps(sharing_policy(loaded), indent=2, ensure_ascii=False))
        return
    rows = data_flows(loaded) if kind is Kind.FLOWS else processing_record(loaded)
    if as_json:
        typer.echo(json.dumps([dict(zip(rows[0], row, strict=True)) for row in rows[1:]]))
    elif form is Form.CSV:
        typer.echo(to_csv(rows), nl=False)
    else:
        title = "Data flows" if kind is Kind.FLOWS else "Record of processing"
        typer.echo(to_table(loaded, title, rows), nl=False)


@app.command(name="new")
def run_new(  # noqa: PLR0917 - typer asks for them by name
    out: Annotated[Path, typer.Argument(help="The file to write; must not exist.")],
    hub: Annotated[str, typer.Option(prompt="Name of the county or hub, such as Southmere")],
    code: Annotated[str, typer.Option(prompt="Short code in small letters, such as southmere")],
    pattern: Annotated[
        Pattern,
        typer.Option(
            prompt="two-hours (RED in 2 hours, elapsed clocks), working-hours (four ratings,"
            " working clocks) or back-office (unclear AMBER only, behind duty teams)"
        ),
    ],
    starts: Annotated[datetime, typer.Option(prompt="In force from", formats=["%Y-%m-%d"])],
    opens: Annotated[datetime, typer.Option(prompt="Opens at", formats=["%H:%M"])],
    closes: Annotated[datetime, typer.Option(prompt="Closes at", formats=["%H:%M"])],
) -> None:
    """Ask six questions (or take them as options) and write a commented draft."""
    answers = Answers(
        hub=hub,
        code=code,
        pattern=pattern,
        starts=starts.date(),
        opens=opens.time(),
        closes=closes.time(),
    )
    try:
        data = draft(answers)
        with out.open("xb") as file:
            file.write(data)
    except (PoliciesError, OSError) as error:
        _stop(error)
    typer.echo(f"{out}: look at every line marked CHANGE")
    typer.echo(f"Next: mash agreement lint {out}")


@app.command(name="schema")
def run_schema() -> None:
    """Print the JSON Schema of agreements, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, sort_keys=True))

"""Commands `mash agreement ...`: thin, over the package's functions."""

import json
from dataclasses import asdict
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
from policies.errors import PoliciesError
from policies.explain import explain_lines
from policies.lint import lint
from policies.render import render_markdown
from policies.schema import json_schema

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


@app.command(name="render")
def run_render(agreement: AgreementFile, *, as_json: AsJson = False) -> None:
    """Print the agreement in plain English, Markdown."""
    loaded = _load(agreement)
    text = render_markdown(loaded)
    typer.echo(json.dumps({"sha256": loaded.sha256, "markdown": text}) if as_json else text)


@app.command(name="schema")
def run_schema() -> None:
    """Print the JSON Schema of agreements, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, sort_keys=True))

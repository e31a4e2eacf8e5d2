"""`mash node`, `mash request`, `mash review`, `mash party`: the agency's side on a terminal."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from adapters.errors import AdaptersError, LocalApiError
from adapters.localclient import LocalClient

node_app = typer.Typer(no_args_is_help=True, help="Run this agency's node and see to its work.")
request_app = typer.Typer(no_args_is_help=True, help="Ask other agencies, lawfully.")
review_app = typer.Typer(no_args_is_help=True, help="The Caldicott Guardian's review.")
party_app = typer.Typer(no_args_is_help=True, help="Join as a party: the key ceremony.")

Url = Annotated[
    str, typer.Option("--node", envvar="MASH_NODE_URL", help="Where the node's local API listens.")
]
Token = Annotated[
    str, typer.Option(envvar="MASH_TOKEN", help="Your bearer token; better in the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Role = Annotated[str, typer.Option(help="The role you act in, such as mash_social_worker.")]
_DEFAULT_URL = "http://127.0.0.1:8100"


def _fail(error: Exception) -> typer.Exit:
    typer.echo(f"mash: {error}", err=True)
    return typer.Exit(1)


def _emit(value: dict[str, Any], *, as_json: bool, table: Table | None = None) -> None:
    if as_json or table is None:
        typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
    else:
        Console().print(table)


def _call(
    url: str, token: str, method: str, path: str, *body: object, **params: str
) -> dict[str, Any]:
    client = LocalClient(url, token)
    try:
        if method == "GET":
            return client.get(path, **params)
        return client.post(path, *body, **params)
    except LocalApiError as error:
        raise _fail(error) from None
    finally:
        client.close()


def _read_json(file: Path) -> object:
    try:
        return msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        typer.echo(f"mash: {file.name}: cannot be read as JSON ({type(error).__name__})", err=True)
        raise typer.Exit(2) from None


@node_app.command("run")
def node_run(
    config: Annotated[Path, typer.Argument(help="The node's configuration file (YAML).")],
) -> None:
    """Run the node until it is told to stop. The key store's secret: MASH_KEYSTORE_SECRET."""
    from adapters.node.main import run  # noqa: PLC0415 - heavy, only when it runs

    try:
        run(config)
    except AdaptersError as error:
        raise _fail(error) from None


@node_app.command("status")
def node_status(token: Token, url: Url = _DEFAULT_URL, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show whether the node works and what it holds."""
    health = _call(url, token, "GET", "/healthz")
    orders = _call(url, token, "GET", "/orders")
    table = Table("party", "agent", "orders", "open tasks")
    table.add_row(
        health["party"], health["agent"], str(len(orders["orders"])), str(orders["open_tasks"])
    )
    _emit(health | orders, as_json=as_json, table=table)


@node_app.command("worklist")
def node_worklist(token: Token, url: Url = _DEFAULT_URL, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """List what waits for a representative: RED first."""
    listed = _call(url, token, "GET", "/worklist")
    table = Table("task", "kind", "RAG", "about", "system or category", "asked by")
    for task in listed["tasks"]:
        requester = task.get("requester") or {}
        table.add_row(
            task["id"],
            task["kind"],
            task["rag"],
            task["subject_role"],
            task.get("system") or task.get("category"),
            f"{requester.get('name', '')}, {requester.get('agency', '')}",
        )
    _emit(listed, as_json=as_json, table=table)


@node_app.command("decide")
def node_decide(
    task: Annotated[str, typer.Argument(help="The task's id, from `mash node worklist`.")],
    decision: Annotated[Path, typer.Argument(help="JSON: confirm, keep/reason/note, or status.")],
    token: Token,
    url: Url = _DEFAULT_URL,
) -> None:
    """Confirm a person, release or withhold lines, or answer by hand."""
    _emit(_call(url, token, "POST", f"/worklist/{task}", _read_json(decision)), as_json=True)


def _decision_table(lines: list[dict[str, Any]]) -> Table:
    table = Table(
        "asked of", "category", "about", "for", "decision", "rule", "how to mend, or ring"
    )
    for line in lines:
        denied = line["outcome"] == "DENY"
        route = f"{line['remedy']} {line['contact']['post']}, {line['contact']['telephone']}"
        table.add_row(
            line["supplier"],
            line["category"],
            line["subject_role"] or "nobody on the case",
            line["role"],
            "not by this route" if denied else line["outcome"],
            f"{line['rule']} {line['reason']}",
            route if denied else "",
        )
    return table


@request_app.command("preview")
def request_preview(
    case: Annotated[Path, typer.Argument(help="The case as JSON (docs/protocol/local-api.md).")],
    role: Role,
    token: Token,
    url: Url = _DEFAULT_URL,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Show what would be asked of whom, and why not the rest. Sends nothing."""
    shown = _call(url, token, "POST", "/requests/preview", _read_json(case), role=role)
    _emit(shown, as_json=as_json, table=_decision_table(shown["decisions"]))


@request_app.command("raise")
def request_raise(
    case: Annotated[Path, typer.Argument(help="The case as JSON (docs/protocol/local-api.md).")],
    role: Role,
    token: Token,
    url: Url = _DEFAULT_URL,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Seal, sign and send an information request."""
    status = _call(url, token, "POST", "/requests", _read_json(case), role=role)
    if not as_json:
        typer.echo(f"request {status['request']}: {status['state']}")
    _emit(status, as_json=as_json, table=_decision_table(status["preview"]))


@request_app.command("status")
def request_status(request: str, token: Token, url: Url = _DEFAULT_URL) -> None:
    """Show a request's decisions and what has been delivered."""
    _emit(_call(url, token, "GET", f"/requests/{request}"), as_json=True)


@request_app.command("summary")
def request_summary(request: str, role: Role, token: Token, url: Url = _DEFAULT_URL) -> None:
    """Open what is sealed to your post and show the MASH summary; the opening is recorded."""
    _emit(_call(url, token, "GET", f"/requests/{request}/summary", role=role), as_json=True)


@request_app.command("outcome")
def request_outcome(
    request: str,
    outcome: Annotated[Path, typer.Argument(help="The outcome as JSON.")],
    role: Role,
    token: Token,
    url: Url = _DEFAULT_URL,
) -> None:
    """Close the case with an outcome and feedback to everyone who answered."""
    path = f"/requests/{request}/outcome"
    _emit(_call(url, token, "POST", path, _read_json(outcome), role=role), as_json=True)


@review_app.command("queue")
def review_queue(token: Token, url: Url = _DEFAULT_URL, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show the week's sharing with reasons, and what to look at first."""
    queue = _call(url, token, "GET", "/review/queue")
    table = Table("when", "asked by", "of", "RAG", "reason", "shared", title=queue["party"])
    for record in queue["shared"]:
        requester = record["requester"] or {}
        table.add_row(
            record["at"][:16],
            requester.get("name") or f"{record['requester_party']}",
            record["supplier"],
            record["rag"],
            record["reason"] or "not opened: nobody matched",
            ", ".join(sorted({line["category"] for line in record["lines"]})),
        )
    _emit(queue, as_json=as_json, table=table)
    if not as_json:
        for item in queue["look_at_first"]:
            typer.echo(f"look first: {item['sentence']} ({item['request']})")


@review_app.callback()
def review() -> None:
    """Keep `queue` a command of its own: the only one of an app would take the app's place."""


@party_app.callback()
def party() -> None:
    """Keep `join` a command of its own, likewise."""


@party_app.command("join")
def party_join(
    directory: Annotated[Path, typer.Argument(help="A new folder for the party's keys.")],
) -> None:
    """Make the party's root key; print what goes into the agreement's schedule."""
    from adapters.ceremony import create_root  # noqa: PLC0415 - heavy, only when it runs
    from keys.encoding import encode_base64url  # noqa: PLC0415

    secret = os.environ.get("MASH_KEYSTORE_SECRET", "")  # noqa: TID251 - the secret's one place
    if not secret:
        typer.echo("mash: set MASH_KEYSTORE_SECRET first: it locks the key store", err=True)
        raise typer.Exit(2)
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        typer.echo(f"mash: {directory.name}: {error.strerror}: name a new folder", err=True)
        raise typer.Exit(2) from None
    public = create_root(directory, secret=secret.encode())
    lines = {
        "ed25519": encode_base64url(public.ed25519),
        "mldsa65": encode_base64url(public.mldsa65),
    }
    _emit(lines, as_json=True)
    typer.echo("Next: give these two lines to whoever writes the agreement's schedule.", err=True)

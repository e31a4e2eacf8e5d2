"""`mash demo`: the main job on one machine, acted out by real processes, and what it shows."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from broker.demo.deployment import Deployment, Plan, deploy
from broker.demo.errors import DemoError
from broker.demo.evidence import export_ledger, look_for_leaks, tamper, what_the_broker_saw
from broker.demo.people import PARTY_SYSTEMS
from broker.demo.report import build_report
from broker.demo.scenarios import load_scenarios
from broker.demo.show import print_story
from broker.demo.staff import STAFF
from broker.demo.story import (
    Told,
    close,
    feedback,
    guardian_queues,
    open_everywhere,
    raise_scenario,
    representatives,
    settle,
    summarise,
    telephone,
)
from broker.demo.world import World, write_world

app = typer.Typer(invoke_without_command=True, add_completion=False)
_SEED = 20261006
_PRINTED_WIDTH = 120  # where it is piped into a file


@app.callback(invoke_without_command=True)
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 - a flag
    serve: Annotated[bool, typer.Option(help="Leave it running; end it with Ctrl-C.")] = False,  # noqa: FBT002 - a flag
    population: Annotated[
        str | None,
        typer.Option(help="febrl4: 500 requests about FEBRL 4's people instead."),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Keep everything in this new folder.")
    ] = None,
) -> None:
    """Run a broker and six agencies' nodes, and the main job through them, in under a minute."""
    console = _console(as_json=as_json)
    if population not in {None, "febrl4"}:
        typer.echo("mash: --population takes febrl4", err=True)
        raise typer.Exit(2)
    try:
        with _folder(directory) as folder:
            if population == "febrl4":
                from broker.demo.febrl_run import run_febrl  # noqa: PLC0415 - only when asked

                report = run_febrl(folder, console)
            else:
                report = run_story(folder, console, show=not as_json, serve=serve)
    except DemoError as error:
        typer.echo(f"mash: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    if report["leaks_found"] or not report["ledger"]["verified"]:
        raise typer.Exit(1)


def _console(*, as_json: bool) -> Console:
    """Progress goes to standard error when standard output is for the JSON object."""
    console = Console(file=sys.stderr if as_json else sys.stdout)
    return console if console.is_terminal else Console(file=console.file, width=_PRINTED_WIDTH)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """A folder of the caller's, kept; or one that is thrown away."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    made = Path(tempfile.mkdtemp(prefix="mash-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def plan_for(folder: Path, world: World) -> Plan:
    """Return the plan of the demonstration's six nodes over the world's stores."""
    parties = tuple(STAFF)
    systems = {party: world.mappings_of(party) for party in parties if party in PARTY_SYSTEMS}
    return Plan(directory=folder, systems=systems, parties=parties)


def run_story(folder: Path, console: Console, *, show: bool, serve: bool) -> dict[str, Any]:
    """Run the whole story below `folder` and return its report.

    Raises:
        DemoError: A process did not start, or a step did not come out as it must.

    """
    started = time.monotonic()
    with console.status("Writing the agencies' records …") as status:
        world = write_world(folder / "world", seed=_SEED)
        status.update("Key ceremony: eight parties sign the agreement, all but fire …")
        deployment = deploy(plan_for(folder, world))
        try:
            status.update("Starting the broker and six nodes …")
            deployment.start_broker()
            deployment.start_nodes()
            told, earlier = _tell(deployment, world, status.update)
            status.update("Verifying the ledger, tampering with copies, searching for leaks …")
            report = _examine(
                deployment, world, told, earlier, shown_on=console if show else None
            ) | {"seconds": round(time.monotonic() - started, 1)}
            if serve:
                status.stop()
                _serve(deployment, console)
        finally:
            deployment.stop()
    return report


def _tell(
    deployment: Deployment, world: World, say: Callable[[str], None]
) -> tuple[list[Told], str]:
    scenarios = load_scenarios(world.cases, deployment.agreement)
    with representatives(deployment) as people:
        say(f"{len(scenarios)} requests: asked, decided twice, matched, read, sealed, released …")
        told = [raise_scenario(deployment, scenario) for scenario in scenarios]
        settle(deployment, told, people)
        earlier = deployment.http.get(f"{deployment.broker_url}/v1/ledger/checkpoint").text
        say("S07 again, with the GP's system unplugged …")
        (world.directory / "gp").rename(world.directory / "gp-unplugged")
        again = raise_scenario(deployment, scenarios[-1], name="S07, GP unplugged")
        settle(deployment, [again], people)
        (world.directory / "gp-unplugged").rename(world.directory / "gp")
        told.append(again)
        say("Posts open what is sealed to them; cases are summarised, closed and fed back …")
        for one in told:
            telephone(deployment, one)
            open_everywhere(deployment, one)
            summarise(deployment, one)
            close(deployment, one)
    return told, earlier


def _examine(
    deployment: Deployment,
    world: World,
    told: list[Told],
    earlier: str,
    *,
    shown_on: Console | None,
) -> dict[str, Any]:
    returned = feedback(deployment, told)
    guardians = guardian_queues(deployment)
    export, ledger = export_ledger(deployment)
    attempts = tamper(deployment, export, earlier)
    leaks = look_for_leaks(deployment, world.cases.values())
    saw = what_the_broker_saw(export, ledger.size)
    report = build_report(
        told,
        ledger=ledger,
        attempts=attempts,
        leaks=leaks,
        saw=saw,
        guardians=guardians,
        feedback=returned,
    )
    if shown_on is not None:
        print_story(
            shown_on,
            told,
            report=report,
            guardians=guardians,
            attempts=attempts,
            leaks=leaks,
            agreement=deployment.agreement,
        )
    return report


def _serve(deployment: Deployment, console: Console) -> None:
    console.print(f"\nThe broker listens at {deployment.broker_url}. Local APIs:")
    for party in deployment.plan.parties:
        console.print(f"  {party}: {deployment.node_url(party)}")
        for person in deployment.staff[party]:
            token = deployment.tokens[party, person.name]
            console.print(f"    {person.name} ({', '.join(person.roles)}): MASH_TOKEN={token}")
    console.print("End it with Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("Stopping.")

"""The command `mash`: a table of contents; each part is imported when it is used.

Help texts stand here, so that `mash --help` imports nothing heavy.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

_PARTS: Final = {
    "demo": ("broker.demo.cli:app", "See the whole thing work on this machine."),
    "doctor": ("broker.doctor:app", "Check this machine, and say how to mend what is wrong."),
    "broker": ("broker.cli:broker_app", "Set up and run the broker in the middle."),
    "node": ("adapters.cli:node_app", "Run an agency's node and see to its work."),
    "party": ("adapters.cli:party_app", "Join as a party: the key ceremony."),
    "key": ("keys.cli:app", "Make, show and compare keys."),
    "agreement": (
        "adapters.agreement.cli:app",
        "Write, test, compare and sign sharing agreements.",
    ),
    "connector": ("adapters.connectors.cli:app", "Connect a record system and check it."),
    "match": ("adapters.matching.cli:app", "Measure how people are matched."),
    "request": ("adapters.cli:request_app", "Ask other agencies, lawfully."),
    "review": ("adapters.cli:review_app", "The Caldicott Guardian's review."),
    "ledger": ("audit.cli:app", "Check and read the ledger."),
    "world": ("broker.demo.world_cli:app", "Make synthetic agencies' records."),
}


class _Part(TyperCommand):
    """A part of the command that is imported only when it is called."""

    def __init__(self, name: str, target: str, help_text: str) -> None:
        super().__init__(name, help=help_text, short_help=help_text)
        self._target = target

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:  # noqa: ANN401 - typer's own signature
        """Import the part and let it take over."""
        module, _, attribute = self._target.partition(":")
        part = typer.main.get_command(getattr(importlib.import_module(module), attribute))
        part.name = self.name
        return part.make_context(info_name, args, *more, **extra)


class _Contents(TyperGroup):
    """Lists the parts that exist, in the order of the table above."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's own signature
        """Return the names of the parts whose module is installed."""
        return [name for name, (target, _) in _PARTS.items() if _exists(target)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - typer's own signature
        """Return the part, not imported yet."""
        part = _PARTS.get(cmd_name)
        return None if part is None or not _exists(part[0]) else _Part(cmd_name, *part)


def _exists(target: str) -> bool:
    try:
        return importlib.util.find_spec(target.partition(":")[0]) is not None
    except ModuleNotFoundError:
        return False


app = typer.Typer(
    cls=_Contents,
    no_args_is_help=True,
    add_completion=False,
    help="Scoped questions, sealed answers and a proportionality ledger for a Multi-Agency "
    "Safeguarding Hub.",
)
broker_app = typer.Typer(no_args_is_help=True, help="Set up and run the broker in the middle.")

Directory = Annotated[Path, typer.Option("--dir", help="The broker's data folder.")]


@app.callback()
def main() -> None:
    """Scoped questions, sealed answers and a proportionality ledger for a safeguarding hub."""


@broker_app.command()
def key(directory: Directory) -> None:
    """Make the log key and print its public half, to be put into the agreement's schedule.

    The key store's secret is read from MASH_KEYSTORE_SECRET.
    """
    from broker.install import create_log_key  # noqa: PLC0415 - the root command stays light
    from keys.encoding import encode_base64url  # noqa: PLC0415 - the same
    from keys.errors import KeyStoreError  # noqa: PLC0415 - the same

    settings = _settings(directory)
    try:
        log_key = create_log_key(directory, secret=_secret(settings))
    except (KeyStoreError, OSError, ValueError) as error:
        _refuse(error)
    typer.echo(encode_base64url(log_key.public))


@broker_app.command()
def init(
    directory: Directory,
    agreement: Annotated[
        Path, typer.Option("--agreement", help="The agreement, keys pinned.", exists=True)
    ],
) -> None:
    """Install the agreement in the broker's data folder; refuse one that names another log key."""
    from broker.errors import BrokerError  # noqa: PLC0415 - the root command stays light
    from broker.install import install  # noqa: PLC0415 - the same
    from keys.errors import KeyStoreError  # noqa: PLC0415 - the same
    from policies.errors import PoliciesError  # noqa: PLC0415 - the same

    settings = _settings(directory)
    try:
        installed = install(
            directory, agreement.read_bytes(), source=agreement.name, secret=_secret(settings)
        )
    except (BrokerError, KeyStoreError, PoliciesError, OSError) as error:
        _refuse(error)
    typer.echo(f"{installed.id} number {installed.seq}, sha256 {installed.sha256}")


@broker_app.command()
def run(
    directory: Directory,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve until SIGTERM, then finish what was accepted."""
    from broker.errors import BrokerError  # noqa: PLC0415 - the root command stays light
    from broker.main import run as serve  # noqa: PLC0415 - the same
    from keys.errors import KeysError  # noqa: PLC0415 - the same
    from policies.errors import PoliciesError  # noqa: PLC0415 - the same

    given = {"host": host, "port": port}
    settings = _settings(directory, **{k: v for k, v in given.items() if v is not None})
    try:
        serve(settings)
    except (BrokerError, KeysError, PoliciesError, ValueError) as error:
        _refuse(error)


@broker_app.command()
def export(
    directory: Directory,
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
) -> None:
    """Write the whole ledger for `mash ledger verify`; works while the broker runs."""
    from audit.errors import AuditError  # noqa: PLC0415 - the root command stays light
    from broker.errors import BrokerError  # noqa: PLC0415 - the same
    from broker.main import export_ledger  # noqa: PLC0415 - the same
    from keys.errors import KeysError  # noqa: PLC0415 - the same
    from policies.errors import PoliciesError  # noqa: PLC0415 - the same

    try:
        size = export_ledger(_settings(directory), out)
    except (AuditError, BrokerError, KeysError, PoliciesError, OSError) as error:
        _refuse(error)
    typer.echo(f"{size} entries in {out}")


@broker_app.command()
def facts(directory: Directory) -> None:
    """Print the decision facts that are still kept, a line an ask: for `mash agreement replay`."""
    from broker.main import kept_facts  # noqa: PLC0415 - the root command stays light

    for line in kept_facts(_settings(directory)):
        typer.echo(line)


def _settings(directory: Path, **given: Any) -> Any:  # noqa: ANN401 - imported late, see the module
    from pydantic import ValidationError  # noqa: PLC0415 - the root command stays light

    from broker.settings import BrokerSettings  # noqa: PLC0415 - the same

    try:
        return BrokerSettings(data_dir=directory, **given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "MASH_" + "_".join(str(part) for part in first["loc"]).upper()
        _refuse(ValueError(f"{name}: {first['msg']}"))


def _secret(settings: Any) -> bytes:  # noqa: ANN401 - imported late, see the module
    value: str = settings.keystore_secret.get_secret_value()
    return value.encode()


def _refuse(error: Exception) -> NoReturn:
    typer.echo(f"{type(error).__name__}: {error}", err=True)
    raise typer.Exit(1)

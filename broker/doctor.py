"""`mash doctor`: is this machine fit to run the broker or a node, and how to mend what is not.

Each check is a plain function that returns findings; nothing here repairs anything or leaves a
file behind. A failing check makes the exit status 1, a warning does not. Findings name packages,
versions, ports and paths given by the caller; never a key and never a record.
"""

import ctypes.util
import importlib.metadata
import json
import re
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

DISTRIBUTION: Final = "mash-broker"
TOP_LEVEL_NAMES: Final = ("adapters", "audit", "broker", "keys", "policies")
PROCESSES: Final = 7  # the demo's broker and six nodes, each on a port of its own
DISK_FAIL_BYTES: Final = 200 * 1024**2
DISK_WARN_BYTES: Final = 2 * 1024**3
PYCASBIN_MINIMUM: Final = (2, 8)
SQLITE_MINIMUM: Final = (3, 35)  # RETURNING
CLOCK_TOLERANCE: Final = timedelta(days=1)
_REQUIREMENT: Final = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?(?:>=(?P<least>[0-9.]+))?$"
)

app = typer.Typer(help="Check this machine, and say how to mend what is wrong.")


class Level(StrEnum):
    """How bad a finding is; only `FAIL` changes the exit status."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found, and one line on how to mend it; `mend` is empty when all is well."""

    check: str
    level: Level
    found: str
    mend: str = ""


def examine(*, directory: Path | None, now: datetime) -> list[Finding]:
    """Return the findings of every check, in the order in which they are printed.

    Args:
        directory: Data directory of a broker or node, whose file modes are checked; None checks
            only that the file system keeps modes.
        now: The machine's own time, with a time zone.

    """
    checks: Sequence[Callable[[], Iterator[Finding]]] = (
        _check_python,
        _check_packages,
        _check_casbin,
        _check_names,
        _check_crypto,
        _check_sqlite,
        lambda: _check_disk(directory or Path.cwd()),
        lambda: _check_clock(now),
        _check_loopback,
        lambda: _check_modes(directory),
        _check_pango,
    )
    return [finding for check in checks for finding in check()]


def _finding(check: str, found: str, *, mend: str = "", level: Level = Level.FAIL) -> Finding:
    """Return an OK finding when there is nothing to mend, else one of `level`."""
    return Finding(check=check, level=level if mend else Level.OK, found=found, mend=mend)


def _check_python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    old = sys.version_info < (3, 11)
    yield _finding("python", version, mend="install Python 3.11 or newer" if old else "")


def _check_packages() -> Iterator[Finding]:
    """Every requirement of the distribution is installed and not older than its lower bound."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield _finding("packages", f"{DISTRIBUTION} is not installed", mend="run `make setup`")
        return
    wrong = [problem for line in requirements if (problem := package_problem(line))]
    for problem in wrong:
        yield _finding("packages", problem, mend="run `make setup` in a virtual environment")
    if not wrong:
        own = importlib.metadata.version(DISTRIBUTION)
        yield _finding("packages", f"{DISTRIBUTION} {own} and its {len(requirements)} requirements")


def package_problem(requirement: str) -> str | None:
    """Return what is wrong with one requirement of this project, or None.

    Understands what the project writes: `name`, `name>=1.2`, an optional extra and marker. A
    requirement with a marker is checked only when it is installed.
    """
    text, _, marker = requirement.partition(";")
    match = _REQUIREMENT.match(text.replace(" ", ""))
    if match is None:
        return f"requirement {text.strip()} is not understood"
    name, least = match["name"], match["least"]
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None if marker else f"{name} is missing"
    if least and _numbers(version) < _numbers(least):
        return f"{name} {version} is older than {least}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version without trailing zeros: 2.8.0rc1 is (2, 8)."""
    leading = re.match(r"[0-9.]*", version)
    numbers = [int(part) for part in (leading[0] if leading else "").split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _check_casbin() -> Iterator[Finding]:
    """The import name `casbin` must come from pycasbin: the old name overwrites the same files."""
    installed = {
        (dist.metadata["Name"] or "").lower(): dist.version
        for dist in importlib.metadata.distributions()
    }
    version = installed.get("pycasbin")
    if "casbin" in installed:
        mend = "uninstall `casbin` and `pycasbin`, then run `make setup`: both own the same files"
        yield _finding("casbin", "the abandoned distribution `casbin` is installed", mend=mend)
    elif version is None or _numbers(version) < PYCASBIN_MINIMUM:
        yield _finding("casbin", f"pycasbin {version or 'missing'}", mend="needs pycasbin 2.8")
    else:
        yield _finding("casbin", f"import name `casbin` is pycasbin {version}")


def _check_names() -> Iterator[Finding]:
    """No other distribution may own one of the five top-level names (ADR 0001)."""
    owners = importlib.metadata.packages_distributions()
    taken = {name: set(owners.get(name, ())) - {DISTRIBUTION} for name in TOP_LEVEL_NAMES}
    for name, others in taken.items():
        if others:
            mend = "use a virtual environment of its own for this project"
            claimed = f"`{name}` is also claimed by {', '.join(sorted(others))}"
            yield _finding("names", claimed, mend=mend)
    if not any(taken.values()):
        yield _finding("names", "the five package names are ours alone")


def _check_crypto() -> Iterator[Finding]:
    """The linked libraries must have the algorithms of the only suite there is."""
    try:
        from keys.sealing import SealKey  # noqa: PLC0415 - a broken library must be a finding
        from keys.signing import RootKey  # noqa: PLC0415 - the same

        SealKey.generate()
        RootKey.generate()
    except Exception as error:  # noqa: BLE001 - whatever a linked library raises is the finding
        mend = "reinstall the pinned `cryptography` and `pynacl` with `make setup`"
        yield _finding("algorithms", f"unusable: {type(error).__name__}", mend=mend)
        return
    yield _finding("algorithms", "Ed25519, ML-DSA-65 and X-Wing work")


def _check_sqlite() -> Iterator[Finding]:
    version = sqlite3.sqlite_version
    old = sqlite3.sqlite_version_info < SQLITE_MINIMUM
    mend = "use a Python built with SQLite 3.35 or newer" if old else ""
    yield _finding("sqlite", version, mend=mend)


def _check_disk(place: Path) -> Iterator[Finding]:
    existing = next(path for path in (place, *place.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    enough = free >= DISK_WARN_BYTES
    level = Level.FAIL if free < DISK_FAIL_BYTES else Level.WARN
    mend = "" if enough else "free some space: the ledger grows by about 1 GB a year"
    yield _finding("disk", f"{free / 1024**3:.1f} GiB free", mend=mend, level=level)


def _check_clock(now: datetime) -> Iterator[Finding]:
    """Without a network the installed files are the only witness: time may not lie before them."""
    written = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    found = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    behind = now < written - CLOCK_TOLERANCE
    mend = f"set the clock: this program was installed on {written:%Y-%m-%d}" if behind else ""
    yield _finding("clock", found, mend=mend)


def _check_loopback() -> Iterator[Finding]:
    """Bind as many loopback ports as the demo has processes, and connect to each."""
    listeners: list[socket.socket] = []
    try:
        for _ in range(PROCESSES):
            listener = socket.create_server(("127.0.0.1", 0))
            listeners.append(listener)
            socket.create_connection(listener.getsockname(), timeout=2).close()
    except OSError as error:
        mend = "allow connections to 127.0.0.1 (firewall, container settings)"
        yield _finding("loopback", f"no connection: {error.strerror}", mend=mend)
    else:
        yield _finding("loopback", f"{PROCESSES} ports on 127.0.0.1 can be opened")
    finally:
        for listener in listeners:
            listener.close()


def _check_modes(directory: Path | None) -> Iterator[Finding]:
    """Keys and databases are for their owner only; the file system must be able to say so."""
    if directory is None:
        with tempfile.NamedTemporaryFile() as probe:
            Path(probe.name).chmod(0o600)
            kept = stat.S_IMODE(Path(probe.name).stat().st_mode) == 0o600  # noqa: PLR2004 - a mode
        mend = "" if kept else "use a file system that keeps POSIX modes"
        yield _finding("file modes", "kept" if kept else "not kept", mend=mend)
        return
    if not directory.is_dir():
        yield _finding("file modes", f"{directory} is no directory", mend="name the data directory")
        return
    wide = sorted(path for path in (directory, *directory.rglob("*")) if _is_open_to_others(path))
    for path in wide[:10]:
        yield _finding("file modes", f"{path} is open to others", mend=f"chmod go-rwx '{path}'")
    if not wide:
        yield _finding("file modes", f"{directory} is closed to others")


def _is_open_to_others(path: Path) -> bool:
    """Tell whether a group or other bit is set; what a private directory shields counts as well."""
    return not path.is_symlink() and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _check_pango() -> Iterator[Finding]:
    found = ctypes.util.find_library("pango-1.0")
    mend = "" if found else "only needed for PDF reports: install the package libpango-1.0-0"
    yield _finding("pango", found or "not installed (optional)", mend=mend, level=Level.WARN)


@app.command()
def doctor(
    *,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Data directory whose file modes to check.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check Python, packages, disk, clock, ports and file modes. Exit 1 when one check fails."""
    findings = examine(directory=directory, now=datetime.fromtimestamp(time.time(), UTC))
    failed = any(finding.level is Level.FAIL for finding in findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"ok": not failed, "checks": rows}, indent=2))
    else:
        _print_table(findings)
    raise typer.Exit(1 if failed else 0)


def _print_table(findings: Sequence[Finding]) -> None:
    colours = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}
    table = Table("check", "", "found", "how to mend", title="mash doctor", title_justify="left")
    for finding in findings:
        level = Text(finding.level.value, style=colours[finding.level])
        table.add_row(finding.check, level, Text(finding.found), Text(finding.mend))
    Console().print(table)

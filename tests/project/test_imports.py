"""The import contracts hold, and a broken one is noticed."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
OWNED = {
    "owner-casbin": "import casbin",
    "owner-cryptography": "import cryptography",
    "owner-fastapi": "import fastapi",
    "owner-nacl": "import nacl.signing",
    "owner-sqlalchemy": "import sqlalchemy",
    "owner-typer": "import typer",
}


def lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    chosen = [word for name in contracts for word in ("--contract", name)]
    return subprocess.run(
        [LINTER, "--no-cache", "--no-logo", *chosen],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """An empty copy of every module, under the project's own contracts."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    for package in contracts["root_packages"]:
        for module in (ROOT / package).rglob("*.py"):
            empty = tmp_path / module.relative_to(ROOT)
            empty.parent.mkdir(parents=True, exist_ok=True)
            empty.write_text("")
    return tmp_path


def test_the_contracts_hold() -> None:
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout


def test_modules_that_import_nothing_break_no_contract(skeleton: Path) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    names = {contract["id"] for contract in contracts["contracts"]}

    result = lint(skeleton, *sorted(names - set(OWNED)))

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("broker/exchange/__init__.py", "import broker.api", "broker-layers"),
        ("audit/__init__.py", "import keys", "broker-layers"),
        ("adapters/connectors/__init__.py", "import adapters.node", "node-layers"),
        ("adapters/protocol.py", "import broker.domain", "no-broker-below"),
        ("broker/demo/__init__.py", "import adapters.node", "demo-starts-processes"),
        ("keys/sealing.py", "import os", "core-does-no-io"),
        ("policies/decide.py", "import socket", "core-does-no-io"),
        *(("adapters/protocol.py", line, contract) for contract, line in OWNED.items()),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    skeleton: Path, module: str, line: str, contract: str
) -> None:
    (skeleton / module).write_text(line + "\n")

    result = lint(skeleton, contract)

    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout

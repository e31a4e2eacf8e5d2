"""`mash doctor` finds what is wrong and says how to mend it."""

import importlib.metadata
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.doctor import Finding, Level, app, examine, package_problem

NOW = datetime(2100, 1, 1, tzinfo=UTC)
CHECKS = [
    "python", "packages", "casbin", "names", "algorithms", "sqlite", "disk", "clock", "loopback",
    "file modes", "pango",
]  # fmt: skip


def of(check: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]


def test_a_sound_machine_fails_no_check() -> None:
    findings = examine(directory=None, now=NOW)

    assert [finding.check for finding in findings] == CHECKS
    assert not [finding for finding in findings if finding.level is Level.FAIL]


def test_every_finding_that_is_not_ok_says_how_to_mend_it(tmp_path: Path) -> None:
    findings = examine(directory=tmp_path / "missing", now=datetime(2001, 1, 1, tzinfo=UTC))

    assert [finding for finding in findings if finding.level is Level.FAIL]
    assert all(bool(finding.mend) is (finding.level is not Level.OK) for finding in findings)


def test_a_clock_before_the_installation_fails() -> None:
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)

    [finding] = of("clock", examine(directory=None, now=installed - timedelta(days=400)))

    assert finding.level is Level.FAIL


def test_a_data_directory_open_to_others_fails_and_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    secret = tmp_path / "log"
    secret.write_text("")
    secret.chmod(0o640)

    [finding] = of("file modes", examine(directory=tmp_path, now=NOW))

    assert finding.level is Level.FAIL
    assert str(secret) in finding.found
    assert finding.mend == f"chmod go-rwx '{secret}'"


def test_a_closed_data_directory_passes(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "log").touch(mode=0o600)

    [finding] = of("file modes", examine(directory=tmp_path, now=NOW))

    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("pytest>=9", None),
        ("pytest >= 9.0.0", None),
        ("pytest", None),
        ("no-such-thing", "no-such-thing is missing"),
        ("no-such-thing; sys_platform == 'win32'", None),
        ("pytest~=9.0", "requirement pytest~=9.0 is not understood"),
    ],
)
def test_a_requirement_is_checked(requirement: str, problem: str | None) -> None:
    assert package_problem(requirement) == problem


def test_an_old_package_is_named_with_both_versions() -> None:
    version = importlib.metadata.version("pytest")

    assert package_problem("pytest>=99") == f"pytest {version} is older than 99"


def test_the_command_prints_a_table_and_succeeds() -> None:
    result = CliRunner().invoke(app, [])

    assert result.exit_code == 0, result.output
    assert "loopback" in result.output


def test_the_command_prints_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--json", "--dir", str(tmp_path / "missing")])

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["ok"] is False
    assert {row["check"] for row in report["checks"]} == set(CHECKS)

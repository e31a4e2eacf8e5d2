"""`mash broker`: key, init, run, export; and the table of contents."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.verify import verify_export
from broker.cli import app
from broker.testing import SECRET, World

runner = CliRunner()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASH_KEYSTORE_SECRET", SECRET.decode())


def test_help_reads_like_a_table_of_contents() -> None:
    found = runner.invoke(app, ["--help"]).output

    for part in ("broker", "node", "key", "agreement", "ledger", "doctor"):
        assert re.search(rf"\b{part}\b +[A-Z]", found)


def test_the_log_key_is_made_once(tmp_path: Path) -> None:
    first = runner.invoke(app, ["broker", "key", "--dir", str(tmp_path / "d")])
    again = runner.invoke(app, ["broker", "key", "--dir", str(tmp_path / "d")])

    assert first.exit_code == 0
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", first.output)
    assert again.output == first.output


def test_an_agreement_that_names_another_log_key_is_refused(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    agreement = world.directory / "agreement.yaml"
    early = runner.invoke(
        app, ["broker", "init", "--dir", str(folder), "--agreement", str(agreement)]
    )
    runner.invoke(app, ["broker", "key", "--dir", str(folder)])

    found = runner.invoke(
        app, ["broker", "init", "--dir", str(folder), "--agreement", str(agreement)]
    )

    assert (early.exit_code, found.exit_code) == (1, 1)
    assert "another log key" in found.output
    assert not (folder / "agreement.yaml").exists()


def test_installing_again_is_harmless_and_another_agreement_is_refused(world: World) -> None:
    folder, agreement = world.directory, world.directory / "agreement.yaml"
    command = ["broker", "init", "--dir", str(folder), "--agreement"]
    other = folder / "other.yaml"
    other.write_bytes(agreement.read_bytes() + b"\n")

    assert world.agreement.sha256 in runner.invoke(app, [*command, str(agreement)]).output
    refused = runner.invoke(app, [*command, str(other)])

    assert refused.exit_code == 1
    assert "another agreement" in refused.output


def test_an_export_verifies(world: World, tmp_path: Path) -> None:
    out = tmp_path / "export"

    found = runner.invoke(
        app, ["broker", "export", "--dir", str(world.directory), "--out", str(out)]
    )

    assert found.output.startswith("26 entries")
    assert verify_export(out).ok
    again = runner.invoke(
        app, ["broker", "export", "--dir", str(world.directory), "--out", str(out)]
    )
    assert again.exit_code == 1


def test_a_missing_secret_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MASH_KEYSTORE_SECRET")

    found = runner.invoke(app, ["broker", "run", "--dir", str(tmp_path)])

    assert found.exit_code == 1
    assert found.output == "ValueError: MASH_KEYSTORE_SECRET: Field required\n"


def test_a_folder_without_an_agreement_does_not_run(tmp_path: Path) -> None:
    found = runner.invoke(app, ["broker", "run", "--dir", str(tmp_path)])

    assert found.exit_code == 1
    assert "mash broker init" in found.output

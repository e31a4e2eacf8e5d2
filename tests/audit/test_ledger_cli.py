"""The ledger commands: arguments in; exit code, stdout and stderr out."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.cli import app
from audit.export import write_bundle
from audit.testing import PARTIES, MemoryLedger

RUN = CliRunner()


@pytest.fixture
def ledger() -> MemoryLedger:
    made = MemoryLedger()
    made.grow(20)
    return made


@pytest.fixture
def export(ledger: MemoryLedger, tmp_path: Path) -> Path:
    return ledger.export(tmp_path / "export")


def test_a_whole_export_is_said_to_be_so(ledger: MemoryLedger, export: Path) -> None:
    noted = export.parent / "seen"
    noted.write_text(f"\n20 {ledger.head.root.hex()}\n", "utf-8")

    done = RUN.invoke(app, ["verify", str(export), "--seen", str(noted), "--vkey", ledger.vkey])

    assert done.exit_code == 0
    assert done.stdout.startswith("OK ")
    assert ledger.head.root.hex() in done.stdout


def test_damage_is_named_with_its_place(ledger: MemoryLedger, export: Path) -> None:
    write_bundle(export, 0, 20, [*ledger.entries[:5], *ledger.entries[6:]])

    plain = RUN.invoke(app, ["verify", str(export)])
    as_json = RUN.invoke(app, ["verify", str(export), "--json"])

    assert plain.exit_code == as_json.exit_code == 1
    assert "removed at entry 5: " in plain.stdout
    problem = json.loads(as_json.stdout)["problem"]
    assert (problem["kind"], problem["index"]) == ("removed", 5)


def test_damage_without_a_place_is_named(export: Path) -> None:
    (export / "checkpoint").write_text("junk", "utf-8")

    done = RUN.invoke(app, ["verify", str(export)])

    assert done.exit_code == 1
    assert "\nbad_signature: " in done.stdout


def test_what_cannot_be_read_is_said_on_stderr(export: Path) -> None:
    noted = export.parent / "seen"
    noted.write_text("many words here\n", "utf-8")
    unread = RUN.invoke(app, ["verify", str(export), "--seen", str(noted)])
    (export / "checkpoint").unlink()

    for command in (["verify", str(export)], ["show", str(export), "0"], ["stats", str(export)]):
        done = RUN.invoke(app, command)
        assert done.exit_code == 2
        assert done.stderr
    assert unread.exit_code == 2


def test_one_entry_is_shown(export: Path) -> None:
    done = RUN.invoke(app, ["show", str(export), "7"])
    beyond = RUN.invoke(app, ["show", str(export), "20"])

    assert json.loads(done.stdout)["i"] == 7
    assert beyond.exit_code == 1
    assert "no entry 20" in beyond.stderr


def test_events_are_counted_and_withheld_ones_apart(ledger: MemoryLedger, tmp_path: Path) -> None:
    mine = [entry if PARTIES[0].encode() in entry else b"" for entry in ledger.entries]
    export = ledger.export(tmp_path / "filtered", entries=mine)

    as_json = RUN.invoke(app, ["stats", str(export), "--json"])
    plain = RUN.invoke(app, ["stats", str(export)])
    verified = RUN.invoke(app, ["verify", str(export), "--party", PARTIES[0]])

    assert json.loads(as_json.stdout) == {"(withheld)": 13, "order_claimed": 7}
    assert plain.stdout.splitlines()[-1].split() == ["20", "in", "all"]
    assert verified.exit_code == 0


def test_progress_is_shown_on_a_terminal_only(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    app(["verify", str(export)], standalone_mode=False)

    assert capsys.readouterr().err.split() == ["20", "of", "20", "entries"]

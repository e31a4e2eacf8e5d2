"""The guide for information governance leads: its commands are run, not only parsed."""

import re
from dataclasses import fields
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.agreement.cli import app
from adapters.ceremony import create_root
from keys.signing import RootKey
from policies.agreement import load_agreement, with_schedule
from policies.facts import CaseFacts, SupplierFacts
from policies.predicates import CONDITIONS
from policies.schema import document_shape
from policies.shapes import Record

GUIDE = (Path(__file__).parents[2] / "docs" / "agreements.md").read_text()
SECRET = "a secret for tests only"  # noqa: S105  # guards nothing
EXPECTED = {"lint": 1, "verify": 1}  # a draft has errors, and the others have not signed yet
FACTS = (
    '{"at": "2026-10-06T10:15:00", "purpose": "cp_s47", "rag": "red", "role": "mash_social_worker",'
    ' "category": "hlt.gp.attendance", "subject_role": "subject_child"}'
)


def _run(words: list[str]) -> Result:
    return CliRunner(env={"MASH_KEYSTORE_SECRET": SECRET}).invoke(app, words)


def _story() -> list[list[str]]:
    section = GUIDE.partition("## From nothing to a signed agreement")[2]
    block = re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    return [
        [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)][2:]
        for line in block.splitlines()
    ]


def _pin(file: Path, keys: Path) -> None:
    """Fill in the schedule, as the ceremony between rendering and signing does."""
    draft = load_agreement(file.read_bytes(), source="draft", allow_unpinned=True)
    keys.mkdir()
    roots = {party: RootKey.generate().public for party in draft.terms.parties}
    roots["southmere-fire"] = create_root(keys, secret=SECRET.encode())
    parties = {
        party: {"ed25519": root.ed25519, "mldsa65": root.mldsa65, "operator": party}
        for party, root in roots.items()
    }
    broker = {"operator": "ops", "origin": "broker.example/demo", "log_key": b"\x07" * 32}
    file.write_bytes(with_schedule(file.read_bytes(), {"parties": parties, "broker": broker}))


def test_the_way_from_nothing_to_a_signed_agreement_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    story = _story()

    assert [words[0] for words in story] == [
        *("new", "lint", "test", "render", "export", "sign", "verify")
    ]
    for words in story:
        if words[0] == "sign":
            _pin(tmp_path / "southmere.yaml", tmp_path / "keys")
            words.append("--yes")
        result = _run(words)
        assert result.exit_code == EXPECTED.get(words[0], 0), (words, result.output)


def _table() -> list[str]:
    section = GUIDE.partition("## The commands")[2].partition("\n## ")[0]
    return re.findall(r"^\| `mash agreement ([^`]*)` \|", section, re.MULTILINE)


def test_the_table_names_every_command() -> None:
    listed = {command.split()[0] for command in _table()}

    assert listed == set(re.findall(r"^│ ([a-z]+) +", _run(["--help"]).output, re.MULTILINE))


@pytest.mark.parametrize(
    "command", [c for c in _table() if c.split()[0] not in {"new", "sign", "replay", "verify"}]
)
def test_a_command_of_the_table_runs_on_a_shipped_agreement(command: str, tmp_path: Path) -> None:
    data = resources.files("policies.agreements").joinpath("northshire.yaml").read_bytes()
    file = tmp_path / "northshire.yaml"
    file.write_bytes(data)
    scenarios = Path(__file__).parents[1] / "policies" / "data" / "scenarios-public.json"
    words = {"FILE": str(file), "OLD": str(file), "NEW": str(file), "'{...}'": FACTS}
    words["SCENARIOS.json"] = str(scenarios)

    result = _run([words.get(word, word) for word in command.split()])

    assert result.exit_code == 0, result.output


def test_every_fact_is_explained_and_said_to_be_clear_or_the_suppliers() -> None:
    section = GUIDE.partition("## The facts")[2].partition("\n## ")[0]
    rows = dict[str, str]()
    for names, seen in re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", section, re.MULTILINE):
        rows |= dict.fromkeys(re.findall(r"`([a-z_]+)`", names), seen)
    clear = {f.name for f in fields(CaseFacts)}
    supplier = {f.name for f in fields(SupplierFacts)}

    assert rows.keys() == clear | supplier
    for name, seen in rows.items():
        assert ("clear" in seen, "supplier" in seen) == (name in clear, name in supplier)


def test_every_condition_and_every_key_of_the_terms_is_explained() -> None:
    terms = document_shape().needs["terms"]
    assert isinstance(terms, Record)

    for word in (*CONDITIONS, *terms.needs, *terms.may):
        assert f"`{word}`" in GUIDE, word

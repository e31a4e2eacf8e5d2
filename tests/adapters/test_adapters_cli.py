"""`mash node`, `mash request`, `mash review`, `mash party`: arguments in; status and text out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from adapters.node.agent import Agent
from adapters.node.api import create_app
from broker.cli import app as mash
from broker.testing import COUNCIL, DECIDER
from broker.testing_nodes import CATEGORY, DENIED_CATEGORY, TOKEN, Mesh, Served, case_about_child

Run = Callable[..., Result]
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running node of the council's."""
    with capture_logs():  # this process's own log would stand between what commands print
        mesh = Mesh(tmp_path_factory.mktemp("mesh"))
        agent = Agent(mesh.council)
        agent.start()
        served = Served(create_app(mesh.council, agent))
        yield served.url
        served.stop()
        agent.stop()
        mesh.close()


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against the node, on the token in the environment."""
    monkeypatch.setenv("MASH_NODE_URL", url)
    monkeypatch.setenv("MASH_TOKEN", TOKEN)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(mash, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case_about_child(CATEGORY, DENIED_CATEGORY)))
    return path


def object_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def test_status_shows_the_party_and_what_it_holds(run: Run) -> None:
    shown = object_of(run("node", "status", "--json"))

    assert shown["party"] == COUNCIL
    assert shown["open_tasks"] == 0
    assert COUNCIL in run("node", "status").stdout


def test_an_empty_worklist_is_an_empty_list(run: Run) -> None:
    assert object_of(run("node", "worklist", "--json")) == {"tasks": []}
    assert run("node", "worklist").exit_code == 0


def test_a_preview_shows_every_decision_and_sends_nothing(run: Run, case: Path) -> None:
    shown = object_of(run("request", "preview", case, "--role", DECIDER, "--json"))
    table = run("request", "preview", case, "--role", DECIDER).stdout

    assert [line["outcome"] for line in shown["decisions"]] == ["PERMIT", "DENY"]
    assert "not by this route" in table
    assert "D07" in table


def test_a_request_is_raised_looked_at_summarised_and_closed(
    run: Run, case: Path, tmp_path: Path
) -> None:
    raised = object_of(run("request", "raise", case, "--role", DECIDER, "--json"))
    assert (raised["state"], raised["alarm"]) == ("sent", "")
    request = raised["request"]

    assert object_of(run("request", "status", request))["state"] == "sent"
    summary = object_of(run("request", "summary", request, "--role", DECIDER))
    assert [gap["why"] for gap in summary["missing"]] == ["not answered"]

    outcome = tmp_path / "outcome.json"
    outcome.write_text(
        json.dumps(
            {
                "outcome": "nfa_advice",
                "threshold_level": 1,
                "reason": "On what was known.",
                "used": [],
                "took_part": ["decision maker"],
                "dissent": "",
                "referrer_told": True,
                "family_told": "told",
            }
        )
    )
    closed = object_of(run("request", "outcome", request, outcome, "--role", DECIDER))
    assert closed == {"state": "sent", "problem": ""}
    assert object_of(run("request", "status", request))["state"] == "closed"


def test_raising_prints_the_requests_number_first(run: Run, case: Path) -> None:
    printed = run("request", "raise", case, "--role", DECIDER).stdout

    assert printed.startswith("request r_")
    assert ": sent" in printed.splitlines()[0]


def test_a_guardians_queue_is_shown(run: Run) -> None:
    assert object_of(run("review", "queue", "--json"))["party"] == COUNCIL
    assert COUNCIL in run("review", "queue").stdout


@pytest.mark.parametrize(
    ("app", "arguments", "said"),
    [
        ("request", ["status", "r_none"], "request: was not raised at this node"),
        ("request", ["summary", "r_none", "--role", "nobody"], "does not hold that role"),
        ("node", ["status", "--token", "nobody's"], "the token is nobody's at this agency"),
        ("node", ["status", "--node", NOWHERE], "no answer (ConnectError)"),
        ("review", ["queue", "--node", NOWHERE], "no answer (ConnectError)"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(
    run: Run, app: str, arguments: list[str], said: str
) -> None:
    result = run(app, *arguments)

    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("mash: ")
    assert said in line
    assert TOKEN not in result.output


@pytest.mark.parametrize("text", [None, "{", "\xff"])
def test_a_file_that_is_no_json_is_named_with_status_2(
    run: Run, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "case.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))

    result = run("request", "preview", path, "--role", DECIDER)

    assert result.exit_code == 2
    assert "case.json: cannot be read as JSON" in result.stderr
    assert str(tmp_path) not in result.output


def test_a_task_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    decision = tmp_path / "decision.json"
    decision.write_text('{"confirm": null}')

    result = run("node", "decide", "no-such-task", decision)

    assert result.exit_code == 1
    assert "there is no open task with this id" in result.stderr


def test_a_node_without_its_configuration_says_which_file(run: Run, tmp_path: Path) -> None:
    result = run("node", "run", tmp_path / "node.yaml")

    assert result.exit_code == 1
    assert result.stderr.startswith("mash: node.yaml: (file): ")


def test_a_party_joins_with_a_root_of_its_own(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASH_KEYSTORE_SECRET", "a secret of the test's")
    made = run("party", "join", tmp_path / "party")

    keys = object_of(made)
    assert set(keys) == {"ed25519", "mldsa65"}
    assert "Next:" in made.stderr
    assert (tmp_path / "party" / "root").is_dir()


def test_no_party_joins_without_a_secret(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MASH_KEYSTORE_SECRET", raising=False)

    result = run("party", "join", tmp_path / "party")

    assert result.exit_code == 2
    assert "MASH_KEYSTORE_SECRET" in result.stderr
    assert not (tmp_path / "party").exists()


def test_an_existing_folder_is_never_joined_over(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASH_KEYSTORE_SECRET", "a secret of the test's")
    (tmp_path / "party").mkdir()

    result = run("party", "join", tmp_path / "party")

    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert result.stderr.startswith("mash: ")

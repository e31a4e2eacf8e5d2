"""The main job from the command a user types, and what its one JSON object must say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from broker.demo.febrl_run import run_febrl

ROWS = Path(__file__).parents[2] / "policies" / "data" / "scenarios-public.json"
IN_THE_DEMO = ("S01", "S03", "S04", "S05", "S07")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "broker", "demo", "--json", "--dir", str(folder / "run")],
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def case(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in report["cases"] if c["scenario"] == name)


def statuses(report: dict[str, Any], name: str, post: str) -> dict[str, str]:
    opened = case(report, name)["opened"][post]
    return {s["category"]: s["status"] for s in sorted(opened, key=lambda s: int(s["version"]))}


def test_the_object_holds_what_the_readme_promises(report: dict[str, Any]) -> None:
    assert report["requests"] == 6
    assert set(report["decisions"]) == {"PERMIT", "REVIEW", "DENY"}
    assert all(count > 0 for count in report["decisions"].values())
    assert report["answers"] > 0
    assert report["opened"] > 0
    assert report["ledger"]["verified"] is True
    assert report["ledger"]["size"] > 100
    assert report["tampering_detected"]["tried"] == report["tampering_detected"]["named"] == 4
    assert report["leaks_found"] == 0
    assert report["same_search_at_nodes"] > 50
    assert report["seconds"] > 0


def test_the_decisions_equal_the_published_scenarios_row_by_row(report: dict[str, Any]) -> None:
    published = {s["id"]: s["rows"] for s in json.loads(ROWS.read_text())}
    expected = {
        (name, row["role"], row["category"], row["subject_role"]): row["exp"]
        for name in IN_THE_DEMO
        for row in published[name]
    }
    made = {
        (c["scenario"], d["role"], d["category"], d["subject_role"]): f"{d['outcome']} {d['rule']}"
        for c in report["cases"]
        for d in c["decisions"]
    }

    assert {key: made.get(key) for key in expected} == expected


def test_the_broker_decided_as_every_preview_said(report: dict[str, Any]) -> None:
    assert all(c["preview_equals_decisions"] for c in report["cases"])


def test_nil_returns_under_full_coverage_are_findings(report: dict[str, Any]) -> None:
    found = {f["finding"] for f in case(report, "S07")["findings"]}

    assert found == {"NO_GP_REGISTRATION", "NO_EDUCATION_RECORD"}
    assert statuses(report, "S07", "northshire-cc/mash_social_worker") == {
        "hlt.gp.registration": "NOT_KNOWN",
        "edu.enrolment": "NOT_KNOWN",
        "pol.da_incidents": "KNOWN_NO_RELEVANT",
        "csc.involvement": "NOT_KNOWN",
    }


def test_with_the_gp_unplugged_we_do_not_know(report: dict[str, Any]) -> None:
    again = case(report, "S07, GP unplugged")

    assert {f["finding"] for f in again["findings"]} == {"NO_EDUCATION_RECORD"}
    opened = statuses(report, "S07, GP unplugged", "northshire-cc/mash_social_worker")
    assert opened["hlt.gp.registration"] == "UNAVAILABLE"
    (gap,) = again["missing"]
    assert gap["supplier"] == "northshire-icb-gp"
    assert gap["ring"]["telephone"].startswith("01632 960")


def test_a_representative_withheld_a_line_by_hand(report: dict[str, Any]) -> None:
    opened = statuses(report, "S03", "northshire-cc/mash_decision_maker")

    assert opened["hlt.mh.risk_summary"] == "PARTIAL"
    assert opened["yjs.involvement"] == "KNOWN_NO_RELEVANT"


def test_green_without_consent_asks_nobody_but_the_council_itself(report: dict[str, Any]) -> None:
    permitted = {
        d["category"].split(".")[0]
        for d in case(report, "S04")["decisions"]
        if d["outcome"] != "DENY"
    }

    assert permitted == {"eh", "csc", "edu"}


def test_posts_open_only_what_is_sealed_to_them(report: dict[str, Any]) -> None:
    for c in report["cases"]:
        permitted = {(d["role"], d["category"]) for d in c["decisions"] if d["outcome"] != "DENY"}
        opened = {
            (post.split("/")[1], section["category"])
            for post, sections in c["opened"].items()
            for section in sections
        }
        assert opened <= permitted


def test_every_answering_agency_had_feedback_and_a_guardian_a_conflict(
    report: dict[str, Any],
) -> None:
    assert all(count > 0 for count in report["feedback"].values())
    assert "same_surname" in report["guardians"]["northshire-cc"]["look_at_first"]


def test_the_broker_saw_blobs_of_two_sizes_only(report: dict[str, Any]) -> None:
    """Sections have one size, the padded sharing records of guardians' offices another."""
    assert list(report["broker_saw"]["sealed_blobs_by_size"]) == ["4096", "16384"]


def test_a_second_run_into_the_same_folder_is_refused(folder: Path, report: dict[str, Any]) -> None:
    del report
    done = subprocess.run(
        [sys.executable, "-m", "broker", "demo", "--json", "--dir", str(folder / "run")],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert b"not an empty folder" in done.stderr
    assert b"Traceback" not in done.stderr


def test_febrl_people_through_the_whole_path_without_a_wrong_person(tmp_path: Path) -> None:

    report = run_febrl(tmp_path, Console(quiet=True), requests=25)

    matching = report["matching"]
    assert matching["wrong_person"] == 0
    assert matching["match"] + matching["candidate"] + matching["not_known"] == 25
    assert matching["recall_match_or_candidate"] >= 0.9
    assert report["ledger"]["verified"]
    assert report["leaks_found"] == 0

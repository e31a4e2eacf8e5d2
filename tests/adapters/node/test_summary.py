"""The summary: what was said, what is missing and whom to ring, what follows and what does not."""

from typing import Any

import msgspec
import pytest

from adapters.node.records import Delivered, OpenedSection, Raised, Telephoned
from adapters.node.summary import build_summary, chronology, findings, not_by_this_route
from broker.testing import COUNCIL, DECIDER, POLICE
from broker.testing_nodes import CATEGORY, DENIED_CATEGORY, Mesh
from keys.randomness import new_ref

GP = "hlt.gp.registration"
SCHOOL = "edu.enrolment"


def section(category: str, status: str, *, subject: str = "s_1", **content: Any) -> OpenedSection:
    supplier = content.pop("supplier", POLICE)
    version = content.pop("version", 1)
    return OpenedSection(
        id=new_ref("b"),
        reference="r_1",
        order="o_1",
        version=version,
        supplier=supplier,
        role=DECIDER,
        category=category,
        subject=subject,
        content={
            "status": status,
            "subject": {"ref": subject, "role": "subject_child", "name": "Kit"},
            "answered_at": "2026-10-06T10:15:00+01:00",
            "contact": {"post": "Desk", "telephone": "01632 960 101"},
            **content,
        },
        opened=0.0,
        actor="Sam",
    )


@pytest.mark.parametrize(
    ("category", "finding"), [(GP, "NO_GP_REGISTRATION"), (SCHOOL, "NO_EDUCATION_RECORD")]
)
def test_a_nil_return_under_full_coverage_is_a_finding(category: str, finding: str) -> None:
    (found,) = findings([section(category, "NOT_KNOWN")])

    assert (found["finding"], found["category"], found["subject"]["ref"]) == (
        finding,
        category,
        "s_1",
    )


@pytest.mark.parametrize(
    "status", ["UNAVAILABLE", "PENDING_HUMAN", "KNOWN_DATA", "KNOWN_WITHHELD", "PARTIAL"]
)
def test_anything_but_a_nil_return_is_no_finding(status: str) -> None:
    assert findings([section(GP, status)]) == []


def test_one_system_that_was_away_spoils_the_coverage() -> None:
    two = [section(GP, "NOT_KNOWN"), section(GP, "UNAVAILABLE", supplier=COUNCIL)]

    assert findings(two) == []
    assert findings([section(GP, "NOT_KNOWN"), section(GP, "NOT_KNOWN", supplier=COUNCIL)])


def test_findings_are_drawn_for_each_subject_alone() -> None:
    two = [section(GP, "NOT_KNOWN"), section(GP, "KNOWN_DATA", subject="s_2")]

    (found,) = findings(two)

    assert found["subject"]["ref"] == "s_1"


@pytest.mark.parametrize("row", [{"home_educated": "true"}, {"status": "EHE"}])
def test_home_education_on_the_register_beats_no_record(row: dict[str, str]) -> None:
    sections = [
        section(SCHOOL, "KNOWN_DATA", rows=[row]),
        section(SCHOOL, "NOT_KNOWN", supplier=COUNCIL),
    ]

    (found,) = findings(sections)

    assert found["finding"] == "HOME_EDUCATED"


def test_a_nil_return_about_anything_else_is_no_finding() -> None:
    assert findings([section(CATEGORY, "NOT_KNOWN")]) == []


def test_the_chronology_is_in_the_order_of_what_happened() -> None:
    rows = [{"date": "2026-05-02"}, {"started": "no date"}, {"date": "2024-11-01"}]
    sections = [
        section(CATEGORY, "KNOWN_DATA", rows=rows),
        section(GP, "KNOWN_DATA", rows=[{"at": "2025-01-01T09:00"}, {"at": ""}]),
    ]

    dates = [event["date"] for event in chronology(sections)]

    assert dates == ["2024-11-01", "2025-01-01T09:00", "2026-05-02"]


@pytest.fixture
def raised(mesh: Mesh) -> Raised:
    """A request for a permitted and a denied category."""
    id_ = mesh.raise_request(CATEGORY, DENIED_CATEGORY)
    with mesh.council.store.begin() as tx:
        found = tx.get(Raised, id_)
    assert found is not None
    return found


def summary(mesh: Mesh, raised: Raised, *opened: OpenedSection) -> dict[str, Any]:
    return build_summary(mesh.council, raised, list(opened), role=DECIDER)


def subject_of(raised: Raised) -> str:
    return next(iter(raised.subjects))


def test_item_0_is_the_referrers_own_words(mesh: Mesh, raised: Raised) -> None:
    first, *rest = summary(mesh, raised)["items"]

    assert first == {"number": 0, "kind": "referral", "words": "Seen at school with a bruise."}
    assert rest == []


def test_a_denial_reads_not_by_this_route_with_rule_remedy_and_number(
    mesh: Mesh, raised: Raised
) -> None:
    (denied,) = not_by_this_route(raised)

    assert (denied["supplier"], denied["category"], denied["rule"]) == (
        POLICE,
        DENIED_CATEGORY,
        "D07",
    )
    assert denied["remedy"]
    assert denied["text"].startswith("not by this route: ring ")
    assert summary(mesh, raised)["not_by_this_route"] == [denied]


def test_who_has_not_answered_is_missing_with_whom_to_ring(mesh: Mesh, raised: Raised) -> None:
    (gap,) = summary(mesh, raised)["missing"]

    assert (gap["supplier"], gap["why"], gap["categories"]) == (POLICE, "not answered", [CATEGORY])
    assert gap["ring"]["telephone"]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("PENDING_HUMAN", "the agency is still answering"),
        ("UNAVAILABLE", "we do not know: the system did not answer (it was away)"),
    ],
)
def test_an_answer_that_says_nothing_yet_is_missing_with_the_reason(
    mesh: Mesh, raised: Raised, status: str, why: str
) -> None:
    opened = section(CATEGORY, status, subject=subject_of(raised), reason="it was away")

    (gap,) = summary(mesh, raised, opened)["missing"]

    assert gap["why"] == why


def test_an_answer_about_one_child_is_none_about_another(mesh: Mesh, raised: Raised) -> None:
    about_another = section(CATEGORY, "KNOWN_DATA", subject="s_another")
    about_the_child = section(CATEGORY, "KNOWN_DATA", subject=subject_of(raised))

    assert len(summary(mesh, raised, about_another)["missing"]) == 1
    assert summary(mesh, raised, about_the_child)["missing"] == []


def test_the_newest_version_counts(mesh: Mesh, raised: Raised) -> None:
    subject = subject_of(raised)
    pending = section(CATEGORY, "PENDING_HUMAN", subject=subject)
    answer = section(CATEGORY, "KNOWN_DATA", subject=subject, version=2, rows=[{"date": "2026"}])

    shown = summary(mesh, raised, answer, pending)

    assert shown["missing"] == []
    assert [item["version"] for item in shown["items"][1:]] == [2]


def test_withheld_reads_information_held_ring(mesh: Mesh, raised: Raised) -> None:
    subject = subject_of(raised)
    held = section(CATEGORY, "PARTIAL", subject=subject, rows=[{"offence": "one"}], withheld=2)

    shown = summary(mesh, raised, held)

    assert [w["text"] for w in shown["withheld"]] == ["information held: ring Desk, 01632 960 101"]
    assert shown["withheld"][0]["lines"] == 2
    assert len(shown["items"]) == 2  # what was kept is shown as well


def test_a_nil_return_is_listed_as_one(mesh: Mesh, raised: Raised) -> None:
    nil = section(CATEGORY, "NOT_KNOWN", subject=subject_of(raised))

    shown = summary(mesh, raised, nil)

    assert [n["category"] for n in shown["nil_returns"]] == [CATEGORY]
    assert shown["missing"] == []
    assert len(shown["items"]) == 1


@pytest.mark.parametrize(("said_about", "missing"), [([CATEGORY], 0), ([DENIED_CATEGORY], 1)])
def test_a_telephone_answer_stands_for_what_was_said_and_no_more(
    mesh: Mesh, raised: Raised, said_about: list[str], missing: int
) -> None:
    report = {
        "speaker": "Duty desk",
        "number": "01632 960 101",
        "occurred_at": "2026-10-06T10:00:00+01:00",
        "said": "Known.",
        "categories": said_about,
    }
    with mesh.council.store.begin() as tx:
        tx.put(
            Telephoned(
                id=f"{raised.id}:{POLICE}",
                reference=raised.id,
                supplier=POLICE,
                report=report,
                recorded=0.0,
            )
        )

    shown = summary(mesh, raised)

    assert shown["items"][1]["status"] == "REPORTED_BY_TELEPHONE"
    assert shown["items"][1]["confirmed"] is False
    assert len(shown["missing"]) == missing


def test_a_refusal_by_the_agencys_own_rule_is_said(mesh: Mesh, raised: Raised) -> None:
    with mesh.council.store.begin() as tx:
        tx.put(
            Delivered(
                id=new_ref("d"),
                number=1,
                kind="refusal",
                reference=raised.id,
                order="o_1",
                version=0,
                supplier=POLICE,
                message="",
                request="",
                receipt_level="weak",
                received=0.0,
                sections=[],
                blobs={},
                content={"rule": "d07"},
            )
        )

    (gap,) = summary(mesh, raised)["missing"]

    assert gap["why"] == "refused by the agency's own rule d07"


def test_a_party_without_a_node_is_missing_by_telephone(mesh: Mesh, raised: Raised) -> None:
    decisions = msgspec.to_builtins(raised.decisions)
    decisions["asks"][0]["route"] = "telephone"

    (gap,) = summary(mesh, msgspec.structs.replace(raised, decisions=decisions))["missing"]

    assert gap["why"] == "no node: by telephone"

"""The local API refuses what is wrong: with a status, a place, and no value quoted."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from adapters.node.agent import Agent
from adapters.node.api import create_app
from adapters.node.records import Task
from broker.testing import COUNCIL, DECIDER
from broker.testing_nodes import CHILD, TOKEN, Mesh, case_about_child

SECRETS = (CHILD["surname"], CHILD["birth_date"], CHILD["identifiers"]["nhs"], TOKEN)


def problem_of(reply: httpx2.Response) -> dict[str, Any]:
    assert reply.headers["Cache-Control"] == "no-store"
    assert not [word for word in SECRETS if word in reply.text]
    problem: dict[str, Any] = reply.json()
    assert problem["status"] == reply.status_code
    assert problem["type"].startswith("urn:mash:problem:")
    return problem


def item(**changes: Any) -> list[dict[str, Any]]:
    (ask,) = case_about_child()["asks"]
    return [ask | {"items": [ask["items"][0] | changes]}]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nobody's", f"Basic {TOKEN}"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/requests/preview?role=x"),
        ("POST", "/requests?role=x"),
        ("GET", "/requests/r_1"),
        ("POST", "/requests/r_1/open?role=x"),
        ("GET", "/requests/r_1/summary?role=x"),
        ("POST", "/requests/r_1/telephone?role=x&supplier=y"),
        ("POST", "/requests/r_1/outcome?role=x"),
        ("GET", "/feedback"),
        ("GET", "/worklist"),
        ("POST", "/worklist/t"),
        ("GET", "/orders"),
        ("GET", "/review/queue"),
    ],
)
def test_without_a_persons_token_nothing_is_shown_or_done(
    api: TestClient, method: str, path: str, header: str
) -> None:
    reply = api.request(method, path, headers={"Authorization": header}, json=case_about_child())

    assert reply.status_code == 401
    assert problem_of(reply)["detail"] == "the token is nobody's at this agency"


def test_only_health_needs_no_token(api: TestClient) -> None:
    reply = api.get("/healthz", headers={"Authorization": ""})

    assert reply.json() == {"party": COUNCIL, "agent": "starting"}
    assert api.get("/readyz", headers={"Authorization": ""}).status_code == 503


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/requests/preview"),
        ("POST", "/requests"),
        ("POST", "/requests/r_1/open"),
        ("GET", "/requests/r_1/summary"),
    ],
)
def test_a_role_that_the_person_does_not_hold_is_refused(
    api: TestClient, method: str, path: str
) -> None:
    reply = api.request(
        method, path, params={"role": "mash_police_researcher"}, json=case_about_child()
    )

    assert reply.status_code == 401
    assert problem_of(reply)["detail"] == "this person does not hold that role"


@pytest.mark.parametrize("path", ["/worklist", "/review/queue"])
def test_worklist_and_review_are_for_those_who_hold_the_role(
    mesh: Mesh, api: TestClient, path: str
) -> None:
    settings = mesh.council.settings
    narrowed = settings.people[0].model_copy(update={"roles": ("mash_business_support",)})
    node = replace(mesh.council, settings=settings.model_copy(update={"people": (narrowed,)}))

    reply = TestClient(create_app(node, Agent(node))).get(path, headers=dict(api.headers))

    assert reply.status_code == 401
    assert problem_of(reply)["detail"] == "this person does not hold that role"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"rag": CHILD["surname"]}, "case"),
        ({"subjects": [{"label": "child"}]}, "case"),
        ({"facts": {"consent": {"given": True, "until": CHILD["surname"]}}}, "facts.consent"),
        ({"asks": item(subject="nobody")}, "asks.items.subject"),
        ({"asks": item(posts=["no_such_role"])}, "asks.items.posts"),
    ],
)
@pytest.mark.parametrize("path", ["/requests/preview", "/requests"])
def test_a_case_that_is_wrong_is_refused_with_its_place(
    api: TestClient, path: str, changes: dict[str, Any], place: str
) -> None:
    reply = api.post(path, params={"role": DECIDER}, json=case_about_child() | changes)

    assert reply.status_code == 422
    assert problem_of(reply)["detail"].startswith(place)


@pytest.mark.parametrize(
    "changes",
    [
        {"asks": item(category="pol.no_such_thing")},
        {"asks": [case_about_child()["asks"][0] | {"supplier": "northshire-zoo"}]},
        {"purpose": "curiosity"},
        {"rag": "mauve"},
        {"rag": None},
    ],
)
def test_what_the_agreement_does_not_know_is_denied_with_a_rule(
    api: TestClient, changes: dict[str, Any]
) -> None:
    reply = api.post(
        "/requests/preview", params={"role": DECIDER}, json=case_about_child() | changes
    )

    (line,) = reply.json()["decisions"]
    assert (reply.status_code, line["outcome"]) == (200, "DENY")
    assert line["rule"]
    assert line["remedy"]
    assert line["contact"]["telephone"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/requests/preview", b"{"),
        ("/requests/preview", b"\xff"),
        ("/requests/preview", b'"Quillfeather"'),
        ("/requests/r_1/outcome", b"[]"),
        ("/requests/r_1/outcome", b"Quillfeather"),
    ],
)
def test_a_body_that_is_no_object_is_refused(api: TestClient, path: str, body: bytes) -> None:
    reply = api.post(path, params={"role": DECIDER}, content=body)

    assert reply.status_code == 422
    problem_of(reply)


def test_a_body_that_is_too_large_is_refused(api: TestClient) -> None:
    reply = api.post(
        "/requests/preview", params={"role": DECIDER}, content=b" " * (1024 * 1024 + 1)
    )

    assert reply.status_code == 422
    assert problem_of(reply)["detail"].startswith("body")


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("POST", "/requests/preview", "query.role"),
        ("GET", "/requests/r_1/summary", "query.role"),
        ("POST", "/requests/r_1/telephone?role=x", "query.supplier"),
    ],
)
def test_a_missing_parameter_is_named(
    api: TestClient, method: str, path: str, missing: str
) -> None:
    reply = api.request(method, path, json=case_about_child())

    assert reply.status_code == 422
    assert problem_of(reply)["detail"] == f"{missing}: is missing or wrong"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/requests/r_1", None),
        ("GET", f"/requests/r_1/summary?role={DECIDER}", None),
        (
            "POST",
            f"/requests/r_1/outcome?role={DECIDER}",
            {
                "outcome": "nfa_advice",
                "threshold_level": 1,
                "reason": "",
                "used": [],
                "took_part": [],
                "dissent": "",
                "referrer_told": True,
                "family_told": "told",
            },
        ),
        (
            "POST",
            f"/requests/r_1/telephone?role={DECIDER}&supplier=northshire-fire",
            {
                "speaker": "a",
                "number": "b",
                "occurred_at": "2026-10-06T10:00:00+01:00",
                "said": "c",
                "categories": [],
            },
        ),
    ],
)
def test_a_request_that_was_not_raised_here_is_named_as_such(
    api: TestClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    reply = api.request(method, path, json=body)

    assert reply.status_code == 422
    assert problem_of(reply)["detail"] == "request: was not raised at this node"


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("outcome", {"outcome": "nfa_advice"}),
        ("outcome", {"surname": CHILD["surname"]}),
        ("telephone", {"said": CHILD["surname"]}),
    ],
)
def test_an_incomplete_outcome_or_report_names_what_it_needs(
    api: TestClient, step: str, body: dict[str, Any]
) -> None:
    params = {"role": DECIDER, "supplier": "northshire-fire"}

    reply = api.post(f"/requests/r_1/{step}", params=params, json=body)

    assert reply.status_code == 422
    assert "needs exactly" in problem_of(reply)["detail"]


@pytest.mark.parametrize("wrong", ["Quillfeather", None, [1], [["x"]], {"a": 1}])
def test_what_every_summary_reads_again_has_the_right_type(api: TestClient, wrong: object) -> None:
    report = {
        "speaker": "a",
        "number": "b",
        "occurred_at": "2026-10-06T10:00:00+01:00",
        "said": "c",
        "categories": wrong,
    }
    outcome = {
        "outcome": "nfa_advice",
        "threshold_level": 1,
        "reason": "",
        "used": wrong,
        "took_part": [],
        "dissent": "",
        "referrer_told": True,
        "family_told": "told",
    }
    params = {"role": DECIDER, "supplier": "northshire-fire"}

    for step, body, place in (
        ("telephone", report, "report.categories"),
        ("outcome", outcome, "outcome.used"),
    ):
        reply = api.post(f"/requests/r_1/{step}", params=params, json=body)

        assert reply.status_code == 422
        assert problem_of(reply)["detail"] == f"{place}: must be a list of texts"


def test_a_task_that_is_not_there_or_a_decision_that_does_not_fit_is_a_conflict(
    mesh: Mesh, api: TestClient
) -> None:
    task = Task(
        id="o_1:s_1:records",
        kind="confirm",
        state="open",
        due=0.0,
        reference="o_1",
        order="o_1",
        payload={"records": {"R1": {}}, "rag": "red", "subject": "s_1", "system": "records"},
    )
    with mesh.council.store.begin() as tx:
        tx.put(task)

    for id_, decision in (("none", {"confirm": "R1"}), (task.id, {"confirm": CHILD["surname"]})):
        reply = api.post(f"/worklist/{id_}", json=decision)

        assert reply.status_code == 409
        problem_of(reply)
    assert [t["id"] for t in api.get("/worklist").json()["tasks"]] == [task.id]

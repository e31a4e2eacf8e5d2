"""The main job, acted out: requests raised, answered, opened, summarised, closed, fed back.

Nothing here knows an answer beforehand: everything comes back through the local APIs of nodes
that run as separate processes.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.localclient import LocalClient
from broker.demo.deployment import WITHOUT_NODE, Deployment
from broker.demo.errors import StoryError
from broker.demo.representatives import Representatives
from broker.demo.scenarios import Scenario
from broker.demo.staff import GUARDIAN, REPRESENTATIVE

COUNCIL: Final = "northshire-cc"
_PATIENCE_SECONDS: Final = 45.0
_OUTCOMES: Final = {
    "S01": ("s47_joint", 4),
    "S03": ("child_family_assessment_s17", 3),
    "S04": ("nfa_advice", 1),
    "S05": ("early_help", 2),
    "S07": ("early_help", 2),
}


@dataclass(slots=True, kw_only=True)
class Told:
    """One request as it went: what a MASH manager would want on one page."""

    scenario: Scenario
    name: str
    request: str
    preview: list[dict[str, Any]]
    started: float
    seconds: float = 0.0
    alarm: str = ""
    decisions: dict[str, Any] = field(default_factory=dict)
    posts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    outcome: dict[str, Any] = field(default_factory=dict)


def raise_scenario(deployment: Deployment, scenario: Scenario, *, name: str | None = None) -> Told:
    """Raise a scenario's request at the council's node and return it as it stands."""
    requester = deployment.client(COUNCIL, scenario.requester)
    started = time.monotonic()
    status = requester.post("/requests", dict(scenario.case), role=scenario.requester)
    if status["state"] != "sent":
        raise StoryError(f"{scenario.name}: the broker did not take the request")
    return Told(
        scenario=scenario,
        name=name or scenario.name,
        request=status["request"],
        preview=status["preview"],
        started=started,
        alarm=status["alarm"],
        decisions=status["decisions"],
    )


def representatives(deployment: Deployment) -> Representatives:
    """Return the representatives of every agency with a node."""
    return Representatives(
        deployment.client(party, REPRESENTATIVE) for party in deployment.plan.parties
    )


def settle(deployment: Deployment, told: Iterable[Told], people: Representatives) -> None:
    """Wait until everything that can be answered has been answered and delivered.

    Raises:
        StoryError: Something that must be answered is not in time.

    """
    end = time.monotonic() + _PATIENCE_SECONDS
    for one in told:
        while not _settled(deployment, one, people):
            if time.monotonic() > end:
                raise StoryError(f"{one.name}: not everything was answered in time")
            time.sleep(0.15)
        one.seconds = round(time.monotonic() - one.started, 1)


def _settled(deployment: Deployment, told: Told, people: Representatives) -> bool:
    requester = deployment.client(COUNCIL, told.scenario.requester)
    delivered = requester.get(f"/requests/{told.request}")["delivered"]
    answered = {d["supplier"] for d in delivered if d["kind"] == "answer" and d["version"] > 1}
    if not _answering(told) <= answered or not people.idle():
        return False
    return all(
        _agent_idle(deployment.client(party, REPRESENTATIVE)) for party in deployment.plan.parties
    )


def _agent_idle(client: LocalClient) -> bool:
    orders = client.get("/orders")["orders"]
    return all(order["state"] in {"done", "refused"} for order in orders)


def telephone(deployment: Deployment, told: Told) -> None:
    """Ring the party without a node, and enter what was said with the time it was said."""
    for ask in told.decisions["asks"]:
        if ask["supplier"] not in WITHOUT_NODE or ask["route"] != "telephone":
            continue
        contact = deployment.agreement.contact(ask["supplier"], deployment.clock())
        report = {
            "speaker": contact.post,
            "number": contact.telephone,
            "occurred_at": deployment.clock().isoformat(timespec="seconds"),
            "said": "Known; medium risk of serious harm to partners; reports weekly.",
            "categories": sorted({line["category"] for line in ask["lines"]}),
        }
        deployment.client(COUNCIL, told.scenario.requester).post(
            f"/requests/{told.request}/telephone",
            report,
            role=told.scenario.requester,
            supplier=ask["supplier"],
        )


def open_everywhere(deployment: Deployment, told: Told) -> None:
    """Let every post that something was asked for open what is sealed to it."""
    posts = sorted({(line["party"], line["role"]) for line in told.preview})
    for party, role in posts:
        client = deployment.client(party, role)
        opened = client.post(f"/requests/{told.request}/open", role=role)
        told.posts[f"{party}/{role}"] = opened["sections"]


def summarise(deployment: Deployment, told: Told) -> None:
    """Build the summary for the decision maker's post."""
    role = "mash_decision_maker"
    if not told.posts.get(f"{COUNCIL}/{role}"):
        role = told.scenario.requester
    client = deployment.client(COUNCIL, role)
    told.summary = client.get(f"/requests/{told.request}/summary", role=role)


def close(deployment: Deployment, told: Told) -> None:
    """Decide, and tell everyone who helped.

    Raises:
        StoryError: The broker did not let the case close.

    """
    code, threshold = _OUTCOMES[told.scenario.name]
    used = [
        f"{item['controller']}:{item['category']}"
        for item in told.summary["items"]
        if item["kind"] == "answer"
    ]
    outcome = {
        "outcome": code,
        "threshold_level": threshold,
        "reason": "On what was known at the time of the decision.",
        "used": used,
        "took_part": ["MASH decision maker", "police", "health"],
        "dissent": "",
        "referrer_told": True,
        "family_told": "not yet: telling them now would increase the risk"
        if told.scenario.case["rag"] == "red"
        else "told",
    }
    role = told.scenario.requester
    reply = deployment.client(COUNCIL, role).post(
        f"/requests/{told.request}/outcome", outcome, role=role
    )
    if reply["state"] != "sent":
        raise StoryError(f"{told.name}: the case did not close ({reply['problem']})")
    told.outcome = outcome


def guardian_queues(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return what each party's guardian sees this week."""
    return {
        party: deployment.client(party, GUARDIAN).get("/review/queue")
        for party in deployment.plan.parties
    }


def feedback(deployment: Deployment, told: Iterable[Told]) -> dict[str, list[dict[str, Any]]]:
    """Return the feedback that has reached each agency, once all of it has.

    Raises:
        StoryError: An agency that answered has had no feedback in time.

    """
    expected = sum(len(_answering(one)) for one in told)
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        received: dict[str, list[dict[str, Any]]] = {
            party: deployment.client(party, REPRESENTATIVE).get("/feedback")["feedback"]
            for party in deployment.plan.parties
        }
        if sum(map(len, received.values())) == expected:
            return received
        if time.monotonic() > end:
            raise StoryError("an agency that answered had no feedback")
        time.sleep(0.1)


def _answering(told: Told) -> set[str]:
    return {ask["supplier"] for ask in told.decisions["asks"] if ask["route"] == "node"}

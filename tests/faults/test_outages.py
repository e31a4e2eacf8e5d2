"""Longer absences: a broker away, a node away past its lease, people who act in between."""

import time
from collections.abc import Iterator

import pytest

from adapters.errors import LocalApiError
from adapters.node.records import Order, Outgoing, Raised, Task
from adapters.protocol import order_id
from broker.demo.evidence import export_ledger
from tests.faults.mash import (
    ASKER,
    BROKER,
    HOLDER,
    LONG,
    OUTCOME,
    ROLE,
    Mash,
    answer,
    check_once,
    close,
    raise_request,
    running,
    settle,
    wait_for,
    work,
)

LEASE_SECONDS = 1.0
SLOT_SECONDS = 3


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mash]:
    folder = tmp_path_factory.mktemp("outages")
    with running(folder, lease_seconds=LEASE_SECONDS, slot_seconds=SLOT_SECONDS) as mash:
        yield mash
        _, report = export_ledger(mash.deployment)
        assert report.ok


@pytest.fixture
def mash(shared: Mash) -> Mash:
    shared.recover()
    return shared


def await_first_version_kept(mash: Mash, request: str) -> None:
    """Wait until the holder has looked, and version 1 waits for the end of its slot."""
    order = order_id(request, HOLDER)

    def kept() -> bool:
        return bool(mash.documents(HOLDER, Task, reference=order))

    wait_for("the holder has looked", kept)


def claims(mash: Mash, request: str) -> int:
    order = order_id(request, HOLDER)
    return sum(e["event"] == "order_claimed" and e["order"] == order for e in mash.ledger())


def test_answers_wait_in_the_outbox_while_the_broker_is_away(mash: Mash) -> None:
    request = raise_request(mash)
    await_first_version_kept(mash, request)

    mash.kill(BROKER)
    work(mash, request)
    time.sleep(3)
    waiting = [item.kind for item in mash.documents(HOLDER, Outgoing) if item.state == "waiting"]
    mash.restart(BROKER)

    assert "answer" in waiting
    answer(mash, request)
    close(mash, request)
    settle(mash, request)
    check_once(mash, request)


def test_a_decision_made_before_a_kill_stands_in_the_first_version_after_it(mash: Mash) -> None:
    request = raise_request(mash)
    await_first_version_kept(mash, request)

    work(mash, request)
    mash.kill(HOLDER)
    mash.restart(HOLDER)

    answer(mash, request)
    close(mash, request)
    settle(mash, request)
    assert check_once(mash, request) == 2
    assert claims(mash, request) == 2


def test_a_node_away_for_longer_than_its_lease_answers_once(mash: Mash) -> None:
    request = raise_request(mash)
    await_first_version_kept(mash, request)

    mash.kill(HOLDER)
    time.sleep(SLOT_SECONDS + LEASE_SECONDS + 1)
    mash.restart(HOLDER)

    answer(mash, request)
    close(mash, request)
    settle(mash, request)
    check_once(mash, request)
    (order,) = [o for o in mash.documents(HOLDER, Order) if o.reference == request]
    assert order.epoch == claims(mash, request) == 2


@pytest.mark.skipif(not LONG, reason="nothing is lost at a node that was cut off only")
def test_a_node_that_was_cut_off_for_longer_than_its_lease_answers_once(mash: Mash) -> None:
    request = raise_request(mash)
    await_first_version_kept(mash, request)

    mash.lines[HOLDER].closed_to = ".*"
    time.sleep(SLOT_SECONDS + LEASE_SECONDS + 1)
    mash.lines[HOLDER].closed_to = None

    answer(mash, request)
    close(mash, request)
    settle(mash, request)
    check_once(mash, request)


def test_a_node_that_knows_nothing_yet_raises_no_request_that_would_be_denied(mash: Mash) -> None:
    mash.kill(BROKER)
    mash.kill(ASKER)
    mash.deployment.start_node(ASKER)
    before = len(mash.documents(ASKER, Raised))
    problems = []

    def refused() -> bool:
        try:
            mash.client(ASKER, ROLE).post("/requests", mash.case(), role=ROLE)
        except LocalApiError as error:
            problems.append(error.status)
        return 503 in problems

    wait_for("the node says that it cannot", refused)
    assert len(mash.documents(ASKER, Raised)) == before

    mash.restart(BROKER)
    mash.deployment.await_node(ASKER)
    request = raise_request(mash)
    (raised,) = [r for r in mash.documents(ASKER, Raised) if r.id == request]
    assert {line["outcome"] for line in raised.preview} <= {"PERMIT", "REVIEW"}
    assert raised.alarm == ""


def test_an_outcome_is_given_again_after_a_refusal_and_once_after_that(mash: Mash) -> None:
    mash.lines[ASKER].closed_to = "/v1/deliveries"
    request = raise_request(mash)
    order = order_id(request, HOLDER)
    client = mash.client(ASKER, ROLE)

    def answered() -> bool:
        work(mash, request)
        return any(e["event"] == "release" and e["order"] == order for e in mash.ledger())

    wait_for("an answer is on its way", answered)
    too_early = client.post(f"/requests/{request}/outcome", OUTCOME, role=ROLE)
    mash.lines[ASKER].closed_to = None
    answer(mash, request)
    close(mash, request)
    again = client.post(f"/requests/{request}/outcome", OUTCOME, role=ROLE)
    with pytest.raises(LocalApiError) as other:
        client.post(f"/requests/{request}/outcome", OUTCOME | {"dissent": "police"}, role=ROLE)
    settle(mash, request)

    assert (too_early["state"], too_early["problem"][-15:]) == ("refused", "case-incomplete")
    assert again["state"] == "sent"
    assert other.value.status == 422
    check_once(mash, request)

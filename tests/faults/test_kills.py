"""Kill -9 at every step of a request's life: it completes all the same, and once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from broker.demo.evidence import export_ledger
from tests.faults.mash import ASKER, BROKER, HOLDER, LONG, Mash, check_once, live, running
from tests.faults.relay import Moment, Trap


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call in a request's life: who makes it, on which line, the how-manieth of its path."""

    name: str
    party: str
    method: str
    path: str
    count: int = 1
    local: bool = False  # a person's call to the node itself


STEPS = (
    Step(name="credential", party=ASKER, method="POST", path="/v1/credentials"),
    Step(name="request", party=ASKER, method="POST", path="/v1/requests"),
    Step(name="claim", party=HOLDER, method="POST", path="/v1/work/claim"),
    *(
        Step(
            name=f"{what} {version}",
            party=HOLDER,
            method="POST",
            path=f"/v1/work/[^/]+/{what}",
            count=version,
        )
        for version in (1, 2, 3)
        for what in ("answer", "release")
    ),
    Step(name="confirm", party=HOLDER, method="POST", path="/worklist/.+", local=True),
    Step(name="review", party=HOLDER, method="POST", path="/worklist/.+", count=2, local=True),
    Step(name="deliveries", party=ASKER, method="GET", path="/v1/deliveries"),
    Step(name="opened", party=ASKER, method="POST", path="/v1/cases/opened"),
    Step(name="outcome", party=ASKER, method="POST", path="/v1/cases/outcome"),
    Step(name="feedback", party=HOLDER, method="GET", path="/v1/deliveries", count=4),
    Step(name="raise", party=ASKER, method="POST", path="/requests", local=True),
    Step(name="close", party=ASKER, method="POST", path="/requests/[^/]+/outcome", local=True),
)
RISKIEST = {
    ("credential", "node", Moment.AFTER),
    ("request", "broker", Moment.AFTER),
    ("claim", "broker", Moment.AFTER),
    ("claim", "node", Moment.AFTER),
    ("release 1", "node", Moment.AFTER),
    ("confirm", "node", Moment.AFTER),
    ("answer 2", "broker", Moment.AFTER),
    ("deliveries", "broker", Moment.AFTER),
    ("outcome", "node", Moment.BEFORE),
}
EVERY = [(step, who, moment) for step in STEPS for who in ("broker", "node") for moment in Moment]
CHOSEN = [kill for kill in EVERY if LONG or (kill[0].name, kill[1], kill[2]) in RISKIEST]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mash]:
    with running(tmp_path_factory.mktemp("kills")) as mash:
        yield mash
        _, report = export_ledger(mash.deployment)
        assert report.ok


@pytest.fixture
def mash(shared: Mash) -> Mash:
    shared.recover()
    return shared


def lay(mash: Mash, step: Step, victim: str, moment: Moment) -> Trap:
    name = BROKER if victim == "broker" else step.party
    trap = Trap(
        method=step.method,
        path=step.path,
        moment=moment,
        count=step.count,
        cut=lambda: mash.kill(name),
        afterwards=lambda: mash.restart(name),
    )
    (mash.screens if step.local else mash.lines)[step.party].set(trap)
    return trap


@pytest.mark.skipif(not LONG, reason="the demonstration's tests do this too")
def test_a_request_that_nobody_disturbs_completes_once(mash: Mash) -> None:
    request = live(mash)

    check_once(mash, request)


@pytest.mark.parametrize(
    ("step", "victim", "moment"),
    CHOSEN,
    ids=[f"{step.name}-{victim}-{moment}".replace(" ", "") for step, victim, moment in CHOSEN],
)
def test_a_request_completes_once_whoever_is_killed(
    mash: Mash, step: Step, victim: str, moment: Moment
) -> None:
    if step.name == "credential":  # people's keys live in memory: a fresh node, a new credential
        mash.kill(ASKER)
        mash.restart(ASKER)
    trap = lay(mash, step, victim, moment)

    request = live(mash, trap)

    check_once(mash, request)

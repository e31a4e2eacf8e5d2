"""Kill -9: whatever was acknowledged is there afterwards, and the ledger verifies."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from adapters.clock import system_clock
from broker.testing import POLICE, SECRET, START, World
from keys.credentials import Kind, issue
from keys.randomness import new_ref
from keys.signing import SigningKey

SENDERS = 4
RUN = "from broker.cli import app; app()"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(directory: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    port = free_port()
    environment = os.environ | {  # noqa: TID251 - the child needs a path to run at all
        "MASH_KEYSTORE_SECRET": SECRET.decode(),
        "MASH_CLOCK_START": START.replace(minute=30).isoformat(),
        "MASH_CLOCK_STARTED_AT": system_clock().isoformat(),
        "MASH_LOG_LEVEL": "error",
    }
    command = ["broker", "run", "--dir", str(directory), "--port", str(port)]
    with subprocess.Popen([sys.executable, "-c", RUN, *command], env=environment) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def wait_until_ready(url: str) -> None:
    for _ in range(200):
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail("the broker did not become ready")


def send_until_dead(world: World, url: str, acknowledged: list[dict[str, object]]) -> None:
    agency = world.agencies[POLICE]
    with contextlib.suppress(httpx2.HTTPError), httpx2.Client(base_url=url) as client:
        while True:
            credential = issue(
                agency.node,
                mash=world.agreement.mash,
                party=POLICE,
                kind=Kind.PERSON,
                alg="Ed25519",
                public=SigningKey.generate().public,
                not_before=START,
                expires=START.replace(hour=20),
                role="mash_police_researcher",
                actor_ref=new_ref("a"),
            )
            body = msgspec.json.encode({"credential": credential.text})
            reply = client.post("/v1/credentials", content=body)
            if reply.status_code == 201:
                acknowledged.append(reply.json()["receipt"])


def test_a_killed_broker_has_lost_nothing_it_acknowledged(founded: World, tmp_path: Path) -> None:
    world = founded.fork(tmp_path / "broker")
    world.stop()
    acknowledged: list[dict[str, object]] = []
    with running(world.directory) as (process, url):
        senders = [
            threading.Thread(target=send_until_dead, args=(world, url, acknowledged))
            for _ in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        while len(acknowledged) < 40:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        for sender in senders:
            sender.join()

    world.clock.move(hours=1)
    world.broker = world.start()

    reads = world.broker.services.reads
    for receipt in acknowledged:
        (kept,) = reads.receipts([int(str(receipt["index"]))])
        assert kept["entry"] == receipt["entry"]
    assert world.check() >= 26 + len(acknowledged)
    world.stop()


def test_a_broker_told_to_end_finishes_and_exits_cleanly(founded: World, tmp_path: Path) -> None:
    world = founded.fork(tmp_path / "broker")
    world.stop()
    with running(world.directory) as (process, _):
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
    assert not (world.directory / "broker.sqlite-wal").exists()

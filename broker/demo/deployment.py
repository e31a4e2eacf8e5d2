"""A whole MASH on one machine: key ceremony, agreement, a broker and nodes as real processes.

Everything lies below one folder: `world/` (the agencies' records), `broker/`, `parties/<party>/`,
`agreement.yaml` and `logs/`. Processes listen on the loopback address only.
"""

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from adapters.ceremony import certify, create_root, load_root, sign_agreement
from adapters.clock import Clock, moved_clock, system_clock
from adapters.localclient import LocalClient
from adapters.protocol import AgreementRef
from broker.demo.errors import StartError, StoryError
from broker.demo.staff import STAFF, Staff
from keys.signing import RootPublic
from policies.agreement import Agreement, load_agreement
from policies.schedule import Schedule, with_schedule

DEMO_START: Final = datetime.fromisoformat("2026-10-06T10:15:00+01:00")
UNSIGNED: Final = frozenset({"northshire-fire"})
WITHOUT_NODE: Final = frozenset({"northshire-fire", "probation-ne"})
_START_SECONDS: Final = 40.0
_LOOPBACK: Final = "127.0.0.1"


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to deploy: where, which parties have nodes over which systems, how long a slot is."""

    directory: Path
    systems: Mapping[str, tuple[Path, ...]]
    parties: tuple[str, ...]
    slot_seconds: int = 1
    cover_seconds: tuple[float, float] = (0.5, 1.5)
    broker_url: str | None = None  # where nodes find the broker, when something stands between


@dataclass(slots=True)
class Deployment:
    """A running MASH; `stop` ends every process it started."""

    plan: Plan
    agreement: Agreement
    broker_port: int
    ports: Mapping[str, int]
    staff: Mapping[str, tuple[Staff, ...]]
    tokens: Mapping[tuple[str, str], str]  # (party, name) -> token
    environment: Mapping[str, str]
    acts: tuple[dict[str, str], ...]
    clock: Clock
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=5.0))
    clients: dict[tuple[str, str], LocalClient] = field(default_factory=dict)

    @property
    def broker_url(self) -> str:
        """Where the broker listens."""
        return f"http://{_LOOPBACK}:{self.broker_port}"

    @property
    def origin(self) -> str:
        """The ledger's origin."""
        return self.agreement.schedule.broker.origin

    def node_url(self, party: str) -> str:
        """Where a party's local API listens."""
        return f"http://{_LOOPBACK}:{self.ports[party]}"

    def client(self, party: str, role: str) -> LocalClient:
        """Return a client on the token of the person who holds `role` at `party`."""
        if (party, role) not in self.clients:
            token = self.tokens[party, self.person(party, role).name]
            self.clients[party, role] = LocalClient(self.node_url(party), token)
        return self.clients[party, role]

    def person(self, party: str, role: str) -> Staff:
        """Return who holds `role` at `party`."""
        return next(person for person in self.staff[party] if role in person.roles)

    def start_broker(self) -> None:
        """Start the broker and wait until it is ready; post the parties' signatures once."""
        self._start("broker", ["broker", "run", "--dir", str(self.plan.directory / "broker")])
        self._await("broker", f"{self.broker_url}/readyz")
        for act in self.acts:
            self.http.post(f"{self.broker_url}/v1/agreement/acts", json=act).raise_for_status()

    def start_node(self, party: str) -> None:
        """Start a party's node without waiting."""
        config = self.plan.directory / "parties" / party / "node.yaml"
        self._start(party, ["node", "run", str(config)])

    def start_nodes(self) -> None:
        """Start every node and wait until all are ready."""
        for party in self.plan.parties:
            self.start_node(party)
        for party in self.plan.parties:
            self.await_node(party)

    def await_node(self, party: str) -> None:
        """Wait until a party's node is ready. Raises StartError when it is not in time."""
        self._await(party, f"{self.node_url(party)}/readyz")

    def kill(self, name: str) -> None:
        """Kill a process at once, as a power cut would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End every process that was started, nodes first."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        for client in self.clients.values():
            client.close()
        self.clients.clear()
        self.http.close()

    def _start(self, name: str, arguments: list[str]) -> None:
        logs = self.plan.directory / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "broker", *arguments],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await(self, name: str, url: str) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self.processes[name].poll() is not None:
                break
            try:
                if self.http.get(url).status_code == httpx2.codes.OK:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.05)
        raise StartError(name, self.plan.directory / "logs" / f"{name}.log")


def deploy(plan: Plan) -> Deployment:
    """Hold the ceremony, write agreement and configurations; start nothing yet."""
    started_at = system_clock()
    secret = secrets.token_urlsafe(24)
    environment = dict(os.environ) | {"MASH_KEYSTORE_SECRET": secret}  # noqa: TID251 - handed on
    origin = "broker.northshire.example/demo"
    clock = moved_clock(start=DEMO_START, started_at=started_at, origin=origin)
    draft = (resources.files("policies") / "agreements" / "northshire.yaml").read_bytes()
    everyone = load_agreement(draft, source="northshire.yaml", allow_unpinned=True)
    parties = tuple(everyone.schedule.parties)
    roots = {}
    for party in parties:
        directory = plan.directory / "parties" / party
        directory.mkdir(parents=True)
        roots[party] = create_root(directory, secret=secret.encode())
    log_key = _broker_key(plan.directory / "broker", environment)
    schedule = _pinned(plan, everyone.schedule, roots, log_key=log_key, origin=origin)
    document = with_schedule(draft, schedule)
    path = plan.directory / "agreement.yaml"
    path.write_bytes(document)
    agreement = load_agreement(document, source=path.name)
    acts = _sign_and_certify(plan, agreement, secret=secret.encode(), now=clock())
    deployment = Deployment(
        plan=plan,
        agreement=agreement,
        broker_port=free_port(),
        ports={party: free_port() for party in plan.parties},
        staff={party: STAFF[party] for party in plan.parties},
        tokens={
            (party, person.name): secrets.token_urlsafe(24)
            for party in plan.parties
            for person in STAFF[party]
        },
        environment=environment,
        acts=acts,
        clock=clock,
    )
    _write_broker(deployment, started_at)
    for party in plan.parties:
        _write_node(deployment, party, started_at)
    return deployment


def _pinned(
    plan: Plan, draft: Schedule, roots: Mapping[str, RootPublic], *, log_key: str, origin: str
) -> dict[str, object]:
    return {
        "parties": {
            party: {
                "operator": draft.parties[party].operator,
                "ed25519": root.ed25519,
                "mldsa65": root.mldsa65,
            }
            for party, root in roots.items()
        },
        "broker": {"operator": draft.broker.operator, "origin": origin, "log_key": log_key},
        "witness": {"quorum": 1},
        "slots": {"red": plan.slot_seconds, "other": plan.slot_seconds},
    }


def _sign_and_certify(
    plan: Plan, agreement: Agreement, *, secret: bytes, now: datetime
) -> tuple[dict[str, str], ...]:
    reference = AgreementRef(id=agreement.id, seq=agreement.seq, sha256=agreement.sha256)
    acts = []
    for party in agreement.schedule.parties:
        directory = plan.directory / "parties" / party
        root = load_root(directory, secret=secret)
        if party not in UNSIGNED:
            acts.append(sign_agreement(root, party=party, agreement=reference))
        if party in plan.parties:
            roles = {role for person in STAFF[party] for role in person.roles}
            certify(
                directory,
                root=root,
                secret=secret,
                mash=agreement.mash,
                party=party,
                roles=roles,
                now=now,
            )
    return tuple(acts)


def run_mash(arguments: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """Run a `mash` command to its end and return what it printed.

    Raises:
        StoryError: Its exit status was not 0; says what it said.

    """
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "broker", *arguments],
        env=dict(environment),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise StoryError(f"`mash {' '.join(arguments)}` failed: {said}")
    return done.stdout


def _broker_key(directory: Path, environment: Mapping[str, str]) -> str:
    return run_mash(["broker", "key", "--dir", str(directory)], environment).decode().strip()


def _clock_settings(started_at: datetime) -> dict[str, str]:
    return {"clock_start": DEMO_START.isoformat(), "clock_started_at": started_at.isoformat()}


def _write_broker(deployment: Deployment, started_at: datetime) -> None:
    directory = deployment.plan.directory
    arguments = ["broker", "init", "--dir", str(directory / "broker")]
    arguments += ["--agreement", str(directory / "agreement.yaml")]
    run_mash(arguments, deployment.environment)
    clock = {f"MASH_{key.upper()}": value for key, value in _clock_settings(started_at).items()}
    port = {"MASH_PORT": str(deployment.broker_port)}
    deployment.environment = {**deployment.environment, **clock, **port}


def _write_node(deployment: Deployment, party: str, started_at: datetime) -> None:
    plan = deployment.plan
    directory = plan.directory / "parties" / party
    config: dict[str, Any] = {
        "party": party,
        "broker_url": plan.broker_url or deployment.broker_url,
        "data_dir": ".",
        "agreement": "../../agreement.yaml",
        "agreement_sha256": deployment.agreement.sha256,
        "port": deployment.ports[party],
        "agency": _agency(deployment.agreement, party),
        "switchboard": deployment.agreement.contact(party, DEMO_START).telephone,
        "systems": [os.path.relpath(path, directory) for path in plan.systems.get(party, ())],
        "cover_seconds": list(plan.cover_seconds),
        **_local_policy(party, directory),
        "people": [
            {
                "name": person.name,
                "title": person.title,
                "roles": list(person.roles),
                "token_sha256": hashlib.sha256(
                    deployment.tokens[party, person.name].encode()
                ).hexdigest(),
                "assurance": "oidc",
                "second_factor": True,
            }
            for person in deployment.staff[party]
        ],
        **_clock_settings(started_at),
    }
    (directory / "node.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))


def _local_policy(party: str, directory: Path) -> dict[str, str]:
    """A party that has a policy of its own gets it beside its configuration."""
    source = resources.files("policies") / "agreements" / "local" / f"{party}.yaml"
    if not source.is_file():
        return {}
    (directory / "local.yaml").write_bytes(source.read_bytes())
    return {"local_policy": "local.yaml"}


def _agency(agreement: Agreement, party: str) -> str:
    return agreement.terms.parties[party].name

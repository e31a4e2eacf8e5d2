"""A small MASH for tests: real keys, a real store, a clock that stands still until it is moved.

`World` is the broker with its agreement; `Agency` speaks for one party as its node and people
would, with nothing left out: everything is signed, sealed blobs are bytes of the right length.
`World.check()` verifies the whole ledger from its export.
"""

import copy
import hashlib
import itertools
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec
from pydantic import SecretStr
from starlette.types import ASGIApp

from adapters import protocol as wire
from audit.checkpoint import read_checkpoint_unsafe, vkey_text
from audit.entry import parse_entry
from audit.export import write_export
from audit.verify import verify_export
from broker.exchange.membership import prepare_act, prepare_credential, read_act
from broker.install import KEYS, create_log_key, install
from broker.main import Broker, build
from broker.settings import BrokerSettings
from keys.credentials import Credential, Kind, issue, issue_operational, quarter_of
from keys.encoding import encode_base64url
from keys.keystore import FileKeyStore
from keys.randomness import new_ref, new_salt
from keys.sealing import SealKey
from keys.signing import RootKey, SigningKey, sign_jws
from policies.agreement import Agreement, load_agreement, with_schedule

START: Final = datetime(2026, 10, 6, 9, 15, tzinfo=UTC)
SECRET: Final = b"a secret for tests only"
COUNCIL: Final = "northshire-cc"
POLICE: Final = "northshire-police"
TRUST: Final = "northshire-nhs-ft"
FIRE: Final = "northshire-fire"
DECIDER: Final = "mash_decision_maker"
M = TypeVar("M", bound=wire.Claims)


class TestClock:
    """A clock that stands still until `move`."""

    __test__ = False

    def __init__(self, now: datetime = START) -> None:
        """Show `now`."""
        self.now = now

    def __call__(self) -> datetime:
        """Return the time shown."""
        return self.now

    def move(self, **by: float) -> None:
        """Move by a timedelta's arguments."""
        self.now += timedelta(**by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Generic[M]):
    """A signed message, its hash and the body that would be posted."""

    message: M
    jws: str
    sha256: str
    body: bytes


@dataclass(slots=True, kw_only=True)
class Agency:
    """One party: its keys, its credentials, and the messages it writes."""

    party: str
    world: "World"
    root: RootKey
    operational: SigningKey = field(default_factory=SigningKey.generate)
    node: SigningKey = field(default_factory=SigningKey.generate)
    node_seal: SealKey = field(default_factory=SealKey.generate)
    posts: dict[str, SealKey] = field(default_factory=dict)
    people: dict[str, tuple[SigningKey, Credential]] = field(default_factory=dict)

    def credentials(self, *, roles: tuple[str, ...]) -> list[Credential]:
        """Return the party's credentials, issuers first; the guardian's office always has one."""
        now = self.world.clock()
        span = {"not_before": now - timedelta(minutes=10), "expires": now + timedelta(days=80)}
        common: dict[str, Any] = {"mash": self.world.agreement.mash, "party": self.party, **span}
        made = [issue_operational(self.root, public=self.operational.public, **common)]
        made.append(self._issue(Kind.NODE, "Ed25519", self.node.public, common))
        made.append(self._issue(Kind.NODE_SEAL, "X-Wing", self.node_seal.public, common))
        for role in (wire.GUARDIAN_ROLE, *roles):
            self.posts[role] = SealKey.generate()
            made.append(self._issue(Kind.POST, "X-Wing", self.posts[role].public, common, role))
        return made

    def _issue(
        self, kind: Kind, alg: str, public: bytes, common: dict[str, Any], role: str | None = None
    ) -> Credential:
        quarter = None if role is None else quarter_of(self.world.clock())
        return issue(
            self.operational,
            kind=kind,
            alg=alg,
            public=public,
            role=role,
            quarter=quarter,
            **common,
        )

    def person(self, role: str, *, hours: float = 8) -> Credential:
        """Return the logged credential of a person acting in `role`, made when first needed."""
        if role not in self.people:
            key, now = SigningKey.generate(), self.world.clock()
            credential = issue(
                self.node,
                mash=self.world.agreement.mash,
                party=self.party,
                kind=Kind.PERSON,
                alg="Ed25519",
                public=key.public,
                not_before=now - timedelta(minutes=1),
                expires=now + timedelta(hours=hours),
                role=role,
                actor_ref=new_ref("a"),
            )
            self.world.log_credential(credential)
            self.people[role] = (key, credential)
        return self.people[role][1]

    def sign(
        self,
        type_: type[M],
        *,
        key: SigningKey | None = None,
        blobs: list[bytes] | None = None,
        **fields: object,
    ) -> Signed[M]:
        """Return a message with every common claim filled in, signed by `key` or the node."""
        now = int(self.world.clock().timestamp())
        claims: dict[str, Any] = {
            "iss": self.party,
            "aud": self.world.origin,
            "iat": now,
            "exp": now + 3600,
            "jti": new_ref("j"),
            "mash": self.world.agreement.mash,
            "agreement": self.world.reference,
            "seen": self.world.seen(),
        }
        message = type_(**claims | fields)
        jws = sign_jws(wire.encode(message), key=key or self.node, typ=wire.MESSAGE_TYP)
        body = wire.encode(wire.Submission(message=jws, blobs=blobs or []))
        digest = wire.sha256_hex(jws.encode())
        return Signed(message=message, jws=jws, sha256=digest, body=body)

    def sign_as(
        self, role: str, type_: type[M], *, blobs: list[bytes] | None = None, **fields: object
    ) -> Signed[M]:
        """Return a message signed by a person of this party in `role`."""
        credential = self.person(role)
        key = self.people[role][0]
        return self.sign(
            type_, key=key, blobs=blobs, actor_ref=credential.actor_ref, role=role, **fields
        )

    def assertion(self, **claims: object) -> str:
        """Return a client assertion for the token endpoint."""
        now = int(self.world.clock().timestamp())
        payload = {
            "iss": self.party,
            "sub": self.party,
            "aud": self.world.origin,
            "iat": now,
            "exp": now + 120,
            "jti": new_ref("t"),
        }
        return sign_jws(msgspec.json.encode(payload | claims), key=self.node, typ="JWT")


class World:
    """A broker over a data folder, with its agreement signed and credentials logged."""

    def __init__(self, directory: Path, *, parties: tuple[str, ...]) -> None:
        """Found it.

        Args:
            directory: An existing folder of the test's own.
            parties: Those that sign and have a node; the agreement's others do neither.

        """
        self.directory = directory
        self.clock = TestClock()
        self._number = itertools.count()
        template = files("policies").joinpath("agreements/northshire.yaml").read_bytes()
        draft = load_agreement(template, source="northshire.yaml", allow_unpinned=True)
        roots = {party: RootKey.generate() for party in draft.schedule.parties}
        FileKeyStore(
            directory / KEYS,
            secret=SECRET,
            operations=1,  # the cheapest store there is: its secret guards nothing
            memory_bytes=8192,
        )
        log_key = create_log_key(directory, secret=SECRET)
        self.document = _pinned(template, draft, roots, log_key)
        self.agreement = install(directory, self.document, source="northshire.yaml", secret=SECRET)
        self.broker: Broker = self.start()
        self.agencies = {
            party: Agency(party=party, world=self, root=roots[party]) for party in roots
        }
        for party in parties:
            self._join(self.agencies[party])

    @property
    def app(self) -> ASGIApp:
        """The broker's application."""
        return self.broker.app

    @property
    def origin(self) -> str:
        """The ledger's name."""
        return self.agreement.schedule.broker.origin

    @property
    def reference(self) -> wire.AgreementRef:
        """The agreement as messages name it."""
        return self.broker.services.hub.reference

    @property
    def settings(self) -> BrokerSettings:
        """What the broker is told."""
        return BrokerSettings(data_dir=self.directory, keystore_secret=SecretStr(SECRET.decode()))

    def start(self) -> Broker:
        """Return a broker over the folder, on the world's clock."""
        return build(self.settings, clock=self.clock, on_failure=lambda: None)

    def stop(self) -> None:
        """Stop the broker."""
        self.broker.close()

    def fork(self, directory: Path) -> "World":
        """Return a running copy of this stopped world in `directory`, which must not exist."""
        shutil.copytree(self.directory, directory)
        forked = copy.copy(self)
        forked.directory, forked.clock = directory, TestClock(self.clock.now)
        forked.broker = forked.start()
        forked.agencies = {
            party: replace(agency, world=forked, people={})
            for party, agency in self.agencies.items()
        }
        return forked

    def restart(self) -> None:
        """Stop the broker and start another on the same folder."""
        self.stop()
        self.broker = self.start()

    def _join(self, agency: Agency) -> None:
        self.sign_agreement(agency)
        roles = tuple(
            role
            for role, terms in self.agreement.terms.roles.items()
            if agency.party in terms.parties and role != wire.GUARDIAN_ROLE
        )
        for credential in agency.credentials(roles=roles):
            self.log_credential(credential)

    def sign_agreement(self, agency: Agency, act: str = "signed") -> int:
        """Enter the party's act under the agreement; return the ledger entry's index."""
        return self.broker.services.call(
            prepare_act(self.broker.services.hub, read_act(self.act_body(agency, act)))
        ).entries[0]

    def act_body(self, agency: Agency, act: str = "signed") -> bytes:
        """Return the body with which a party signs or leaves the agreement."""
        data = wire.agreement_signing_input(agreement=self.reference, party=agency.party, act=act)
        signature = agency.root.sign(data)
        return msgspec.json.encode(
            {
                "party": agency.party,
                "act": act,
                "ed25519": encode_base64url(signature.ed25519),
                "mldsa65": encode_base64url(signature.mldsa65),
            }
        )

    def log_credential(self, credential: Credential) -> int:
        """Enter a credential; return the ledger entry's index."""
        services = self.broker.services
        return services.call(prepare_credential(services.hub, credential.text)).entries[0]

    def seen(self) -> wire.Seen:
        """Return the newest checkpoint, as a node that has just looked would have seen it."""
        checkpoint = read_checkpoint_unsafe(self.broker.services.ledger.checkpoint())
        return wire.Seen(size=checkpoint.size, root=checkpoint.root.hex())

    def check(self) -> int:
        """Verify the whole ledger from a fresh export; return its size.

        Raises:
            AssertionError: The verifier found damage.

        """
        out = self.directory / f"export-{next(self._number)}"
        ledger = self.broker.services.ledger
        note = ledger.checkpoint()
        size = read_checkpoint_unsafe(note).size
        keys = self.agreement.schedule.broker
        vkey = vkey_text(keys.origin, keys.log_key)
        write_export(out, note=note, entries=ledger.all_entries(size=size), vkey=vkey)
        report = verify_export(out, vkey=vkey)
        if not report.ok:
            raise AssertionError(report.problem)
        return size

    def entries(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the ledger's entries, all or those of one event."""
        size = self.seen().size
        found = [parse_entry(e) for e in self.broker.services.ledger.all_entries(size=size)]
        return [entry for entry in found if event in {None, entry["event"]}]


def _pinned(
    template: bytes, draft: Agreement, roots: dict[str, RootKey], log_key: SigningKey
) -> bytes:
    parties = {
        party: {
            "operator": keys.operator,
            "ed25519": roots[party].public.ed25519,
            "mldsa65": roots[party].public.mldsa65,
        }
        for party, keys in draft.schedule.parties.items()
    }
    broker = {
        "operator": draft.schedule.broker.operator,
        "origin": draft.schedule.broker.origin,
        "log_key": log_key.public,
    }
    return with_schedule(template, {"parties": parties, "broker": broker})


def blob_of(size: int = 4096) -> bytes:
    """Return random bytes in place of a sealed blob: the broker could not tell."""
    return b"".join(itertools.islice(iter(new_salt, b""), size // 32))


def commitment() -> str:
    """Return 64 hex characters in place of a key commitment."""
    return hashlib.sha256(new_salt()).hexdigest()

"""One party's chain of credentials with real keys, and a fixed clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keys.credentials import Credential, Kind, check_credential, issue, issue_operational
from keys.sealing import SealKey
from keys.signing import RootKey, SigningKey

NOW = datetime(2026, 10, 6, 10, 15, tzinfo=UTC)


@dataclass
class Chain:
    """A party's keys and what was verified of it so far."""

    party: str = "northshire-cc"
    mash: str = "northshire"
    root: RootKey = field(default_factory=RootKey.generate)
    operational: SigningKey = field(default_factory=SigningKey.generate)
    node: SigningKey = field(default_factory=SigningKey.generate)
    person: SigningKey = field(default_factory=SigningKey.generate)
    post: SealKey = field(default_factory=SealKey.generate)
    known: dict[str, Credential] = field(default_factory=dict)

    def make_operational(self, **changes: Any) -> Credential:
        fields: dict[str, Any] = {
            "mash": self.mash,
            "party": self.party,
            "public": self.operational.public,
            "not_before": NOW - timedelta(days=1),
            "expires": NOW + timedelta(days=80),
        }
        return issue_operational(self.root, **(fields | changes))

    def make(self, kind: Kind, *, issuer: SigningKey | None = None, **changes: Any) -> Credential:
        fields: dict[str, Any] = {
            "mash": self.mash,
            "party": self.party,
            "not_before": NOW,
            "expires": NOW + timedelta(hours=8),
        }
        match kind:
            case Kind.NODE | Kind.OPERATIONAL:
                fields |= {"alg": "Ed25519", "public": self.node.public}
            case Kind.PERSON:
                fields |= {
                    "alg": "Ed25519",
                    "public": self.person.public,
                    "actor_ref": "p_abc",
                    "role": "mash_social_worker",
                }
            case Kind.NODE_SEAL:
                fields |= {"alg": "X-Wing", "public": self.post.public}
            case Kind.POST:
                fields |= {
                    "alg": "X-Wing",
                    "public": self.post.public,
                    "role": "mash_decision_maker",
                    "quarter": "2026Q4",
                }
        signer = issuer or (self.node if kind is Kind.PERSON else self.operational)
        return issue(signer, kind=kind, **(fields | changes))

    def check(self, credential: Credential | str, *, at: datetime = NOW) -> Credential:
        text = credential if isinstance(credential, str) else credential.text
        roots = {self.party: self.root.public}
        return check_credential(text, roots=roots, find=self.known.get, at=at, mash=self.mash)

    def trust(self, credential: Credential) -> Credential:
        checked = self.check(credential)
        self.known[checked.kid] = checked
        return checked


@pytest.fixture
def new_chain() -> Callable[..., Chain]:
    return Chain


@pytest.fixture
def chain() -> Chain:
    """Return a chain whose operational and node credentials are verified."""
    chain = Chain()
    chain.trust(chain.make_operational())
    chain.trust(chain.make(Kind.NODE, expires=NOW + timedelta(days=30)))
    return chain


@pytest.fixture
def now() -> datetime:
    return NOW

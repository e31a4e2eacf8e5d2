"""Values of the broker: what it remembers of each message, and nothing that it could not see.

Each record is one row; all but orders, cases and counters are written once. Times are whole
seconds since 1970, as on the wire. `entry` is always an index in the ledger.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

RED: Final = "red"


class OrderState(StrEnum):
    """Where an order stands. Lateness is apart: a late order can still be answered."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    ANSWERED = "answered"
    RELEASED = "released"
    REFUSED = "refused"
    BY_TELEPHONE = "by_telephone"
    TOLD = "told"


class Route(StrEnum):
    """How an ask reaches its supplier."""

    NODE = "node"
    TELEPHONE = "telephone"
    NONE = "none"


class DeliveryKind(StrEnum):
    """What is delivered."""

    ANSWER = "answer"
    REFUSAL = "refusal"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One order handed out by a claim, as it stood then."""

    order: str
    epoch: int
    claimed_at: int
    lease_until: int
    last_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a message led to; receipts are built from `entries` when it is answered."""

    entries: tuple[int, ...] = ()
    decisions: str | None = None
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """An accepted message, its exact bytes and what it led to."""

    sha256: str
    sender: str
    jti: str
    kind: str
    jws: str
    at: int
    reply: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCredential:
    """A credential in the ledger; `number` counts from 1 without gaps."""

    number: int
    kid: str
    party: str
    sha256: str
    text: str
    entry: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementAct:
    """A party's signature under the agreement, or its withdrawal; both base64url."""

    agreement: str
    party: str
    act: str
    ed25519: str
    mldsa65: str
    entry: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case of one party: the newest message of its chain."""

    ref: str
    party: str
    head: str
    seq: int
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """An accepted request."""

    id: str
    case: str
    party: str
    message: str
    rag: str | None
    purpose: str
    due: int | None
    at: int
    entry: int
    decisions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAsk:
    """One ask of a request; `permitted` is the JSON of its permitted decision lines."""

    digest: str
    request: str
    supplier: str
    route: str
    order_id: str | None
    body: bytes
    permitted: bytes
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Work for one supplier. `priority` 0 goes first; `epoch` counts claims."""

    id: str
    request: str
    case: str
    ask: str
    requester: str
    supplier: str
    route: str
    state: str
    priority: int
    due: int | None
    epoch: int = 0
    claimed_at: int = 0
    lease_until: int = 0
    last_version: int = 0
    late_at: int | None = None
    told_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A version of an answer, and its release once there is one."""

    order_id: str
    version: int
    message: str
    entry: int
    release: str | None = None
    release_entry: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Sealed bytes beside a message; `owner` is the order or request it came with."""

    sha256: str
    owner: str
    body: bytes
    erase_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """Something for a party; `number` is its cursor, from 1 without gaps; `blobs` JSON names."""

    party: str
    number: int
    kind: str
    request: str
    owner: str
    message: str
    entry: int
    release: str | None
    release_entry: int | None
    blobs: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentKey:
    """The key of a commitment in an entry: erased, the commitment says nothing."""

    entry: int
    name: str
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalCount:
    """Refused messages of a party and code within an hour, since the last ledger entry."""

    party: str
    code: str
    hour: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedAssertion:
    """A client assertion that was exchanged for a token, kept until it expires."""

    party: str
    jti: str
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A witness's signature line under the checkpoint of a size."""

    size: int
    party: str
    line: str


def priority_of(rag: str | None) -> int:
    """Return 0 for RED, 1 for everything else: RED goes before all."""
    return 0 if rag == RED else 1

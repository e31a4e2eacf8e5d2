"""What the node remembers, one struct per collection of its store.

Times are seconds since 1970 on the MASH's clock. Plain text in these documents never leaves the
agency: what leaves is sealed first.
"""

from typing import Any, ClassVar

from msgspec import Struct


class Meta(Struct, frozen=True, kw_only=True):
    """A single value: a cursor, the newest checkpoint."""

    collection: ClassVar[str] = "meta"
    id: str
    value: str
    state: str = ""
    due: float = 0.0
    reference: str = ""


class Outgoing(Struct, frozen=True, kw_only=True):
    """Exact bytes on their way to the broker; sent again unchanged until it answers.

    States: waiting, sent, refused, withdrawn. `kind` selects what happens with the reply.
    """

    collection: ClassVar[str] = "outgoing"
    id: str
    kind: str
    path: str
    body: bytes
    message: str
    due: float
    reference: str
    context: dict[str, Any] = {}
    state: str = "waiting"
    reply: bytes = b""
    problem: str = ""


class Order(Struct, frozen=True, kw_only=True):
    """An order this node has claimed. States: claimed, answering, due_version, done, refused."""

    collection: ClassVar[str] = "orders"
    id: str
    state: str
    epoch: int
    claimed_at: float
    version: int
    rag: str
    raw: bytes
    reference: str
    due: float = 0.0
    matches: dict[str, dict[str, Any]] = {}
    actor: dict[str, str] = {}  # who decided last, where the next version follows a person's act
    problem: str = ""


class Task(Struct, frozen=True, kw_only=True):
    """Something a representative must do. States: open, done. `kind`: confirm, review, manual."""

    collection: ClassVar[str] = "tasks"
    id: str
    kind: str
    state: str
    due: float
    reference: str  # the order
    order: str
    payload: dict[str, Any]
    result: dict[str, Any] = {}


class Raised(Struct, frozen=True, kw_only=True):
    """A request raised here: the case as the practitioner stated it, and the broker's decisions.

    States: sending, sent, refused, closed.
    """

    collection: ClassVar[str] = "raised"
    id: str
    state: str
    case: str
    created: float
    case_input: dict[str, Any]
    subjects: dict[str, str]  # reference -> the practitioner's label
    actor: dict[str, str]
    preview: list[dict[str, Any]]
    message: str
    case_seq: int
    head: str  # SHA-256 of the newest message of the case's chain
    decisions: dict[str, Any] | None = None
    alarm: str = ""
    outcome: dict[str, Any] | None = None
    due: float = 0.0
    reference: str = ""


class Telephoned(Struct, frozen=True, kw_only=True):
    """An answer taken by telephone, unconfirmed. States: recorded, refused (not in the ledger)."""

    collection: ClassVar[str] = "telephoned"
    id: str
    reference: str  # the request
    supplier: str
    report: dict[str, Any]
    recorded: float
    state: str = "recorded"
    due: float = 0.0


class Delivered(Struct, frozen=True, kw_only=True):
    """A verified delivery: an answer, a refusal or an outcome for posts of this party."""

    collection: ClassVar[str] = "delivered"
    id: str
    number: int
    kind: str
    reference: str  # the request
    order: str
    version: int
    supplier: str
    message: str
    request: str
    receipt_level: str
    received: float
    sections: list[dict[str, Any]]
    blobs: dict[str, bytes]
    content: dict[str, Any] = {}
    state: str = "received"
    due: float = 0.0


class OpenedSection(Struct, frozen=True, kw_only=True):
    """A section that a person at a post of this party has opened, in plain text."""

    collection: ClassVar[str] = "opened"
    id: str  # the blob's hash
    reference: str  # the request
    order: str
    version: int
    supplier: str
    role: str
    category: str
    subject: str
    content: dict[str, Any]
    opened: float
    actor: str
    readers: tuple[str, ...] = ()  # who opened it after `actor`, each with a signed record
    state: str = "opened"
    due: float = 0.0


class Indicator(Struct, frozen=True, kw_only=True):
    """Something a guardian should look at, found by this node from what only it knows."""

    collection: ClassVar[str] = "indicators"
    id: str
    kind: str
    sentence: str
    reference: str  # the request
    found: float
    state: str = "open"
    due: float = 0.0

"""The messages that broker and nodes exchange: one struct for each, strict on reading.

A message is a compact JWS (RFC 7515, `alg: Ed25519`) whose payload is one of the tagged structs
below. Big blobs travel beside it and are named by their SHA-256, so a signature over the message
covers them. Unknown fields, wrong types and oversized messages are refused on reading.

Invariants: nothing here holds a name, a reason, an answer or a status in clear; what is sealed is
an `EnvelopeRef` or a `Section`. Written for people in `docs/protocol/messages.md`.
"""

import hashlib
from typing import Annotated, Any, Final

import msgspec
import rfc8785
from msgspec import Meta, Struct

MESSAGE_TYP: Final = "mash+jws"
MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_BLOB_BYTES: Final = 2 * 1024 * 1024
MAX_SUBMISSION_BYTES: Final = 16 * 1024 * 1024
SHARING_RECORD: Final = "sharing_record"  # the section for guardians' offices, not a category
GUARDIAN_ROLE: Final = "caldicott_guardian"
EXPIRY_SECONDS: Final = {"red": 2 * 3600}  # every other RAG: one day (DESIGN 5)
DEFAULT_EXPIRY_SECONDS: Final = 24 * 3600

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Ref = Annotated[str, Meta(pattern=r"^[a-z]{1,4}_[a-z2-7]{16,40}\Z")]
OrderId = Annotated[str, Meta(pattern=r"^o_[0-9a-f]{32}\Z")]
Kid = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Code = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
NumericDate = Annotated[int, Meta(ge=0, le=253402300799)]  # up to the year 9999


class ProtocolError(ValueError):
    """Bytes are not a message of this protocol; says what and where, never quotes content."""


class Wire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict base: a field that is not known is an error."""


class AgreementRef(Wire, frozen=True):
    """The agreement a message was written under: identity, sequence and hash of its bytes."""

    id: str
    seq: Count
    sha256: Sha256


class Seen(Wire, frozen=True):
    """The newest ledger checkpoint that the sender has verified (promise T4)."""

    size: Count
    root: Sha256


class Claims(Wire, frozen=True):
    """What every message says (DESIGN 5): who, to whom, when, once, under what, having seen what.

    `iat` and `exp` are seconds since 1970 (RFC 7519 NumericDate).
    """

    iss: Code
    aud: str
    iat: NumericDate
    exp: NumericDate
    jti: Ref
    mash: Code
    agreement: AgreementRef
    seen: Seen


class Post(Wire, frozen=True, order=True):
    """A post, not a person: the role at a party to which sections are sealed."""

    party: Code
    role: Code


class Subject(Wire, frozen=True):
    """A subject of the case: a random reference and the role in the case, never a name."""

    ref: Ref
    role: Code


class ConsentFacts(Wire, frozen=True):
    """Consent as the broker may see it; `None` in parties or categories means all."""

    given: bool
    parties: list[Code] | None = None
    categories: list[Code] | None = None
    until: str | None = None
    withdrawn: bool = False
    capacity: bool = True


class ClearFacts(Wire, frozen=True):
    """The facts of the case that the broker decides on."""

    consent: ConsentFacts | None = None
    reason_without_consent: Code | None = None
    dash: Code | None = None
    children_in_household: bool = False
    closed: bool = False
    emergency: bool = False
    second_factor: bool = False
    conflict: bool = False
    evidenced_authority: bool = False


class EnvelopeRef(Wire, frozen=True):
    """A sealed blob beside the message: its SHA-256, and the kid of the key it is sealed to."""

    sha256: Sha256
    kid: Kid


class AskItem(Wire, frozen=True):
    """One category about one subject, for one or more posts; `subject` None is nobody's."""

    category: Code
    subject: Ref | None
    recipients: list[Post]


class SealedIdentity(Wire, frozen=True):
    """One subject's identity, sealed to the supplying party's node."""

    subject: Ref
    envelope: EnvelopeRef


class Ask(Wire, frozen=True):
    """What is asked of one supplier; travels as a blob, named in the request by its digest.

    `salt` keeps the digest from being guessed by suppliers that receive only their own ask.
    `identities` and `reason` are absent when the requester's preview denied everything.
    """

    request: Ref
    supplier: Code
    salt: Sha256
    justified: bool
    items: list[AskItem]
    identities: list[SealedIdentity] = []
    reason: EnvelopeRef | None = None


class Request(Claims, tag_field="type", tag="request", frozen=True):
    """An information request: the common part, and the digests of its asks."""

    case: Ref
    case_seq: Count
    prev: Sha256 | None
    request: Ref
    actor_ref: Ref
    role: Code
    rag: Code | None
    purpose: Code
    concern: Code
    facts: ClearFacts
    subjects: list[Subject]
    asks: list[Sha256]
    narrative: EnvelopeRef | None = None


class Claim(Claims, tag_field="type", tag="claim", frozen=True):
    """A node takes orders under a lease; `resume` asks for those it held before a restart."""

    max: Annotated[int, Meta(ge=1, le=64)]
    resume: bool = False


class Section(Wire, frozen=True):
    """One category about one subject for one post, sealed; status and size class apart."""

    category: Code
    subject: Ref | None
    post: Post
    kid: Kid
    blob: Sha256
    size_class: Count
    commitment: Sha256
    wrap: Sha256


class Answer(Claims, tag_field="type", tag="answer", frozen=True):
    """A supplier's answer: one section per permitted category, subject and post.

    The wraps named here are not sent with it: they follow in `Release`, against a receipt (T5).
    """

    request: Ref
    order: OrderId
    epoch: Count
    version: Annotated[int, Meta(ge=1, le=1000)]
    sections: list[Section]


class Release(Claims, tag_field="type", tag="release", frozen=True):
    """The wrapped keys of an answer that stands in the ledger; `answer` is its message hash."""

    request: Ref
    order: OrderId
    version: Annotated[int, Meta(ge=1, le=1000)]
    answer: Sha256
    entry: Count


class Refusal(Claims, tag_field="type", tag="refusal", frozen=True):
    """The supplying node's own decision is stricter than the broker's for the whole order."""

    request: Ref
    order: OrderId
    epoch: Count
    rule: Code


class Opened(Claims, tag_field="type", tag="opened", frozen=True):
    """A person at a post opened sections of an answer; nil answers count too."""

    request: Ref
    order: OrderId
    version: Annotated[int, Meta(ge=1, le=1000)]
    answer: Sha256
    actor_ref: Ref
    role: Code
    sections: list[Sha256]
    receipt_level: Code


class ManualRoute(Claims, tag_field="type", tag="manual_route", frozen=True):
    """An answer was taken by telephone; its content stays at the node, committed to here."""

    case: Ref
    case_seq: Count
    prev: Sha256 | None
    request: Ref
    order: OrderId
    actor_ref: Ref
    role: Code
    occurred_at: NumericDate
    reported_c: Sha256


class Feedback(Wire, frozen=True):
    """Feedback to one answering party, sealed to its node."""

    party: Code
    envelope: EnvelopeRef


class Outcome(Claims, tag_field="type", tag="outcome", frozen=True):
    """The case's outcome, committed to; feedback to every answering party and the referrer."""

    case: Ref
    case_seq: Count
    prev: Sha256 | None
    request: Ref
    actor_ref: Ref
    role: Code
    outcome_c: Sha256
    referrer_told: bool
    feedback: list[Feedback]


Message = Request | Claim | Answer | Release | Refusal | Opened | ManualRoute | Outcome


class Submission(Wire, frozen=True):
    """What is posted: the signed message and the blobs that it names."""

    message: str
    blobs: list[bytes] = []


class OrderOut(Wire, frozen=True):
    """An order as its supplier's node receives it: only its own ask."""

    order: OrderId
    epoch: Count
    claimed_at: NumericDate
    lease_until: NumericDate
    last_version: Count
    request: str
    ask: bytes
    blobs: list[bytes]
    receipt: dict[str, Any]


class Orders(Wire, frozen=True):
    """Reply to a claim."""

    orders: list[OrderOut]


class Delivery(Wire, frozen=True):
    """Something for a party: kind is answer, refusal or outcome; `number` is its cursor."""

    number: Count
    kind: str
    request: str
    message: str
    receipt: dict[str, Any]
    release: str | None = None
    release_receipt: dict[str, Any] | None = None
    blobs: list[bytes] = []


class Deliveries(Wire, frozen=True):
    """Deliveries after a cursor, oldest first."""

    deliveries: list[Delivery]


class Accepted(Wire, frozen=True):
    """Reply to a message that was taken: receipts of its ledger entries, first its own."""

    receipts: list[dict[str, Any]]
    decisions: str | None = None


_message_decoder: Final = msgspec.json.Decoder(Message)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode(value: Struct) -> bytes:
    """Return the JSON bytes of any struct of this module."""
    return msgspec.json.encode(value)


def encode_json(value: object) -> bytes:
    """Return plain JSON bytes of dicts, lists and structs."""
    return msgspec.json.encode(value)


def decode_message(payload: bytes) -> Message:
    """Return the message in a verified JWS payload.

    Raises:
        ProtocolError: Not JSON of a known message, an unknown field, or a value out of range.

    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"message exceeds {MAX_MESSAGE_BYTES} bytes")
    try:
        message: Message = _message_decoder.decode(payload)
    except _UNREADABLE as error:
        raise ProtocolError(f"not a message of this protocol: {_safe(error)}") from None
    return message


def decode(payload: bytes, type_: type[Any]) -> Any:  # noqa: ANN401 - the struct named by the caller
    """Return `payload` as a `type_`; ProtocolError where it does not fit, or no store keeps it."""
    try:
        value = msgspec.json.decode(payload, type=type_)
        _ = msgspec.msgpack.encode(value) if isinstance(value, dict) else b""
    except (*_UNREADABLE, OverflowError) as error:
        raise ProtocolError(f"not a {type_.__name__}: {_safe(error)}") from None
    return value


def _safe(error: Exception) -> str:
    """The decoder names paths and types, and quotes only an unknown field's or tag's name."""
    text = str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
    return text[:160] if text.isprintable() else "unprintable input"


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex digits: the name of a blob or a message."""
    return hashlib.sha256(data).hexdigest()


def order_id(request: str, supplier: str) -> str:
    """Return the order's identifier, the same for every replay of a request (DESIGN 5)."""
    return "o_" + sha256_hex(f"{request}|{supplier}".encode())[:32]


def expiry_seconds(rag: str | None) -> int:
    """Return how long a case message of this RAG stays valid, in seconds."""
    return EXPIRY_SECONDS.get(rag or "", DEFAULT_EXPIRY_SECONDS)


def agreement_signing_input(*, agreement: AgreementRef, party: str, act: str) -> bytes:
    """Return the bytes a party root signs to sign (`act` signed) or leave (withdrawn)."""
    return rfc8785.dumps(
        {
            "act": act,
            "id": agreement.id,
            "party": party,
            "seq": agreement.seq,
            "sha256": agreement.sha256,
            "type": "mash-agreement-act",
        }
    )

"""Taking a signed message: verified off the writer, then applied once, whatever is repeated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from adapters.protocol import (
    MAX_BLOB_BYTES,
    Message,
    Submission,
    sha256_hex,
)
from adapters.trust import Verified
from audit.entry import Draft, Event
from audit.entry import draft as audit_draft
from audit.errors import EntryError
from broker.domain import Blob, Case, Reply, StoredMessage
from broker.errors import (
    BlobMismatchError,
    CaseChainError,
    MalformedError,
    NotFoundError,
    NotLoggableError,
    ReplayedError,
    UnknownCheckpointError,
    WrongPartyError,
)
from broker.exchange.hub import Hub
from broker.ports import Tx

Apply = Callable[[Tx], Reply]
_submission_decoder: Final = msgspec.json.Decoder(Submission)
_reply_decoder: Final = msgspec.json.Decoder(Reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A verified message and the blobs that came with it, by name."""

    verified: Verified
    blobs: dict[str, bytes]

    @property
    def message(self) -> Message:
        """The message."""
        return self.verified.message


def read_submission(body: bytes) -> Submission:
    """Return the submission in a request's body.

    Raises:
        MalformedError: Not a submission, or a blob is too large.

    """
    try:
        submission = _submission_decoder.decode(body)
    except msgspec.DecodeError as error:
        raise MalformedError("submission", str(error)[:160]) from None
    if any(len(blob) > MAX_BLOB_BYTES for blob in submission.blobs):
        raise MalformedError("submission", f"a blob exceeds {MAX_BLOB_BYTES} bytes")
    return submission


def verify(hub: Hub, submission: Submission, *, party: str) -> Incoming:
    """Return the message of `party` in `submission`, with its blobs by name.

    Raises:
        WrongPartyError: Signed by another party than the one that sent it.
        adapters.errors.TrustError, keys.errors.KeysError, ProtocolError: It does not hold.

    """
    verified = hub.check(submission.message, at=hub.clock())
    if verified.message.iss != party:
        raise WrongPartyError("the message is signed by another party than the one sending it")
    return Incoming(verified=verified, blobs={sha256_hex(blob): blob for blob in submission.blobs})


def once(incoming: Incoming, apply: Apply) -> Apply:
    """Return `apply` so that the same message takes effect once and is answered alike.

    The returned unit raises ReplayedError for a used `jti` with other bytes, and
    UnknownCheckpointError when `seen` is none of this ledger's checkpoints.
    """

    def unit(tx: Tx) -> Reply:
        message, sha256 = incoming.message, incoming.verified.sha256
        known = tx.find(StoredMessage, sender=message.iss, jti=message.jti)
        if known is not None:
            if known.sha256 != sha256:
                raise ReplayedError("the message's jti")
            return read_reply(known.reply)
        if tx.signed_root(message.seen.size) != message.seen.root:
            raise UnknownCheckpointError(size=message.seen.size)
        reply = apply(tx)
        if reply != Reply():
            tx.add(_stored(tx, incoming, reply))
        return reply

    return unit


def read_reply(data: bytes) -> Reply:
    """Return a stored reply."""
    return _reply_decoder.decode(data)


def _stored(tx: Tx, incoming: Incoming, reply: Reply) -> StoredMessage:
    message = incoming.message
    return StoredMessage(
        sha256=incoming.verified.sha256,
        sender=message.iss,
        jti=message.jti,
        kind=type(message).__name__.lower(),
        jws=incoming.verified.jws,
        at=seconds(tx),
        reply=msgspec.json.encode(reply),
    )


def seconds(tx: Tx) -> int:
    """Return the batch's time as whole seconds since 1970."""
    return int(tx.now.timestamp())


def check_blobs(incoming: Incoming, named: Sequence[str]) -> None:
    """Check that blobs and names match one to one.

    Raises:
        BlobMismatchError: A blob is missing or not named.

    """
    wanted = set(named)
    missing, unnamed = wanted - incoming.blobs.keys(), incoming.blobs.keys() - wanted
    if missing or unnamed:
        raise BlobMismatchError(missing=len(missing), unnamed=len(unnamed))


def keep_blobs(tx: Tx, owner: str, blobs: dict[str, bytes]) -> None:
    """Store `blobs` beside their order or request; one that is there already stays."""
    for name, body in blobs.items():
        if tx.find(Blob, owner=owner, sha256=name) is None:
            tx.add(Blob(owner=owner, sha256=name, body=body))


def entry_of(
    incoming: Incoming,
    event: Event,
    *,
    case: str | None = None,
    concerned: Sequence[str] = (),
    **fields: object,
) -> Draft:
    """Return the draft of the ledger entry that `incoming` leads to.

    Raises:
        NotLoggableError: A value has no place in the entry's closed schema.

    """
    credential = incoming.verified.credential
    try:
        return audit_draft(
            event,
            party=credential.party,
            kid=credential.kid,
            actor_ref=credential.actor_ref,
            role=credential.role,
            msg=incoming.verified.sha256,
            case=case,
            concerned=concerned,
            **fields,
        )
    except EntryError as error:
        raise NotLoggableError(error.field, error.what) from None


def advance_case(
    tx: Tx, *, ref: str, party: str, seq: int, prev: str | None, sha256: str, close: bool = False
) -> None:
    """Put a message at the head of its case's chain; the first has `seq` 0 and no `prev`.

    Raises:
        CaseChainError: It is not the next one, or the case is closed.
        NotFoundError: The case is another party's.

    """
    case = tx.find(Case, ref=ref)
    if case is None:
        if (seq, prev) != (0, None):
            raise CaseChainError("the case is new here", expected_seq=0)
        tx.add(Case(ref=ref, party=party, head=sha256, seq=0, closed=close))
        return
    if case.party != party:
        raise NotFoundError("case")
    if case.closed:
        raise CaseChainError("the case is closed", expected_seq=case.seq + 1)
    if (seq, prev) != (case.seq + 1, case.head):
        raise CaseChainError("not the next message of the case", expected_seq=case.seq + 1)
    tx.save(Case(ref=ref, party=party, head=sha256, seq=seq, closed=close))

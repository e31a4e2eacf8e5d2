"""Errors of the broker, one tree. HTTP statuses live in `broker.api.problems` alone.

BrokerError
├── SubmissionError              what was sent cannot be taken; the sender must change it
│   ├── MalformedError           not the bytes of a submission, or of an ask
│   ├── WrongMessageError        a message of another type than the route takes
│   ├── BlobMismatchError        a named blob is missing, or a blob is not named
│   ├── AskMismatchError         an ask does not fit its request
│   ├── SectionMismatchError     sections are not exactly the permitted ones
│   ├── UnknownPostError         a post or node has no logged seal key
│   ├── NotLoggableError         a value has no place in the ledger's closed schema
│   └── CaseIncompleteError      an outcome without feedback to all, or referrer not told
├── ConflictError                it contradicts what the ledger already holds
│   ├── ReplayedError            a message identifier used before, with other bytes
│   ├── StaleLeaseError          the order's lease has passed to a later claim
│   ├── OrderStateError          the order is not in a state that allows it
│   ├── CaseChainError           not the next message of its case
│   └── UnknownCheckpointError   `seen` names a checkpoint this ledger never signed
├── NotFoundError                absent, or not the caller's: never told apart
├── WrongPartyError              the token's party is not the message's
├── AuthenticationError          no valid assertion or token
├── AgreementError               the agreement and this broker do not fit
└── StorageError                 the database cannot be written
    ├── StoreDamagedError        head, tiles and entries disagree: refuse to start
    ├── StoreBusyError           another process has the database
    └── WriterStoppedError       the writer has failed or is shut down

No error carries content, a name, or a key.
"""


class BrokerError(Exception):
    """Root of every error raised by `broker`."""


class SubmissionError(BrokerError):
    """What was sent cannot be taken."""


class MalformedError(SubmissionError):
    """Bytes are not what this route takes."""

    def __init__(self, what: str, problem: str) -> None:
        """Name what was expected and the problem, quoting nothing."""
        super().__init__(f"{what}: {problem}")
        self.what = what
        self.problem = problem


class WrongMessageError(SubmissionError):
    """A message of another type, or about another order, than the route takes."""

    def __init__(self, expected: str) -> None:
        """Keep what the route takes."""
        super().__init__(f"this route takes {expected}")
        self.expected = expected


class BlobMismatchError(SubmissionError):
    """Blobs and their names do not match one to one."""

    def __init__(self, *, missing: int, unnamed: int) -> None:
        """Keep how many named blobs are missing and how many blobs nobody names."""
        super().__init__(f"{missing} named blobs are missing, {unnamed} blobs are not named")
        self.missing = missing
        self.unnamed = unnamed


class AskMismatchError(SubmissionError):
    """An ask does not fit its request."""

    def __init__(self, problem: str) -> None:
        """Keep the problem, a fixed phrase."""
        super().__init__(problem)
        self.problem = problem


class SectionMismatchError(SubmissionError):
    """An answer's sections are not exactly those that were permitted."""

    def __init__(self, problem: str) -> None:
        """Keep the problem, a fixed phrase."""
        super().__init__(problem)
        self.problem = problem


class UnknownPostError(SubmissionError):
    """A post or node has no seal key in the ledger that is valid now."""

    def __init__(self, *, party: str, role: str | None) -> None:
        """Keep the post; `role` None is the party's node."""
        super().__init__(f"no valid seal key in the ledger for {party}/{role or 'node'}")
        self.party = party
        self.role = role


class NotLoggableError(SubmissionError):
    """A value has no place in the ledger's closed schema."""

    def __init__(self, field: str | None, problem: str) -> None:
        """Keep the ledger's field and the problem; never the value."""
        super().__init__(f"{field or 'entry'}: {problem}")
        self.field = field
        self.problem = problem


class CaseIncompleteError(SubmissionError):
    """A case cannot close without feedback to everybody who answered and to the referrer."""

    def __init__(self, *, missing: tuple[str, ...], unasked: tuple[str, ...], told: bool) -> None:
        """Keep the parties without feedback, those that did not answer, and `referrer_told`."""
        super().__init__("feedback to every answering party and to the referrer is needed")
        self.missing = missing
        self.unasked = unasked
        self.told = told


class ConflictError(BrokerError):
    """It contradicts what the ledger already holds."""


class ReplayedError(ConflictError):
    """An identifier was used before, with other bytes."""

    def __init__(self, what: str) -> None:
        """Keep which identifier: the message's `jti` or the request's."""
        super().__init__(f"{what} was used before with other bytes")
        self.what = what


class StaleLeaseError(ConflictError):
    """The order's lease has passed to a later claim."""

    def __init__(self, *, epoch: int, current: int) -> None:
        """Keep the message's epoch and the order's."""
        super().__init__(f"epoch {epoch} is not the order's current one, {current}")
        self.epoch = epoch
        self.current = current


class OrderStateError(ConflictError):
    """The order is not in a state that allows this."""

    def __init__(self, *, state: str, problem: str) -> None:
        """Keep the order's state and what is wrong."""
        super().__init__(f"the order is {state}: {problem}")
        self.state = state
        self.problem = problem


class CaseChainError(ConflictError):
    """A case message is not the next one of its case."""

    def __init__(self, problem: str, *, expected_seq: int) -> None:
        """Keep the problem and the sequence number that would fit."""
        super().__init__(f"{problem}; the next message has case_seq {expected_seq}")
        self.problem = problem
        self.expected_seq = expected_seq


class UnknownCheckpointError(ConflictError):
    """`seen` names a checkpoint that this ledger never signed: two histories, or a forgery."""

    def __init__(self, *, size: int) -> None:
        """Keep the size."""
        super().__init__(f"this ledger signed no such checkpoint of size {size}")
        self.size = size


class NotFoundError(BrokerError):
    """Absent, or not the caller's; the two are never told apart."""

    def __init__(self, what: str) -> None:
        """Keep what kind of thing was asked for."""
        super().__init__(f"no such {what}")
        self.what = what


class WrongPartyError(BrokerError):
    """The token's party is not the one that signed."""


class AuthenticationError(BrokerError):
    """No valid client assertion or access token."""

    def __init__(self, problem: str) -> None:
        """Keep the problem, a fixed phrase that tells an attacker nothing about keys."""
        super().__init__(problem)
        self.problem = problem


class AgreementError(BrokerError):
    """The agreement and this broker do not fit together."""


class StorageError(BrokerError):
    """The database cannot be written."""


class StoreDamagedError(StorageError):
    """Head, tiles, checkpoint and entries of the stored ledger disagree."""


class StoreBusyError(StorageError):
    """Another process holds the database."""


class WriterStoppedError(StorageError):
    """The writer has failed or is shut down; nothing more is taken."""

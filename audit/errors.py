"""Errors of the ledger library.

AuditError
├── CanonicalError        a value lies outside the restricted JSON domain
├── EntryError            an entry breaks its schema or its encoding
├── InvalidProofError     a Merkle proof does not lead to the expected root
├── MissingTileError      a hash tile needed for a proof cannot be read
├── CheckpointError       a checkpoint is malformed or not signed by the log
│   └── CosignatureError  a witness's line does not hold
├── ReceiptError          a receipt does not prove what it should
├── ClockBackError        the clock is behind the last entry: stop signing
├── HeadError             a stored head does not fit its own hash tiles
├── WitnessError          a witness must not cosign
│   ├── SplitViewError    two signed views of one log cannot both be true
│   └── RolledBackError   the log offers a tree smaller than one it has signed
├── EvidenceError         a file of evidence does not convict
└── ExportError           an export cannot be written or read
"""


class AuditError(Exception):
    """Base of every error of this package."""


class CanonicalError(AuditError):
    """A value lies outside the restricted JSON domain."""


class EntryError(AuditError):
    """An entry breaks its schema or its encoding."""

    def __init__(self, what: str, *, field: str | None = None) -> None:
        """Keep the name of the offending field; never its value, which may be personal."""
        super().__init__(what if field is None else f"{field}: {what}")
        self.what = what
        self.field = field


class InvalidProofError(AuditError):
    """A Merkle proof has the wrong shape or leads to another root."""


class MissingTileError(AuditError):
    """A hash tile needed for a proof is absent or too short."""

    def __init__(self, *, level: int, index: int, width: int) -> None:
        """Keep the tile's coordinates."""
        super().__init__(f"tile {level}/{index} of width {width} is missing or damaged")
        self.level = level
        self.index = index
        self.width = width


class CheckpointError(AuditError):
    """A checkpoint is malformed or not signed by the expected log."""


class CosignatureError(CheckpointError):
    """A witness's signature line does not hold for this checkpoint."""


class ReceiptError(AuditError):
    """A receipt does not prove what it should."""


class ClockBackError(AuditError):
    """The clock stands before the last entry; signing must stop."""

    def __init__(self, *, now: str, last: str) -> None:
        """Keep both times, as ledger timestamps."""
        super().__init__(f"clock reads {now}, the last entry was made at {last}")
        self.now = now
        self.last = last


class HeadError(AuditError):
    """A stored head is malformed or does not fit its hash tiles."""


class WitnessError(AuditError):
    """A witness must not cosign this checkpoint."""

    def __init__(self, what: str, *, first: str, second: str) -> None:
        """Keep both signed notes: the older view and the newer one."""
        super().__init__(what)
        self.first = first
        self.second = second


class SplitViewError(WitnessError):
    """Two notes signed by one log cannot both be true; together they are evidence."""

    def __init__(
        self, what: str, *, first: str, second: str, path: tuple[bytes, ...] | None = None
    ) -> None:
        """Keep the notes, and for different sizes the path that shows the contradiction."""
        super().__init__(what, first=first, second=second)
        self.path = path


class RolledBackError(WitnessError):
    """The log offers a tree smaller than one this witness has already seen."""


class EvidenceError(AuditError):
    """A file of evidence is malformed or does not convict."""


class ExportError(AuditError):
    """An export cannot be written or read."""

    def __init__(self, what: str, *, path: str) -> None:
        """Keep the path inside the export."""
        super().__init__(f"{path}: {what}")
        self.path = path

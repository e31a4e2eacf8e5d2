"""What verification finds: the kinds of damage and where the first of it stands."""

from dataclasses import dataclass
from enum import StrEnum


class Damage(StrEnum):
    """The kinds of damage a verifier tells apart."""

    EDITED = "edited"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    CUT_TAIL = "cut_tail"
    FORKED = "forked"
    BAD_SIGNATURE = "bad_signature"
    CLOCK_BACK = "clock_back"
    ROLLED_BACK = "rolled_back"
    MISSING_TILE = "missing_tile"
    ALTERED_TILE = "altered_tile"
    STREAM_GAP = "stream_gap"
    MALFORMED = "malformed"  # signed by the log, yet against the rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The first damage found.

    `index` is the zero-based number of the first bad entry, None where no single entry is
    to blame; `detail` is one plain sentence that quotes no entry.
    """

    kind: Damage
    index: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A verifier's verdict on an export. `size` and `root` are what the checkpoint states."""

    origin: str
    size: int
    root: bytes
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.problem is None

"""Decisions (skeleton; being built)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from policies.agreement import Agreement, Contact
from policies.facts import CaseFacts, Query, SupplierFacts
from policies.standing import Standing


class Outcome(StrEnum):
    """PERMIT, REVIEW or DENY, the words of the national draft."""

    PERMIT = "PERMIT"
    REVIEW = "REVIEW"
    DENY = "DENY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A rule that applied."""

    rule: str
    effect: str
    reason: str
    legal: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What a recipient owes for what it receives."""

    retention: str
    onward: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision and everything needed to explain it."""

    outcome: Outcome
    rule: str
    reason: str
    fired: tuple[Fired, ...]
    remedy: str
    retriable: bool
    contact: Contact
    fields_allowed: tuple[str, ...] | None
    fields_masked: tuple[str, ...]
    fields_never: tuple[str, ...]
    obligations: Obligations

    def to_json(self) -> dict[str, object]:
        """Return the decision as plain JSON values."""
        raise NotImplementedError


class Engine:
    """Decides under one agreement; thread-safe."""

    def __init__(
        self,
        agreement: Agreement,
        standing: Standing,
        others: Sequence[tuple[Agreement, Standing]] = (),
    ) -> None:
        """Compile `agreement`; `others` add only their prohibitions."""
        raise NotImplementedError

    def decide(
        self, query: Query, case: CaseFacts, supplier: SupplierFacts | None = None
    ) -> Decision:
        """Return the decision; never raises for bad values."""
        raise NotImplementedError

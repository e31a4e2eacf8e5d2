"""The agreement: terms the parties signed and the schedule that anchors trust in keys.

Invariants: loaded only whole, with every reference resolved and every obligatory
rule present; identified by the SHA-256 of its canonical bytes (RFC 8785 JSON of
the document, every scalar a text), so comments and layout do not count.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import rfc8785

from policies.build import build_terms
from policies.document import read_document
from policies.errors import AgreementError
from policies.references import check_references
from policies.schedule import Schedule, build_schedule, with_schedule
from policies.schema import check_shape
from policies.terms import Contact, Team, Terms, covers
from policies.working_time import deadline_after, is_open

__all__ = ["Agreement", "Contact", "load_agreement", "with_schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A parsed agreement; `sha256` is the hex hash of `canonical`, `mash` the short name."""

    id: str
    mash: str
    seq: int
    version: str
    terms: Terms
    schedule: Schedule
    canonical: bytes
    sha256: str

    def supplier_of(self, category: str) -> str:
        """Return the party that supplies `category`.

        Raises:
            KeyError: The category is not in the agreement.

        """
        known = self.terms.categories[category].id
        return next(p.id for p in self.terms.parties.values() if covers(p.supplies, known))

    def own_families(self, role: str) -> frozenset[str]:
        """Return the record families that the role's own agency holds; KeyError if unknown."""
        return frozenset(self.terms.roles[role].own)

    def role_party(self, role: str) -> str:
        """Return the party a role belongs to by default; KeyError if unknown."""
        return self.terms.roles[role].parties[0]

    def contact(self, party: str, at: datetime) -> Contact:
        """Return whom to ring at `party` at the aware time `at`.

        A party that the agreement does not know leads to the agreement's owner.
        """
        pair = self.terms.contacts.get(party) or self.terms.contacts[self.terms.owner]
        return pair[0] if is_open(self.terms.hours, at) else pair[1]

    def deadline(self, rag: str, start: datetime) -> datetime | None:
        """Return when answers are due (UTC), None for a rating under which nothing is shared.

        Args:
            rag: A rating or one of its other names.
            start: Aware.

        Raises:
            KeyError: The rating is not in the agreement.

        """
        level = self.terms.rag[self.terms.rag_aliases.get(rag, rag)]
        if level.deadline_hours is None:
            return None
        return deadline_after(
            self.terms.hours, start, count=level.deadline_hours, working=level.working
        )

    def team_for(self, concern: str, at: datetime) -> Team | None:
        """Return the team into whose queue `concern` comes at the aware time `at`.

        The first team that takes it then; None when none does, so that the case stays
        with whoever opened it.
        """
        now = "in_hours" if is_open(self.terms.hours, at) else "out_of_hours"
        takers = (t for t in self.terms.teams if concern in t.concerns and t.at in {now, "always"})
        return next(takers, None)

    def slot_seconds(self, rag: str | None) -> int:
        """Return the length of an answer slot under `rag`, in seconds."""
        return self.schedule.slots["red" if rag == "red" else "other"]


def load_agreement(data: bytes, *, source: str, allow_unpinned: bool = False) -> Agreement:
    """Read an agreement.

    Args:
        data: YAML, at most 1 MB.
        source: Name for errors.
        allow_unpinned: Accept keys that still read `to-be-pinned` (drafts only).

    Raises:
        AgreementError: Anything unknown, missing, contradictory or unpinned, with
            file, line and the nearest valid word.

    """
    root = read_document(data, source=source)
    check_shape(root, source=source)
    check_references(root, source=source)
    members = cast("dict[str, object]", root.plain())
    terms = build_terms(cast("dict[str, object]", members["terms"]))
    schedule = build_schedule(cast("dict", root.value)["schedule"], source=source)  # type: ignore[type-arg]  # a checked record
    if not (schedule.pinned or allow_unpinned):
        raise AgreementError("the schedule's keys are not pinned yet", path=source, line=0)
    canonical = rfc8785.dumps(members)  # type: ignore[arg-type]  # texts, lists and tables only
    isa = terms.document["isa"]
    return Agreement(
        id=isa["id"],
        mash=isa["mash"],
        seq=schedule.seq,
        version=isa["version"],
        terms=terms,
        schedule=schedule,
        canonical=canonical,
        sha256=hashlib.sha256(canonical).hexdigest(),
    )

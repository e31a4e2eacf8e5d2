"""One agreement after another: never back, never beside, no health record opened unnoticed.

`take_over` is for whoever installs an agreement: it returns the new one or raises,
so that what was in force stays in force.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from policies.agreement import Agreement, load_agreement
from policies.document import read_document
from policies.errors import SuccessionError
from policies.reach import reach_of

GUARDIAN: Final = "Caldicott Guardian"


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """A health category that a new version opens further, and whose guardian must sign."""

    category: str
    party: str
    sentences: tuple[str, ...]


def take_over(
    old: Agreement | None, data: bytes, *, source: str, sha256: str, today: date
) -> Agreement:
    """Return the agreement in `data`, which may follow `old`.

    Args:
        old: What is in force now, or None.
        data: The new document.
        source: Its name for errors.
        sha256: The hash that was signed, hex.
        today: For its dates.

    Raises:
        AgreementError: Not an agreement with pinned keys.
        SuccessionError: Not what was signed, expired, `seq` not above the old one,
            another agreement's successor, or a health category widened at a
            supplier whose Caldicott Guardian does not sign.

    """
    new = load_agreement(data, source=source)
    line = _lines(data, source)
    if new.sha256 != sha256:
        raise SuccessionError("differs from what was signed", path=source, line=0)
    if new.terms.expires < today:
        message = f"expired on {new.terms.expires}"
        raise SuccessionError(message, path=source, line=line["expires"])
    if old is not None:
        _follows(old, new, source=source, line=line)
    return new


def check_succession(old: Agreement, new: Agreement) -> None:
    """Check that `new` may follow `old`.

    Raises:
        SuccessionError: Another agreement, `seq` not above the old one, `supersedes`
            not the old hash, or a health category widened at a supplier whose
            Caldicott Guardian does not sign.

    """
    _follows(old, new, source=new.id, line=dict.fromkeys(("id", "seq", "supersedes", "parties"), 0))


def widenings(old: Agreement, new: Agreement) -> tuple[Widening, ...]:
    """Return the health categories that `new` opens further than `old`, by code."""
    return tuple(_widenings(old, new))


def _widenings(old: Agreement, new: Agreement) -> Iterator[Widening]:
    for category in sorted(new.terms.categories):
        party = _health_supplier(old, new, category)
        gained = sorted(reach_of(new, category) - reach_of(old, category))
        if party is not None and gained:
            yield Widening(category=category, party=party, sentences=tuple(gained))


def _health_supplier(old: Agreement, new: Agreement, category: str) -> str | None:
    """Return the health party that supplies `category`, or did: renaming its kind is no way out."""
    for agreement in (new, old):
        if category not in agreement.terms.categories:
            continue
        party = agreement.supplier_of(category)
        kinds = (side.terms.parties.get(party) for side in (new, old))
        if any(found is not None and found.is_health for found in kinds):
            return party
    return None


def _follows(old: Agreement, new: Agreement, *, source: str, line: dict[str, int]) -> None:
    def refuse(message: str, place: str) -> SuccessionError:
        return SuccessionError(message, path=source, line=line[place])

    if new.id != old.id or new.mash != old.mash:
        raise refuse(f"is not a version of {old.id}", "id")
    if new.seq <= old.seq:
        raise refuse(f"seq {new.seq} is not above {old.seq}, which is in force", "seq")
    if new.schedule.supersedes != old.sha256:
        raise refuse("supersedes another text than the one in force", "supersedes")
    for widening in widenings(old, new):
        party = new.terms.parties.get(widening.party)
        if party is None or GUARDIAN not in party.signs:
            message = f"opens {widening.category} further: {widening.party} needs its {GUARDIAN}"
            raise refuse(message, "parties")


def _lines(data: bytes, source: str) -> dict[str, int]:
    """Return the lines of what a refusal points at, in a document that loads."""
    root = read_document(data, source=source)
    schedule, terms = root.member("schedule"), root.member("terms")
    return {
        "id": terms.member("isa", "id").line,
        "expires": terms.member("isa", "expires").line,
        "parties": terms.member("parties").line,
        "seq": schedule.member("seq").line,
        "supersedes": schedule.member("supersedes").line,
    }

"""The facts a decision rests on.

Clear facts (`CaseFacts`, `Query`) are seen by the broker and by every node.
Supplier facts are known to the supplying node alone: they narrow a decision
and never widen it. Case facts cross the wire as plain JSON, read strictly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import cast

from policies.errors import FactsError

MAX_SCOPE_ENTRIES = 200
MAX_CODE_CHARS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Consent as recorded on the case; a scope of `None` means all."""

    given: bool
    parties: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    until: date | None = None
    withdrawn: bool = False
    capacity: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What the broker may see of a case; defaults are the strict ones.

    `opened_in_hours` comes from the ledger time of the request, never from the
    requester. `justified` means that the reason for asking has at least the
    agreement's number of characters; the text itself is sealed.

    Raises:
        FactsError: `at` has no time zone.

    """

    at: datetime
    purpose: str
    requester_party: str
    rag: str | None = None
    consent: Consent | None = None
    reason_without_consent: str | None = None
    dash: str | None = None
    children_in_household: bool = False
    closed: bool = False
    emergency: bool = False
    second_factor: bool = False
    conflict: bool = False
    justified: bool = False
    evidenced_authority: bool = False
    opened_in_hours: bool = False

    def __post_init__(self) -> None:
        """Refuse a time that could mean two instants."""
        if self.at.tzinfo is None:
            raise FactsError("must carry a time zone", key="at")

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values, every key present, times in ISO 8601."""
        found: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self)}
        found["at"] = self.at.isoformat()
        found["consent"] = None if self.consent is None else _consent_to_json(self.consent)
        return found

    @classmethod
    def from_json(cls, data: object) -> "CaseFacts":
        """Read what `to_json` wrote.

        Raises:
            FactsError: An unknown or missing key, or a value of another type.

        """
        return cls(**_read(data, _CASE_READERS, required={"at", "purpose", "requester_party"}))  # type: ignore[arg-type]  # each reader returns its field's type


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierFacts:
    """What only the supplying node knows; the defaults narrow nothing but identity.

    `local_review` names the categories that the supplier's own policy sends to
    a person for this recipient.
    """

    identity_confirmed: bool = False
    sealed: bool = False
    safe_address: bool = False
    conflict: bool = False
    local_review: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One category about one subject, from one supplier to one post."""

    category: str
    supplier: str
    subject_role: str | None
    recipient_role: str
    recipient_party: str


def _consent_to_json(consent: Consent) -> dict[str, object]:
    return {
        "given": consent.given,
        "parties": None if consent.parties is None else list(consent.parties),
        "categories": None if consent.categories is None else list(consent.categories),
        "until": None if consent.until is None else consent.until.isoformat(),
        "withdrawn": consent.withdrawn,
        "capacity": consent.capacity,
    }


_Reader = Callable[[str, object], object]


def _read(data: object, readers: Mapping[str, _Reader], *, required: set[str]) -> dict[str, object]:
    if not isinstance(data, dict):
        raise FactsError("must be an object", key="facts")
    for key in data:
        if key not in readers:
            raise FactsError("unknown key", key=str(key)[:MAX_CODE_CHARS])
    for key in sorted(required - data.keys()):
        raise FactsError("missing", key=key)
    return {key: readers[key](key, value) for key, value in data.items()}


def _flag(key: str, value: object) -> object:
    if not isinstance(value, bool):
        raise FactsError("must be true or false", key=key)
    return value


def _code(key: str, value: object) -> object:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CODE_CHARS:
        raise FactsError(f"must be a text of 1 to {MAX_CODE_CHARS} characters", key=key)
    return value


def _optional(reader: _Reader) -> _Reader:
    return lambda key, value: None if value is None else reader(key, value)


def _codes(key: str, value: object) -> object:
    if not isinstance(value, list) or len(value) > MAX_SCOPE_ENTRIES:
        raise FactsError(f"must be a list of at most {MAX_SCOPE_ENTRIES}", key=key)
    return tuple(cast("str", _code(key, entry)) for entry in value)


def _date(key: str, value: object) -> object:
    try:
        return date.fromisoformat(cast("str", _code(key, value)))
    except ValueError as error:
        raise FactsError("must be a date such as 2026-12-31", key=key) from error


def _moment(key: str, value: object) -> object:
    try:
        return datetime.fromisoformat(cast("str", _code(key, value)))
    except ValueError as error:
        raise FactsError("must be an ISO 8601 time with its zone", key=key) from error


def _consent(_key: str, value: object) -> object:
    return Consent(**_read(value, _CONSENT_READERS, required={"given"}))  # type: ignore[arg-type]  # each reader returns its field's type


_CONSENT_READERS: Mapping[str, _Reader] = {
    "given": _flag,
    "parties": _optional(_codes),
    "categories": _optional(_codes),
    "until": _optional(_date),
    "withdrawn": _flag,
    "capacity": _flag,
}

_CASE_READERS: Mapping[str, _Reader] = {
    "at": _moment,
    "purpose": _code,
    "requester_party": _code,
    "rag": _optional(_code),
    "consent": _optional(_consent),
    "reason_without_consent": _optional(_code),
    "dash": _optional(_code),
    "children_in_household": _flag,
    "closed": _flag,
    "emergency": _flag,
    "second_factor": _flag,
    "conflict": _flag,
    "justified": _flag,
    "evidenced_authority": _flag,
    "opened_in_hours": _flag,
}

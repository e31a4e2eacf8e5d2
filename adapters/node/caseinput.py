"""A case as a practitioner or a MASH app states it to the node's local API.

Plain text, inside the agency: it is sealed before any of it leaves. Strict: an unknown field or
a wrong type is refused with the place, never with the value.
"""

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from adapters.errors import CaseInputError, IdentityFormatError
from adapters.matching.identity import Identity
from adapters.protocol import ClearFacts, Code

Label = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
Text = Annotated[str, Meta(max_length=20_000)]


class _Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict base."""


class SubjectInput(_Input, frozen=True):
    """A subject: a label of the practitioner's own, the role in the case, who it is."""

    label: Label
    role: Code
    identity: dict[str, Any]


class ItemInput(_Input, frozen=True):
    """One category about one subject for some posts; no subject means nobody on the case."""

    category: Code
    subject: Label | None
    posts: Annotated[list[Code], Meta(min_length=1, max_length=20)]


class AskInput(_Input, frozen=True):
    """What is asked of one supplier, and why, in words a family could read."""

    supplier: Code
    reason: Annotated[str, Meta(max_length=2000)]
    items: Annotated[list[ItemInput], Meta(min_length=1, max_length=100)]


class CaseInput(_Input, frozen=True):
    """The whole case."""

    rag: Code | None
    purpose: Code
    concern: Code
    subjects: Annotated[list[SubjectInput], Meta(max_length=40)]
    asks: Annotated[list[AskInput], Meta(min_length=1, max_length=40)]
    facts: ClearFacts = ClearFacts()
    referral: dict[str, str] = {}
    narrative: Text = ""


def read_case(body: bytes) -> CaseInput:
    """Return the case in `body`.

    Raises:
        CaseInputError: Names what is wrong and where; quotes no value.

    """
    try:
        case = msgspec.json.decode(body, type=CaseInput)
    except msgspec.ValidationError as error:
        raise CaseInputError("case", str(error)[:200]) from None
    except msgspec.DecodeError:
        raise CaseInputError("case", "is not JSON") from None
    _check_date(case.facts)
    labels = [subject.label for subject in case.subjects]
    if len(set(labels)) != len(labels):
        raise CaseInputError("subjects", "two subjects share a label")
    suppliers = [ask.supplier for ask in case.asks]
    if len(set(suppliers)) != len(suppliers):
        raise CaseInputError("asks", "two asks name one supplier: put their items together")
    for number, subject in enumerate(case.subjects):
        try:
            Identity.from_json(subject.identity)
        except IdentityFormatError as error:
            raise CaseInputError(
                f"subjects[{number}].identity.{error.field}", error.problem
            ) from None
    return case


def _check_date(facts: ClearFacts) -> None:
    if facts.consent is None or facts.consent.until is None:
        return
    try:
        date.fromisoformat(facts.consent.until)
    except ValueError:
        raise CaseInputError("facts.consent.until", "is no date such as 2026-12-31") from None

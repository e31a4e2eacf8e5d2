"""What may stand in a section that another agency wrote: checked before it is kept or shown.

A supplier seals what it likes. A section of another form is passed over with an alarm, as one
that does not open: it must not keep the summary or the guardians' review from anybody (promise
T8). What the signed message says of a section counts, whatever its text says (promise T2).
"""

from typing import Any

import msgspec
from msgspec import Struct

from adapters.node.answering import Status
from adapters.protocol import SHARING_RECORD, ProtocolError, Section


class _Read(Struct, frozen=True, kw_only=True):
    """What is read of a section; further fields are shown to nobody."""


class _Subject(_Read, frozen=True):
    ref: str | None
    role: str
    name: str


class _Contact(_Read, frozen=True):
    post: str
    telephone: str


class _Content(_Read, frozen=True):
    category: str
    supplier: str
    subject: _Subject
    answered_at: str
    contact: _Contact
    status: Status
    system: str = ""
    note: str = ""
    reason: str = ""
    withheld: int = 0
    rows: list[dict[str, str]] = []
    answered_by: dict[str, str] | None = None
    confirmed_by: dict[str, str] | None = None


class _Line(_Read, frozen=True):
    category: str
    subject_role: str
    post: str
    rule: str
    status: Status


class _SharingRecord(_Read, frozen=True):
    request: str
    order: str
    supplier: str
    requester_party: str
    requester_role: str
    requester: dict[str, str] | None
    reason: str | None
    purpose: str
    concern: str
    rag: str | None
    emergency: bool
    without_consent: str | None
    lines: list[_Line]
    subjects: list[str]
    at: str


def check_content(
    value: dict[str, Any], section: Section, *, request: str, order: str, supplier: str
) -> None:
    """Check the plain text of a section against its form and its place.

    Raises:
        ProtocolError: Another form, or text about another place than the one it stands in.

    """
    try:
        if section.category == SHARING_RECORD:
            record = msgspec.convert(value, type=_SharingRecord)
            fits = (record.supplier, record.request, record.order) == (supplier, request, order)
        else:
            read = msgspec.convert(value, type=_Content)
            named = (read.supplier, read.category, read.subject.ref)
            fits = named == (supplier, section.category, section.subject)
    except msgspec.ValidationError:
        raise ProtocolError("a section of another form than agreed") from None
    if not fits:
        raise ProtocolError("a section that names another place than its own")

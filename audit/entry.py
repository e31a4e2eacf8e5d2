"""Ledger entries: what happened, in a closed schema and one canonical encoding.

An entry is canonical JSON (RFC 8785 over a restricted domain), at most 65,535 bytes. `prev`
is the leaf hash of the entry before it, so the chain can be followed through hash tiles where
an entry itself is withheld. `streams` gives the entry's contiguous number in the stream of
every party concerned, so that an omission shows to that party.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from audit import fields as kind
from audit.canonical import canonical
from audit.errors import EntryError
from audit.fields import FieldType

__all__ = [
    "ENTRY_SCHEMA",
    "Draft",
    "Event",
    "Schema",
    "canonical",
    "draft",
    "parse_entry",
    "seal_draft",
    "timestamp",
]

VERSION = 1
MAX_ENTRY_BYTES = 65_535  # the length prefix of a tlog-tiles bundle


class Event(StrEnum):
    """Everything that is worth an entry."""

    AGREEMENT_SIGNED = "agreement_signed"
    AGREEMENT_ACTIVATED = "agreement_activated"
    AGREEMENT_WITHDRAWN = "agreement_withdrawn"
    CREDENTIAL = "credential"
    REVOKED = "revoked"
    HEARTBEAT = "heartbeat"
    REQUEST = "request"
    ASK = "ask"
    ORDER_CLAIMED = "order_claimed"
    ORDER_REFUSED = "order_refused"
    ANSWER = "answer"
    RELEASE = "release"
    OPENED = "opened"
    RAG_SET = "rag_set"
    CONSENT = "consent"
    CANCELLED = "cancelled"
    LATE = "late"
    ESCALATION = "escalation"
    SUMMARY = "summary"
    OUTCOME = "outcome"
    FEEDBACK = "feedback"
    CHALLENGE = "challenge"
    CORRECTION = "correction"
    RECALL = "recall"
    ACK = "ack"
    MANUAL_ROUTE = "manual_route"
    EMERGENCY = "emergency"
    REVIEW = "review"
    SIGN_OFF = "sign_off"
    DSAR = "dsar"
    ERASURE = "erasure"
    VIEWED = "viewed"
    REFUSED = "refused"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The fields of one event beyond the common ones; nothing else may appear."""

    required: Mapping[str, FieldType] = field(default_factory=dict)
    optional: Mapping[str, FieldType] = field(default_factory=dict)


COMMON: Mapping[str, FieldType] = {
    "v": kind.VERSION_1,
    "mash": kind.PARTY,
    "i": kind.INT,
    "prev": kind.HASH,
    "ts": kind.TIME,
    "salt": kind.SALT,
    "streams": kind.COUNTS,
    "event": kind.one_of("event", *Event),
    "msg": kind.maybe(kind.HASH),
    "party": kind.PARTY,
    "kid": kind.KID,
    "actor_ref": kind.maybe(kind.REF),
    "role": kind.maybe(kind.CODE),
}
COMMON_OPTIONAL: Mapping[str, FieldType] = {"case": kind.REF}
SEALED_LAST = frozenset({"v", "mash", "i", "prev", "ts", "salt", "streams"})

_LINKS = {
    "request": kind.REF,
    "order": kind.REF,
    "answer": kind.HASH,
    "version": kind.INT,
    "supplier": kind.PARTY,
    "content_c": kind.COMMITMENT,
}
_AGREEMENT = Schema(required={"agreement": kind.AGREEMENT})
_CREDENTIAL = {"cred_kid": kind.KID, "cred_party": kind.PARTY, "cred_kind": kind.CREDENTIAL_KIND}
_COUNTED = Schema(
    required={"kind": kind.CODE, "count": kind.INT},
    optional={
        "set_root": kind.HASH,
        "since": kind.TIME,
        "until": kind.TIME,
        "request": kind.REF,
        "content_c": kind.COMMITMENT,
        "rule": kind.RULE,
    },
)


def _linked(**required: FieldType) -> Schema:
    return Schema(
        required=required, optional={k: v for k, v in _LINKS.items() if k not in required}
    )


ENTRY_SCHEMA: Mapping[Event, Schema] = {
    Event.AGREEMENT_SIGNED: _AGREEMENT,
    Event.AGREEMENT_ACTIVATED: _AGREEMENT,
    Event.AGREEMENT_WITHDRAWN: _AGREEMENT,
    Event.CREDENTIAL: Schema(
        required=_CREDENTIAL
        | {"not_before": kind.TIME, "expires": kind.TIME, "key_sha256": kind.HASH},
        optional={"cred_role": kind.CODE, "quarter": kind.QUARTER, "issuer_kid": kind.KID},
    ),
    Event.REVOKED: Schema(required=_CREDENTIAL, optional={"reason": kind.CODE}),
    Event.HEARTBEAT: Schema(required={"heads": kind.COUNTS}, optional={"cosignatures": kind.HASH}),
    Event.REQUEST: Schema(
        required={
            "request": kind.REF,
            "agreement": kind.AGREEMENT,
            "purpose": kind.CODE,
            "rag": kind.maybe(kind.CODE),
            "asks_root": kind.HASH,
            "facts_c": kind.COMMITMENT,
            "identities": kind.list_of(kind.COMMITMENT, most=400),
            "assurance": kind.ASSURANCE,
            "emergency": kind.BOOL,
            "deadline": kind.maybe(kind.TIME),
        },
        optional={"narrative_c": kind.COMMITMENT},
    ),
    Event.ASK: Schema(  # one per supplier; `digest` names the ask's exact bytes
        required={
            "request": kind.REF,
            "supplier": kind.PARTY,
            "digest": kind.HASH,
            "route": kind.ROUTE,
            "recipients": kind.list_of(kind.RECIPIENT, most=50),
            "decisions": kind.list_of(kind.DECISION_LINE, most=250),
        },
        optional={"order": kind.REF, "decision_set": kind.HASH},
    ),
    Event.ORDER_CLAIMED: Schema(required={"order": kind.REF, "epoch": kind.INT}),
    Event.ORDER_REFUSED: Schema(
        required={"order": kind.REF, "rule": kind.RULE}, optional={"epoch": kind.INT}
    ),
    Event.ANSWER: Schema(
        required={
            "order": kind.REF,
            "version": kind.INT,
            "blobs": kind.list_of(kind.BLOB, most=200),
            "key_commitments": kind.list_of(kind.COMMITMENT, most=200),
        },
        optional={"note_c": kind.COMMITMENT},
    ),
    Event.RELEASE: Schema(
        required={"order": kind.REF, "version": kind.INT, "wraps": kind.HASH},
        optional={"answer": kind.HASH},
    ),
    Event.OPENED: Schema(
        required={
            "answer": kind.HASH,
            "recipient": kind.RECIPIENT,
            "level": kind.RECEIPT_LEVEL,
        },
        optional={"order": kind.REF, "version": kind.INT, "supplier": kind.PARTY},
    ),
    Event.RAG_SET: _linked(rag=kind.CODE),
    Event.CONSENT: _linked(content_c=kind.COMMITMENT),
    Event.CANCELLED: _linked(reason=kind.CODE),
    Event.LATE: _linked(order=kind.REF, due=kind.TIME),
    Event.ESCALATION: _linked(step=kind.CODE),
    Event.SUMMARY: _linked(version=kind.INT, content_c=kind.COMMITMENT),
    Event.OUTCOME: _linked(content_c=kind.COMMITMENT),
    Event.FEEDBACK: _linked(content_c=kind.COMMITMENT),
    Event.CHALLENGE: _linked(content_c=kind.COMMITMENT),
    Event.CORRECTION: _linked(reason=kind.CODE),
    Event.RECALL: _linked(order=kind.REF, reason=kind.CODE),
    Event.ACK: _linked(ack_of=kind.HASH),
    Event.MANUAL_ROUTE: _linked(route=kind.CODE, happened_at=kind.TIME),
    Event.EMERGENCY: _linked(content_c=kind.COMMITMENT),
    Event.REVIEW: _COUNTED,
    Event.SIGN_OFF: Schema(
        required={**_COUNTED.required, "set_root": kind.HASH},
        optional={k: v for k, v in _COUNTED.optional.items() if k != "set_root"},
    ),
    Event.DSAR: _COUNTED,
    Event.ERASURE: _COUNTED,
    Event.VIEWED: _COUNTED,
    Event.REFUSED: _COUNTED,
    Event.ADMIN: _COUNTED,
}


_TYPES: Mapping[str, tuple[frozenset[str], Mapping[str, FieldType]]] = {
    event: (
        frozenset({*COMMON, *schema.required}),
        {**COMMON, **COMMON_OPTIONAL, **schema.required, **schema.optional},
    )
    for event, schema in ENTRY_SCHEMA.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A validated entry that still lacks its place in the ledger.

    `parties` are those in whose streams it will stand, sorted.
    """

    event: Event
    body: Mapping[str, object]
    parties: tuple[str, ...]


def timestamp(moment: datetime) -> str:
    """Return `moment` as the ledger writes times: UTC, milliseconds, fixed width.

    Raises:
        EntryError: The moment carries no time zone.

    """
    if moment.tzinfo is None:
        raise EntryError("carries no time zone", field="ts")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def draft(
    event: Event,
    *,
    party: str,
    kid: str,
    actor_ref: str | None,
    role: str | None,
    msg: str | None,
    case: str | None = None,
    concerned: Iterable[str] = (),
    **fields: object,
) -> Draft:
    """Return a validated draft of an entry.

    Args:
        event: What happened.
        party: The party that acts; its stream always holds the entry.
        kid: Key that signed the message, 32 hex digits.
        actor_ref: Random reference of the person, None for a machine's act.
        role: Role code of the person, None for a machine's act.
        msg: SHA-256 of the signed message, hex; None where there is no message (a heartbeat).
        case: Random reference of the case.
        concerned: Further parties in whose streams the entry stands. The supplier and the
            recipients named in the fields are added without being asked.
        fields: The event's own fields, see `ENTRY_SCHEMA`.

    Raises:
        EntryError: A field is missing, unknown or of the wrong type.

    """
    body: dict[str, object] = {
        **fields,
        "event": str(event),
        "party": party,
        "kid": kid,
        "actor_ref": actor_ref,
        "role": role,
        "msg": msg,
    }
    if case is not None:
        body["case"] = case
    _check_fields(body, without=SEALED_LAST)
    parties = {party, *concerned, *_named_parties(body)}
    for name in parties:
        _check_field("concerned", name, kind.PARTY)
    return Draft(event=event, body=body, parties=tuple(sorted(parties)))


def _named_parties(body: Mapping[str, object]) -> Iterable[str]:
    recipients = body.get("recipients", [])
    single = body.get("recipient")
    for recipient in [*(recipients if isinstance(recipients, list) else []), single]:
        if isinstance(recipient, dict):
            yield recipient["party"]
    for name in ("supplier", "cred_party"):
        if isinstance(value := body.get(name), str):
            yield value


def seal_draft(
    draft: Draft,
    *,
    mash: str,
    index: int,
    prev: bytes,
    ts: datetime,
    salt: bytes,
    streams: Mapping[str, int],
) -> bytes:
    """Return the canonical bytes of `draft` at its place in the ledger.

    Args:
        draft: What happened.
        mash: Short name of the hub.
        index: Zero-based position in the ledger.
        prev: Leaf hash of the entry before, 32 bytes; zeros for the first.
        ts: When the ledger took it; milliseconds are kept.
        salt: 16 to 32 random bytes, so that a leaf hash confirms no guess.
        streams: The entry's number in the stream of each of `draft.parties`.

    Raises:
        EntryError: A value is out of range or the entry is too large.

    """
    if streams.keys() != set(draft.parties):
        raise EntryError("not the parties concerned", field="streams")
    place: dict[str, object] = {
        "v": VERSION,
        "mash": mash,
        "i": index,
        "prev": prev.hex(),
        "ts": timestamp(ts),
        "salt": salt.hex(),
        "streams": dict(streams),
    }
    for name, value in place.items():
        _check_field(name, value, COMMON[name])
    data = orjson.dumps({**draft.body, **place}, option=orjson.OPT_SORT_KEYS)
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError(f"larger than {MAX_ENTRY_BYTES} bytes")
    return data


def parse_entry(data: bytes) -> dict[str, Any]:
    """Return the fields of an entry, checked against the schema.

    Raises:
        EntryError: The bytes are not the canonical encoding of a valid entry.

    """
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError(f"larger than {MAX_ENTRY_BYTES} bytes")
    try:
        value = orjson.loads(data)
        encoded = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise EntryError("not JSON") from error
    if not isinstance(value, dict):
        raise EntryError("not an object")
    if encoded != data:
        raise EntryError("not in canonical form")
    _check_fields(value)
    if value["party"] not in value["streams"]:
        raise EntryError("lacks the acting party", field="streams")
    return value


def _check_fields(value: Mapping[str, object], *, without: frozenset[str] = frozenset()) -> None:
    event = value.get("event")
    if not isinstance(event, str) or event not in _TYPES:
        raise EntryError("is not a known event", field="event")
    required, types = _TYPES[event]
    for name, item in value.items():
        if name not in types:
            # The name itself may be personal data that a bug put in the wrong place.
            raise EntryError(f"a field is unknown to {event}")
        _check_field(name, item, types[name])
    if missing := required - value.keys() - without:
        raise EntryError("missing", field=min(missing))
    if chosen := without & value.keys():
        raise EntryError("is set when the draft is sealed", field=min(chosen))


def _check_field(name: str, value: object, field_type: FieldType) -> None:
    if not field_type.accepts(value):
        raise EntryError(f"is not a {field_type.name}", field=name)

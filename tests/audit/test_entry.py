"""Entries: the closed schema, the canonical form, and what can never be said."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.entry import (
    COMMON,
    COMMON_OPTIONAL,
    ENTRY_SCHEMA,
    Draft,
    Event,
    canonical,
    draft,
    parse_entry,
    seal_draft,
    timestamp,
)
from audit.errors import CanonicalError, EntryError
from audit.testing import MemoryLedger, digest, plain_draft

VECTORS = Path(__file__).parent / "vectors"
NOW = datetime(2026, 10, 6, 10, 15, tzinfo=UTC)
REF = f"r_{digest('r')}"
HASH = digest("h")
TIME = "2026-10-06T10:15:00.000Z"
AGREEMENT = {"id": "urn:isa:northshire-mash:mash-core", "seq": 3, "sha256": HASH}
RECIPIENT = {"party": "northshire-cc", "role": "mash_decision_maker"}
DECISION = RECIPIENT | {
    "category": "pol.da_incidents",
    "subject": REF,
    "outcome": "PERMIT",
    "rules": ["P10"],
}
COUNTED: dict[str, Any] = {"kind": "opened_items", "count": 3}
CREDENTIAL = {"cred_kid": HASH[:32], "cred_party": "northshire-police", "cred_kind": "node"}
EXAMPLES: dict[Event, dict[str, Any]] = {
    Event.AGREEMENT_SIGNED: {"agreement": AGREEMENT},
    Event.AGREEMENT_ACTIVATED: {"agreement": AGREEMENT},
    Event.AGREEMENT_WITHDRAWN: {"agreement": AGREEMENT},
    Event.CREDENTIAL: CREDENTIAL
    | {"not_before": TIME, "expires": TIME, "key_sha256": HASH, "quarter": "2026Q4"},
    Event.REVOKED: CREDENTIAL,
    Event.HEARTBEAT: {"heads": {"northshire-cc": 7}},
    Event.REQUEST: {
        "request": REF,
        "agreement": AGREEMENT,
        "purpose": "cp_s47",
        "rag": "red",
        "asks_root": HASH,
        "facts_c": HASH,
        "identities": [HASH],
        "assurance": "passkey",
        "emergency": False,
        "deadline": TIME,
    },
    Event.ASK: {
        "request": REF,
        "supplier": "northshire-police",
        "digest": HASH,
        "route": "node",
        "recipients": [RECIPIENT],
        "decisions": [DECISION],
    },
    Event.ORDER_CLAIMED: {"order": REF, "epoch": 0},
    Event.ORDER_REFUSED: {"order": REF, "rule": "D03"},
    Event.ANSWER: {
        "order": REF,
        "version": 1,
        "blobs": [{"sha256": HASH, "class": 4096}],
        "key_commitments": [HASH],
    },
    Event.RELEASE: {"order": REF, "version": 1, "wraps": HASH},
    Event.OPENED: {"answer": HASH, "recipient": RECIPIENT, "level": "weak"},
    Event.RAG_SET: {"rag": "amber"},
    Event.CONSENT: {"content_c": HASH},
    Event.CANCELLED: {"reason": "wrong_person"},
    Event.LATE: {"order": REF, "due": TIME},
    Event.ESCALATION: {"step": "ring_manager"},
    Event.SUMMARY: {"version": 1, "content_c": HASH},
    Event.OUTCOME: {"content_c": HASH},
    Event.FEEDBACK: {"content_c": HASH},
    Event.CHALLENGE: {"content_c": HASH},
    Event.CORRECTION: {"reason": "typing_error"},
    Event.RECALL: {"order": REF, "reason": "wrong_person"},
    Event.ACK: {"ack_of": HASH},
    Event.MANUAL_ROUTE: {"route": "telephone", "happened_at": TIME},
    Event.EMERGENCY: {"content_c": HASH},
    Event.REVIEW: COUNTED,
    Event.SIGN_OFF: COUNTED | {"set_root": HASH},
    Event.DSAR: COUNTED,
    Event.ERASURE: COUNTED,
    Event.VIEWED: COUNTED,
    Event.REFUSED: COUNTED,
    Event.ADMIN: COUNTED,
}


def _draft(event: Event, **fields: Any) -> Draft:
    return draft(
        event,
        party="northshire-cc",
        kid=HASH[:32],
        actor_ref=REF,
        role="mash_decision_maker",
        msg=HASH,
        **fields,
    )


def _sealed(done: Draft, **changes: Any) -> bytes:
    place: dict[str, Any] = {
        "mash": "northshire",
        "index": 0,
        "prev": bytes(32),
        "ts": NOW,
        "salt": bytes(32),
        "streams": dict.fromkeys(done.parties, 0),
    }
    return seal_draft(done, **(place | changes))


@pytest.mark.parametrize("event", list(Event))
def test_every_event_can_be_sealed_and_read_back(event: Event) -> None:
    entry = parse_entry(_sealed(_draft(event, case=REF, **EXAMPLES[event])))

    assert entry["event"] == event
    assert entry["ts"] == TIME
    assert EXAMPLES[event].items() <= entry.items()


@pytest.mark.parametrize("event", list(Event))
def test_a_field_that_is_missing_unknown_or_of_another_type_is_refused(event: Event) -> None:
    fields = EXAMPLES[event]

    for name in ENTRY_SCHEMA[event].required:
        with pytest.raises(EntryError):
            _draft(event, **{key: value for key, value in fields.items() if key != name})
    for name in fields:
        with pytest.raises(EntryError):
            _draft(event, **(fields | {name: 1.5}))
    with pytest.raises(EntryError):
        _draft(event, **fields, surname="Smith")


@pytest.mark.parametrize("event", list(Event))
def test_no_field_of_any_event_takes_free_text(event: Event) -> None:
    schema = ENTRY_SCHEMA[event]
    types = {**COMMON, **COMMON_OPTIONAL, **schema.required, **schema.optional}

    for text in ("Jayden Cole", "12 Mill Lane", "known to police; see file", "999 000 0018", "É"):
        for name, field_type in types.items():
            assert not field_type.accepts(text), name
            assert not field_type.accepts([text]), name
            assert not field_type.accepts({text: text}), name


@pytest.mark.parametrize(
    "word",
    ["name", "surname", "tag", "status", "outcome", "scope", "dash", "reason_without_consent",
     "override_reason", "address", "nhs_number", "fields_count"],
)  # fmt: skip
def test_no_event_has_a_field_for_what_must_never_be_logged(word: str) -> None:
    for event, schema in ENTRY_SCHEMA.items():
        assert word not in {*COMMON, *COMMON_OPTIONAL, *schema.required, *schema.optional}, event


@pytest.mark.parametrize("event", [Event.CONSENT, Event.OUTCOME, Event.EMERGENCY, Event.SUMMARY])
def test_events_about_content_take_no_reason_code(event: Event) -> None:
    assert "reason" not in {*ENTRY_SCHEMA[event].required, *ENTRY_SCHEMA[event].optional}


def test_an_entry_stands_in_the_streams_of_all_parties_it_names() -> None:
    ask = _draft(
        Event.ASK,
        concerned=["northshire-mh"],
        **(EXAMPLES[Event.ASK] | {"recipients": [{"party": "probation-ne", "role": "po"}]}),
    )
    opened = _draft(
        Event.OPENED, **(EXAMPLES[Event.OPENED] | {"recipient": {"party": "hou", "role": "po"}})
    )

    assert ask.parties == ("northshire-cc", "northshire-mh", "northshire-police", "probation-ne")
    assert opened.parties == ("hou", "northshire-cc")


def test_an_error_names_the_field_but_never_quotes_its_value() -> None:
    with pytest.raises(EntryError) as refused:
        _draft(Event.RAG_SET, rag="Jayden Cole is at risk")

    assert refused.value.field == "rag"
    assert "Jayden" not in str(refused.value)


@pytest.mark.parametrize("name", ["v", "mash", "i", "prev", "ts", "salt", "streams"])
def test_a_draft_cannot_choose_its_own_place(name: str) -> None:
    with pytest.raises(EntryError):
        _draft(Event.RAG_SET, rag="red", **{name: parse_entry(MemoryLedgerEntry())[name]})


def MemoryLedgerEntry() -> bytes:  # noqa: N802 -- reads as the value it makes
    ledger = MemoryLedger()
    ledger.grow(1)
    return ledger.entries[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": bytes(15)},
        {"salt": bytes(33)},
        {"prev": bytes(31)},
        {"index": -1},
        {"index": 2**53},
        {"mash": "North Shire"},
        {"streams": {}},
        {"streams": {"northshire-cc": 0, "other": 0}},
        {"streams": {"northshire-cc": -1}},
        {"ts": datetime(2026, 10, 6, 10, 15)},  # noqa: DTZ001 -- the fault under test
        {"ts": datetime(1999, 10, 6, 10, 15, tzinfo=UTC)},
    ],
)
def test_a_place_that_is_out_of_range_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EntryError):
        _sealed(_draft(Event.RAG_SET, rag="red"), **changes)


def test_an_entry_larger_than_a_bundle_can_hold_is_refused() -> None:
    long = _draft(Event.ANSWER, **(EXAMPLES[Event.ANSWER] | {"key_commitments": [HASH] * 200}))
    assert len(_sealed(long)) < 65_536

    many = [DECISION | {"rules": ["D01"] * 50}] * 250
    huge = _draft(Event.ASK, **(EXAMPLES[Event.ASK] | {"decisions": many}))
    with pytest.raises(EntryError, match="larger"):
        _sealed(huge)
    with pytest.raises(EntryError, match="larger"):
        parse_entry(b" " * 65_536)


def test_times_are_written_in_utc_with_milliseconds() -> None:
    summer = timezone(timedelta(hours=1))

    assert timestamp(datetime(2026, 6, 1, 12, 0, 0, 999_999, summer)) == "2026-06-01T11:00:00.999Z"


def test_only_the_canonical_form_of_an_entry_is_read() -> None:
    entry = MemoryLedgerEntry()
    value = json.loads(entry)

    for other in (
        json.dumps(value).encode(),
        entry + b" ",
        entry.replace(b'"v":1', b'"v":1,"v":1'),
        entry.replace(b'"v":1', b'"v":2'),
        entry.replace(b'"v":1', b'"v":true'),
        entry.replace(b'"v":1', b'"v":1.0'),
        entry.replace(b'"epoch":1', b'"epoch":18446744073709551616'),
        entry.replace(b"order_claimed", b"order_eaten"),
        b"[]",
        b"",
        b"\xff",
        b"[" * 2_000,
    ):
        with pytest.raises(EntryError):
            parse_entry(other)


def test_an_entry_outside_its_own_partys_stream_is_refused() -> None:
    entry = json.loads(MemoryLedgerEntry())
    entry["streams"] = {"northshire-mh": 0}

    with pytest.raises(EntryError, match="acting party"):
        parse_entry(canonical(entry))


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_an_entry_error(data: bytes) -> None:
    with pytest.raises(EntryError):
        parse_entry(data)


@settings(max_examples=60)
@given(st.data())
def test_flipping_any_bit_of_an_entry_never_crashes_the_parser(data: st.DataObject) -> None:
    entry = bytearray(MemoryLedgerEntry())
    bit = data.draw(st.integers(0, len(entry) * 8 - 1))
    entry[bit // 8] ^= 1 << bit % 8

    try:
        parse_entry(bytes(entry))
    except EntryError:
        return
    assert bytes(entry) != MemoryLedgerEntry()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_VALUES)
def test_canonical_form_equals_rfc_8785_in_the_restricted_domain(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except UnicodeEncodeError:
        with pytest.raises(CanonicalError):
            canonical(value)
        return

    assert canonical(value) == expected


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_published_vectors_give_the_published_bytes_or_are_outside_the_domain(name: str) -> None:
    case = json.loads((VECTORS / "jcs.json").read_text("utf-8"))["cases"][name]
    value = json.loads(case["input"])

    if name in {"values", "weird", "french", "structures"}:  # floats; keys beyond ASCII
        with pytest.raises(CanonicalError):
            canonical(value)
    else:
        assert canonical(value).hex() == case["hex"]


@pytest.mark.parametrize(
    "value",
    [1.0, -0.0, float("nan"), 2**53, -(2**53), b"", (1,), {1: 2}, {"é": 1}, "\ud800", {"a": {1}}],
)
def test_values_outside_the_domain_have_no_canonical_form(value: Any) -> None:
    with pytest.raises(CanonicalError):
        canonical(value)


def test_nesting_is_limited() -> None:
    deep: Any = []
    for _ in range(20):
        deep = [deep]

    with pytest.raises(CanonicalError):
        canonical(deep)


def test_a_plain_draft_names_its_event() -> None:
    assert plain_draft(0).event is Event.ORDER_CLAIMED

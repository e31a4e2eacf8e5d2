"""The kinds of value a ledger entry may hold.

Every value is a code, a reference, a hash, a commitment, a time, a number or a flag. There
is no free text: a name, an address, a status, an answer's outcome or a reason in words has
no type to stand in, and codes are short lower-case words owned by the agreement.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from audit.canonical import MAX_INTEGER


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """A named set of permitted values."""

    name: str
    accepts: Callable[[object], bool]


def pattern(name: str, expression: str) -> FieldType:
    """Return the type of strings that match an expression as a whole."""
    matches = re.compile(expression).fullmatch
    return FieldType(name=name, accepts=lambda v: isinstance(v, str) and matches(v) is not None)


def one_of(name: str, *words: str) -> FieldType:
    """Return the type of a closed set of words."""
    return FieldType(name=name, accepts=lambda v: isinstance(v, str) and v in words)


def maybe(inner: FieldType) -> FieldType:
    """Return the type that also permits null."""
    return FieldType(name=f"{inner.name} or null", accepts=lambda v: v is None or inner.accepts(v))


def list_of(inner: FieldType, *, most: int) -> FieldType:
    """Return the type of lists of at most `most` items."""
    return FieldType(
        name=f"list of {inner.name}",
        accepts=lambda v: isinstance(v, list) and len(v) <= most and all(map(inner.accepts, v)),
    )


def map_of(key: FieldType, value: FieldType, *, most: int) -> FieldType:
    """Return the type of objects with free keys, at most `most`."""
    return FieldType(
        name=f"{key.name} to {value.name}",
        accepts=lambda v: (
            isinstance(v, dict)
            and len(v) <= most
            and all(map(key.accepts, v))
            and all(map(value.accepts, v.values()))
        ),
    )


def object_of(name: str, **fields: FieldType) -> FieldType:
    """Return the type of objects with exactly these fields."""
    return FieldType(
        name=name,
        accepts=lambda v: (
            isinstance(v, dict)
            and v.keys() == fields.keys()
            and all(kind.accepts(v[key]) for key, kind in fields.items())
        ),
    )


INT = FieldType(name="integer from 0", accepts=lambda v: type(v) is int and 0 <= v <= MAX_INTEGER)
BOOL = FieldType(name="boolean", accepts=lambda v: isinstance(v, bool))
HASH = pattern("32 bytes in hex", r"[0-9a-f]{64}")
COMMITMENT = HASH  # HMAC-SHA-256 under a random key kept in the erasable store
KID = pattern("16 bytes in hex", r"[0-9a-f]{32}")
SALT = pattern("16 to 32 bytes in hex", r"(?:[0-9a-f]{2}){16,32}")
TIME = pattern(
    "UTC time in milliseconds",
    r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z",
)
CODE = pattern("code", r"[a-z][a-z0-9_]{0,47}")
CATEGORY = pattern("category", r"[a-z][a-z0-9_]{0,15}(?:\.[a-z][a-z0-9_]{0,31}){0,3}")
PARTY = pattern("party", r"[a-z][a-z0-9-]{0,47}")
RULE = pattern("rule", r"[A-Z][0-9]{2}[a-z]?")
# Random or hashed, never chosen by a person: 26 base32 characters or 16 or 32 bytes in hex.
REF = pattern("reference", r"(?:[a-z]{1,8}_)?(?:[a-z2-7]{26}|[0-9a-f]{32}|[0-9a-f]{64})")
QUARTER = pattern("quarter", r"20[0-9]{2}-?[qQ][1-4]")
CREDENTIAL_KIND = one_of("credential kind", "operational", "node", "node_seal", "post", "person")
ASSURANCE = one_of("assurance", "passkey", "oidc", "app")
RECEIPT_LEVEL = one_of("receipt level", "weak", "strong")
DECISION = one_of("decision", "PERMIT", "REVIEW", "DENY")
AGREEMENT_ID = pattern("agreement id", r"[a-z][a-z0-9:._-]{0,95}")
AGREEMENT = object_of("agreement", id=AGREEMENT_ID, seq=INT, sha256=HASH)
RECIPIENT = object_of("recipient", party=PARTY, role=CODE)
BLOB = object_of("blob", **{"sha256": HASH, "class": INT})
COUNTS = map_of(PARTY, INT, most=500)
VERSION_1 = FieldType(name="version 1", accepts=lambda v: type(v) is int and v == 1)
ROUTE = one_of("route", "node", "telephone", "none")
DECISION_LINE = object_of(
    "decision line",
    category=CATEGORY,
    subject=maybe(REF),
    party=PARTY,
    role=CODE,
    outcome=DECISION,
    rules=list_of(RULE, most=50),
)

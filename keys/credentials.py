"""Credentials: the chain from a party's root, pinned in the agreement, to a person's key.

```
party root (offline) ─ operational (90 d) ─┬ node (92 d) ─ person (24 h)
                                           ├ node_seal (92 d)
                                           └ post (92 d; role and quarter)
```

A credential is believed because of this chain alone. That it is in the ledger and not revoked
is the caller's check: `find` answers only with issuers that passed it. One text each.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from keys.claims import read_match, read_optional, read_seconds, read_text, write_seconds
from keys.encoding import canonical_json, decode_base64url, encode_base64url, parse_object
from keys.errors import (
    ExpiredError,
    IssuerNotAllowedError,
    MalformedCredentialError,
    MalformedMessageError,
    NotYetValidError,
    UnexpectedHeaderError,
    UnknownIssuerError,
    ValidityError,
)
from keys.sealing import PUBLIC_BYTES as SEAL_PUBLIC_BYTES
from keys.sealing import SEAL_ALG
from keys.signing import (
    ALG,
    PUBLIC_BYTES,
    RootKey,
    RootPublic,
    SigningKey,
    check_jws,
    check_root_jws,
    kid_of,
    read_kid_unsafe,
    read_payload_unsafe,
    sign_jws,
    sign_root_jws,
)

TYP: Final = "mash-cred+jws"
MAX_CREDENTIAL_CHARS: Final = 8192

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)
_QUARTER = re.compile(r"[0-9]{4}Q[1-4]", re.ASCII)
_PUBLIC_BYTES_OF: Final = {ALG: PUBLIC_BYTES, SEAL_ALG: SEAL_PUBLIC_BYTES}


class Kind(StrEnum):
    """What a credential's key is for."""

    OPERATIONAL = "operational"
    NODE = "node"
    NODE_SEAL = "node_seal"
    POST = "post"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What holds for every credential of a kind; `issuer` None is the party's root."""

    issuer: Kind | None
    alg: str
    longest: timedelta
    must_carry: frozenset[str] = frozenset()
    may_carry: frozenset[str] = frozenset()


_QUARTERLY: Final = timedelta(days=92)
_SOME_CARRY: Final = ("role", "quarter", "actor_ref")
_RULES: Final[Mapping[Kind, _Rule]] = {
    Kind.OPERATIONAL: _Rule(issuer=None, alg=ALG, longest=timedelta(days=90)),
    Kind.NODE: _Rule(issuer=Kind.OPERATIONAL, alg=ALG, longest=_QUARTERLY),
    Kind.NODE_SEAL: _Rule(
        issuer=Kind.OPERATIONAL,
        alg=SEAL_ALG,
        longest=_QUARTERLY,
        may_carry=frozenset({"quarter"}),
    ),
    Kind.POST: _Rule(
        issuer=Kind.OPERATIONAL,
        alg=SEAL_ALG,
        longest=_QUARTERLY,
        must_carry=frozenset({"role", "quarter"}),
    ),
    Kind.PERSON: _Rule(
        issuer=Kind.NODE,
        alg=ALG,
        longest=timedelta(hours=24),
        must_carry=frozenset({"actor_ref"}),
        may_carry=frozenset({"role"}),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A public key and what its issuer says of it.

    `not_before` and `expires` are whole seconds in UTC; valid from the first up to, not at,
    the second. `text` is the exact serialized form, `{"jws":…,"mldsa65":…|null}`.
    """

    mash: str
    party: str
    kind: Kind
    role: str | None
    quarter: str | None
    alg: str
    public: bytes
    kid: str
    issuer_kid: str
    not_before: datetime
    expires: datetime
    actor_ref: str | None
    text: str


def quarter_of(at: datetime) -> str:
    """Return the calendar quarter of `at` in UTC, such as `2026Q4`."""
    day = at.astimezone(UTC)
    return f"{day.year:04}Q{(day.month + 2) // 3}"


def issue_operational(
    root: RootKey,
    *,
    mash: str,
    party: str,
    public: bytes,
    not_before: datetime,
    expires: datetime,
) -> Credential:
    """Return a party's operational credential, signed by both keys of its root.

    `public` is an Ed25519 key, 32 bytes; at most 90 days. For the rest and errors see `issue`.

    """
    unsigned = Credential(
        mash=mash,
        party=party,
        kind=Kind.OPERATIONAL,
        role=None,
        quarter=None,
        alg=ALG,
        public=public,
        kid=kid_of(ALG, public),
        issuer_kid=root.public.kid,
        not_before=not_before,
        expires=expires,
        actor_ref=None,
        text="",
    )
    jws, mldsa65 = sign_root_jws(_payload(unsigned), key=root, typ=TYP)
    return _issued(_text(jws, mldsa65))


def issue(
    issuer: SigningKey,
    *,
    mash: str,
    party: str,
    kind: Kind,
    alg: str,
    public: bytes,
    not_before: datetime,
    expires: datetime,
    role: str | None = None,
    quarter: str | None = None,
    actor_ref: str | None = None,
) -> Credential:
    """Return a credential for `public`, signed by `issuer`.

    Args:
        issuer: The operational key, or the node key for a person.
        mash: The issuer's own.
        party: The issuer's own.
        kind: Any but operational, which only a root issues.
        alg: `Ed25519` for node and person, `X-Wing` for node_seal and post.
        public: Public key, 32 or 1,216 bytes.
        not_before: Start of validity; fractions of a second are dropped.
        expires: End of validity, within the issuer's and the kind's longest lifetime.
        role: The post's or person's role.
        quarter: The post key's quarter, such as `2026Q4` (`quarter_of`).
        actor_ref: The person's random reference; never a name.

    Raises:
        MalformedCredentialError: A field breaks the format or does not fit the kind.
        IssuerNotAllowedError: An operational credential was asked for.
        ValidityError: The dates are inverted or too far apart.
        ValueError: A date has no time zone.

    """
    kid = kid_of(alg, public)
    if kind is Kind.OPERATIONAL:
        raise IssuerNotAllowedError(kid=kid, issuer_kid=issuer.kid, rule="kind")
    unsigned = Credential(
        mash=mash,
        party=party,
        kind=kind,
        role=role,
        quarter=quarter,
        alg=alg,
        public=public,
        kid=kid,
        issuer_kid=issuer.kid,
        not_before=not_before,
        expires=expires,
        actor_ref=actor_ref,
        text="",
    )
    return _issued(_text(sign_jws(_payload(unsigned), key=issuer, typ=TYP), None))


def parse_unsafe(text: str) -> Credential:
    """Return the fields that `text` claims; neither signature nor issuer nor dates are checked.

    Raises:
        MalformedCredentialError: Too large, or not the one exact form.

    """
    jws, _ = _parse_text(text)
    try:
        issuer_kid, payload = read_kid_unsafe(jws), read_payload_unsafe(jws)
    except (MalformedMessageError, UnexpectedHeaderError):
        raise MalformedCredentialError("its JWS is malformed") from None
    return _parse_payload(payload, issuer_kid=issuer_kid, text=text)


def check_credential(
    text: str,
    *,
    roots: Mapping[str, RootPublic],
    find: Callable[[str], Credential | None],
    at: datetime,
    mash: str | None = None,
) -> Credential:
    """Return the credential in `text` after checking its issuer, signatures and dates.

    Args:
        text: Its one exact text.
        roots: Roots by party, from the agreement in force.
        find: Returns the *already verified*, logged and unrevoked credential of a kid.
        at: The time at which it must be valid, with a time zone.
        mash: If given, the only MASH accepted. A root may serve several, and nothing else
            in the chain says which one an operational credential may be used in.

    Raises:
        CredentialError: Malformed, unknown or disallowed issuer, or dates.
        MessageError: A signature does not hold, or another message type.

    """
    claimed = parse_unsafe(text)
    if mash is not None and claimed.mash != mash:
        raise IssuerNotAllowedError(kid=claimed.kid, issuer_kid=claimed.issuer_kid, rule="mash")
    if claimed.kind is Kind.OPERATIONAL:
        _check_by_root(claimed, roots)
    else:
        _check_by_issuer(claimed, find(claimed.issuer_kid))
    _check_lifetime(claimed)
    if at < claimed.not_before:
        raise NotYetValidError(kid=claimed.kid, not_before=claimed.not_before)
    if at >= claimed.expires:
        raise ExpiredError(kid=claimed.kid, expires=claimed.expires)
    return claimed


def _check_by_root(claimed: Credential, roots: Mapping[str, RootPublic]) -> None:
    root = roots.get(claimed.party)
    if root is None or root.kid != claimed.issuer_kid:
        raise UnknownIssuerError(kid=claimed.kid, issuer_kid=claimed.issuer_kid)
    jws, mldsa65 = _parse_text(claimed.text)
    if mldsa65 is None:
        raise MalformedCredentialError("a root's ML-DSA-65 signature is missing")
    check_root_jws(jws, mldsa65, public=root, typ=TYP)


def _check_by_issuer(claimed: Credential, issuer: Credential | None) -> None:
    if issuer is None or issuer.kid != claimed.issuer_kid:
        raise UnknownIssuerError(kid=claimed.kid, issuer_kid=claimed.issuer_kid)
    allowed = {
        "kind": issuer.kind is _RULES[claimed.kind].issuer,
        "party": issuer.party == claimed.party,
        "mash": issuer.mash == claimed.mash,
    }
    for rule, is_met in allowed.items():
        if not is_met:
            raise IssuerNotAllowedError(kid=claimed.kid, issuer_kid=issuer.kid, rule=rule)
    jws, mldsa65 = _parse_text(claimed.text)
    if mldsa65 is not None:
        raise MalformedCredentialError("only a root signs with ML-DSA-65")
    check_jws(jws, public=issuer.public, kid=issuer.kid, typ=TYP)
    if claimed.not_before < issuer.not_before or claimed.expires > issuer.expires:
        raise ValidityError(kid=claimed.kid, rule="issuer")


def _check_lifetime(claimed: Credential) -> None:
    if claimed.not_before >= claimed.expires:
        raise ValidityError(kid=claimed.kid, rule="order")
    if claimed.expires - claimed.not_before > _RULES[claimed.kind].longest:
        raise ValidityError(kid=claimed.kid, rule="lifetime")


def _issued(text: str) -> Credential:
    credential = parse_unsafe(text)
    _check_lifetime(credential)
    return credential


def _text(jws: str, mldsa65: bytes | None) -> str:
    second = None if mldsa65 is None else encode_base64url(mldsa65)
    return canonical_json({"jws": jws, "mldsa65": second}).decode("ascii")


def _parse_text(text: str) -> tuple[str, bytes | None]:
    if len(text) > MAX_CREDENTIAL_CHARS:
        raise MalformedCredentialError("too large")
    try:
        match parse_object(text):
            case {"jws": str(jws), "mldsa65": str(second)}:
                mldsa65: bytes | None = decode_base64url(second)
            case {"jws": str(jws), "mldsa65": None}:
                mldsa65 = None
            case _:
                raise MalformedCredentialError("names other than jws, mldsa65")
        exact = _text(jws, mldsa65)
    except ValueError:
        raise MalformedCredentialError("not JSON of the expected form") from None
    if exact != text:
        raise MalformedCredentialError("not in its one exact form")
    return jws, mldsa65


def _payload(credential: Credential) -> bytes:
    return canonical_json(
        {
            "actor_ref": credential.actor_ref,
            "alg": credential.alg,
            "expires": write_seconds(credential.expires),
            "kid": credential.kid,
            "kind": str(credential.kind),
            "mash": credential.mash,
            "not_before": write_seconds(credential.not_before),
            "party": credential.party,
            "public": encode_base64url(credential.public),
            "quarter": credential.quarter,
            "role": credential.role,
        }
    )


def _parse_payload(payload: bytes, *, issuer_kid: str, text: str) -> Credential:
    try:
        claims = parse_object(payload)
        credential = Credential(
            mash=read_match(claims, "mash", _NAME),
            party=read_match(claims, "party", _NAME),
            kind=Kind(read_text(claims, "kind")),
            role=read_optional(claims, "role", _NAME),
            quarter=read_optional(claims, "quarter", _QUARTER),
            alg=read_text(claims, "alg"),
            public=decode_base64url(read_text(claims, "public")),
            kid=read_text(claims, "kid"),
            issuer_kid=issuer_kid,
            not_before=read_seconds(claims, "not_before"),
            expires=read_seconds(claims, "expires"),
            actor_ref=read_optional(claims, "actor_ref", _NAME),
            text=text,
        )
        _check_fields(credential)
        exact = _payload(credential)
    except ValueError:
        raise MalformedCredentialError("a field is missing or of the wrong kind") from None
    # One text per credential: this also refuses unknown names, order and white space.
    if exact != payload:
        raise MalformedCredentialError("not in its one exact form")
    return credential


def _check_fields(credential: Credential) -> None:
    rule = _RULES[credential.kind]
    if credential.alg != rule.alg:
        raise MalformedCredentialError("another algorithm than its kind's")
    if len(credential.public) != _PUBLIC_BYTES_OF[rule.alg]:
        raise MalformedCredentialError("a public key of the wrong length")
    if credential.kid != kid_of(credential.alg, credential.public):
        raise MalformedCredentialError("its kid is not its key's")
    carried = {name for name in _SOME_CARRY if getattr(credential, name) is not None}
    if not rule.must_carry <= carried <= rule.must_carry | rule.may_carry:
        raise MalformedCredentialError("role, quarter or actor_ref do not fit its kind")

"""Who signed a message, and may they: the checks that broker and nodes make alike (promise T2).

No key is believed because the broker said so: a credential counts only when its chain leads to a
party root that the agreement names. Both sides call `check_message`; only what it returns is used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.errors import (
    ForeignAgreementError,
    MessageExpiredError,
    MessageNotForUsError,
    SenderMayNotError,
    UnknownCredentialError,
)
from adapters.protocol import (
    MAX_MESSAGE_BYTES,
    MESSAGE_TYP,
    AgreementRef,
    Answer,
    Claim,
    ManualRoute,
    Message,
    Opened,
    Outcome,
    Refusal,
    Release,
    Request,
    decode_message,
    expiry_seconds,
    sha256_hex,
)
from keys.credentials import Credential, Kind, check_credential
from keys.errors import MalformedMessageError
from keys.signing import RootPublic, check_jws, read_kid_unsafe

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_SIGNERS: Final[dict[type, frozenset[Kind]]] = {
    Request: frozenset({Kind.PERSON}),
    Opened: frozenset({Kind.PERSON}),
    Outcome: frozenset({Kind.PERSON}),
    ManualRoute: frozenset({Kind.PERSON}),
    Claim: frozenset({Kind.NODE}),
    Release: frozenset({Kind.NODE}),
    Refusal: frozenset({Kind.NODE}),
    Answer: frozenset({Kind.NODE, Kind.PERSON}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A message whose signature, sender, audience and times have been checked."""

    message: Message
    jws: str
    sha256: str
    credential: Credential


class CredentialBook:
    """Verified credentials by kid; entries arrive in any order but count only with their chain."""

    def __init__(self, roots: Mapping[str, RootPublic], *, mash: str) -> None:
        """Start empty, trusting only the party roots that the agreement names, for one MASH."""
        self._roots = dict(roots)
        self._mash = mash
        self._verified: dict[str, Credential] = {}

    def add(self, text: str, *, at: datetime) -> Credential:
        """Verify the credential `text` as of `at`, keep it and return it.

        Raises:
            keys.errors.KeysError: The chain, a signature, a date or a kind is wrong.
            SenderMayNotError: The key is certified already, for another party or purpose: a
                second party must not take over a key's name by certifying its public half.

        """
        credential = check_credential(
            text, roots=self._roots, find=self.find, at=at, mash=self._mash
        )
        known = self._verified.get(credential.kid)
        if known is not None and _holder(known) != _holder(credential):
            raise SenderMayNotError("the key is certified already for another party or purpose")
        self._verified[credential.kid] = credential
        return credential

    def find(self, kid: str) -> Credential | None:
        """Return the verified credential with this kid, or None."""
        return self._verified.get(kid)

    def all(self) -> Iterable[Credential]:
        """Return every verified credential."""
        return tuple(self._verified.values())

    def posts(self, party: str, role: str, *, at: datetime) -> Credential | None:
        """Return the post's seal key that is valid at `at` and expires last, or None."""
        return self._newest(at, party=party, role=role, kind=Kind.POST)

    def node_seal(self, party: str, *, at: datetime) -> Credential | None:
        """Return the seal key of the party's node at `at`; None when the party has no node."""
        return self._newest(at, party=party, role=None, kind=Kind.NODE_SEAL)

    def _newest(
        self, at: datetime, *, party: str, role: str | None, kind: Kind
    ) -> Credential | None:
        fitting = [
            c
            for c in tuple(self._verified.values())  # a snapshot: another thread may add
            if (c.party, c.role, c.kind) == (party, role, kind) and c.not_before <= at < c.expires
        ]
        return max(fitting, key=lambda c: (c.expires, c.kid), default=None)


def _holder(credential: Credential) -> tuple[str, Kind, str | None, str | None]:
    return (credential.party, credential.kind, credential.role, credential.actor_ref)


def check_message(
    jws: str,
    *,
    book: CredentialBook,
    audience: str,
    mash: str,
    agreement: AgreementRef,
    at: datetime,
) -> Verified:
    """Return the message in `jws` after every check that needs no database.

    Args:
        jws: Compact JWS.
        book: Credentials the caller has verified *and* found in the ledger.
        audience: The broker's ledger origin, the only audience there is.
        mash: Short name of the MASH.
        agreement: The agreement in force at the caller.
        at: The caller's time, or the ledger entry's time for a message delivered later.

    Raises:
        keys.errors.KeysError: Malformed, or the signature fails.
        ProtocolError: The payload is not a message.
        UnknownCredentialError: The kid is not in the ledger.
        MessageExpiredError: Not yet valid, expired, or valid for too long.
        MessageNotForUsError: Another audience or MASH.
        ForeignAgreementError: Written under another agreement.
        SenderMayNotError: The credential's party, kind, role or dates do not fit the message.

    """
    if len(jws) > MAX_MESSAGE_BYTES:
        raise MalformedMessageError("message exceeds the size limit")
    kid = read_kid_unsafe(jws)
    credential = book.find(kid)
    if credential is None:
        raise UnknownCredentialError(kid)
    payload = check_jws(jws, public=credential.public, kid=kid, typ=MESSAGE_TYP)
    message = decode_message(payload)
    _check_addressing(message, audience=audience, mash=mash, agreement=agreement)
    _check_times(message, at=at)
    _check_sender(message, credential)
    return Verified(
        message=message, jws=jws, sha256=sha256_hex(jws.encode()), credential=credential
    )


def _check_addressing(
    message: Message, *, audience: str, mash: str, agreement: AgreementRef
) -> None:
    if message.aud != audience or message.mash != mash:
        raise MessageNotForUsError(message.aud)
    if message.agreement != agreement:
        raise ForeignAgreementError(message.agreement.id, message.agreement.seq)


def _check_times(message: Message, *, at: datetime) -> None:
    issued = datetime.fromtimestamp(message.iat, UTC)
    longest = expiry_seconds(message.rag if isinstance(message, Request) else None)
    if not issued - CLOCK_TOLERANCE <= at < datetime.fromtimestamp(message.exp, UTC):
        raise MessageExpiredError(issued)
    if message.exp - message.iat > longest:
        raise MessageExpiredError(issued)


def _check_sender(message: Message, credential: Credential) -> None:
    issued = datetime.fromtimestamp(message.iat, UTC)
    if message.iss != credential.party:
        raise SenderMayNotError("the credential belongs to another party")
    if credential.kind not in _SIGNERS[type(message)]:
        raise SenderMayNotError(f"a {credential.kind} credential may not sign this message")
    if not credential.not_before <= issued < credential.expires:
        raise SenderMayNotError("the credential was not valid when the message was written")
    role = getattr(message, "role", None)
    if role is not None and role != credential.role:
        raise SenderMayNotError("the message names another role than the credential")
    actor = getattr(message, "actor_ref", None)
    if actor is not None and actor != credential.actor_ref:
        raise SenderMayNotError("the message names another person than the credential")

"""Who takes part: signatures under the agreement, withdrawals, credentials.

Both authenticate themselves, by a party root that the agreement names, so neither needs a token;
whatever does not lead to such a root writes nothing.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from adapters.protocol import agreement_signing_input, sha256_hex
from audit.entry import Draft, Event, timestamp
from audit.entry import draft as audit_draft
from audit.errors import EntryError
from broker.domain import AgreementAct, LoggedCredential, Reply
from broker.errors import MalformedError, NotLoggableError, ReplayedError
from broker.exchange.hub import BROKER, SIGNED, WITHDRAWN, Hub
from broker.exchange.intake import Apply
from broker.ports import Tx
from keys.credentials import MAX_CREDENTIAL_CHARS, Credential, check_credential
from keys.encoding import decode_base64url
from keys.errors import InvalidSignatureError
from keys.signing import RootSignature, check_root_signature

_EVENTS: Final = {SIGNED: Event.AGREEMENT_SIGNED, WITHDRAWN: Event.AGREEMENT_WITHDRAWN}
_QUORUM: Final = 2  # an agreement is in force once two parties have signed


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A party's signature under the agreement, or its withdrawal."""

    party: str
    act: str
    ed25519: str
    mldsa65: str


class PostedCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A credential in its one exact text."""

    credential: str


def read_act(body: bytes) -> Act:
    """Return the act in a request's body.

    Raises:
        MalformedError: It is none.

    """
    try:
        return msgspec.json.decode(body, type=Act)
    except msgspec.DecodeError as error:
        raise MalformedError("agreement act", str(error)[:160]) from None


def read_credential(body: bytes) -> str:
    """Return the credential's text in a request's body.

    Raises:
        MalformedError: There is none, or it is too large.

    """
    try:
        text = msgspec.json.decode(body, type=PostedCredential).credential
    except msgspec.DecodeError as error:
        raise MalformedError("credential", str(error)[:160]) from None
    if len(text) > MAX_CREDENTIAL_CHARS:
        raise MalformedError("credential", "too large")
    return text


def prepare_act(hub: Hub, act: Act) -> Apply:
    """Return the unit that enters an act; repeated, it answers with the first entry.

    Raises:
        MalformedError: No such act, or not base64url.
        keys.errors.InvalidSignatureError: Not signed by the party's root, with both keys.

    """
    root = hub.roots.get(act.party)
    if act.act not in _EVENTS or root is None:
        raise MalformedError("agreement act", "no such act, or no party of the agreement")
    try:
        signature = RootSignature(
            ed25519=decode_base64url(act.ed25519), mldsa65=decode_base64url(act.mldsa65)
        )
    except ValueError:
        raise InvalidSignatureError("base64url") from None
    signed = agreement_signing_input(agreement=hub.reference, party=act.party, act=act.act)
    check_root_signature(root, signature, signed)
    entry = _act_entry(hub, _EVENTS[act.act], party=act.party, kid=root.kid, msg=sha256_hex(signed))

    def apply(tx: Tx) -> Reply:
        key = {"agreement": hub.agreement.sha256, "party": act.party, "act": act.act}
        known = tx.find(AgreementAct, **key)
        if known is not None:
            return Reply(entries=(known.entry,))
        index = tx.log(entry)
        tx.add(
            AgreementAct(
                **key,
                ed25519=act.ed25519,
                mldsa65=act.mldsa65,
                entry=index,
                at=int(tx.now.timestamp()),
            )
        )
        acts = tx.select(AgreementAct, agreement=hub.agreement.sha256)
        signatures = [known for known in acts if known.act == SIGNED]
        if act.act == SIGNED and len(signatures) == _QUORUM:
            tx.log(_activation(hub))
        tx.after_commit(lambda: hub.take_acts(acts))
        return Reply(entries=(index,))

    return apply


def _activation(hub: Hub) -> Draft:
    return _act_entry(hub, Event.AGREEMENT_ACTIVATED, party=BROKER, kid=hub.log_key.kid, msg=None)


def _act_entry(hub: Hub, event: Event, *, party: str, kid: str, msg: str | None) -> Draft:
    return audit_draft(
        event,
        party=party,
        kid=kid,
        actor_ref=None,
        role=None,
        msg=msg,
        concerned=hub.parties,
        agreement=msgspec.to_builtins(hub.reference),
    )


def prepare_credential(hub: Hub, text: str) -> Apply:
    """Return the unit that enters a credential; the same text again gets the same entry.

    Raises:
        keys.errors.KeysError: The chain does not lead to a root that the agreement names.
        NotLoggableError: A value has no place in the ledger.

    The unit raises ReplayedError when the key was certified before in another text.

    """
    sha256 = sha256_hex(text.encode())
    credential = _check(hub, text, at=hub.clock())
    entry = _credential_entry(credential, sha256)

    def apply(tx: Tx) -> Reply:
        stored = tx.find(LoggedCredential, sha256=sha256)
        if stored is not None:
            return Reply(entries=(stored.entry,))
        if tx.find(LoggedCredential, kid=credential.kid) is not None:
            raise ReplayedError("the credential's kid")
        # Believed again at every start as of this second: it must hold then too.
        _check(hub, text, at=datetime.fromtimestamp(int(tx.now.timestamp()), UTC))
        return _log_credential(hub, tx, credential, sha256, entry)

    return apply


def _check(hub: Hub, text: str, *, at: datetime) -> Credential:
    return check_credential(
        text, roots=hub.roots, find=hub.book.find, at=at, mash=hub.agreement.mash
    )


def _log_credential(hub: Hub, tx: Tx, credential: Credential, sha256: str, entry: Draft) -> Reply:
    index = tx.log(entry)
    at = int(tx.now.timestamp())
    tx.add(
        LoggedCredential(
            number=tx.next_number(LoggedCredential),
            kid=credential.kid,
            party=credential.party,
            sha256=sha256,
            text=credential.text,
            entry=index,
            at=at,
        )
    )
    tx.after_commit(lambda: hub.believe(credential, at=datetime.fromtimestamp(at, UTC)))
    return Reply(entries=(index,))


def _credential_entry(credential: Credential, sha256: str) -> Draft:
    optional = {"cred_role": credential.role, "quarter": credential.quarter}
    try:
        return audit_draft(
            Event.CREDENTIAL,
            party=credential.party,
            kid=credential.issuer_kid,
            actor_ref=credential.actor_ref,
            role=None,
            msg=sha256,
            cred_kid=credential.kid,
            cred_party=credential.party,
            cred_kind=credential.kind.value,
            issuer_kid=credential.issuer_kid,
            not_before=timestamp(credential.not_before),
            expires=timestamp(credential.expires),
            key_sha256=sha256_hex(credential.public),
            **{name: value for name, value in optional.items() if value is not None},
        )
    except EntryError as error:
        raise NotLoggableError(error.field, error.what) from None

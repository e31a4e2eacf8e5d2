"""Writing messages: the common claims, the signature, the exact bytes kept before sending."""

from dataclasses import dataclass
from typing import Any, Final

from adapters.node.context import Node
from adapters.node.records import Outgoing
from adapters.node.store import Tx
from adapters.protocol import (
    MESSAGE_TYP,
    Message,
    Submission,
    decode_message,
    encode,
    encode_json,
    expiry_seconds,
    sha256_hex,
)
from keys.credentials import Credential
from keys.randomness import new_ref
from keys.signing import SigningKey, sign_jws

CREDENTIALS_PATH: Final = "/credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A signed message and its hash."""

    message: Message
    jws: str
    sha256: str


def compose(
    node: Node,
    type_: type[Message],
    *,
    key: SigningKey,
    lasting_as: str | None = None,
    **fields: Any,  # noqa: ANN401 - the fields of `type_`
) -> Composed:
    """Return a message of `type_` signed by `key`, with every common claim filled in.

    `lasting_as` is the RAG that decides how long it stays valid.

    Raises:
        ProtocolError: A value is out of range: kept for sending, it would be refused for ever.

    """
    now = int(node.now().timestamp())
    message = type_(
        iss=node.party,
        aud=node.origin,
        iat=now,
        exp=now + expiry_seconds(lasting_as),
        jti=new_ref("j"),
        mash=node.believed.agreement.mash,
        agreement=node.believed.reference,
        seen=node.view.seen,
        **fields,
    )
    payload = encode(message)
    decode_message(payload)
    jws = sign_jws(payload, key=key, typ=MESSAGE_TYP)
    return Composed(message=message, jws=jws, sha256=sha256_hex(jws.encode()))


def queue(
    tx: Tx,
    composed: Composed,
    *,
    kind: str,
    path: str,
    reference: str,
    due: float,
    blobs: list[bytes] | None = None,
    context: dict[str, Any] | None = None,
) -> str:
    """Keep the exact bytes of a message for sending at `due`; return the identifier to watch.

    The caller's transaction decides: either the message and what led to it are kept, or neither.
    """
    submission = Submission(message=composed.jws, blobs=blobs or [])
    id_ = composed.message.jti
    tx.put(
        Outgoing(
            id=id_,
            kind=kind,
            path=path,
            body=encode(submission),
            message=composed.jws,
            due=due,
            reference=reference,
            context=context or {},
        )
    )
    return id_


def queue_credential(tx: Tx, credential: Credential) -> None:
    """Keep a credential for logging, ahead of the first message that needs it."""
    if tx.get(Outgoing, credential.kid) is None:
        tx.put(
            Outgoing(
                id=credential.kid,
                kind="credential",
                path=CREDENTIALS_PATH,
                body=encode_json({"credential": credential.text}),
                message="",
                due=0.0,
                reference=credential.party,
            )
        )

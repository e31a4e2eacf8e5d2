"""Access tokens for nodes: OAuth 2.0 client credentials with `private_key_jwt` (RFC 7523).

The assertion is signed by the party's node credential; the token says no more than which party
calls. What a message says is proved by the message's own signature, never by the token.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Meta

from broker.domain import UsedAssertion
from broker.errors import AuthenticationError
from broker.exchange.hub import Hub
from broker.ports import Tx
from keys.credentials import Credential, Kind
from keys.errors import MessageError
from keys.signing import check_jws, read_kid_unsafe

ASSERTION_TYP: Final = "JWT"
TOKEN_SECONDS: Final = 600
MAX_ASSERTION_SECONDS: Final = 300
MAX_ASSERTION_CHARS: Final = 4096
_LEEWAY_SECONDS: Final = 300  # partners' clocks
_TOKEN_ALG: Final = "HS256"  # noqa: S105 - an algorithm


class Assertion(msgspec.Struct, frozen=True):
    """The claims of a client assertion (RFC 7523 section 3)."""

    iss: str
    sub: str
    aud: str
    exp: int
    jti: Annotated[str, Meta(min_length=8, max_length=128)]
    iat: int


class AccessTokens:
    """Issues and checks access tokens under one secret."""

    def __init__(self, secret: bytes) -> None:
        """Sign with `secret`, 32 bytes."""
        self._key = OctKey.import_key(secret)

    def issue(self, party: str, *, audience: str, at: datetime) -> str:
        """Return a token for `party`, valid `TOKEN_SECONDS` from `at`."""
        claims = {"sub": party, "aud": audience, "exp": int(at.timestamp()) + TOKEN_SECONDS}
        return jwt.encode({"alg": _TOKEN_ALG}, claims, self._key)

    def check(self, token: str, *, audience: str, at: datetime) -> str:
        """Return the party that `token` was issued to.

        Raises:
            AuthenticationError: Not ours, or expired.

        """
        try:
            claims = jwt.decode(token, self._key, algorithms=[_TOKEN_ALG]).claims
        except (JoseError, ValueError):
            raise AuthenticationError("the access token is not valid") from None
        party, expires = claims.get("sub"), claims.get("exp")
        if claims.get("aud") != audience or not isinstance(party, str):
            raise AuthenticationError("the access token is not valid")
        if not isinstance(expires, int) or at.timestamp() >= expires:
            raise AuthenticationError("the access token has expired")
        return party


def prepare_token(hub: Hub, *, client_id: str, assertion: str) -> Callable[[Tx], str]:
    """Return the unit that spends a client assertion and gives the party it proves.

    Raises:
        AuthenticationError: The assertion does not hold; nothing is written.

    """
    now = hub.clock()
    credential = _node_credential(hub, assertion, client_id=client_id, at=now)
    claims = _check_assertion(assertion, credential)
    seconds = int(now.timestamp())
    if claims.iss != client_id or claims.sub != client_id or claims.aud != hub.origin:
        raise AuthenticationError("the assertion names another client or audience")
    if not claims.iat - _LEEWAY_SECONDS <= seconds < claims.exp:
        raise AuthenticationError("the assertion is not valid now")
    if claims.exp - claims.iat > MAX_ASSERTION_SECONDS:
        raise AuthenticationError("the assertion is valid for too long")

    def apply(tx: Tx) -> str:
        if tx.find(UsedAssertion, party=client_id, jti=claims.jti) is not None:
            raise AuthenticationError("the assertion was used before")
        tx.add(UsedAssertion(party=client_id, jti=claims.jti, expires=claims.exp))
        return client_id

    return apply


def _node_credential(hub: Hub, assertion: str, *, client_id: str, at: datetime) -> Credential:
    if len(assertion) > MAX_ASSERTION_CHARS:
        raise AuthenticationError("the assertion is too large")
    try:
        credential = hub.book.find(read_kid_unsafe(assertion))
    except MessageError:
        raise AuthenticationError("the assertion is malformed") from None
    if (
        credential is None
        or (credential.party, credential.kind) != (client_id, Kind.NODE)
        or not credential.not_before <= at < credential.expires
    ):
        raise AuthenticationError("the key is not a valid node key of this client in the ledger")
    return credential


def _check_assertion(assertion: str, credential: Credential) -> Assertion:
    try:
        payload = check_jws(
            assertion, public=credential.public, kid=credential.kid, typ=ASSERTION_TYP
        )
        return msgspec.json.decode(payload, type=Assertion)
    except (MessageError, msgspec.DecodeError):
        raise AuthenticationError("the assertion is malformed or not signed by its key") from None

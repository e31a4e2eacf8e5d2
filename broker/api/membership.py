"""Routes for tokens, the agreement and credentials."""

from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.responses import Response

from adapters.protocol import sha256_hex
from broker.api.edge import Here, Party, SmallBody, reply
from broker.errors import AuthenticationError, MalformedError
from broker.exchange.membership import prepare_act, prepare_credential, read_act, read_credential
from broker.exchange.tokens import TOKEN_SECONDS, prepare_token

router = APIRouter()
_GRANT = "client_credentials"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_FORM_BYTES = 16_384
_MAX_FIELDS = 16


@router.post("/token")
def token(here: Here, body: SmallBody) -> Response:
    """Exchange a client assertion for an access token (RFC 6749, RFC 7523)."""
    form = _form(body)
    if form.get("grant_type") != _GRANT or form.get("client_assertion_type") != _ASSERTION_TYPE:
        raise MalformedError("token request", f"grant_type {_GRANT} with a JWT assertion")
    party = form.get("client_id", "")
    here.call(prepare_token(here.hub, client_id=party, assertion=form.get("client_assertion", "")))
    issued = here.tokens.issue(party, audience=here.hub.origin, at=here.hub.clock())
    return reply({"access_token": issued, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})


def _form(body: bytes) -> dict[str, str]:
    if len(body) > _MAX_FORM_BYTES:
        raise MalformedError("token request", "too large")
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise MalformedError("token request", "not a form") from None
    if any(len(values) != 1 for values in fields.values()):
        raise AuthenticationError("a parameter is repeated")
    return {name: values[0] for name, values in fields.items()}


@router.get("/agreement")
def agreement(here: Here) -> Response:
    """Return the agreement's exact bytes and every act under it."""
    acts = [
        {"party": a.party, "ed25519": a.ed25519, "mldsa65": a.mldsa65, "act": a.act}
        for a in here.hub.acts
    ]
    return reply({"document": here.hub.document, "signatures": acts})


@router.post("/agreement/acts")
def act(here: Here, body: SmallBody) -> Response:
    """Enter a party's signature or withdrawal; it authenticates itself."""
    entered = here.call(prepare_act(here.hub, read_act(body)))
    return reply({"receipt": here.receipts(entered)[0]}, status=201)


@router.post("/credentials")
def post_credential(here: Here, body: SmallBody) -> Response:
    """Enter a credential; it authenticates itself by its chain."""
    text = read_credential(body)
    entered = here.reads.find_credential(sha256_hex(text.encode()))
    if entered is None:
        entered = here.call(prepare_credential(here.hub, text))
    return reply({"receipt": here.receipts(entered)[0]}, status=201)


@router.get("/credentials")
def credentials(here: Here, party: Party, after: int = 0) -> Response:  # noqa: ARG001 - any party may read them all
    """Return logged credentials after the `after`th, issuers first."""
    return reply({"credentials": here.reads.credentials(after=max(after, 0))})

"""Problem documents (RFC 9457): the only place that knows both errors and HTTP.

`side` says who has to act, `retriable` whether the same bytes may be sent again, `how_to_fix`
what to change. A refusal here never stops safeguarding: its last resort is the telephone.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from starlette.responses import Response

from adapters import errors as trust
from adapters.protocol import ProtocolError
from broker import errors
from keys import errors as keys

CONTENT_TYPE: Final = "application/problem+json"
HUMAN_CONTACT: Final = "ring the supplying agency's post that the agreement names"
RETRY_AFTER_SECONDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is the same for all problems of a kind."""

    slug: str
    status: int
    title: str
    how_to_fix: str
    side: Literal["sender", "broker"] = "sender"
    retriable: bool = False


def _kind(
    slug: str,
    status: int,
    title: str,
    how_to_fix: str,
    *,
    side: Literal["sender", "broker"] = "sender",
    retriable: bool = False,
) -> Kind:
    return Kind(
        slug=slug,
        status=status,
        title=title,
        how_to_fix=how_to_fix,
        side=side,
        retriable=retriable,
    )


TOO_LARGE: Final = _kind(
    "too-large", 413, "The body is too large", "Send at most 16 MiB in one submission."
)
BAD_PARAMETER: Final = _kind(
    "bad-parameter", 400, "A parameter has the wrong form", "See the API description."
)
NO_ROUTE: Final = _kind("not-found", 404, "There is no such thing here", "Check the path.")
NO_METHOD: Final = _kind(
    "method-not-allowed", 405, "This path takes another method", "Check the method."
)

# The first class that fits decides, so subclasses stand before their base.
PROBLEMS: Final[tuple[tuple[type[Exception], Kind], ...]] = (
    (
        errors.MalformedError,
        _kind("malformed", 400, "Not what this route takes", "Send exactly the documented form."),
    ),
    (
        errors.WrongMessageError,
        _kind("wrong-message", 422, "Another message than expected", "Use the message's route."),
    ),
    (
        errors.BlobMismatchError,
        _kind("blob-mismatch", 422, "Blobs and names differ", "Send each named blob, once."),
    ),
    (
        errors.AskMismatchError,
        _kind("ask-mismatch", 422, "An ask does not fit its request", "Correct the ask."),
    ),
    (
        errors.SectionMismatchError,
        _kind(
            "section-mismatch",
            422,
            "Sections are not the permitted ones",
            "Send one section for every permitted category, subject and post, whatever the "
            "status, and the sharing record to both guardians' offices.",
        ),
    ),
    (
        errors.UnknownPostError,
        _kind(
            "unknown-post",
            422,
            "No valid seal key for this post",
            "Its party must post a credential for it; then read /credentials again.",
        ),
    ),
    (
        errors.NotLoggableError,
        _kind("not-loggable", 422, "A value has no place in the ledger", "Use codes only."),
    ),
    (
        errors.CaseIncompleteError,
        _kind(
            "case-incomplete",
            422,
            "The case cannot close yet",
            "Tell the referrer, and send feedback to every agency that answered.",
        ),
    ),
    (
        errors.ReplayedError,
        _kind("replayed", 409, "The identifier was used before", "Sign a new message."),
    ),
    (
        errors.StaleLeaseError,
        _kind("stale-lease", 409, "The lease has passed on", "Claim the order again."),
    ),
    (
        errors.OrderStateError,
        _kind("order-state", 409, "The order does not allow this", "Read the order's status."),
    ),
    (
        errors.CaseChainError,
        _kind("case-chain", 409, "Not the next message of the case", "Chain it to the newest."),
    ),
    (
        errors.UnknownCheckpointError,
        _kind(
            "split-view",
            409,
            "This ledger never signed the checkpoint you have seen",
            "Keep your checkpoint: it is evidence. Compare it with another agency's, and raise "
            "the alarm.",
        ),
    ),
    (
        errors.NotFoundError,
        _kind("not-found", 404, "There is no such thing here", "Check the identifier."),
    ),
    (
        errors.WrongPartyError,
        _kind("wrong-party", 422, "Signed by another party", "Send it with its signer's token."),
    ),
    (
        errors.AuthenticationError,
        _kind(
            "not-authenticated",
            401,
            "Not authenticated",
            "Fetch a token at /v1/token with an assertion signed by the node's key.",
        ),
    ),
    (
        errors.StorageError,
        _kind(
            "not-stored",
            503,
            "The broker cannot write now",
            "Send the same bytes again.",
            side="broker",
            retriable=True,
        ),
    ),
    (
        trust.UnknownCredentialError,
        _kind(
            "unknown-credential", 422, "The key is not in the ledger", "Post its credential first."
        ),
    ),
    (
        trust.MessageExpiredError,
        _kind("expired", 422, "Not valid now, or for too long", "Sign it anew; check the clock."),
    ),
    (
        trust.MessageNotForUsError,
        _kind("wrong-audience", 422, "For another broker or MASH", "Check `aud` and `mash`."),
    ),
    (
        trust.ForeignAgreementError,
        _kind("foreign-agreement", 422, "Under another agreement", "Use the one in force."),
    ),
    (
        trust.SenderMayNotError,
        _kind(
            "sender-may-not", 422, "This key may not sign this", "Sign with the right credential."
        ),
    ),
    (
        keys.CredentialError,
        _kind(
            "credential-refused",
            422,
            "The credential does not hold",
            "Its chain must lead to the party root that the agreement names; issuers first.",
        ),
    ),
    (
        keys.InvalidSignatureError,
        _kind("invalid-signature", 422, "The signature does not hold", "Send the signed bytes."),
    ),
    (
        keys.MessageError,
        _kind("malformed", 400, "Not what this route takes", "Send exactly the documented form."),
    ),
    (
        ProtocolError,
        _kind("malformed", 400, "Not what this route takes", "Send exactly the documented form."),
    ),
)


def kind_of(error: Exception) -> Kind | None:
    """Return the kind of problem that `error` is, or None for what nobody expected."""
    return next((kind for type_, kind in PROBLEMS if isinstance(error, type_)), None)


def respond(kind: Kind, detail: str, **more: Any) -> Response:  # noqa: ANN401 - JSON values
    """Return the problem as a response."""
    document = {
        "type": f"urn:mash:problem:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "how_to_fix": kind.how_to_fix,
        "side": kind.side,
        "retriable": kind.retriable,
        "human_contact": HUMAN_CONTACT,
        **more,
    }
    headers = {}
    if kind.status == 401:  # noqa: PLR2004 - RFC 9110
        headers["WWW-Authenticate"] = "Bearer"
    if kind.retriable:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        msgspec.json.encode(document),
        status_code=kind.status,
        headers=headers,
        media_type=CONTENT_TYPE,
    )

"""Which use case takes which message."""

from typing import Final, assert_never

from adapters.protocol import (
    Answer,
    Claim,
    ManualRoute,
    Message,
    Opened,
    Outcome,
    Refusal,
    Release,
    Request,
)
from broker.errors import WrongMessageError
from broker.exchange.cases import prepare_manual_route, prepare_opened, prepare_outcome
from broker.exchange.hub import Hub
from broker.exchange.intake import Apply, Incoming, once
from broker.exchange.requests import prepare_request
from broker.exchange.work import (
    prepare_answer,
    prepare_claim,
    prepare_refusal,
    prepare_release,
)

NAMES: Final[dict[type[Message], str]] = {
    Request: "a request",
    Claim: "a claim",
    Answer: "an answer",
    Release: "a release",
    Refusal: "a refusal",
    Opened: "an opening",
    ManualRoute: "an answer by telephone",
    Outcome: "an outcome",
}


def prepare(
    hub: Hub, incoming: Incoming, *, kind: type[Message], order: str | None = None
) -> Apply:
    """Return the unit that takes `incoming` once.

    Args:
        hub: What the broker believes.
        incoming: The verified message and its blobs.
        kind: The only type of message that the route takes.
        order: The only order it may be about, for routes that name one.

    Raises:
        SubmissionError: The message is of another type or order, or does not fit.

    """
    message = incoming.message
    if not isinstance(message, kind) or order not in {None, getattr(message, "order", None)}:
        raise WrongMessageError(NAMES[kind])
    return once(incoming, _prepare(hub, incoming, message))


def _prepare(hub: Hub, incoming: Incoming, message: Message) -> Apply:  # noqa: PLR0911 - one arm for each message
    match message:
        case Request():
            return prepare_request(hub, incoming, message)
        case Claim():
            return prepare_claim(hub, incoming, message)
        case Answer():
            return prepare_answer(hub, incoming, message)
        case Release():
            return prepare_release(hub, incoming, message)
        case Refusal():
            return prepare_refusal(hub, incoming, message)
        case Opened():
            return prepare_opened(hub, incoming, message)
        case ManualRoute():
            return prepare_manual_route(hub, incoming, message)
        case Outcome():
            return prepare_outcome(hub, incoming, message)
        case _:
            assert_never(message)

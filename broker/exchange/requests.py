"""An information request: decided whole, stored with orders and ledger entries, denials too."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from adapters.deciding import (
    DECISIONS_TYP,
    PERMITTED,
    AskDecision,
    DecisionLine,
    DecisionSet,
    check_requester,
    decide_ask,
)
from adapters.protocol import (
    GUARDIAN_ROLE,
    Ask,
    EnvelopeRef,
    Post,
    ProtocolError,
    Request,
    decode,
    encode,
    order_id,
    sha256_hex,
)
from audit.entry import Draft, Event, timestamp
from audit.merkle import leaf_hash, root_hash
from broker.domain import (
    CommitmentKey,
    Order,
    OrderState,
    Reply,
    Route,
    StoredAsk,
    StoredRequest,
    priority_of,
)
from broker.errors import AskMismatchError, ReplayedError, UnknownPostError
from broker.exchange.hub import Hub
from broker.exchange.intake import (
    Apply,
    Incoming,
    advance_case,
    check_blobs,
    entry_of,
    keep_blobs,
    seconds,
)
from broker.ports import Tx
from keys.credentials import Credential, Kind
from keys.randomness import commit
from keys.signing import sign_jws

MAX_LINES: Final = 190  # sections of one answer, with room for the sharing records
MAX_ASKS: Final = 40
MAX_SUBJECTS: Final = 40
ASSURANCE: Final = "app"  # until credentials say how the person was recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One ask, what was decided on it, and how it reaches its supplier."""

    ask: Ask
    body: bytes
    decision: AskDecision
    draft: Draft

    @property
    def permitted(self) -> list[DecisionLine]:
        """The lines that may be answered."""
        return [line for line in self.decision.lines if line.outcome in PERMITTED]


def prepare_request(hub: Hub, incoming: Incoming, request: Request) -> Apply:
    """Return the unit that takes `request`, after checking and deciding all of it.

    Raises:
        SubmissionError: Asks, subjects, envelopes or posts do not fit.
        SenderMayNotError: The requester's party does not hold the role.

    """
    check_requester(hub.agreement, request)
    asks = _read_asks(hub, incoming, request)
    _check_envelopes(hub, incoming, request, asks)
    due = _due(hub, request)
    decided = [_decide(hub, incoming, request, ask, body) for ask, body in asks]
    decisions = _sign(hub, incoming, request, due, decided)
    draft = _request_entry(hub, incoming, request, due, decided)

    def apply(tx: Tx) -> Reply:
        if tx.find(StoredRequest, id=request.request) is not None:
            raise ReplayedError("the request's identifier")
        advance_case(
            tx,
            ref=request.case,
            party=request.iss,
            seq=request.case_seq,
            prev=request.prev,
            sha256=incoming.verified.sha256,
        )
        commitment, entry = draft
        first = tx.log(entry)
        tx.add(CommitmentKey(entry=first, name="facts_c", key=commitment))
        tx.add(_stored_request(tx, incoming, request, due=due, decisions=decisions, entry=first))
        entries = [first, *(_store_ask(tx, request, due, item) for item in decided)]
        _keep_envelopes(tx, incoming, request, decided)
        return Reply(entries=tuple(entries), decisions=decisions)

    return apply


def _read_asks(hub: Hub, incoming: Incoming, request: Request) -> list[tuple[Ask, bytes]]:
    if not 0 < len(request.asks) <= MAX_ASKS or len(request.subjects) > MAX_SUBJECTS:
        raise AskMismatchError(f"1 to {MAX_ASKS} asks and at most {MAX_SUBJECTS} subjects")
    asks = []
    for digest in request.asks:
        body = incoming.blobs.get(digest)
        if body is None:
            raise AskMismatchError("an ask that the request names is missing")
        try:
            ask: Ask = decode(body, Ask)
        except ProtocolError:
            raise AskMismatchError("a blob named as an ask is none") from None
        _check_ask(hub, request, ask)
        asks.append((ask, body))
    if len({ask.supplier for ask, _ in asks}) != len(asks):
        raise AskMismatchError("two asks name one supplier")
    return asks


def _check_ask(hub: Hub, request: Request, ask: Ask) -> None:
    subjects = {subject.ref for subject in request.subjects}
    lines = [(i.category, i.subject, post) for i in ask.items for post in i.recipients]
    identified = [identity.subject for identity in ask.identities]
    problems = {
        "an ask names another request": ask.request != request.request,
        "an ask names a supplier that is no party": ask.supplier not in hub.roots,
        "an ask names a recipient that is no party": any(
            post.party not in hub.roots for _, _, post in lines
        ),
        f"an ask has 1 to {MAX_LINES} lines": not 0 < len(lines) <= MAX_LINES,
        "an ask repeats a category, subject and post": len(set(lines)) != len(lines),
        "an ask is about nobody of this request": not {
            subject for _, subject, _ in lines if subject
        }
        <= subjects,
        "an ask identifies nobody of this request": not set(identified) <= subjects,
        "an ask identifies a subject twice": len(set(identified)) != len(identified),
    }
    for problem, is_so in problems.items():
        if is_so:
            raise AskMismatchError(problem)


def _check_envelopes(
    hub: Hub, incoming: Incoming, request: Request, asks: list[tuple[Ask, bytes]]
) -> None:
    """Every envelope named is there, sealed to a logged key of the one who may open it."""
    named = list(request.asks)
    for ask, _ in asks:
        for envelope in _envelopes(ask):
            _check_key(hub, envelope, party=ask.supplier, kind=Kind.NODE_SEAL, role=None)
            named.append(envelope.sha256)
    if request.narrative is not None:
        _check_key(hub, request.narrative, party=request.iss, kind=Kind.POST, role=GUARDIAN_ROLE)
        named.append(request.narrative.sha256)
    check_blobs(incoming, named)
    sealed = [incoming.blobs[name] for name in named if name not in request.asks]
    if not {len(blob) for blob in sealed} <= {*hub.agreement.schedule.size_classes}:
        raise AskMismatchError("an envelope is not as long as a size class of the agreement")


def _envelopes(ask: Ask) -> list[EnvelopeRef]:
    reason = [] if ask.reason is None else [ask.reason]
    return [*(identity.envelope for identity in ask.identities), *reason]


def _check_key(
    hub: Hub, envelope: EnvelopeRef, *, party: str, kind: Kind, role: str | None
) -> None:
    check_seal_key(hub.book.find(envelope.kid), party=party, kind=kind, role=role)


def check_seal_key(
    credential: Credential | None, *, party: str, kind: Kind, role: str | None
) -> None:
    """Check that a seal key in the ledger is the one of this post, or of this party's node.

    Raises:
        UnknownPostError: Unknown, or somebody else's.

    """
    if credential is None or (credential.party, credential.kind, credential.role) != (
        party,
        kind,
        role,
    ):
        raise UnknownPostError(party=party, role=role)


def _due(hub: Hub, request: Request) -> datetime | None:
    if request.rag is None:
        return None
    try:
        return hub.agreement.deadline(request.rag, datetime.fromtimestamp(request.iat, UTC))
    except KeyError:  # a rating nobody knows: denied line by line, and never due
        return None


def _decide(hub: Hub, incoming: Incoming, request: Request, ask: Ask, body: bytes) -> Decided:
    try:
        lines = decide_ask(hub.engine, request, ask)
    except ValueError:
        raise AskMismatchError("the request's facts hold a date that is none") from None
    permitted = [line for line in lines if line.outcome in PERMITTED]
    route = _route(hub, ask, permitted)
    if route is Route.NODE:
        _check_posts(hub, {line.post for line in permitted})
    decision = AskDecision(
        digest=sha256_hex(body),
        supplier=ask.supplier,
        order=None if route is Route.NONE else order_id(request.request, ask.supplier),
        route=route.value,
        lines=lines,
    )
    draft = _ask_entry(incoming, request, decision)
    return Decided(ask=ask, body=body, decision=decision, draft=draft)


def _route(hub: Hub, ask: Ask, permitted: list[DecisionLine]) -> Route:
    """By telephone where there is no node; no order where nothing may be answered."""
    if not permitted:
        return Route.NONE
    if hub.book.node_seal(ask.supplier, at=hub.clock()) is None:
        return Route.TELEPHONE
    identified = {identity.subject for identity in ask.identities}
    needed = {line.subject for line in permitted if line.subject is not None}
    return Route.NODE if needed <= identified else Route.NONE


def _check_posts(hub: Hub, posts: Iterable[Post]) -> None:
    """A supplier could not seal to a post without a key, and so could never answer."""
    for post in sorted(posts):
        if hub.book.posts(post.party, post.role, at=hub.clock()) is None:
            raise UnknownPostError(party=post.party, role=post.role)


def _sign(
    hub: Hub, incoming: Incoming, request: Request, due: datetime | None, decided: list[Decided]
) -> str:
    decisions = DecisionSet(
        request=request.request,
        message=incoming.verified.sha256,
        agreement=hub.reference,
        due=None if due is None else int(due.timestamp()),
        asks=[item.decision for item in decided],
    )
    return sign_jws(encode(decisions), key=hub.log_key, typ=DECISIONS_TYP)


def _request_entry(
    hub: Hub, incoming: Incoming, request: Request, due: datetime | None, decided: list[Decided]
) -> tuple[bytes, Draft]:
    """Return the commitment's key and the entry: codes and commitments, no fact in clear."""
    key = hub.salt()
    leaves = [leaf_hash(bytes.fromhex(digest)) for digest in request.asks]
    identities = [i.envelope.sha256 for item in decided for i in item.ask.identities]
    narrative = {} if request.narrative is None else {"narrative_c": request.narrative.sha256}
    entry = entry_of(
        incoming,
        Event.REQUEST,
        case=request.case,
        request=request.request,
        agreement=msgspec.to_builtins(hub.reference),
        purpose=request.purpose,
        rag=request.rag,
        asks_root=root_hash(leaves).hex(),
        facts_c=commit(key, encode(request.facts)),
        identities=identities,
        assurance=ASSURANCE,
        emergency=request.facts.emergency,
        deadline=None if due is None else timestamp(due),
        **narrative,
    )
    return key, entry


def _ask_entry(incoming: Incoming, request: Request, decision: AskDecision) -> Draft:
    posts = sorted({line.post for line in decision.lines})
    order = {} if decision.order is None else {"order": decision.order}
    return entry_of(
        incoming,
        Event.ASK,
        case=request.case,
        request=request.request,
        supplier=decision.supplier,
        digest=decision.digest,
        route=decision.route,
        recipients=[{"party": post.party, "role": post.role} for post in posts],
        decisions=[
            {
                "category": line.category,
                "subject": line.subject,
                "party": line.post.party,
                "role": line.post.role,
                "outcome": line.outcome,
                "rules": line.rules,
            }
            for line in decision.lines
        ],
        **order,
    )


def _stored_request(
    tx: Tx,
    incoming: Incoming,
    request: Request,
    *,
    due: datetime | None,
    decisions: str,
    entry: int,
) -> StoredRequest:
    return StoredRequest(
        id=request.request,
        case=request.case,
        party=request.iss,
        message=incoming.verified.sha256,
        rag=request.rag,
        purpose=request.purpose,
        due=None if due is None else int(due.timestamp()),
        at=seconds(tx),
        entry=entry,
        decisions=decisions,
    )


def _store_ask(tx: Tx, request: Request, due: datetime | None, item: Decided) -> int:
    entry = tx.log(item.draft)
    decision = item.decision
    tx.add(
        StoredAsk(
            digest=decision.digest,
            request=request.request,
            supplier=decision.supplier,
            route=decision.route,
            order_id=decision.order,
            body=item.body,
            permitted=msgspec.json.encode(item.permitted),
            entry=entry,
        )
    )
    if decision.order is not None:
        tx.add(_order(request, due, item, decision.order))
    return entry


def _order(request: Request, due: datetime | None, item: Decided, order: str) -> Order:
    by_node = item.decision.route == Route.NODE
    return Order(
        id=order,
        request=request.request,
        case=request.case,
        ask=item.decision.digest,
        requester=request.iss,
        supplier=item.ask.supplier,
        route=item.decision.route,
        state=OrderState.QUEUED.value if by_node else OrderState.BY_TELEPHONE.value,
        priority=priority_of(request.rag),
        due=None if due is None else int(due.timestamp()),
    )


def _keep_envelopes(tx: Tx, incoming: Incoming, request: Request, decided: list[Decided]) -> None:
    """Envelopes lie beside their order; what no order needs lies beside the request."""
    for item in decided:
        owner = item.decision.order or request.request
        names = [envelope.sha256 for envelope in _envelopes(item.ask)]
        keep_blobs(tx, owner, {name: incoming.blobs[name] for name in names})
    if request.narrative is not None:
        name = request.narrative.sha256
        keep_blobs(tx, request.request, {name: incoming.blobs[name]})

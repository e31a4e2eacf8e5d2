"""The local API inside the agency: plain JSON, for practitioners, representatives and guardians.

Every call but the health check is on a named person's bearer token; the role acted in is named
by the caller and must be one of that person's. Nothing here is reachable from outside: the node
listens where the agency tells it to, by default on the loopback address only.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from adapters.errors import (
    AdaptersError,
    BrokerUnavailableError,
    CaseInputError,
    NotAllowedError,
    TaskError,
)
from adapters.node.agent import Agent
from adapters.node.asking import Actor, preview, raise_request
from adapters.node.caseinput import read_case
from adapters.node.closing import close_case, record_telephone
from adapters.node.context import Node
from adapters.node.posts import raised_for
from adapters.node.receiving import open_for_role
from adapters.node.records import Delivered, Indicator, Order, Outgoing, Raised, Task
from adapters.node.review import review_queue
from adapters.node.settings import PersonSettings
from adapters.node.summary import build_summary
from adapters.node.worklist import complete, open_tasks
from adapters.protocol import GUARDIAN_ROLE

REPRESENTATIVE_ROLE = "agency_representative"  # answers by hand; not a post of the agreement
_MAX_BODY_BYTES = 1024 * 1024
_WAIT_SECONDS = 20.0
_STATUS: dict[type[AdaptersError], int] = {
    CaseInputError: 422,
    TaskError: 409,
    NotAllowedError: 401,
    BrokerUnavailableError: 503,
}


def create_app(node: Node, agent: Agent) -> FastAPI:
    """Return the local API of `node`."""
    app = FastAPI(title="MASH node", docs_url=None, redoc_url=None)
    person = _authentication(node)
    app.add_exception_handler(AdaptersError, _problem)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    _add_health(app, node, agent)
    _add_requests(app, node, person)
    _add_case(app, node, person)
    _add_worklist(app, node, person)
    _add_review(app, node, person)
    return app


def json_response(value: object, status: int = 200) -> Response:
    """Return `value` as JSON that no cache keeps."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _problem(_: Request, error: Exception) -> Response:
    """Problem details (RFC 9457): one sentence that says what is wrong and where."""
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    name = type(error).__name__.removesuffix("Error").lower()
    body = {"type": f"urn:mash:problem:{name}", "title": name, "status": status}
    if status != 500:  # noqa: PLR2004 - our own faults are not explained to callers
        body["detail"] = str(error)
    return json_response(body, status)


async def _bad_parameter(request: Request, error: Exception) -> Response:
    """Say which parameter is missing or wrong; the framework's own answer would quote it."""
    where = "parameters"
    if isinstance(error, RequestValidationError):
        where = ", ".join(".".join(map(str, part["loc"])) for part in error.errors())
    return _problem(request, CaseInputError(where, "is missing or wrong"))


def _authentication(node: Node) -> Callable[..., PersonSettings]:
    by_hash = {person.token_sha256: person for person in node.settings.people}

    def person(authorization: Annotated[str, Header()] = "") -> PersonSettings:
        token = authorization.removeprefix("Bearer ").encode()
        given = hashlib.sha256(token).hexdigest()
        for known, found in by_hash.items():
            if hmac.compare_digest(known, given):
                return found
        raise NotAllowedError("the token is nobody's at this agency")

    return person


def _require(person: PersonSettings, role: str) -> None:
    if role not in person.roles:
        raise NotAllowedError("this person does not hold that role")


def _require_one(person: PersonSettings, *roles: str) -> None:
    if not {*roles} & {*person.roles}:
        raise NotAllowedError("this person does not hold that role")


def _actor(node: Node, person: PersonSettings, role: str) -> Actor:
    _require(person, role)
    key, credential = node.keyring.person(person.name, role)
    return Actor(
        name=person.name,
        title=person.title,
        role=role,
        second_factor=person.second_factor,
        key=key,
        credential=credential,
    )


async def _body(request: Request) -> bytes:
    body = await request.body()
    if len(body) > _MAX_BODY_BYTES:
        raise CaseInputError("body", f"exceeds {_MAX_BODY_BYTES} bytes")
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise CaseInputError("body", "is no JSON object") from None


def _wait(node: Node, id_: str) -> Outgoing | None:
    """Wait until the broker has answered a kept message; None when it takes too long."""

    def answered() -> Outgoing | None:
        with node.store.begin() as tx:
            item = tx.get(Outgoing, id_)
        return item if item is not None and item.state != "waiting" else None

    with node.changed:
        node.changed.wait_for(lambda: answered() is not None, timeout=_WAIT_SECONDS)
    return answered()


def _learn(node: Node) -> None:
    """Take in new signatures and keys first; without the broker, what is known must do.

    Raises:
        BrokerUnavailableError: Nothing is known yet: deciding would deny all and seal nothing.

    """
    try:
        node.believed.refresh()
    except BrokerUnavailableError:
        if not node.believed.informed:
            raise


def _add_health(app: FastAPI, node: Node, agent: Agent) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return json_response({"party": node.party, "agent": agent.state})

    @app.get("/readyz")
    def readyz() -> Response:
        ready = agent.state == "running"
        return json_response({"ready": ready, "agent": agent.state}, 200 if ready else 503)


def _add_requests(app: FastAPI, node: Node, person: Callable[..., PersonSettings]) -> None:
    @app.post("/requests/preview")
    def post_preview(
        body: Annotated[bytes, Depends(_body)],
        who: Annotated[PersonSettings, Depends(person)],
        role: Annotated[str, Query()],
    ) -> Response:
        _learn(node)
        lines = preview(node, read_case(body), _actor(node, who, role))
        return json_response({"decisions": lines})

    @app.post("/requests")
    def post_request(
        body: Annotated[bytes, Depends(_body)],
        who: Annotated[PersonSettings, Depends(person)],
        role: Annotated[str, Query()],
    ) -> Response:
        _learn(node)
        id_ = raise_request(node, read_case(body), _actor(node, who, role))

        def decided() -> bool:
            return raised_for(node, id_, roles=[role]).state != "sending"

        with node.changed:
            node.changed.wait_for(decided, timeout=_WAIT_SECONDS)
        return json_response(_status(node, raised_for(node, id_, roles=[role])), 201)

    @app.get("/requests/{id_}")
    def get_request(id_: str, who: Annotated[PersonSettings, Depends(person)]) -> Response:
        return json_response(_status(node, raised_for(node, id_, roles=who.roles)))

    @app.post("/requests/{id_}/open")
    def post_open(
        id_: str,
        who: Annotated[PersonSettings, Depends(person)],
        role: Annotated[str, Query()],
    ) -> Response:
        opened = open_for_role(node, id_, _actor(node, who, role))
        return json_response({"role": role, "sections": [_shown(s) for s in opened]})

    @app.get("/requests/{id_}/summary")
    def get_summary(
        id_: str,
        who: Annotated[PersonSettings, Depends(person)],
        role: Annotated[str, Query()],
    ) -> Response:
        actor = _actor(node, who, role)
        raised = raised_for(node, id_, roles=[role])
        opened = open_for_role(node, id_, actor)
        return json_response(build_summary(node, raised, opened, role=role))


def _shown(section: Any) -> dict[str, Any]:  # noqa: ANN401 - any opened section
    content: dict[str, Any] = section.content
    return content | {
        "supplier": section.supplier,
        "category": section.category,
        "version": section.version,
    }


def _status(node: Node, raised: Raised) -> dict[str, Any]:
    with node.store.begin() as tx:
        delivered = tx.find(Delivered, reference=raised.id)
    return {
        "request": raised.id,
        "case": raised.case,
        "state": raised.state,
        "alarm": raised.alarm,
        "preview": raised.preview,
        "decisions": raised.decisions,
        "delivered": [
            {
                "kind": d.kind,
                "supplier": d.supplier,
                "version": d.version,
                "receipt": d.receipt_level,
            }
            for d in delivered
        ],
    }


def _add_case(app: FastAPI, node: Node, person: Callable[..., PersonSettings]) -> None:
    @app.post("/requests/{id_}/telephone")
    def post_telephone(
        id_: str,
        body: Annotated[bytes, Depends(_body)],
        who: Annotated[PersonSettings, Depends(person)],
        role: Annotated[str, Query()],
        supplier: Annotated[str, Query()],
    ) -> Response:
        actor = _actor(node, who, role)
        item = _wait(node, record_telephone(node, id_, supplier, _object(body), actor))
        return json_response({"state": item.state if item else "waiting"}, 201)

    @app.post("/requests/{id_}/outcome")
    def post_outcome(
        id_: str,
        body: Annotated[bytes, Depends(_body)],
        who: Annotated[PersonSettings, Depends(person)],
        role: Annotated[str, Query()],
    ) -> Response:
        item = _wait(node, close_case(node, id_, _object(body), _actor(node, who, role)))
        state, problem = (item.state, item.problem) if item else ("waiting", "")
        return json_response({"state": state, "problem": problem}, 201)

    @app.get("/feedback")
    def get_feedback(who: Annotated[PersonSettings, Depends(person)]) -> Response:
        _require_one(who, REPRESENTATIVE_ROLE, GUARDIAN_ROLE)
        with node.store.begin() as tx:
            outcomes = [d for d in tx.find(Delivered) if d.kind == "outcome"]
        return json_response(
            {"feedback": [{"request": d.reference, **d.content["feedback"]} for d in outcomes]}
        )


def _add_worklist(app: FastAPI, node: Node, person: Callable[..., PersonSettings]) -> None:
    @app.get("/worklist")
    def get_worklist(who: Annotated[PersonSettings, Depends(person)]) -> Response:
        _require(who, REPRESENTATIVE_ROLE)
        tasks = open_tasks(node)
        return json_response(
            {"tasks": [{"id": t.id, "kind": t.kind, "order": t.order, **t.payload} for t in tasks]}
        )

    @app.post("/worklist/{id_}")
    def post_worklist(
        id_: str,
        body: Annotated[bytes, Depends(_body)],
        who: Annotated[PersonSettings, Depends(person)],
    ) -> Response:
        _require(who, REPRESENTATIVE_ROLE)
        actor = {"name": who.name, "title": who.title}
        task = complete(node, id_, _object(body), actor=actor)
        return json_response({"id": task.id, "state": task.state})

    @app.get("/orders")
    def get_orders(who: Annotated[PersonSettings, Depends(person)]) -> Response:
        _require_one(who, REPRESENTATIVE_ROLE, GUARDIAN_ROLE)
        with node.store.begin() as tx:
            orders, tasks = tx.find(Order), tx.find(Task)
        return json_response(
            {
                "orders": [
                    {"order": o.id, "state": o.state, "version": o.version, "problem": o.problem}
                    for o in orders
                ],
                "open_tasks": sum(task.state == "open" for task in tasks),
            }
        )


def _add_review(app: FastAPI, node: Node, person: Callable[..., PersonSettings]) -> None:
    @app.get("/review/queue")
    def get_queue(who: Annotated[PersonSettings, Depends(person)]) -> Response:
        actor = _actor(node, who, GUARDIAN_ROLE)
        with node.store.begin() as tx:
            indicators = tx.find(Indicator, state="open")
        return json_response(review_queue(node, actor, indicators))

"""Attacks that a hostile reading of the code found, each with the mend it fails against."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from adapters import protocol as wire
from adapters.errors import CaseInputError, NotOurOrderError
from adapters.node.agent import Agent, flush, work_orders
from adapters.node.answering import build_answer, queue_answer
from adapters.node.api import create_app
from adapters.node.asking import raise_request
from adapters.node.caseinput import read_case
from adapters.node.closing import close_case, record_telephone
from adapters.node.compose import compose
from adapters.node.contents import check_content
from adapters.node.context import Node
from adapters.node.intake import check_order, envelope_context
from adapters.node.posts import raised_for
from adapters.node.receiving import cursor, open_for_role
from adapters.node.records import Delivered, Order, Outgoing, Raised, Telephoned
from adapters.node.review import review_queue
from adapters.node.settings import PersonSettings
from adapters.node.summary import build_summary
from adapters.node.supply import claim_orders, write_claim
from broker.testing import COUNCIL, DECIDER, POLICE, TRUST, World, blob_of, commitment
from broker.testing_nodes import CATEGORY, CHILD, TOKEN, Mesh, case_about_child
from broker.testing_story import Story
from keys.sealing import seal_envelope
from keys.signing import read_payload_unsafe, sign_jws
from tests.attacks.hostile import Rewrite

Lead = Callable[[Mesh, str, Rewrite], Node]
DEEP = b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"
POISON = {"deep": DEEP, "huge number": b'{"a":' + b"9" * 40 + b"}", "no text": b'{"a":"\xff"}'}
OUTCOME = {
    "outcome": "nfa_advice",
    "threshold_level": 1,
    "reason": "On what was known.",
    "used": [],
    "took_part": [],
    "dissent": "",
    "referrer_told": True,
    "family_told": "told",
}
REPORT = {
    "speaker": "Duty officer",
    "number": "01632 960 001",
    "occurred_at": "2026-10-06T10:15:00+01:00",
    "said": "Known; nothing relevant.",
    "categories": [CATEGORY],
}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    world = World(tmp_path, parties=(COUNCIL, POLICE))
    with TestClient(world.app) as client:
        yield Story(world, client)
    world.stop()


def raised_of(mesh: Mesh, request: str) -> Raised:
    with mesh.council.store.begin() as tx:
        raised = tx.get(Raised, request)
    assert raised is not None
    return raised


def outgoing(node: Node, id_: str) -> Outgoing:
    with node.store.begin() as tx:
        item = tx.get(Outgoing, id_)
    assert item is not None
    return item


# A user's or a party's poison must not stop a node (T8).


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_what_no_store_could_keep_is_no_message(poison: bytes) -> None:
    with pytest.raises(wire.ProtocolError):
        wire.decode(poison, dict[str, Any])
    assert wire.decode(b'{"a":[1]}', dict[str, Any]) == {"a": [1]}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_poisoned_feedback_does_not_hold_up_the_deliveries_behind_it(
    own_mesh: Mesh, poison: bytes
) -> None:
    mesh = own_mesh
    request = mesh.raise_request()
    mesh.answer()
    council, actor = mesh.council, mesh.actor(COUNCIL, DECIDER)
    target = council.believed.book.node_seal(POLICE, at=council.now())
    assert target is not None
    context = envelope_context(
        kind="feedback",
        request=request,
        order="",
        subject="",
        recipient=POLICE,
        sender_kid=actor.credential.kid,
    )
    blob = seal_envelope(
        poison,
        to_public=target.public,
        context=context,
        classes=council.believed.agreement.schedule.size_classes,
    )
    envelope = wire.EnvelopeRef(sha256=wire.sha256_hex(blob), kid=target.kid)
    raised = raised_of(mesh, request)
    outcome = compose(
        council,
        wire.Outcome,
        key=actor.key,
        case=raised.case,
        case_seq=1,
        prev=raised.head,
        request=request,
        actor_ref=actor.credential.actor_ref,
        role=DECIDER,
        outcome_c=commitment(),
        referrer_told=True,
        feedback=[wire.Feedback(party=POLICE, envelope=envelope)],
    )
    submission = wire.Submission(message=outcome.jws, blobs=[blob])
    council.client.post("/cases/outcome", wire.encode(submission))

    mesh.fetch(POLICE)

    assert mesh.deliveries(POLICE, after=cursor(mesh.police)) == []
    with mesh.police.store.begin() as tx:
        assert {d.kind for d in tx.find(Delivered)} == {"answer"}  # its own guardian's copies


def test_a_report_from_another_century_is_refused_before_it_is_kept(mesh: Mesh) -> None:
    request = mesh.raise_request()
    for moment in ("1960-01-01T00:00:00+00:00", "2031-01-01T00:00:00+00:00"):
        with pytest.raises(CaseInputError, match="another century"):
            record_telephone(
                mesh.council,
                request,
                POLICE,
                REPORT | {"occurred_at": moment},
                mesh.actor(COUNCIL, DECIDER),
            )


def test_a_message_that_breaks_the_protocol_is_never_kept(mesh: Mesh) -> None:
    with pytest.raises(wire.ProtocolError):
        compose(mesh.council, wire.Claim, key=mesh.council.keyring.node, max=65)


def test_a_kept_message_that_breaks_the_protocol_does_not_block_the_outbox(mesh: Mesh) -> None:
    request, council = mesh.raise_request(), mesh.council
    id_ = record_telephone(council, request, POLICE, REPORT, mesh.actor(COUNCIL, DECIDER))
    item, (key, _) = outgoing(council, id_), council.keyring.person("Sam Cc", DECIDER)
    payload = msgspec.json.decode(read_payload_unsafe(item.message)) | {"occurred_at": -1}
    jws = sign_jws(wire.encode_json(payload), key=key, typ=wire.MESSAGE_TYP)
    body = wire.encode(wire.Submission(message=jws))
    with council.store.begin() as tx:
        tx.put(msgspec.structs.replace(item, message=jws, body=body))

    later = mesh.raise_request()  # sends everything

    assert outgoing(council, id_).state == "refused"
    assert (raised_of(mesh, later).state, raised_of(mesh, request).case_seq) == ("sent", 0)
    with council.store.begin() as tx:
        assert [t.state for t in tx.find(Telephoned, reference=request)] == ["refused"]


# A supplier's malformed section must not keep the others' from those who decide (T8, T2).


def sealed_by_police(mesh: Mesh, content: dict[str, Any], record: dict[str, Any]) -> str:
    """Let the police answer a request with whatever it likes; return the request."""
    request = mesh.raise_request()
    out = mesh.claim()
    order, police = check_order(mesh.police, out), mesh.police
    answer, blobs, wraps = build_answer(
        police,
        order,
        version=1,
        contents=[(line.category, line.subject, line.post, content) for line in order.lines],
        sharing_record=record,
        signer=(police.keyring.node, police.keyring.node_credential),
    )
    with police.store.begin() as tx:
        queue_answer(tx, answer, blobs=blobs, wraps=wraps, order=order, due=0.0, cover=False)
    flush(police)
    mesh.fetch()
    return request


@pytest.mark.parametrize("content", [{}, {"status": "KNOWN_DATA", "rows": ["x"]}, {"subject": 1}])
def test_a_section_of_another_form_spoils_neither_summary_nor_review(
    own_mesh: Mesh, content: dict[str, Any]
) -> None:
    mesh = own_mesh
    request = sealed_by_police(mesh, content, content)
    guardian = mesh.actor(COUNCIL, wire.GUARDIAN_ROLE)

    opened = open_for_role(mesh.council, request, mesh.actor(COUNCIL, DECIDER))
    summary = build_summary(mesh.council, raised_of(mesh, request), opened, role=DECIDER)

    assert opened == []
    assert [gap["supplier"] for gap in summary["missing"]] == [POLICE]
    assert review_queue(mesh.council, guardian, [])["shared"] == []


SECTION = wire.Section(
    category=CATEGORY,
    subject="s_" + "a" * 26,
    post=wire.Post(party=COUNCIL, role=DECIDER),
    kid="0" * 32,
    blob="0" * 64,
    size_class=4096,
    commitment="0" * 64,
    wrap="0" * 64,
)
CONTENT = {
    "category": CATEGORY,
    "supplier": POLICE,
    "subject": {"ref": SECTION.subject, "role": "subject_child", "name": "Kit"},
    "answered_at": "2026-10-06T10:15:00+01:00",
    "contact": {"post": "Desk", "telephone": "01632 960 101"},
    "status": "KNOWN_DATA",
    "rows": [{"offence": "none"}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"supplier": TRUST},
        {"category": "pol.other"},
        {"subject": {"ref": "s_" + "b" * 26, "role": "subject_child", "name": "Kit"}},
        {"status": "FINE"},
        {"rows": [{"offence": {}}]},
        {"contact": None},
    ],
)
def test_a_section_speaks_for_its_own_place_only(change: dict[str, Any]) -> None:
    place = {"request": "r", "order": "o", "supplier": POLICE}
    check_content(CONTENT, SECTION, **place)
    with pytest.raises(wire.ProtocolError):
        check_content(CONTENT | change, SECTION, **place)


# Nobody reads without a trace, or what does not concern their post.


def test_a_second_reader_at_the_post_leaves_a_record_too(own_mesh: Mesh) -> None:
    mesh = own_mesh
    request = mesh.raise_request()
    mesh.answer()
    mesh.fetch()
    first = mesh.actor(COUNCIL, DECIDER)
    key, credential = mesh.council.keyring.person("Kim Colleague", DECIDER)
    second = replace(first, name="Kim Colleague", key=key, credential=credential)

    shown = [open_for_role(mesh.council, request, who) for who in (first, second, first, second)]
    flush(mesh.council)

    assert [len(sections) for sections in shown] == [2] * 4
    recorded = [e["actor_ref"] for e in mesh.world.entries("opened")]
    assert sorted(recorded) == sorted(
        [str(first.credential.actor_ref), str(credential.actor_ref)] * 2  # two versions each
    )


@pytest.fixture
def outsider(mesh: Mesh) -> Iterator[TestClient]:
    """The council's local API for somebody whose posts the requests do not concern."""
    person = PersonSettings(
        name="Sam Outsider",
        title="Business support",
        roles=("mash_business_support", "mash_early_help_officer"),
        token_sha256=mesh.council.settings.people[0].token_sha256,
    )
    settings = mesh.council.settings.model_copy(update={"people": (person,)})
    node = replace(mesh.council, settings=settings)
    with TestClient(
        create_app(node, Agent(node)), headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        yield client


ROLE_OF_OUTSIDER = "role=mash_business_support"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", f"/summary?{ROLE_OF_OUTSIDER}", None),
        ("POST", f"/outcome?{ROLE_OF_OUTSIDER}", OUTCOME),
        ("POST", f"/telephone?{ROLE_OF_OUTSIDER}&supplier={POLICE}", REPORT),
    ],
)
def test_a_request_of_other_posts_looks_like_none(
    mesh: Mesh, outsider: TestClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    request = mesh.raise_request()

    reply = outsider.request(method, f"/requests/{request}{path}", json=body)

    assert reply.json()["detail"] == "request: was not raised at this node"
    assert raised_of(mesh, request).case_seq == 0


@pytest.mark.parametrize("path", ["/feedback", "/orders"])
def test_what_the_agency_was_told_and_asked_is_not_for_everybody(
    outsider: TestClient, path: str
) -> None:
    assert outsider.get(path).status_code == 401


def test_a_guardian_reads_a_request_and_does_not_act_in_it(mesh: Mesh) -> None:
    request = mesh.raise_request()
    guardian = mesh.actor(COUNCIL, wire.GUARDIAN_ROLE)

    assert raised_for(mesh.council, request, roles=[wire.GUARDIAN_ROLE]).id == request
    with pytest.raises(CaseInputError, match="was not raised"):
        close_case(mesh.council, request, OUTCOME, guardian)


# What the broker sees must not depend on whether somebody is known (T1).


def test_the_slot_runs_by_the_suppliers_clock(own_mesh: Mesh, lead: Lead) -> None:
    mesh = own_mesh
    mesh.raise_request()

    def long_ago(path: str, body: bytes) -> bytes:
        if not path.endswith("/work/claim"):
            return body
        orders = msgspec.json.decode(body)
        for order in orders["orders"]:
            order["claimed_at"] = 0
        return msgspec.json.encode(orders)

    node = lead(mesh, POLICE, long_ago)
    node.believed.refresh()
    assert claim_orders(node, write_claim(node, resume=False)) == 1

    with node.store.begin() as tx:
        (order,) = tx.find(Order)
    assert order.claimed_at == mesh.world.clock().timestamp()


def ask_with_long_reason(mesh: Mesh, identity: dict[str, Any]) -> list[int]:
    """Return the size classes of the first version of an answer, as the ledger shows them."""
    case = case_about_child()
    case["subjects"][0]["identity"] = identity
    case["asks"][0]["reason"] = "é" * 2000
    case["asks"][0]["items"][0]["posts"] = [DECIDER, "mash_social_worker"]
    body = read_case(wire.encode_json(case))
    raise_request(mesh.council, body, mesh.actor(COUNCIL, DECIDER))
    flush(mesh.council)
    mesh.take_orders()
    work_orders(mesh.police)
    mesh.world.clock.move(seconds=11)
    flush(mesh.police)
    entry = next(e for e in reversed(mesh.world.entries("answer")) if e["version"] == 1)
    return sorted(blob["class"] for blob in entry["blobs"])


def test_a_sharing_record_is_as_long_with_the_reason_as_without(own_mesh: Mesh) -> None:
    known = ask_with_long_reason(own_mesh, dict(CHILD))
    stranger = {"given": ["Zeb"], "surname": "Ashdown", "birth_date": "1990-01-01"}
    unknown = ask_with_long_reason(own_mesh, stranger)

    assert known == unknown


@pytest.mark.parametrize("missing", [0, 1])
def test_an_order_without_an_envelope_is_refused_whoever_is_known(
    own_mesh: Mesh, missing: int
) -> None:
    own_mesh.raise_request()
    out = own_mesh.claim()
    check_order(own_mesh.police, out)
    blobs = [blob for number, blob in enumerate(out.blobs) if number != missing]

    with pytest.raises(NotOurOrderError, match="missing"):
        check_order(own_mesh.police, msgspec.structs.replace(out, blobs=blobs))


def test_an_envelope_has_the_length_of_a_size_class(story: Story) -> None:
    blob, odd = blob_of(), blob_of(4128)
    request = story.write_request()
    office = story.world.broker.services.hub.book.posts(
        COUNCIL, wire.GUARDIAN_ROLE, at=story.world.clock()
    )
    assert office is not None
    submitted = wire.decode(request.body, wire.Submission)
    for narrative, status in ((odd, 422), (blob, 201)):
        reference = wire.EnvelopeRef(sha256=wire.sha256_hex(narrative), kid=office.kid)
        message = request.message
        fields = {name: getattr(message, name) for name in STATED}
        signed = story.council.agency.sign_as(
            DECIDER,
            wire.Request,
            blobs=[*submitted.blobs, narrative],
            narrative=reference,
            **fields,
        )
        assert story.council.post("/requests", signed).status_code == status


STATED = (
    *("case", "case_seq", "prev", "request", "rag", "purpose", "concern", "facts", "subjects"),
    "asks",
)


# A supplier cannot keep a case open, and nobody unknown fills the broker's memory (T8).


def test_an_answer_that_was_never_released_does_not_keep_a_case_open(story: Story) -> None:
    request, _ = story.send_request()
    (order,) = story.claim().orders
    story.send_answer(order)

    reply = story.council.post("/cases/outcome", story.write_outcome(request, parties=()))

    assert reply.status_code == 201


def test_a_party_with_a_node_that_was_rung_is_told_the_outcome(own_mesh: Mesh) -> None:
    mesh, actor = own_mesh, own_mesh.actor(COUNCIL, DECIDER)
    request = mesh.raise_request()
    record_telephone(mesh.council, request, POLICE, REPORT, actor)
    id_ = close_case(mesh.council, request, OUTCOME, actor)

    flush(mesh.council)
    mesh.fetch(POLICE)

    assert outgoing(mesh.council, id_).state == "sent"
    with mesh.police.store.begin() as tx:
        assert [d.kind for d in tx.find(Delivered)] == ["outcome"]


@pytest.mark.parametrize("path", ["/token", "/agreement/acts", "/credentials"])
def test_a_large_body_of_nobody_known_is_not_read(story: Story, path: str) -> None:
    assert story.client.post(f"/v1{path}", content=b" " * 65_537).status_code == 413

"""What the broker must refuse: each with its own problem, and nothing half-written."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import protocol as wire
from audit.merkle import EMPTY_ROOT
from broker.testing import COUNCIL, DECIDER, POLICE, TRUST, Signed, blob_of
from broker.testing_story import Story
from keys.randomness import new_ref, new_salt
from keys.signing import SigningKey, sign_jws


def refused(reply: Any, slug: str, status: int) -> None:
    problem = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert (problem["type"], reply.status_code) == (f"urn:mash:problem:{slug}", status)
    assert problem["side"] == "sender"
    assert problem["how_to_fix"]


def requests_in(story: Story) -> int:
    return len(story.world.entries("request"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"message": 1}',
        b'{"message": "a.b.c", "more": 1}',
        b'{"message": "a.b.c"}',
        b'{"message": "x", "blobs": ["not base64!"]}',
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_no_submission_is_malformed(story: Story, body: bytes) -> None:
    refused(story.council.post("/requests", body), "malformed", 400)


def test_an_unknown_field_in_a_signed_message_is_refused(story: Story) -> None:
    request = story.write_request()
    payload = msgspec.to_builtins(request.message) | {"more": 1}
    key = story.council.agency.people[DECIDER][0]
    jws = sign_jws(msgspec.json.encode(payload), key=key, typ=wire.MESSAGE_TYP)

    reply = story.council.post("/requests", wire.encode(wire.Submission(message=jws)))

    refused(reply, "malformed", 400)


def test_an_unsigned_message_is_refused(story: Story) -> None:
    request = story.write_request()
    header, payload, _ = request.jws.split(".")

    reply = story.council.post(
        "/requests", wire.encode(wire.Submission(message=f"{header}.{payload}."))
    )

    refused(reply, "invalid-signature", 422)


def test_a_stale_message_is_refused(story: Story) -> None:
    request = story.write_request()
    story.world.clock.move(hours=1, seconds=1)
    story.council.forget_token()

    refused(story.council.post("/requests", request), "expired", 422)
    assert requests_in(story) == 0


def test_a_message_valid_for_too_long_is_refused(story: Story) -> None:
    now = int(story.world.clock().timestamp())

    reply = story.council.post("/requests", story.write_request(exp=now + 2 * 3600 + 1))

    refused(reply, "expired", 422)


def test_an_unlogged_key_is_refused(story: Story) -> None:
    stranger = SigningKey.generate()
    claim = story.police.agency.sign(wire.Claim, key=stranger, max=1)

    refused(story.police.post("/work/claim", claim), "unknown-credential", 422)


@pytest.mark.parametrize(
    "change", [{"aud": "broker.elsewhere.example/demo"}, {"mash": "southshire"}]
)
def test_a_message_for_another_broker_is_refused(story: Story, change: dict[str, Any]) -> None:
    refused(story.council.post("/requests", story.write_request(**change)), "wrong-audience", 422)


def test_a_message_under_another_agreement_is_refused(story: Story) -> None:
    other = msgspec.structs.replace(story.world.reference, sha256="0" * 64)

    reply = story.council.post("/requests", story.write_request(agreement=other))

    refused(reply, "foreign-agreement", 422)


def test_a_message_sent_by_another_party_than_its_signer_is_refused(story: Story) -> None:
    refused(story.police.post("/requests", story.write_request()), "wrong-party", 422)


def test_a_message_naming_another_issuer_than_its_key_is_refused(story: Story) -> None:
    claim = story.police.agency.sign(wire.Claim, iss=TRUST, max=1)

    refused(story.police.post("/work/claim", claim), "sender-may-not", 422)


def test_a_node_may_not_sign_for_a_person(story: Story) -> None:
    story.council.agency.person(DECIDER)
    request = story.write_request()
    message = request.message
    jws = sign_jws(wire.encode(message), key=story.council.agency.node, typ=wire.MESSAGE_TYP)

    reply = story.council.post("/requests", wire.encode(wire.Submission(message=jws)))

    refused(reply, "sender-may-not", 422)


def test_an_expired_person_may_not_sign(story: Story) -> None:
    story.council.agency.person(DECIDER, hours=1)
    story.world.clock.move(hours=1, minutes=1)

    refused(story.council.post("/requests", story.write_request()), "sender-may-not", 422)


def test_a_message_on_the_route_of_another_is_refused(story: Story) -> None:
    claim = story.police.agency.sign(wire.Claim, max=1)

    refused(story.police.post("/cases/opened", claim), "wrong-message", 422)


def test_an_answer_on_the_route_of_another_order_is_refused(story: Story) -> None:
    story.send_request()
    (order,) = story.claim().orders
    answer, _ = story.write_answer(order)

    reply = story.police.post(f"/work/o_{'0' * 32}/answer", answer)

    refused(reply, "wrong-message", 422)


def test_a_body_over_the_limit_is_refused_unread(story: Story) -> None:
    reply = story.council.post("/requests", b" " * (wire.MAX_SUBMISSION_BYTES + 1))

    refused(reply, "too-large", 413)


def test_a_blob_over_the_limit_is_refused(story: Story) -> None:
    request = story.write_request()
    body = wire.encode(
        wire.Submission(message=request.jws, blobs=[b"x" * (wire.MAX_BLOB_BYTES + 1)])
    )

    refused(story.council.post("/requests", body), "malformed", 400)


def test_a_message_over_the_limit_is_refused(story: Story) -> None:
    body = wire.encode(wire.Submission(message="a" * (wire.MAX_MESSAGE_BYTES + 1)))

    refused(story.council.post("/requests", body), "malformed", 400)


def test_the_same_identifier_with_other_bytes_is_a_conflict(story: Story) -> None:
    first = story.police.agency.sign(wire.Claim, max=1)
    story.send_request()
    claimed = story.police.post("/work/claim", first)
    second = story.police.agency.sign(wire.Claim, max=2, jti=first.message.jti)

    reply = story.police.post("/work/claim", second)

    assert claimed.status_code == 200
    refused(reply, "replayed", 409)


def test_the_same_bytes_again_get_the_same_reply_once_only_in_effect(story: Story) -> None:
    request = story.write_request()

    first = wire.decode(story.council.post("/requests", request).content, wire.Accepted)
    story.world.clock.move(days=2)
    story.council.forget_token()
    again = wire.decode(story.council.post("/requests", request).content, wire.Accepted)

    assert again.decisions == first.decisions
    assert [r["entry"] for r in again.receipts] == [r["entry"] for r in first.receipts]
    assert requests_in(story) == 1


def test_a_request_identifier_is_used_once(story: Story) -> None:
    request, _ = story.send_request()
    again = story.write_request()
    message = again.message
    ref = request.message.request
    ask = wire.decode(msgspec.json.decode(again.body, type=wire.Submission).blobs[-1], wire.Ask)
    blobs = msgspec.json.decode(again.body, type=wire.Submission).blobs[:-1]
    changed = wire.encode(msgspec.structs.replace(ask, request=ref))
    second = story.council.agency.sign_as(
        DECIDER,
        wire.Request,
        **{
            name: getattr(message, name)
            for name in ("case", "case_seq", "prev", "rag", "purpose", "concern", "facts")
        },
        request=ref,
        subjects=message.subjects,
        asks=[wire.sha256_hex(changed)],
        blobs=[*blobs, changed],
    )

    refused(story.council.post("/requests", second), "replayed", 409)


@pytest.mark.parametrize(
    "seen", [wire.Seen(size=7, root="0" * 64), wire.Seen(size=10**6, root="0" * 64)]
)
def test_a_checkpoint_this_ledger_never_signed_is_a_split_view(
    story: Story, seen: wire.Seen
) -> None:
    reply = story.council.post("/requests", story.write_request(seen=seen))

    refused(reply, "split-view", 409)
    assert requests_in(story) == 0


def test_an_old_checkpoint_and_the_empty_one_are_accepted(story: Story) -> None:
    empty = wire.Seen(size=0, root=EMPTY_ROOT.hex())

    assert story.council.post("/requests", story.write_request(seen=empty)).status_code == 201


def change_ask(**changes: Any) -> Callable[[Story], Signed[wire.Request]]:
    return lambda story: story.write_request(change_ask=changes)


def foreign_subject(story: Story) -> Signed[wire.Request]:
    item = wire.AskItem(
        category="pol.crimes_convictions",
        subject=new_ref("s"),
        recipients=[wire.Post(party=COUNCIL, role=DECIDER)],
    )
    return story.write_request(change_ask={"items": [item]})


def repeated_line(story: Story) -> Signed[wire.Request]:
    post = wire.Post(party=COUNCIL, role=DECIDER)
    item = wire.AskItem(category="pol.crimes_convictions", subject=None, recipients=[post, post])
    return story.write_request(change_ask={"items": [item]})


def unknown_recipient(story: Story) -> Signed[wire.Request]:
    post = wire.Post(party="southshire-cc", role=DECIDER)
    item = wire.AskItem(category="pol.crimes_convictions", subject=None, recipients=[post])
    return story.write_request(change_ask={"items": [item]})


MISFITS: dict[str, Callable[[Story], Signed[wire.Request]]] = {
    "another request": change_ask(request="r_" + "a" * 26),
    "a stranger supplies": change_ask(supplier="southshire-police"),
    "asks nothing": change_ask(items=[]),
    "a stranger is asked about": foreign_subject,
    "a line twice": repeated_line,
    "a stranger receives": unknown_recipient,
    "no ask": lambda story: story.write_request(asks=[]),
    "an ask is missing": lambda story: story.write_request(asks=["0" * 64]),
    "no subject": lambda story: story.write_request(subjects=[]),
    "a supplier twice": lambda story: story.write_request(suppliers=(POLICE, POLICE)),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_an_ask_that_does_not_fit_its_request_is_refused(story: Story, misfit: str) -> None:
    refused(story.council.post("/requests", MISFITS[misfit](story)), "ask-mismatch", 422)
    assert requests_in(story) == 0


def test_blobs_and_names_match_one_to_one(story: Story) -> None:
    request = story.write_request()
    blobs = msgspec.json.decode(request.body, type=wire.Submission).blobs

    for changed in (blobs[1:], [*blobs, blob_of()], [blob_of(), *blobs[1:]]):
        body = wire.encode(wire.Submission(message=request.jws, blobs=changed))
        refused(story.council.post("/requests", body), "blob-mismatch", 422)
    assert requests_in(story) == 0


def test_an_envelope_sealed_to_another_party_is_refused(story: Story) -> None:
    blob = blob_of()
    hub = story.world.broker.services.hub
    other = hub.book.node_seal(TRUST, at=story.world.clock())
    assert other is not None
    envelope = wire.EnvelopeRef(sha256=wire.sha256_hex(blob), kid=other.kid)

    reply = story.council.post("/requests", story.write_request(change_ask={"reason": envelope}))

    refused(reply, "unknown-post", 422)


def write_narrative(story: Story, *, kid: str) -> Signed[wire.Request]:
    draft = story.write_request()
    blobs = [*msgspec.json.decode(draft.body, type=wire.Submission).blobs, blob_of()]
    narrative = wire.EnvelopeRef(sha256=wire.sha256_hex(blobs[-1]), kid=kid)
    names = ("request", "subjects", "asks", "case", "case_seq", "prev", "rag")
    fields = {
        name: getattr(draft.message, name) for name in (*names, "purpose", "concern", "facts")
    }
    return story.council.agency.sign_as(
        DECIDER, wire.Request, blobs=blobs, narrative=narrative, **fields
    )


def test_a_narrative_is_sealed_to_the_askers_own_guardian_and_nobody_else(story: Story) -> None:
    book = story.world.broker.services.hub.book
    offices = [
        book.posts(party, wire.GUARDIAN_ROLE, at=story.world.clock()) for party in (COUNCIL, POLICE)
    ]
    own, other = (office.kid for office in offices if office is not None)

    refused(story.council.post("/requests", write_narrative(story, kid=other)), "unknown-post", 422)
    assert story.council.post("/requests", write_narrative(story, kid=own)).status_code == 201
    assert len(story.world.entries("request")[-1]["narrative_c"]) == 64


def test_facts_with_a_date_that_is_none_are_refused(story: Story) -> None:
    facts = wire.ClearFacts(consent=wire.ConsentFacts(given=True, until="soon"))

    refused(story.council.post("/requests", story.write_request(facts=facts)), "ask-mismatch", 422)


def test_a_code_with_no_place_in_the_ledger_is_refused(story: Story) -> None:
    refused(
        story.council.post("/requests", story.write_request(purpose="a-b.c")), "not-loggable", 422
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_bit_anywhere_in_a_message_is_refused(story: Story, data: st.DataObject) -> None:
    claim = story.police.agency.sign(wire.Claim, max=1, jti="j_" + "a" * 26)
    damaged = bytearray(claim.jws.encode())
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    body = msgspec.json.encode({"message": damaged.decode("latin-1"), "blobs": []})

    reply = story.police.post("/work/claim", body)

    assert 400 <= reply.status_code < 500


def test_every_refusal_of_an_identified_party_is_counted_once_an_hour(story: Story) -> None:
    for _ in range(3):
        story.council.post("/requests", b"junk")
    assert [e["count"] for e in story.world.entries("refused")] == [1]

    story.world.clock.move(hours=1)
    story.council.forget_token()
    story.council.post("/requests", b"junk")

    found = story.world.entries("refused")
    assert [(e["kind"], e["count"]) for e in found] == [("malformed", 1), ("malformed", 3)]
    assert all(COUNCIL in e["streams"] for e in found)
    story.world.check()


def test_unauthenticated_noise_writes_nothing(story: Story) -> None:
    before = story.world.seen()
    paths = ("/v1/requests", "/v1/work/claim", "/v1/cases/outcome", "/v1/witness/cosignatures")

    for path in paths:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
            reply = story.client.post(path, content=b"junk", headers=headers)
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/credentials", "/v1/agreement/acts", "/v1/token"):
        assert story.client.post(path, content=b"{}").status_code == 400

    assert story.world.seen() == before


def test_problems_carry_no_content_and_replies_are_not_stored(story: Story) -> None:
    marked = "Zebediah-Quux"
    body = msgspec.json.encode({"message": "x", "blobs": [], marked: 1})

    reply = story.council.post("/requests", body)

    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-request-id"].startswith("q_")
    assert reply.json()["human_contact"]


def test_a_callers_request_identifier_comes_back(story: Story) -> None:
    given_id = new_salt().hex()[:16]

    reply = story.client.get("/healthz", headers={"X-Request-ID": given_id})

    assert reply.headers["x-request-id"] == given_id

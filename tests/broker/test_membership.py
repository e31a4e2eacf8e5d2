"""Tokens, signatures under the agreement, credentials."""

import base64
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from broker.exchange.membership import prepare_credential
from broker.testing import COUNCIL, FIRE, POLICE, TRUST
from broker.testing_story import Story
from keys.credentials import Kind, issue, issue_operational
from keys.errors import ExpiredError
from keys.randomness import new_ref
from keys.signing import RootKey, SigningKey


def slug_of(reply: Any) -> str:
    return str(reply.json()["type"]).rpartition(":")[2]


def test_a_token_opens_reads_for_ten_minutes(story: Story) -> None:
    assert story.police.get("/deliveries").status_code == 200

    story.world.clock.move(minutes=9, seconds=59)
    assert story.police.get("/deliveries").status_code == 200
    story.world.clock.move(seconds=1)
    assert story.police.get("/deliveries").status_code == 401


def test_an_assertion_is_used_once(story: Story) -> None:
    assertion = story.police.agency.assertion()

    assert story.police.fetch_token(assertion).status_code == 200
    assert story.police.fetch_token(assertion).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "elsewhere.example/demo"},
        {"iss": COUNCIL},
        {"sub": COUNCIL},
        {"exp": 1},
        {"exp": 2**40},
        {"iat": 2**40, "exp": 2**40 + 60},
        {"jti": "short"},
        {"exp": "soon"},
    ],
    ids=["audience", "issuer", "subject", "expired", "too long", "future", "jti", "type"],
)
def test_an_assertion_that_does_not_hold_gives_no_token(
    story: Story, claims: dict[str, Any]
) -> None:
    reply = story.police.fetch_token(story.police.agency.assertion(**claims))

    assert (reply.status_code, slug_of(reply)) == (401, "not-authenticated")


def test_an_assertion_by_another_key_gives_no_token(story: Story) -> None:
    police = story.police.agency
    for key in (SigningKey.generate(), police.operational, story.council.agency.node):
        police.node, kept = key, police.node
        reply = story.police.fetch_token(police.assertion())
        police.node = kept
        assert reply.status_code == 401


def test_an_assertion_counts_for_its_own_client_only(story: Story) -> None:
    reply = story.police.fetch_token(story.police.agency.assertion(), client_id=COUNCIL)

    assert reply.status_code == 401


@pytest.mark.parametrize(
    "fields", [{"grant_type": "password"}, {"client_assertion_type": "x"}], ids=["grant", "type"]
)
def test_another_grant_is_not_offered(story: Story, fields: dict[str, str]) -> None:
    reply = story.police.fetch_token(story.police.agency.assertion(), **fields)

    assert reply.status_code == 400


@pytest.mark.parametrize("body", [b"\xff", b"a=1&a=2", b"a" * 20_000, b"x=" + b"&y=" * 40])
def test_a_token_request_that_is_no_form_is_refused(story: Story, body: bytes) -> None:
    assert story.client.post("/v1/token", content=body).status_code in {400, 401}


def test_a_token_of_another_broker_does_not_count(story: Story) -> None:
    tokens = story.world.broker.services.tokens
    foreign = tokens.issue(POLICE, audience="elsewhere.example", at=story.world.clock())

    for token in (foreign, story.police.token()[:-2], "a.b.c", ""):
        reply = story.client.get("/v1/deliveries", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 401


def test_the_agreement_is_served_with_every_signature(story: Story) -> None:
    found = story.client.get("/v1/agreement").json()

    assert base64.b64decode(found["document"]) == story.world.document
    acts = [(act["party"], act["act"]) for act in found["signatures"]]
    assert acts == [(party, "signed") for party in sorted((COUNCIL, POLICE, TRUST))]


def test_signing_twice_is_entered_once(story: Story) -> None:
    body = story.world.act_body(story.world.agencies[FIRE])

    first = story.client.post("/v1/agreement/acts", content=body)
    again = story.client.post("/v1/agreement/acts", content=body)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["receipt"]["index"] == again.json()["receipt"]["index"]
    assert len(story.world.entries("agreement_signed")) == 4
    assert len(story.world.entries("agreement_activated")) == 1


def test_a_withdrawal_denies_from_then_on(story: Story) -> None:
    body = story.world.act_body(story.world.agencies[POLICE], act="withdrawn")

    assert story.client.post("/v1/agreement/acts", content=body).status_code == 201

    _, decisions = story.send_request()
    assert [line.rule for line in decisions.asks[0].lines] == ["D03"]
    story.world.check()


@pytest.mark.parametrize("spoil", ["act", "party", "ed25519", "mldsa65", "both halves"])
def test_a_signature_that_does_not_hold_writes_nothing(story: Story, spoil: str) -> None:
    act = msgspec.json.decode(story.world.act_body(story.world.agencies[FIRE]))
    other = msgspec.json.decode(story.world.act_body(story.world.agencies[POLICE]))
    before = story.world.seen()
    if spoil == "act":
        act["act"] = "withdrawn"
    elif spoil == "both halves":
        act |= {"ed25519": "!", "mldsa65": "!"}
    else:
        act[spoil] = other[spoil]

    reply = story.client.post("/v1/agreement/acts", content=msgspec.json.encode(act))

    assert reply.status_code == 422
    assert story.world.seen() == before


def post_credential(story: Story, text: str) -> Any:
    return story.client.post("/v1/credentials", content=msgspec.json.encode({"credential": text}))


def test_a_credential_is_entered_once_and_stays_known(story: Story) -> None:
    credential = story.police.agency.person("mash_police_researcher")

    first = post_credential(story, credential.text)
    story.world.clock.move(days=2)
    again = post_credential(story, credential.text)

    assert first.json()["receipt"]["entry"] == again.json()["receipt"]["entry"]
    kids = [e["cred_kid"] for e in story.world.entries("credential")]
    assert kids.count(credential.kid) == 1


def test_a_chain_that_leads_to_no_root_writes_nothing(story: Story) -> None:
    before = story.world.seen()
    now = story.world.clock()
    stranger = RootKey.generate()
    forged = issue_operational(
        stranger,
        mash=story.world.agreement.mash,
        party=POLICE,
        public=SigningKey.generate().public,
        not_before=now,
        expires=now.replace(day=20),
    )

    assert slug_of(post_credential(story, forged.text)) == "credential-refused"
    assert post_credential(story, forged.text[:-1]).status_code == 422
    assert post_credential(story, "x" * 9000).status_code == 400
    assert story.client.post("/v1/credentials", content=b"[]").status_code == 400
    assert story.world.seen() == before


def test_a_credential_that_runs_out_before_the_commit_is_not_entered(story: Story) -> None:
    hub, writer = story.world.broker.services.hub, story.world.broker.services.writer
    police, now = story.police.agency, story.world.clock()
    short = issue(
        police.node,
        mash=story.world.agreement.mash,
        party=POLICE,
        kind=Kind.PERSON,
        alg="Ed25519",
        public=SigningKey.generate().public,
        not_before=now,
        expires=now + timedelta(seconds=5),
        actor_ref=new_ref("a"),
    )
    unit = prepare_credential(hub, short.text)
    story.world.clock.move(seconds=5)

    with pytest.raises(ExpiredError):
        writer.call(unit)

    assert writer.is_healthy
    assert hub.book.find(short.kid) is None


def test_a_key_is_certified_once(story: Story) -> None:
    police, now = story.police.agency, story.world.clock()
    again = issue(
        police.operational,
        mash=story.world.agreement.mash,
        party=POLICE,
        kind=Kind.NODE,
        alg="Ed25519",
        public=police.node.public,
        not_before=now,
        expires=now.replace(day=20),
    )

    assert slug_of(post_credential(story, again.text)) == "replayed"


def test_credentials_are_read_from_a_cursor_issuers_first(story: Story) -> None:
    every = story.council.get("/credentials").json()["credentials"]
    last = story.council.get("/credentials", after=len(every) - 1).json()["credentials"]

    assert [c["text"] for c in last] == [every[-1]["text"]]
    assert last[0]["receipt"]["entry"] == every[-1]["receipt"]["entry"]
    assert story.council.get("/credentials", after=len(every)).json()["credentials"] == []


def test_a_restart_believes_the_same_again(story: Story) -> None:
    story.council.agency.person("mash_decision_maker")
    before = {c.kid for c in story.world.broker.services.hub.book.all()}

    story.world.restart()

    hub = story.world.broker.services.hub
    assert {c.kid for c in hub.book.all()} == before
    assert [act.party for act in hub.acts] == sorted((COUNCIL, POLICE, TRUST))

"""Checkpoints, proofs, tiles, own entries, receipts, cosignatures, the inbox."""

import base64
import threading
import time
from typing import Any

import msgspec
import pytest

from audit.checkpoint import check_cosignature, cosign, open_checkpoint
from audit.entry import parse_entry
from audit.merkle import HASH_BYTES, check_consistency, leaf_hash
from audit.receipt import Receipt, check_receipt
from broker.testing import COUNCIL, POLICE, TRUST
from broker.testing_story import Line, Story


def newest(story: Story) -> str:
    return str(story.client.get("/v1/ledger/checkpoint").text)


def opened(story: Story, note: str) -> Any:
    keys = story.world.agreement.schedule.broker
    return open_checkpoint(note, origin=keys.origin, public=keys.log_key)


def test_the_checkpoint_is_open_to_all_and_signed_by_the_log(story: Story) -> None:
    assert opened(story, newest(story)).size == story.world.check()


def test_any_two_signed_checkpoints_are_consistent(story: Story) -> None:
    old = opened(story, newest(story))
    story.send_request()
    new = opened(story, newest(story))

    reply = story.police.get("/ledger/consistency", old=old.size, new=new.size).json()

    check_consistency(
        old_size=old.size,
        new_size=new.size,
        path=[base64.b64decode(part) for part in reply["proof"]],
        old_root=old.root,
        new_root=new.root,
    )


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 1), (1, 10**6)])
def test_a_proof_of_what_was_never_signed_is_not_found(story: Story, old: int, new: int) -> None:
    assert story.police.get("/ledger/consistency", old=old, new=new).status_code == 404


def test_a_parameter_of_the_wrong_form_is_named(story: Story) -> None:
    reply = story.police.get("/ledger/consistency", old="x", new=1)

    assert (reply.status_code, reply.json()["detail"]) == (400, "query.old")


def test_tiles_hold_the_entries_hashes(story: Story) -> None:
    size = opened(story, newest(story)).size

    tile = story.police.get(f"/ledger/tile/0/000.p/{size}").content

    assert len(tile) == size * HASH_BYTES
    last = story.world.broker.services.ledger.all_entries(size=size)
    assert tile == b"".join(leaf_hash(entry) for entry in last)


@pytest.mark.parametrize(
    "path", ["0/000", "0/001.p/1", "0/000.p/0", "0/000.p/257", "8/000.p/1", "0/0", "0/x000/0000"]
)
def test_a_tile_that_does_not_exist_is_not_found(story: Story, path: str) -> None:
    assert story.police.get(f"/ledger/tile/{path}").status_code == 404


def test_a_party_reads_the_entries_of_its_own_stream_without_a_gap(story: Story) -> None:
    story.send_request()

    found = story.police.get("/ledger/entries").json()["entries"]

    entries = [parse_entry(base64.b64decode(item["entry"])) for item in found]
    assert [entry["streams"][POLICE] for entry in entries] == list(range(len(found)))
    assert [entry["i"] for entry in entries] == [item["index"] for item in found]
    rest = story.police.get("/ledger/entries", after=len(found) - 1).json()["entries"]
    assert rest == found[-1:]


def test_a_receipt_is_for_those_the_entry_concerns(story: Story) -> None:
    story.send_request()
    index = story.world.entries("ask")[-1]["i"]

    found = story.police.get(f"/receipts/{index}").json()["receipt"]

    keys = story.world.agreement.schedule.broker
    check_receipt(Receipt.from_json(found), origin=keys.origin, public=keys.log_key)
    assert story.lines[TRUST].get(f"/receipts/{index}").status_code == 404
    assert story.police.get("/receipts/1000000").status_code == 404
    assert story.police.get(f"/receipts/{index}", size=index).status_code == 404


def write_cosignature(story: Story, at: Line, note: str, /, **changes: Any) -> Any:
    signed = cosign(
        note,
        name=at.agency.party,
        signer=at.agency.node,
        public=at.agency.node.public,
        time=int(story.world.clock().timestamp()),
    )
    body = {"size": opened(story, note).size, "line": signed} | changes
    return at.post("/witness/cosignatures", msgspec.json.encode(body))


def test_a_cosigned_checkpoint_is_the_one_receipts_use(story: Story) -> None:
    story.send_request()
    note = newest(story)
    assert write_cosignature(story, story.police, note).status_code == 201
    assert write_cosignature(story, story.lines[TRUST], note).status_code == 201
    assert write_cosignature(story, story.police, note).status_code == 201
    index = story.world.entries("ask")[-1]["i"]
    story.send_request()

    receipt = Receipt.from_json(story.council.get(f"/receipts/{index}").json()["receipt"])

    assert receipt.checkpoint == note
    for party, line in zip((TRUST, POLICE), receipt.cosignatures, strict=True):
        public = story.world.agencies[party].node.public
        check_cosignature(line, note=note, name=party, public=public)
    keys = story.world.agreement.schedule.broker
    check_receipt(receipt, origin=keys.origin, public=keys.log_key)


def test_a_cosignature_that_does_not_hold_is_refused(story: Story) -> None:
    old = newest(story)
    story.send_request()
    note = newest(story)

    wrong_size = write_cosignature(story, story.police, old, size=opened(story, note).size)
    no_size = write_cosignature(story, story.police, note, size=10**6)
    no_line = write_cosignature(story, story.police, note, line="x")
    unknown = story.police.post("/witness/cosignatures", b'{"size": 1}')

    assert [r.status_code for r in (wrong_size, no_size, no_line, unknown)] == [400, 404, 400, 400]


def test_the_inbox_says_what_waits(story: Story) -> None:
    story.send_request()

    found = story.police.get("/inbox").json()

    assert (found["orders"], found["deliveries"]) == (1, 0)
    assert found["checkpoint"] == newest(story)
    assert story.police.get("/inbox", wait=20).json()["orders"] == 1


def test_the_inbox_wakes_when_something_comes(story: Story) -> None:
    found: list[Any] = []
    story.police.token()
    request = story.write_request()
    waiting = threading.Thread(
        target=lambda: found.append(story.police.get("/inbox", wait=20).json())
    )
    started = time.monotonic()
    waiting.start()
    time.sleep(0.2)

    story.council.post("/requests", request)
    waiting.join()

    assert found[0]["orders"] == 1
    assert time.monotonic() - started < 10


def test_the_inbox_answers_empty_when_the_wait_is_over(story: Story) -> None:
    assert story.lines[TRUST].get("/inbox", wait=1).json()["orders"] == 0
    assert story.lines[TRUST].get("/inbox", wait=21).status_code == 400


def test_the_broker_says_that_it_is_alive_and_ready(story: Story) -> None:
    assert story.client.get("/healthz").json() == {"status": "alive"}
    assert story.client.get("/readyz").status_code == 200
    story.world.broker.services.writer.stop()
    assert story.client.get("/readyz").status_code == 503
    reply = story.council.client.post("/v1/credentials", content=b'{"credential": "{}"}')
    assert reply.status_code in {422, 503}


def test_nothing_that_is_stored_shows_a_fact_in_the_ledger(story: Story) -> None:
    story.send_request()

    for entry in story.world.entries():
        text = msgspec.json.encode(entry)
        assert b"consent" not in text
        assert b"dash" not in text
    assert {e["party"] for e in story.world.entries("request")} == {COUNCIL}

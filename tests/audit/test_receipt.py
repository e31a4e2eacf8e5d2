"""Receipts prove one entry under one checkpoint, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from audit.entry import Event
from audit.errors import ReceiptError
from audit.merkle import leaf_hash, root_hash
from audit.receipt import Receipt, check_receipt
from audit.testing import ORIGIN, MemoryLedger, MemorySigner, digest


@pytest.fixture
def ledger() -> MemoryLedger:
    made = MemoryLedger()
    made.grow(20)
    return made


def _check(receipt: Receipt, **wanted: Any) -> dict[str, Any]:
    public = MemorySigner("log").public
    return check_receipt(receipt, origin=ORIGIN, public=public, **wanted)[0]


def test_a_receipt_proves_the_message_and_the_event(ledger: MemoryLedger) -> None:
    receipt = Receipt.from_json(ledger.receipt(7).to_json())

    entry = _check(receipt, msg_sha256=digest("message 7"), event=Event.ORDER_CLAIMED)

    assert entry["i"] == 7
    assert receipt == ledger.receipt(7)


def test_a_receipt_for_something_else_is_refused(ledger: MemoryLedger) -> None:
    receipt, other = ledger.receipt(7), ledger.receipt(8)

    for wrong in (
        replace(receipt, index=8),
        replace(receipt, index=-1),
        replace(receipt, entry=other.entry),
        replace(receipt, proof=other.proof),
        replace(receipt, proof=receipt.proof[:-1]),
        replace(receipt, proof=receipt.proof[::-1]),
        replace(receipt, checkpoint=receipt.checkpoint.replace("\n20\n", "\n21\n")),
    ):
        with pytest.raises(ReceiptError):
            _check(wrong)
    with pytest.raises(ReceiptError, match="another message"):
        _check(receipt, msg_sha256=digest("message 8"))
    with pytest.raises(ReceiptError, match="another event"):
        _check(receipt, event=Event.RELEASE)
    with pytest.raises(ReceiptError):
        check_receipt(receipt, origin=ORIGIN, public=MemorySigner("impostor").public)
    with pytest.raises(ReceiptError):
        check_receipt(receipt, origin="other.example/log", public=ledger.signer.public)


def test_an_entry_that_names_another_place_or_breaks_the_schema_is_refused() -> None:
    ledger = MemoryLedger()
    ledger.grow(2)
    for leaves in ([ledger.entries[1], ledger.entries[0]], [b"{}", b"{}"]):
        hashes = [leaf_hash(entry) for entry in leaves]
        ledger.head = replace(ledger.head, root=root_hash(hashes))
        receipt = Receipt(entry=leaves[0], index=0, proof=[hashes[1]], checkpoint=ledger.note())
        with pytest.raises(ReceiptError):
            _check(receipt)


@pytest.mark.parametrize(
    "change",
    [
        {"entry": "***"},
        {"entry": 7},
        {"index": "7"},
        {"index": True},
        {"proof": None},
        {"proof": ["é"]},
        {"proof": ["AA=="] * 65},
        {"checkpoint": None},
        {"cosignatures": [1]},
        {"more": 1},
    ],
)
def test_json_that_is_no_receipt_is_refused(ledger: MemoryLedger, change: dict[str, Any]) -> None:
    with pytest.raises(ReceiptError):
        Receipt.from_json(ledger.receipt(7).to_json() | change)
    with pytest.raises(ReceiptError):
        Receipt.from_json([])


def test_a_receipt_has_the_text_form_of_tlog_proof(ledger: MemoryLedger) -> None:
    receipt = replace(ledger.receipt(7), cosignatures=("— w AAAAAAAA\n",))
    text = receipt.to_tlog_proof()

    head, _, note = text.partition("\n\n")
    assert head.split("\n")[:2] == ["c2sp.org/tlog-proof@v1", "index 7"]
    assert len(head.split("\n")) == 2 + len(receipt.proof)
    assert note == receipt.checkpoint + "— w AAAAAAAA\n"

"""The engine: contiguous, chained, and stopped by a clock that goes back."""

from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.entry import parse_entry
from audit.errors import ClockBackError, EntryError, HeadError, MissingTileError
from audit.ledger import Head, append, head_from_bytes, head_to_bytes
from audit.merkle import EMPTY_ROOT, leaf_hash, root_hash
from audit.testing import START, MemoryLedger, plain_draft


def test_an_empty_ledger_has_the_empty_root() -> None:
    assert (Head().size, Head().root) == (0, EMPTY_ROOT)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 90), max_size=6))
def test_entries_are_chained_numbered_and_in_contiguous_streams(batches: list[int]) -> None:
    ledger = MemoryLedger()
    for count in batches:
        ledger.grow(count)

    prev, streams = bytes(32), dict[str, int]()
    for index, data in enumerate(ledger.entries):
        entry = parse_entry(data)
        assert (entry["i"], entry["prev"]) == (index, prev.hex())
        for party, number in entry["streams"].items():
            assert number == streams.get(party, 0)
            streams[party] = number + 1
        prev = leaf_hash(data)
    assert ledger.head.streams == streams
    assert ledger.head.root == root_hash(ledger.leaves) == ledger.tree().root()


def test_one_batch_and_many_give_the_same_tree() -> None:
    drafts = [plain_draft(number) for number in range(300)]
    salts = [sha256(bytes([n % 256])).digest() for n in range(300)]
    whole = append(Head(), drafts, mash="northshire", now=START, salts=salts)
    head = Head()
    for at in range(0, 300, 7):
        part = slice(at, at + 7)
        head = append(head, drafts[part], mash="northshire", now=START, salts=salts[part]).head

    assert head == whole.head


def test_a_clock_that_goes_back_stops_the_ledger() -> None:
    ledger = MemoryLedger()
    ledger.grow(1)
    ledger.now = START - timedelta(milliseconds=1)

    with pytest.raises(ClockBackError) as stopped:
        ledger.grow(1)

    assert (stopped.value.now, stopped.value.last) == (
        "2026-10-06T10:14:59.999Z",
        "2026-10-06T10:15:00.000Z",
    )


def test_a_clock_that_stands_still_does_not() -> None:
    ledger = MemoryLedger()
    ledger.grow(1)
    ledger.now = START
    ledger.grow(1)

    assert ledger.head.size == 2


def test_each_draft_needs_its_own_salt() -> None:
    with pytest.raises(ValueError, match="shorter"):
        append(Head(), [plain_draft(0)], mash="northshire", now=START, salts=[])
    with pytest.raises(EntryError):
        append(Head(), [plain_draft(0)], mash="northshire", now=START, salts=[bytes(15)])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 300])
def test_a_stored_head_is_read_back_with_its_edge(size: int) -> None:
    ledger = MemoryLedger()
    ledger.grow(size)

    assert head_from_bytes(head_to_bytes(ledger.head), ledger) == ledger.head


def test_a_stored_head_that_does_not_fit_its_tiles_is_refused() -> None:
    ledger, other = MemoryLedger(), MemoryLedger()
    ledger.grow(300)
    other.grow(1)
    other.grow(299)
    stored = head_to_bytes(ledger.head)

    with pytest.raises(HeadError):
        head_from_bytes(stored, other)
    with pytest.raises(MissingTileError):
        head_from_bytes(stored, MemoryLedger())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"frontier":"zz"}', b'{"frontier":"0000000000000001"}']
)
def test_bytes_that_are_no_head_are_refused(data: bytes) -> None:
    with pytest.raises(HeadError):
        head_from_bytes(data, MemoryLedger())

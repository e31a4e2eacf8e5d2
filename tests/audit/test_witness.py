"""Witnesses: growth is followed; contradictions are refused and become evidence."""

from collections.abc import Callable

import orjson
import pytest

from audit.errors import (
    CheckpointError,
    EvidenceError,
    InvalidProofError,
    RolledBackError,
    SplitViewError,
)
from audit.merkle import prefix_path
from audit.testing import ORIGIN, MemoryLedger, MemorySigner
from audit.witness import WitnessState, advance, check_evidence, find_contradiction, write_evidence

PUBLIC = MemorySigner("log").public


def _ledger(*batches: int) -> MemoryLedger:
    ledger = MemoryLedger()
    for count in batches:
        ledger.grow(count)
    return ledger


def _step(
    state: WitnessState, ledger: MemoryLedger, proof: list[bytes] | None = None
) -> WitnessState:
    path = ledger.tree().consistency_proof(state.size) if proof is None else proof
    return advance(state, ledger.note(), path, origin=ORIGIN, public=PUBLIC)


def test_a_witness_follows_a_log_that_grows() -> None:
    ledger, state = MemoryLedger(), WitnessState()
    state = _step(state, ledger)
    for count in (1, 0, 4, 300):
        ledger.grow(count)
        state = _step(state, ledger)

    assert (state.size, state.root, state.note) == (305, ledger.head.root, ledger.note())


def test_two_roots_at_one_size_convict_by_themselves() -> None:
    state = _step(WitnessState(), _ledger(5))
    with pytest.raises(SplitViewError) as split:
        _step(state, _ledger(2, 3))

    evidence = write_evidence(split.value, origin=ORIGIN, public=PUBLIC)
    first, second = check_evidence(evidence, vkey=_ledger(1).vkey)

    assert (first.size, second.size) == (5, 5)
    assert first.root != second.root


@pytest.mark.parametrize("old", [3, 5, 6, 7, 100])
def test_a_rewritten_history_convicts_through_the_path_it_was_offered_with(old: int) -> None:
    state = _step(WitnessState(), _ledger(old))
    with pytest.raises(SplitViewError) as split:
        _step(state, _ledger(1, old, 30))

    first, second = check_evidence(
        write_evidence(split.value, origin=ORIGIN, public=PUBLIC), vkey=_ledger(1).vkey
    )

    assert (first.size, second.size) == (old, old + 31)


@pytest.mark.parametrize("old", [1, 2, 4, 8, 64])
def test_where_the_offered_path_shows_nothing_the_tiles_convict(old: int) -> None:
    state = _step(WitnessState(), _ledger(old))
    other = MemoryLedger()
    other.now = _ledger(1).now
    other.grow(old)
    other.grow(7)
    with pytest.raises(InvalidProofError):
        _step(state, other)
    path, seed = prefix_path(old, other.head.size, other.tree().range_hash)

    with pytest.raises(SplitViewError) as split:
        find_contradiction(state, other.note(), [seed, *path], origin=ORIGIN, public=PUBLIC)

    check_evidence(write_evidence(split.value, origin=ORIGIN, public=PUBLIC), vkey=other.vkey)


def test_a_path_that_shows_no_contradiction_raises_nothing() -> None:
    ledger = _ledger(5)
    state = _step(WitnessState(), ledger)
    ledger.grow(6)
    path, seed = prefix_path(5, 11, ledger.tree().range_hash)

    for shown in ([seed, *path], [], [bytes(32)]):
        find_contradiction(state, ledger.note(), shown, origin=ORIGIN, public=PUBLIC)


def test_a_log_that_shrinks_is_refused() -> None:
    ledger = _ledger(5)
    state = _step(WitnessState(), ledger)

    with pytest.raises(RolledBackError) as refused:
        advance(state, _ledger(4).note(), [], origin=ORIGIN, public=PUBLIC)

    assert refused.value.first == state.note


def test_a_bad_proof_or_an_unsigned_note_is_refused_without_accusing_anyone() -> None:
    ledger = _ledger(5)
    state = _step(WitnessState(), ledger)
    ledger.grow(3)

    for proof in ([], [bytes(32)], [bytes(32)] * 4):
        with pytest.raises(InvalidProofError):
            _step(state, ledger, proof)
    with pytest.raises(CheckpointError):
        advance(state, ledger.note(), [], origin=ORIGIN, public=MemorySigner("impostor").public)


def _evidence() -> bytes:
    state = _step(WitnessState(), _ledger(5))
    with pytest.raises(SplitViewError) as split:
        _step(state, _ledger(1, 6))
    return write_evidence(split.value, origin=ORIGIN, public=PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value | {"format": "other"},
        lambda value: value | {"vkey": "other"},
        lambda value: value | {"path": None},
        lambda value: value | {"path": []},
        lambda value: value | {"path": [1]},
        lambda value: value | {"path": ["*"]},
        lambda value: value | {"path": value["path"][:-1]},
        lambda value: value | {"first": value["second"]},
        lambda value: value | {"first": value["second"], "path": None},
        lambda value: value | {"first": "forged"},
        lambda value: value | {"second": value["second"].replace("\n7\n", "\n6\n")},
        lambda value: value | {"first": 1},
        lambda value: value | {"more": 1},
        lambda _value: [],
    ],
    ids=lambda change: str(change.__code__.co_firstlineno),
)
def test_a_file_that_does_not_convict_is_refused(change: Callable[[object], object]) -> None:
    good = _evidence()
    check_evidence(good, vkey=_ledger(1).vkey)

    with pytest.raises(EvidenceError):
        check_evidence(orjson.dumps(change(orjson.loads(good))), vkey=_ledger(1).vkey)


def test_evidence_of_an_honest_log_does_not_convict() -> None:
    ledger = _ledger(5)
    first = ledger.note()
    ledger.grow(3)
    path, seed = prefix_path(5, 8, ledger.tree().range_hash)
    error = SplitViewError("slander", first=first, second=ledger.note(), path=(seed, *path))

    with pytest.raises(EvidenceError, match="do not contradict"):
        check_evidence(write_evidence(error, origin=ORIGIN, public=PUBLIC), vkey=ledger.vkey)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b" " * 300_000])
def test_bytes_that_are_no_evidence_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        check_evidence(data, vkey="x")

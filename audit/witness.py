"""Witnesses: following a log, refusing its contradictions, and keeping the evidence.

Pure: the caller persists the new state *before* it cosigns (`audit.checkpoint.cosign`).

Evidence is one JSON file that convicts by itself: two notes signed by the log's key that
cannot both be true. With equal sizes the two roots are enough; with different sizes a path
shows which root the smaller size has inside the larger tree.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from audit.canonical import canonical
from audit.checkpoint import Checkpoint, open_checkpoint, parse_vkey, vkey_text
from audit.errors import (
    CheckpointError,
    EvidenceError,
    InvalidProofError,
    RolledBackError,
    SplitViewError,
)
from audit.merkle import EMPTY_ROOT, check_consistency, prefix_root

EVIDENCE_FORMAT = "mash-ledger-evidence-1"
MAX_EVIDENCE_BYTES = 262_144
_FIELDS = {"format", "vkey", "first", "second", "path"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessState:
    """The largest tree a witness has seen of one log, and the note that states it."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: str = ""


def advance(
    state: WitnessState, note: str, proof: Sequence[bytes], *, origin: str, public: bytes
) -> WitnessState:
    """Return the state after `note`, which may then be cosigned.

    Args:
        state: What was seen before.
        note: A checkpoint offered by the log.
        proof: Consistency proof from `state.size`, see `audit.merkle.consistency_proof`.
        origin: Name of the log, from the agreement.
        public: The log's public key, from the agreement.

    Raises:
        CheckpointError: The note is not one of this log.
        RolledBackError: The note's tree is smaller than the one seen.
        SplitViewError: The notes contradict each other; `write_evidence` convicts.
        InvalidProofError: The proof shows nothing. Ask again, or take the path from the log's
            tiles (`audit.merkle.prefix_path`) to `find_contradiction`.

    """
    seen = open_checkpoint(note, origin=origin, public=public)
    if seen.size < state.size:
        raise RolledBackError("the log has shrunk", first=state.note, second=note)
    if seen.size == state.size and seen.root != state.root:
        raise SplitViewError("two roots at one size", first=state.note, second=note)
    try:
        check_consistency(
            old_size=state.size,
            new_size=seen.size,
            old_root=state.root,
            new_root=seen.root,
            path=proof,
        )
    except InvalidProofError:
        if proof:
            find_contradiction(state, note, proof, origin=origin, public=public)
        raise
    return WitnessState(size=seen.size, root=seen.root, note=note)


def find_contradiction(
    state: WitnessState, note: str, path: Sequence[bytes], *, origin: str, public: bytes
) -> None:
    """Raise when a path from the new tree shows that the old root is not in it.

    Args:
        state: What was seen before.
        note: The log's newer note.
        path: The starting node, then the path, of `audit.merkle.prefix_path` in the new tree.
        origin: Name of the log.
        public: The log's public key.

    Raises:
        CheckpointError: The note is not one of this log.
        SplitViewError: The notes contradict each other; the error holds the path.

    """
    seen = open_checkpoint(note, origin=origin, public=public)
    try:
        found = _prefix_root(state.size, seen, path)
    except InvalidProofError:
        return
    if found != state.root:
        raise SplitViewError(
            "the log was rewritten", first=state.note, second=note, path=tuple(path)
        )


def write_evidence(error: SplitViewError, *, origin: str, public: bytes) -> bytes:
    """Return the evidence file of a split view."""
    path = None if error.path is None else [b64encode(value).decode() for value in error.path]
    return canonical(
        {
            "format": EVIDENCE_FORMAT,
            "vkey": vkey_text(origin, public),
            "first": error.first,
            "second": error.second,
            "path": path,
        }
    )


def check_evidence(data: bytes, *, vkey: str) -> tuple[Checkpoint, Checkpoint]:
    """Return the two checkpoints whose contradiction the evidence proves.

    Args:
        data: The file.
        vkey: The log's verifier key, from the agreement; the file's own must equal it.

    Raises:
        EvidenceError: The file is malformed, of another log, or does not convict.

    """
    first_note, second_note, path, found_vkey = _parse_evidence(data)
    if found_vkey != vkey:
        raise EvidenceError("about another log")
    try:
        origin, public = parse_vkey(vkey)
        first = open_checkpoint(first_note, origin=origin, public=public)
        second = open_checkpoint(second_note, origin=origin, public=public)
        root = second.root if path is None else _prefix_root(first.size, second, path)
    except (CheckpointError, InvalidProofError) as error:
        raise EvidenceError(str(error)) from error
    if path is None and first.size != second.size:
        raise EvidenceError("different sizes need a path")
    if root == first.root:
        raise EvidenceError("the notes do not contradict each other")
    return first, second


def _prefix_root(size: int, newer: Checkpoint, path: Sequence[bytes]) -> bytes:
    if not path:
        raise InvalidProofError("the path is too short")
    return prefix_root(
        old_size=size, new_size=newer.size, seed=path[0], path=path[1:], new_root=newer.root
    )


def _parse_evidence(data: bytes) -> tuple[str, str, list[bytes] | None, str]:
    try:
        value = orjson.loads(data) if len(data) <= MAX_EVIDENCE_BYTES else None
    except orjson.JSONDecodeError as error:
        raise EvidenceError("not JSON") from error
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise EvidenceError("not the fields of evidence")
    texts = [value["format"], value["first"], value["second"], value["vkey"]]
    path = value["path"]
    if not all(isinstance(text, str) for text in [*texts, *(path or [])]):
        raise EvidenceError("not text")
    if value["format"] != EVIDENCE_FORMAT:
        raise EvidenceError("of another format")
    try:
        hashes = None if path is None else [b64decode(text, validate=True) for text in path]
    except (Base64Error, ValueError) as error:
        raise EvidenceError("not base64") from error
    return value["first"], value["second"], hashes, value["vkey"]

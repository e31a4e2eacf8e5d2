"""Checkpoints and cosignatures; every check has its failing twin."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import (
    Witness,
    check_cosignature,
    cosign,
    cosigning_operators,
    open_checkpoint,
    parse_vkey,
    read_checkpoint_unsafe,
    sign_checkpoint,
    vkey_text,
)
from audit.errors import CheckpointError, CosignatureError
from audit.merkle import EMPTY_ROOT, Frontier, leaf_hash, split_hashes
from audit.testing import ORIGIN, MemorySigner

VECTORS = Path(__file__).parent / "vectors"
LOG = MemorySigner("log")
WITNESS = MemorySigner("witness")
NAME = "witness.police.example/w1"
TIME = 1_790_000_000


def _note(size: int = 7, root: bytes = b"r" * 32, signer: MemorySigner = LOG) -> str:
    return sign_checkpoint(origin=ORIGIN, size=size, root=root, signer=signer, public=signer.public)


def _material(algorithm: int) -> str:
    return b64encode(bytes([algorithm]) + LOG.public).decode()


def _open(note: str) -> None:
    open_checkpoint(note, origin=ORIGIN, public=LOG.public)


def test_a_signed_checkpoint_opens_to_what_was_signed() -> None:
    found = open_checkpoint(_note(), origin=ORIGIN, public=LOG.public)

    assert (found.origin, found.size, found.root) == (ORIGIN, 7, b"r" * 32)
    assert read_checkpoint_unsafe(_note()) == found


def test_every_checkpoint_of_the_tessera_log_is_accepted_and_its_tiles_lead_to_its_root() -> None:
    log = json.loads((VECTORS / "tessera_log.json").read_text("utf-8"))
    files = {name: b64decode(data) for name, data in log["files"].items()}
    origin, public = parse_vkey(log["vkey"])

    assert vkey_text(origin, public) == log["vkey"].strip()
    assert origin == "example.com/log/testdata"
    for size in range(16):
        note = files[f"checkpoint.{size}"].decode()
        checkpoint = open_checkpoint(note, origin=origin, public=public)
        tile = files.get(f"tile/0/000.p/{size}", b"")
        assert checkpoint.size == size
        assert Frontier().extend(split_hashes(tile)).root() == checkpoint.root
    assert leaf_hash(b"one") == files["tile/0/000.p/1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("\n7\n", "\n07\n"),
        lambda note: note.replace("\n7\n", "\n-7\n"),
        lambda note: note.replace("\n7\n", f"\n{2**63}\n"),
        lambda note: note.replace("\n7\n", "\n7\n\n"),
        lambda note: note.replace("\n\n", "\nextension\n\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace(ORIGIN, "other.example/log"),
        lambda note: note.replace(b64encode(b"r" * 32).decode(), b64encode(b"q" * 32).decode()),
        lambda note: note.replace("cnI=", "cnJ="),
        lambda note: note[:-1],
        lambda note: note[:-9] + "\n",
        lambda note: note + "\n",
        lambda note: note + "— x AAAA\n",
        lambda note: note + "— x AAAAAB=\n",
        lambda note: note + "— x A\n",
        lambda note: note + "- x AAAAAAAA\n",
        lambda note: note + "— x AAAAAAAA\n" * 64,
        lambda note: note + " " * 70_000,
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.replace(f"— {ORIGIN} ", "— other.example/log "),
        lambda _note: "",
    ],
    ids=lambda change: str(change.__code__.co_firstlineno),
)
def test_a_checkpoint_altered_in_any_way_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(CheckpointError):
        _open(change(_note()))


def test_another_key_or_another_log_is_refused() -> None:
    with pytest.raises(CheckpointError, match="not signed"):
        _open(_note(signer=MemorySigner("impostor")))
    with pytest.raises(CheckpointError, match="another log"):
        open_checkpoint(_note(), origin="other.example/log", public=LOG.public)
    with pytest.raises(CheckpointError):
        open_checkpoint(_note(), origin=ORIGIN, public=b"short")


def test_a_second_bad_signature_by_the_logs_own_key_spoils_the_note() -> None:
    bad = _note(size=8).splitlines()[-1]

    with pytest.raises(CheckpointError, match="does not hold"):
        _open(_note() + bad + "\n")


def test_signatures_of_unknown_keys_are_ignored() -> None:
    line = cosign(_note(), name=NAME, signer=WITNESS, public=WITNESS.public, time=TIME)

    _open(_note() + line)


def test_a_signer_that_uses_another_key_than_it_says_signs_nothing() -> None:
    with pytest.raises(CheckpointError):
        sign_checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT, signer=LOG, public=WITNESS.public)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("has space", 1, bytes(32)), ("", 1, bytes(32)), ("a+b", 1, bytes(32)), ("a", -1, bytes(32)),
     ("a", 1, bytes(31)), ("a\nb", 1, bytes(32))],
)  # fmt: skip
def test_what_is_no_checkpoint_is_not_signed(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(CheckpointError):
        sign_checkpoint(origin=origin, size=size, root=root, signer=LOG, public=LOG.public)


@pytest.mark.parametrize(
    "text",
    ["", "a+b+c", "a", f"{ORIGIN}+00000000+{_material(1)}",
     f"{ORIGIN}+00000000+{_material(4)}",
     f"+00000000+{_material(1)}"],
)  # fmt: skip
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_vkey(text)


@given(st.text(max_size=300))
def test_any_text_raises_only_a_checkpoint_error(text: str) -> None:
    for read in (_open, parse_vkey):
        with pytest.raises(CheckpointError):
            read(text)


def test_a_cosignature_tells_when_it_was_made() -> None:
    line = cosign(_note(), name=NAME, signer=WITNESS, public=WITNESS.public, time=TIME)

    assert check_cosignature(line, note=_note(), name=NAME, public=WITNESS.public) == TIME


def test_the_cosigned_bytes_are_those_of_the_specification() -> None:
    class Recorder:
        seen = b""

        def sign(self, data: bytes, /) -> bytes:
            self.seen = data
            return WITNESS.sign(data)

    recorder = Recorder()
    line = cosign(_note(), name=NAME, signer=recorder, public=WITNESS.public, time=TIME)

    body = _note().split("\n\n")[0] + "\n"
    assert recorder.seen == f"cosignature/v1\ntime {TIME}\n{body}".encode()
    key = sha256(NAME.encode() + b"\n\x04" + WITNESS.public).digest()[:4]
    assert b64decode(line.split(" ")[2]).startswith(key + TIME.to_bytes(8, "big"))


def test_a_cosignature_for_another_note_key_name_or_time_is_refused() -> None:
    line = cosign(_note(), name=NAME, signer=WITNESS, public=WITNESS.public, time=TIME)
    data = bytearray(b64decode(line.split(" ")[2]))
    data[11] ^= 1
    later = f"— {NAME} {b64encode(data).decode()}\n"
    short = f"— {NAME} {b64encode(data[:-1]).decode()}\n"

    for text, note, name, public in (
        (line, _note(size=8), NAME, WITNESS.public),
        (line, _note(), "other.example/w", WITNESS.public),
        (line, _note(), NAME, LOG.public),
        (later, _note(), NAME, WITNESS.public),
        (short, _note(), NAME, WITNESS.public),
        ("— x", _note(), NAME, WITNESS.public),
        (line, "no note", NAME, WITNESS.public),
    ):
        with pytest.raises(CosignatureError):
            check_cosignature(text, note=note, name=name, public=public)


@pytest.mark.parametrize(("name", "time"), [("a b", 0), ("", 0), ("a", -1), ("a", 2**63)])
def test_a_malformed_witness_does_not_cosign(name: str, time: int) -> None:
    with pytest.raises(CheckpointError):
        cosign(_note(), name=name, signer=WITNESS, public=WITNESS.public, time=time)


def test_a_quorum_counts_operators_not_keys() -> None:
    names = {"a.example/1": "council", "a.example/2": "council", "b.example/1": "police"}
    keys = {name: MemorySigner(name) for name in names}
    lines = [
        cosign(_note(), name=name, signer=key, public=key.public, time=TIME)
        for name, key in keys.items()
    ]
    witnesses = {n: Witness(public=keys[n].public, operator=o) for n, o in names.items()}
    stranger = cosign(_note(), name="x.example", signer=LOG, public=LOG.public, time=TIME)
    impostor = cosign(_note(), name="b.example/1", signer=LOG, public=LOG.public, time=TIME)

    assert cosigning_operators(lines, note=_note(), witnesses=witnesses) == {"council", "police"}
    assert cosigning_operators(
        [stranger, impostor, *lines[:2]], note=_note(), witnesses=witnesses
    ) == {"council"}


def test_lines_that_do_not_hold_count_for_nothing_and_spoil_nothing() -> None:
    key = MemorySigner("a.example/1")
    witnesses = {"a.example/1": Witness(public=key.public, operator="council")}
    line = cosign(_note(), name="a.example/1", signer=key, public=key.public, time=TIME)

    assert cosigning_operators([line], note=_note(size=8), witnesses=witnesses) == frozenset()
    assert cosigning_operators(["junk", line], note=_note(), witnesses=witnesses) == {"council"}

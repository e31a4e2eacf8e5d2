"""Checkpoints: C2SP signed notes, tlog-checkpoint and tlog-cosignature v1 (Ed25519).

A checkpoint says "this log has so many entries under this root" and is signed by the log; a
cosignature adds that a witness has seen it grow consistently. Checkpoints of this project
carry no extension lines, and one that does is refused.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from audit.errors import CheckpointError, CosignatureError

LOG_ALGORITHM = 0x01  # Ed25519 over the note text
COSIGNATURE_ALGORITHM = 0x04  # timestamped Ed25519 cosignature
MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 64
MAX_TIME = 2**63 - 1
_KEY_ID_BYTES = 4
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
_NAME = re.compile(r"[!-*,-~]+")  # printable ASCII without space and plus
_BODY = re.compile(r"([!-*,-~]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")
_LINE = re.compile(r"— ([!-*,-~]+) ([A-Za-z0-9+/]+={0,2})")


class Signer(Protocol):
    """A key that signs; the private part may live elsewhere."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the 64-byte Ed25519 signature over `data`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A verified statement of a log: its size and the root over that many entries."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The signed text, with its final newline."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A cosigner and who runs it: quorums count operators, not keys."""

    public: bytes
    operator: str


def sign_checkpoint(*, origin: str, size: int, root: bytes, signer: Signer, public: bytes) -> str:
    """Return the signed note of a checkpoint.

    Args:
        origin: Name of the log and of its key.
        size: Number of entries.
        root: Root hash, 32 bytes.
        signer: The log's private key.
        public: The log's public key, 32 bytes; the new signature is checked against it.

    Raises:
        CheckpointError: A value is malformed, or the signer signs with another key.

    """
    text = Checkpoint(origin=origin, size=size, root=root).text
    if _BODY.fullmatch(text) is None:
        raise CheckpointError("not a checkpoint")
    signature = signer.sign(text.encode())
    _check_signature(public, signature, text.encode())
    return f"{text}\n{_line(origin, key_id(origin, LOG_ALGORITHM, public), signature)}"


def open_checkpoint(note: str, *, origin: str, public: bytes) -> Checkpoint:
    """Return what `note` states, once the log's signature is checked.

    Signatures by other keys are ignored, as the note specification demands.

    Raises:
        CheckpointError: The note is malformed, of another log, or not signed by `public`.

    """
    checkpoint, lines = _parse_note(note)
    if checkpoint.origin != origin:
        raise CheckpointError("of another log")
    wanted = key_id(origin, LOG_ALGORITHM, public)
    found = [s for name, key, s in lines if (name, key) == (origin, wanted)]
    if not found:
        raise CheckpointError("not signed by the log")
    for signature in found:
        _check_signature(public, signature, checkpoint.text.encode())
    return checkpoint


def read_checkpoint_unsafe(note: str) -> Checkpoint:
    """Return what `note` states without checking any signature.

    Raises:
        CheckpointError: The note is malformed.

    """
    return _parse_note(note)[0]


def vkey_text(name: str, public: bytes) -> str:
    """Return the verifier key of a log in C2SP text form."""
    key = key_id(name, LOG_ALGORITHM, public).hex()
    return f"{name}+{key}+{b64encode(bytes([LOG_ALGORITHM]) + public).decode()}"


def parse_vkey(text: str) -> tuple[str, bytes]:
    """Return the name and the Ed25519 public key of a log's verifier key.

    Raises:
        CheckpointError: The text is no verifier key of an Ed25519 log.

    """
    name, _, rest = text.strip().partition("+")
    key, _, encoded = rest.partition("+")
    material = _decode(encoded)
    if len(material) != 1 + _KEY_BYTES or material[0] != LOG_ALGORITHM or not _NAME.fullmatch(name):
        raise CheckpointError("not a verifier key")
    if key != key_id(name, LOG_ALGORITHM, material[1:]).hex():
        raise CheckpointError("the verifier key's id does not fit")
    return name, material[1:]


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """Return the four bytes that tell keys of one name apart."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:_KEY_ID_BYTES]


def cosign(note: str, *, name: str, signer: Signer, public: bytes, time: int) -> str:
    """Return a witness's signature line for `note`, with its newline.

    The caller has checked the note: its signature and its consistency (`audit.witness`).

    Args:
        note: A signed checkpoint.
        name: Name of the witness.
        signer: The witness's private key.
        public: The witness's public key, 32 bytes.
        time: POSIX time, seconds.

    Raises:
        CheckpointError: The note, name or time is malformed or the signer has another key.

    """
    if not _NAME.fullmatch(name) or not 0 <= time <= MAX_TIME:
        raise CheckpointError("not a witness's name or time")
    text = _cosigned(read_checkpoint_unsafe(note), time)
    signature = signer.sign(text)
    _check_signature(public, signature, text)
    stamped = time.to_bytes(_TIME_BYTES, "big") + signature
    return _line(name, key_id(name, COSIGNATURE_ALGORITHM, public), stamped)


def check_cosignature(line: str, *, note: str, name: str, public: bytes) -> int:
    """Return when the witness cosigned `note`, POSIX seconds.

    Raises:
        CosignatureError: The line is malformed, of another witness, or does not hold.

    """
    stamped = _stamped(line, name, public)
    time = int.from_bytes(stamped[:_TIME_BYTES], "big")
    try:
        text = _cosigned(read_checkpoint_unsafe(note), time)
        _check_signature(public, stamped[_TIME_BYTES:], text)
    except CheckpointError as error:
        raise CosignatureError(str(error)) from error
    return time


def _stamped(line: str, name: str, public: bytes) -> bytes:
    """Return the timestamp and signature of a witness's line."""
    found, key, stamped = _witness_line(line)
    if (found, key) != (name, key_id(name, COSIGNATURE_ALGORITHM, public)):
        raise CosignatureError("of another witness")
    if len(stamped) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise CosignatureError("of the wrong length")
    return stamped


def _witness_line(line: str) -> tuple[str, bytes, bytes]:
    try:
        return _parse_line(line.removesuffix("\n"))
    except CheckpointError as error:
        raise CosignatureError(str(error)) from error


def cosigning_operators(
    lines: Iterable[str], *, note: str, witnesses: Mapping[str, Witness]
) -> frozenset[str]:
    """Return the operators whose witnesses cosigned `note`.

    A line counts for nothing when its witness is unknown or it does not hold: one witness must
    not be able to spoil the receipts of all others.
    """
    operators = set()
    for line in lines:
        try:
            name, _, _ = _witness_line(line)
            witness = witnesses.get(name)
            if witness is None:
                continue
            check_cosignature(line, note=note, name=name, public=witness.public)
        except CosignatureError:
            continue
        operators.add(witness.operator)
    return frozenset(operators)


def _cosigned(checkpoint: Checkpoint, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()


def _parse_note(note: str) -> tuple[Checkpoint, list[tuple[str, bytes, bytes]]]:
    if len(note) > MAX_NOTE_BYTES:
        raise CheckpointError("the note is too large")
    body, separator, signatures = note.partition("\n\n")
    match = _BODY.fullmatch(body + "\n")
    if not separator or match is None or not signatures.endswith("\n"):
        raise CheckpointError("not a checkpoint")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise CheckpointError("too many signatures")
    root = _decode(match[3])
    checkpoint = Checkpoint(origin=match[1], size=int(match[2]), root=root)
    if checkpoint.text != body + "\n" or checkpoint.size > MAX_TIME:
        raise CheckpointError("not in canonical form")
    return checkpoint, [_parse_line(line) for line in lines]


def _line(name: str, key: bytes, signature: bytes) -> str:
    return f"— {name} {b64encode(key + signature).decode()}\n"


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise CheckpointError("not a signature line")
    data = _decode(match[2])
    if len(data) <= _KEY_ID_BYTES:
        raise CheckpointError("not a signature line")
    return match[1], data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:]


def _decode(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise CheckpointError("not base64") from error
    if b64encode(data).decode() != text:
        raise CheckpointError("not canonical base64")
    return data


def _check_signature(public: bytes, signature: bytes, data: bytes) -> None:
    try:
        VerifyKey(public).verify(data, signature)
    except (CryptoError, ValueError, TypeError) as error:
        raise CheckpointError("the signature does not hold") from error

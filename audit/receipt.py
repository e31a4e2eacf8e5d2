"""Receipts: an entry, its inclusion proof and the checkpoint it is proved under."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.entry import Event, parse_entry
from audit.errors import CheckpointError, EntryError, InvalidProofError, ReceiptError
from audit.merkle import check_inclusion, leaf_hash

MAX_PROOF = 64
MAX_COSIGNATURES = 64
_FIELDS = {"entry", "index", "proof", "checkpoint", "cosignatures"}
_PROOF_FORMAT = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that an entry is in the ledger; worth nothing before `check_receipt`.

    `proof` runs from leaf to root; `checkpoint` is a signed note; `cosignatures` are further
    signature lines to it.
    """

    entry: bytes
    index: int
    proof: list[bytes]
    checkpoint: str
    cosignatures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as plain JSON values, bytes in base64."""
        return {
            "entry": b64encode(self.entry).decode(),
            "index": self.index,
            "proof": [b64encode(value).decode() for value in self.proof],
            "checkpoint": self.checkpoint,
            "cosignatures": list(self.cosignatures),
        }

    @classmethod
    def from_json(cls, value: object) -> "Receipt":
        """Return the receipt that `to_json` wrote.

        Raises:
            ReceiptError: A field is missing, unknown or of the wrong type.

        """
        if (
            not isinstance(value, dict)
            or value.keys() != _FIELDS
            or type(value["index"]) is not int
        ):
            raise ReceiptError("not the fields of a receipt")
        lines = _texts(value["cosignatures"], most=MAX_COSIGNATURES)
        (checkpoint,) = _texts([value["checkpoint"]], most=1)
        (entry,) = _texts([value["entry"]], most=1)
        return cls(
            entry=_decode(entry),
            index=value["index"],
            proof=[_decode(text) for text in _texts(value["proof"], most=MAX_PROOF)],
            checkpoint=checkpoint,
            cosignatures=tuple(lines),
        )

    def to_tlog_proof(self) -> str:
        """Return the receipt as a C2SP tlog-proof; the entry itself travels apart."""
        hashes = "".join(b64encode(value).decode() + "\n" for value in self.proof)
        note = self.checkpoint + "".join(self.cosignatures)
        return f"{_PROOF_FORMAT}\nindex {self.index}\n{hashes}\n{note}"


def check_receipt(
    receipt: Receipt,
    *,
    origin: str,
    public: bytes,
    msg_sha256: str | None = None,
    event: Event | None = None,
) -> tuple[dict[str, Any], Checkpoint]:
    """Return the entry a receipt proves and the checkpoint it is proved under.

    Args:
        receipt: The receipt.
        origin: Name of the log, from the agreement.
        public: The log's public key, from the agreement.
        msg_sha256: SHA-256 (hex) of the message the entry must record; None for any.
        event: The event the entry must record; None for any.

    Raises:
        ReceiptError: The signature, the proof or the entry does not hold.

    """
    try:
        checkpoint = open_checkpoint(receipt.checkpoint, origin=origin, public=public)
        check_inclusion(
            leaf=leaf_hash(receipt.entry),
            index=receipt.index,
            size=checkpoint.size,
            path=receipt.proof,
            root=checkpoint.root,
        )
        entry = parse_entry(receipt.entry)
    except (CheckpointError, InvalidProofError, EntryError) as error:
        raise ReceiptError(str(error)) from error
    if entry["i"] != receipt.index:
        raise ReceiptError("the entry names another place")
    if msg_sha256 is not None and entry["msg"] != msg_sha256:
        raise ReceiptError("the entry records another message")
    if event is not None and entry["event"] != event:
        raise ReceiptError("the entry records another event")
    return entry, checkpoint


def _texts(value: object, *, most: int) -> list[str]:
    if not isinstance(value, list) or len(value) > most:
        raise ReceiptError("not a list of the expected length")
    if not all(isinstance(item, str) for item in value):
        raise ReceiptError("not text")
    return value


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise ReceiptError("not base64") from error

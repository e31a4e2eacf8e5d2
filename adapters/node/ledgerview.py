"""The node's own view of the ledger: what it has seen, proved and cosigned (promise T4).

Every checkpoint that reaches the node, in a receipt, from the broker, or as another party's
`seen`, must lie on the one history this node has followed. Anything else raises, and the raised
error carries the evidence.
"""

import base64
import threading
from collections.abc import Callable, Mapping
from typing import Any

from adapters.clock import Clock
from adapters.errors import BrokerRefusedError, BrokerUnavailableError
from adapters.node.client import BrokerClient
from adapters.node.records import Meta
from adapters.node.store import Store
from adapters.protocol import Seen, encode_json
from audit.checkpoint import (
    Checkpoint,
    Witness,
    cosign,
    cosigning_operators,
    open_checkpoint,
)
from audit.entry import Event
from audit.errors import InvalidProofError, SplitViewError
from audit.merkle import EMPTY_ROOT, check_consistency
from audit.receipt import Receipt, check_receipt
from audit.witness import WitnessState, advance
from keys.signing import SigningKey


class LedgerView:
    """The checkpoints this node has verified; it goes forward only."""

    def __init__(
        self,
        *,
        store: Store,
        client: BrokerClient,
        origin: str,
        log_key: bytes,
        operator: str,
        quorum: int,
        witnesses: Callable[[], Mapping[str, Witness]],
        party: str,
        key: SigningKey,
        clock: Clock,
    ) -> None:
        """Resume from what the store holds.

        Args:
            store: Where the newest verified checkpoint is kept.
            client: The line to the broker.
            origin: The ledger's origin, from the agreement.
            log_key: The ledger's Ed25519 public key, from the agreement.
            operator: Who runs the broker, from the agreement.
            quorum: How many other operators must have cosigned for a strong receipt.
            witnesses: The nodes whose cosignatures count, by name.
            party: This party's code, its name as a witness.
            key: The node's signing key.
            clock: The MASH's clock.

        """
        self._store = store
        self._client = client
        self._origin = origin
        self._log_key = log_key
        self._operator = operator
        self._quorum = quorum
        self._witnesses = witnesses
        self._party = party
        self._key = key
        self._clock = clock
        self._lock = threading.RLock()
        self._proved: dict[int, bytes] = {0: EMPTY_ROOT}
        with store.begin() as tx:
            note = tx.get(Meta, "checkpoint")
        self._state = WitnessState()
        if note is not None:
            newest = open_checkpoint(note.value, origin=origin, public=log_key)
            self._state = WitnessState(size=newest.size, root=newest.root, note=note.value)

    @property
    def seen(self) -> Seen:
        """The newest checkpoint this node has verified, for its messages."""
        return Seen(size=self._state.size, root=self._state.root.hex())

    def refresh(self) -> None:
        """Take the broker's newest checkpoint, check it, keep it, cosign it.

        Raises:
            audit.errors.AuditError: Signature, consistency or direction is wrong: stop and alarm.

        """
        self.follow(self._client.get("/ledger/checkpoint").decode())

    def follow(self, note: str) -> Checkpoint:
        """Check that `note` lies on the history followed so far; go forward if it is newer.

        Raises:
            audit.errors.AuditError: It does not.

        """
        checkpoint = open_checkpoint(note, origin=self._origin, public=self._log_key)
        self._follow(note, checkpoint)
        return checkpoint

    def _follow(self, note: str, checkpoint: Checkpoint) -> None:
        with self._lock:
            if checkpoint.size > self._state.size:
                self._go_forward(note, checkpoint)
            else:
                self._check_known(checkpoint.size, checkpoint.root, note)

    def check_seen(self, seen: Seen) -> None:
        """Check that another party's newest checkpoint lies on the same history as ours.

        Raises:
            audit.errors.SplitViewError: Two histories: the broker shows us different ledgers.

        """
        with self._lock:
            if seen.size > self._state.size:
                self.refresh()
            if seen.size > self._state.size:
                raise self._split(f"{seen.size} {seen.root}")
            self._check_known(seen.size, bytes.fromhex(seen.root), f"{seen.size} {seen.root}")

    def check_receipt(
        self, value: dict[str, Any], *, message_sha256: str, event: Event
    ) -> tuple[dict[str, Any], str]:
        """Return the ledger entry that `value` proves, and the receipt's level.

        The level is `strong` once the agreement's quorum of other operators than the broker's
        has cosigned its checkpoint, else `weak`.

        Raises:
            audit.errors.AuditError: The proof, signature or history is wrong.
            WrongReceiptError: A receipt for something else.

        """
        receipt = Receipt.from_json(value)
        entry, checkpoint = check_receipt(
            receipt,
            origin=self._origin,
            public=self._log_key,
            msg_sha256=message_sha256,
            event=event,
        )
        self._follow(receipt.checkpoint, checkpoint)
        lines = receipt.cosignatures
        operators = cosigning_operators(lines, note=receipt.checkpoint, witnesses=self._witnesses())
        enough = len(operators - {self._operator}) >= self._quorum
        return entry, "strong" if enough else "weak"

    def _go_forward(self, note: str, checkpoint: Checkpoint) -> None:
        proof = self._consistency(self._state.size, checkpoint.size)
        state = advance(self._state, note, proof, origin=self._origin, public=self._log_key)
        with self._store.begin() as tx:
            tx.put(Meta(id="checkpoint", value=note))
        self._proved[self._state.size] = self._state.root
        self._state = state
        self._cosign(note, checkpoint.size)

    def _cosign(self, note: str, size: int) -> None:
        """A witness persists before it answers (FACTS 3, trap 7): called after the commit."""
        line = cosign(
            note,
            name=self._party,
            signer=self._key,
            public=self._key.public,
            time=int(self._clock().timestamp()),
        )
        body = encode_json({"size": size, "line": line})
        try:
            self._client.post("/witness/cosignatures", body)
        except BrokerRefusedError as error:
            if error.status not in {404, 409}:  # a newer checkpoint has taken its place
                raise

    def _check_known(self, size: int, root: bytes, shown: str) -> None:
        if self._proved.get(size) == root:
            return
        if size == self._state.size:
            if root != self._state.root:
                raise self._split(shown)
            return
        proof = self._consistency(size, self._state.size)
        try:
            check_consistency(
                old_size=size,
                new_size=self._state.size,
                path=proof,
                old_root=root,
                new_root=self._state.root,
            )
        except InvalidProofError as error:
            raise self._split(shown) from error
        self._proved[size] = root

    def _split(self, theirs: str) -> SplitViewError:
        return SplitViewError("two histories", first=self._state.note, second=theirs)

    def _consistency(self, old: int, new: int) -> list[bytes]:
        if old in {0, new}:
            return []
        value = self._client.get_json("/ledger/consistency", old=old, new=new)
        try:
            return [base64.b64decode(part, validate=True) for part in value["proof"]]
        except (KeyError, TypeError, ValueError):
            raise BrokerUnavailableError("no consistency proof") from None

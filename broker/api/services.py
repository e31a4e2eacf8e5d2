"""What the routes work with, and how a signed message goes through."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters.errors import TrustError
from adapters.protocol import Message, ProtocolError, sha256_hex
from broker.api.problems import kind_of
from broker.api.waiting import Wakeups
from broker.domain import Reply
from broker.errors import BrokerError, StorageError
from broker.exchange.hub import Hub
from broker.exchange.intake import read_submission, verify
from broker.exchange.messages import prepare
from broker.exchange.tokens import AccessTokens
from broker.exchange.upkeep import prepare_refused
from broker.ports import Tx
from broker.store.ledger_reads import LedgerReads
from broker.store.reads import Reads
from broker.store.writer import Writer
from keys.errors import KeysError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a route needs."""

    hub: Hub
    writer: Writer
    reads: Reads
    ledger: LedgerReads
    tokens: AccessTokens
    wakeups: Wakeups
    sweep_seconds: float = 30.0

    def take(
        self, body: bytes, *, party: str, kind: type[Message], order: str | None = None
    ) -> Reply:
        """Return what the message in `body` led to, now or when it was sent before.

        A refusal of an identified party is counted in the ledger, by party, code and hour.

        Raises:
            BrokerError, TrustError, KeysError, ProtocolError: The message is refused.

        """
        try:
            submission = read_submission(body)
            known = self.reads.find_reply(party, sha256_hex(submission.message.encode()))
            if known is not None:
                return known
            incoming = verify(self.hub, submission, party=party)
            return self.writer.call(prepare(self.hub, incoming, kind=kind, order=order))
        except (BrokerError, TrustError, KeysError, ProtocolError) as error:
            self.note_refusal(party, error)
            raise

    def note_refusal(self, party: str, error: Exception) -> None:
        """Count a refusal of `party` in the ledger."""
        kind = kind_of(error)
        if kind is None or isinstance(error, StorageError):
            return
        unit = prepare_refused(self.hub, party=party, code=kind.slug.replace("-", "_"))
        with contextlib.suppress(StorageError):  # the refusal itself must still be answered
            self.writer.call(unit)

    def call(self, unit: Callable[[Tx], T]) -> T:
        """Run `unit` in the writer's transaction."""
        return self.writer.call(unit)

    def receipts(self, reply: Reply) -> list[dict[str, Any]]:
        """Return the receipts of a reply's entries."""
        return self.reads.receipts(reply.entries)

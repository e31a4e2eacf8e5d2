"""What this node believes about the others: the agreement, who signed it, whose keys count.

The agreement is the node's own copy, pinned by hash; signatures and credentials come from the
broker and are believed only after they have been verified here against the party roots that the
agreement names, credentials only with a receipt that they stand in the ledger.
"""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from adapters.clock import Clock
from adapters.errors import (
    AgreementNotOursError,
    SuiteNotAgreedError,
    TrustError,
    WrongReceiptError,
)
from adapters.node.client import BrokerClient
from adapters.node.ledgerview import LedgerView
from adapters.node.records import Meta
from adapters.node.store import Store
from adapters.protocol import AgreementRef, agreement_signing_input, sha256_hex
from adapters.trust import CredentialBook
from audit.checkpoint import Witness
from audit.entry import Event
from keys.credentials import Kind
from keys.encoding import decode_base64url
from keys.errors import KeysError
from keys.sealing import SUITE
from keys.signing import RootPublic, RootSignature, check_root_signature
from policies.agreement import Agreement, load_agreement
from policies.decide import Engine
from policies.standing import Standing

_log = structlog.get_logger()
_ACTS: Final = "acts:"


def load_own_agreement(path: Path, *, sha256: str) -> Agreement:
    """Return the node's own copy of the agreement.

    Raises:
        AgreementNotOursError: The file is not the one that was pinned.
        SuiteNotAgreedError: This program seals in a way that the parties have not agreed on.
        policies.errors.AgreementError: The file is no valid agreement.

    """
    agreement = load_agreement(path.read_bytes(), source=path.name)
    if agreement.sha256 != sha256:
        raise AgreementNotOursError(agreement.sha256, sha256)
    if SUITE not in agreement.schedule.suites:
        raise SuiteNotAgreedError(SUITE)
    return agreement


def reference_of(agreement: Agreement) -> AgreementRef:
    """Return the agreement as messages name it."""
    return AgreementRef(id=agreement.id, seq=agreement.seq, sha256=agreement.sha256)


class Believed:
    """The agreement in force, its standing and the verified credentials; refreshed as they grow."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        client: BrokerClient,
        view: LedgerView,
        clock: Clock,
        store: Store,
    ) -> None:
        """Start with the acts verified before, and no credentials."""
        self.agreement = agreement
        self.reference = reference_of(agreement)
        roots = {
            party: RootPublic(ed25519=keys.ed25519, mldsa65=keys.mldsa65)
            for party, keys in agreement.schedule.parties.items()
        }
        self.book = CredentialBook(roots, mash=agreement.mash)
        self._roots = roots
        self._client = client
        self._view = view
        self._clock = clock
        self._store = store
        self._acts = self._remembered()
        self._standing = _standing_of(self._acts)
        self._engine = Engine(agreement, self._standing)
        self._cursor = 0
        self._lock = threading.RLock()

    @property
    def engine(self) -> Engine:
        """The policy engine for the present standing."""
        return self._engine

    @property
    def informed(self) -> bool:
        """Whether keys have been learnt from the ledger since this node was started."""
        return self._cursor > 0

    @property
    def standing(self) -> Standing:
        """Who has signed and who has left, as far as this node has verified."""
        return self._standing

    def witnesses(self) -> dict[str, Witness]:
        """Return the nodes whose cosignatures count, by name, with their operators."""
        operators = self.agreement.schedule.parties
        return {
            c.party: Witness(public=c.public, operator=operators[c.party].operator)
            for c in self.book.all()
            if c.kind is Kind.NODE
        }

    def refresh(self) -> None:
        """Fetch and verify new signatures and credentials.

        Raises:
            keys.errors.KeysError: A signature or chain is wrong: stop and alarm.
            audit.errors.AuditError: A credential's receipt is wrong: stop and alarm.

        """
        with self._lock:
            self._refresh_standing()
            self._refresh_credentials()

    def _refresh_standing(self) -> None:
        """An act once verified stays: a broker that leaves out a withdrawal undoes nothing.

        It stays over a restart too.
        """
        for act in self._client.get_json("/agreement")["signatures"]:
            if (act["party"], act["act"]) in self._acts:
                continue
            check_root_signature(
                self._roots[act["party"]],
                RootSignature(
                    ed25519=decode_base64url(act["ed25519"]),
                    mldsa65=decode_base64url(act["mldsa65"]),
                ),
                agreement_signing_input(
                    agreement=self.reference, party=act["party"], act=act["act"]
                ),
            )
            self._acts.add((act["party"], act["act"]))
        standing = _standing_of(self._acts)
        if standing != self._standing:
            self._standing = standing
            self._engine = Engine(self.agreement, standing)
            with self._store.begin() as tx:
                value = json.dumps(sorted(self._acts))
                tx.put(Meta(id=_ACTS + self.agreement.sha256, value=value))

    def _remembered(self) -> set[tuple[str, str]]:
        with self._store.begin() as tx:
            kept = tx.get(Meta, _ACTS + self.agreement.sha256)
        return set() if kept is None else {(party, act) for party, act in json.loads(kept.value)}

    def _refresh_credentials(self) -> None:
        """One that does not hold is passed over: it counts for nothing, and blocks nobody."""
        while True:
            page = self._client.get_json("/credentials", after=self._cursor)["credentials"]
            for item in page:
                try:
                    self._believe(item)
                except (KeysError, TrustError) as error:
                    _log.error("credential_refused", number=self._cursor, why=type(error).__name__)
                self._cursor += 1
            if not page or self._cursor > self._view.seen.size:
                return  # each has an entry of its own: more than the ledger holds is no page

    def _believe(self, item: dict[str, Any]) -> None:
        text = str(item["text"])
        entry, _ = self._view.check_receipt(
            item["receipt"], message_sha256=sha256_hex(text.encode()), event=Event.CREDENTIAL
        )
        logged_at = entry_time(entry)
        credential = self.book.add(text, at=logged_at)
        if entry["cred_kid"] != credential.kid:
            raise WrongReceiptError(Event.CREDENTIAL)


def _standing_of(acts: set[tuple[str, str]]) -> Standing:
    return Standing(
        signed=frozenset(party for party, act in acts if act == "signed"),
        withdrawn=frozenset(party for party, act in acts if act == "withdrawn"),
    )


def entry_time(entry: dict[str, Any]) -> datetime:
    """Return a ledger entry's time."""
    return datetime.fromisoformat(str(entry["ts"])).astimezone(UTC)

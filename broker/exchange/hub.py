"""What the broker believes at this moment: agreement, who signed it, whose keys count.

A projection of the ledger kept in memory: changed only after the commit of what it reflects,
rebuilt from the store at start.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from adapters.protocol import AgreementRef
from adapters.trust import CredentialBook, Verified, check_message
from broker.domain import AgreementAct, LoggedCredential
from broker.ports import Clock, Salt
from keys.credentials import Credential
from keys.signing import RootPublic, SigningKey
from policies.agreement import Agreement
from policies.decide import Engine
from policies.standing import Standing

SIGNED: Final = "signed"
WITHDRAWN: Final = "withdrawn"
BROKER: Final = "broker"  # the acting party of the ledger's own entries


class Hub:
    """The agreement in force, its standing, and the credentials that stand in the ledger."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        document: bytes,
        log_key: SigningKey,
        clock: Clock,
        salt: Salt,
        lease: timedelta,
    ) -> None:
        """Start with nobody's signature and no credentials.

        Args:
            agreement: The agreement in force.
            document: Its exact bytes, as every party pinned them.
            log_key: The broker's key, signing checkpoints and decision sets.
            clock: The MASH's clock.
            salt: Fresh random bytes for commitments.
            lease: How long a claimed order is held beyond its answer slot.

        """
        self.agreement = agreement
        self.document = document
        self.reference = AgreementRef(id=agreement.id, seq=agreement.seq, sha256=agreement.sha256)
        self.log_key = log_key
        self.clock = clock
        self.salt = salt
        self.lease = lease
        self.roots = {
            party: RootPublic(ed25519=keys.ed25519, mldsa65=keys.mldsa65)
            for party, keys in agreement.schedule.parties.items()
        }
        self.book = CredentialBook(self.roots, mash=agreement.mash)
        self.acts: tuple[AgreementAct, ...] = ()
        self.engine = Engine(agreement, Standing(signed=frozenset()))

    @property
    def origin(self) -> str:
        """The ledger's name, and the audience of every message."""
        return self.agreement.schedule.broker.origin

    @property
    def parties(self) -> tuple[str, ...]:
        """Every party of the agreement, sorted."""
        return tuple(sorted(self.roots))

    def check(self, jws: str, *, at: datetime) -> Verified:
        """Return the message in `jws` after every check that needs no database.

        Raises:
            adapters.errors.TrustError, keys.errors.KeysError, ProtocolError: See check_message.

        """
        return check_message(
            jws,
            book=self.book,
            audience=self.origin,
            mash=self.agreement.mash,
            agreement=self.reference,
            at=at,
        )

    def restore(
        self, credentials: Iterable[LoggedCredential], acts: Iterable[AgreementAct]
    ) -> None:
        """Believe again what the store holds, each credential as of when it was logged."""
        for logged in credentials:
            self.book.add(logged.text, at=datetime.fromtimestamp(logged.at, self.clock().tzinfo))
        self.take_acts(acts)

    def believe(self, credential: Credential, *, at: datetime) -> None:
        """Count on a credential that has become an entry of the ledger."""
        self.book.add(credential.text, at=at)

    def take_acts(self, acts: Iterable[AgreementAct]) -> None:
        """Count the acts under the agreement in force, and decide by them from now on."""
        ours = tuple(act for act in acts if act.agreement == self.agreement.sha256)
        standing = Standing(
            signed=frozenset(act.party for act in ours if act.act == SIGNED),
            withdrawn=frozenset(act.party for act in ours if act.act == WITHDRAWN),
        )
        self.engine = Engine(self.agreement, standing)
        self.acts = ours

"""What every part of a running node needs, put together once by `adapters.node.main`."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

from adapters.clock import Clock
from adapters.node.client import BrokerClient
from adapters.node.keyring import Keyring
from adapters.node.ledgerview import LedgerView
from adapters.node.settings import NodeSettings
from adapters.node.standing import Believed
from adapters.node.store import Store
from adapters.node.systems import Systems
from policies.local import LocalPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One party's node."""

    settings: NodeSettings
    clock: Clock
    store: Store
    client: BrokerClient
    keyring: Keyring
    view: LedgerView
    believed: Believed
    systems: Systems
    local_policy: LocalPolicy | None = None  # this party's own; it only narrows
    wake: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def party(self) -> str:
        """This party's code in the agreement."""
        return self.settings.party

    @property
    def origin(self) -> str:
        """The ledger's origin: the audience of every message."""
        return self.believed.agreement.schedule.broker.origin

    def now(self) -> datetime:
        """Return the MASH's time."""
        return self.clock()

    def notify(self) -> None:
        """Wake whoever waits for a change of the store."""
        with self.changed:
            self.changed.notify_all()

"""The keys a node holds: its own, its posts' seal keys, and its people's for a few hours.

Nothing here is ever sent; what is sent are credentials, whose chain leads to the party's root.
"""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Final

from adapters.ceremony import CREDENTIALS_FILE
from adapters.clock import Clock
from keys.credentials import Credential, Kind, issue, parse_unsafe
from keys.keystore import FileKeyStore
from keys.randomness import new_ref
from keys.sealing import SealKey
from keys.signing import SigningKey

PERSON_LIFE: Final = timedelta(hours=8)
_RENEW_BEFORE: Final = timedelta(minutes=30)


class Keyring:
    """Keys and credentials of one party's node."""

    def __init__(
        self, directory: Path, *, secret: bytes, mash: str, party: str, clock: Clock
    ) -> None:
        """Load what the ceremony left in `directory`.

        Raises:
            keys.errors.KeyStoreError: A key is missing, damaged, or the secret is wrong.

        """
        store = FileKeyStore(directory / "keys", secret=secret)
        texts = json.loads((directory / CREDENTIALS_FILE).read_text())
        self.credentials = tuple(parse_unsafe(text) for text in texts)
        self.node = SigningKey.from_seed(store.get("node"))
        seal_keys = [SealKey.from_seed(store.get("node_seal"))]
        seal_keys += [
            SealKey.from_seed(store.get(name)) for name in store.names() if name.startswith("post.")
        ]
        self._seal_keys = {key.kid: key for key in seal_keys}
        self._mash = mash
        self._party = party
        self._clock = clock
        self._people: dict[tuple[str, str], tuple[SigningKey, Credential]] = {}
        self._lock = threading.Lock()

    @property
    def node_credential(self) -> Credential:
        """The node's own credential."""
        return next(c for c in self.credentials if c.kind is Kind.NODE)

    def seal_key(self, kid: str) -> SealKey | None:
        """Return the seal key with this kid, or None when it is not ours."""
        return self._seal_keys.get(kid)

    def person(self, name: str, role: str) -> tuple[SigningKey, Credential]:
        """Return the signing key and credential of a person in a role, new ones where due.

        The key lives in memory only; the reference in the credential is random, so the ledger
        never names anybody. The credential must be logged before the key is used.
        """
        now = self._clock()
        with self._lock:
            held = self._people.get((name, role))
            if held is None or held[1].expires - _RENEW_BEFORE <= now:
                held = self._issue(role)
                self._people[(name, role)] = held
            return held

    def _issue(self, role: str) -> tuple[SigningKey, Credential]:
        now = self._clock()
        key = SigningKey.generate()
        credential = issue(
            self.node,
            mash=self._mash,
            party=self._party,
            kind=Kind.PERSON,
            alg="Ed25519",
            public=key.public,
            not_before=now - timedelta(minutes=1),
            expires=now + PERSON_LIFE,
            role=role,
            actor_ref=new_ref("p"),
        )
        return key, credential

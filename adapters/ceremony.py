"""The key ceremony: a party's root, what it certifies, and its signature under the agreement.

Two folders per party: `root/` (taken offline after the ceremony) and `keys/` (the node's). The
root certifies the operational key; that certifies the node, its seal key and the posts' seal keys
(DESIGN 5). Used by `mash party join` and by the demonstration.
"""

import json
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.protocol import GUARDIAN_ROLE, AgreementRef, agreement_signing_input
from keys.credentials import Credential, Kind, issue, issue_operational, quarter_of
from keys.encoding import encode_base64url
from keys.keystore import FileKeyStore
from keys.sealing import SealKey
from keys.signing import RootKey, RootPublic, SigningKey

OPERATIONAL_LIFE: Final = timedelta(days=90)
CREDENTIALS_FILE: Final = "credentials.json"
_BACKDATE: Final = timedelta(minutes=10)  # partners' clocks may be a little behind


def create_root(directory: Path, *, secret: bytes) -> RootPublic:
    """Make the party's root key in `directory`/root and return its public half."""
    root = RootKey.generate()
    FileKeyStore(directory / "root", secret=secret).put("root", root.to_bytes())
    return root.public


def load_root(directory: Path, *, secret: bytes) -> RootKey:
    """Return the party's root key.

    Raises:
        keys.errors.KeyStoreError: No root there, or the wrong secret.

    """
    return RootKey.from_bytes(FileKeyStore(directory / "root", secret=secret).get("root"))


def certify(
    directory: Path,
    *,
    root: RootKey,
    secret: bytes,
    mash: str,
    party: str,
    roles: Iterable[str],
    now: datetime,
) -> list[Credential]:
    """Make and certify the node's keys in `directory`/keys; return the credentials, issuers first.

    Args:
        directory: The party's folder.
        root: The party's root, taken out of its safe for this.
        secret: Secret of the node's key store.
        mash: Short name of the MASH.
        party: The party's code in the agreement.
        roles: Posts of this party; the Caldicott Guardian's office is always added.
        now: Start of validity.

    """
    store = FileKeyStore(directory / "keys", secret=secret)
    start, end = now - _BACKDATE, now - _BACKDATE + OPERATIONAL_LIFE
    operational = SigningKey.generate()
    node, node_seal = SigningKey.generate(), SealKey.generate()
    store.put("operational", operational.seed)
    store.put("node", node.seed)
    store.put("node_seal", node_seal.seed)
    made = [
        issue_operational(
            root,
            mash=mash,
            party=party,
            public=operational.public,
            not_before=start,
            expires=end,
        )
    ]

    def certified(kind: Kind, alg: str, public: bytes, role: str | None = None) -> Credential:
        quarter = None if role is None else quarter_of(now)
        return issue(
            operational,
            mash=mash,
            party=party,
            kind=kind,
            alg=alg,
            public=public,
            not_before=start,
            expires=end,
            role=role,
            quarter=quarter,
        )

    made.append(certified(Kind.NODE, "Ed25519", node.public))
    made.append(certified(Kind.NODE_SEAL, "X-Wing", node_seal.public))
    for role in sorted({*roles, GUARDIAN_ROLE}):
        seal_key = SealKey.generate()
        store.put(f"post.{role}.{quarter_of(now)}", seal_key.seed)
        made.append(certified(Kind.POST, "X-Wing", seal_key.public, role))
    _write_private(directory / CREDENTIALS_FILE, json.dumps([c.text for c in made]))
    return made


def sign_agreement(
    root: RootKey, *, party: str, agreement: AgreementRef, act: str = "signed"
) -> dict[str, str]:
    """Return the party's detached signature (`act` signed) or withdrawal, ready to post."""
    signature = root.sign(agreement_signing_input(agreement=agreement, party=party, act=act))
    return {
        "party": party,
        "act": act,
        "ed25519": encode_base64url(signature.ed25519),
        "mldsa65": encode_base64url(signature.mldsa65),
    }


def _write_private(path: Path, text: str) -> None:
    """Write whole or not at all: a power cut must not lose the credentials."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

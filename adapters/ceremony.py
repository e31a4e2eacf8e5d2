"""The key ceremony: a party's root, what it certifies, and its signature under the agreement.

Two folders per party: `root/` (taken offline after the ceremony) and `keys/` (the node's). The
root certifies the operational key; that certifies the node, its seal key and the posts' seal keys
(DESIGN 5). Used by `mash party join` and by the demonstration.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
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
    store.put("operational", operational.seed)
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

    made += _certified(operational, made[0], _node_keys(store, roles, quarter=quarter_of(now)))
    _write_private(directory / CREDENTIALS_FILE, json.dumps([c.text for c in made]))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A key just made: what it is for, and its public half."""

    kind: Kind
    alg: str
    public: bytes
    role: str | None = None
    quarter: str | None = None


def _node_keys(store: FileKeyStore, roles: Iterable[str], *, quarter: str) -> list[_Made]:
    """Make the node's key, its seal key and the posts' seal keys, and keep them."""
    node, node_seal = SigningKey.generate(), SealKey.generate()
    store.put("node", node.seed)
    store.put("node_seal", node_seal.seed)
    made = [
        _Made(kind=Kind.NODE, alg="Ed25519", public=node.public),
        _Made(kind=Kind.NODE_SEAL, alg="X-Wing", public=node_seal.public),
    ]
    for role in sorted({*roles, GUARDIAN_ROLE}):
        post = SealKey.generate()
        store.put(f"post.{role}.{quarter}", post.seed)
        made.append(
            _Made(kind=Kind.POST, alg="X-Wing", public=post.public, role=role, quarter=quarter)
        )
    return made


def _certified(
    operational: SigningKey, issuer: Credential, keys: Iterable[_Made]
) -> list[Credential]:
    return [
        issue(
            operational,
            mash=issuer.mash,
            party=issuer.party,
            kind=key.kind,
            alg=key.alg,
            public=key.public,
            not_before=issuer.not_before,
            expires=issuer.expires,
            role=key.role,
            quarter=key.quarter,
        )
        for key in keys
    ]


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

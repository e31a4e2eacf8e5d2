"""Making a broker's data folder: the log key first, then the agreement that names it.

The order matters: the log's public key must stand in the agreement's schedule before anybody
signs, so `create_log_key` comes before the agreement exists, and `install` refuses another key.
"""

from pathlib import Path
from typing import Final

from broker.errors import AgreementError
from keys.errors import EntryMissingError
from keys.keystore import FileKeyStore
from keys.randomness import new_salt
from keys.signing import SigningKey
from policies.agreement import Agreement, load_agreement

LOG_KEY: Final = "log"
TOKEN_KEY: Final = "token"  # noqa: S105 - the name of an entry, not a secret
KEYS: Final = "keys"
AGREEMENT: Final = "agreement.yaml"


def create_log_key(directory: Path, *, secret: bytes) -> SigningKey:
    """Make the log key in `directory`/keys, or return the one that is there."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = FileKeyStore(directory / KEYS, secret=secret)
    if LOG_KEY not in store.names():
        store.put(LOG_KEY, SigningKey.generate().seed, replace=False)
    if TOKEN_KEY not in store.names():
        store.put(TOKEN_KEY, new_salt(), replace=False)
    return SigningKey.from_seed(store.get(LOG_KEY))


def install(directory: Path, document: bytes, *, source: str, secret: bytes) -> Agreement:
    """Put the agreement's exact bytes into `directory`, after checking that it names this log.

    Raises:
        policies.errors.AgreementError: The document is no valid agreement.
        AgreementError: Its schedule names another log key, or another agreement is there.

    """
    agreement = load_agreement(document, source=source)
    check_log_key(agreement, load_log_key(directory, secret=secret))
    path = directory / AGREEMENT
    if path.exists() and path.read_bytes() != document:
        raise AgreementError("another agreement is installed here already")
    path.write_bytes(document)
    return agreement


def load_log_key(directory: Path, *, secret: bytes) -> SigningKey:
    """Return the log key.

    Raises:
        AgreementError: There is none yet.
        keys.errors.KeyStoreError: The store does not open.

    """
    try:
        return SigningKey.from_seed(FileKeyStore(directory / KEYS, secret=secret).get(LOG_KEY))
    except EntryMissingError:
        raise AgreementError("no log key here: run `mash broker key` first") from None


def check_log_key(agreement: Agreement, key: SigningKey) -> None:
    """Check that the agreement's schedule names this log key.

    Raises:
        AgreementError: It names another.

    """
    if agreement.schedule.broker.log_key != key.public:
        raise AgreementError("the agreement's schedule names another log key than this broker's")

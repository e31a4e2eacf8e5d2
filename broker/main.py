"""The composition root: from settings to a running broker."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from adapters.agreement.ledger import facts_line
from adapters.clock import Clock, clock_for
from adapters.logs import configure_logs
from adapters.protocol import Ask, Request, decode, decode_message
from audit.checkpoint import open_checkpoint, vkey_text
from audit.export import write_export
from broker.api.app import create_app
from broker.api.services import Services
from broker.api.waiting import Wakeups
from broker.errors import AgreementError
from broker.exchange.hub import Hub
from broker.exchange.tokens import AccessTokens
from broker.install import LOG_KEY, TOKEN_KEY, check_log_key
from broker.settings import BrokerSettings
from broker.store.database import open_reader, open_writer
from broker.store.ledger_reads import LedgerReads
from broker.store.ledger_store import LogIdentity
from broker.store.lock import ProcessLock
from broker.store.reads import Reads
from broker.store.writer import Writer
from keys.keystore import FileKeyStore
from keys.randomness import new_salt
from keys.signing import SigningKey, read_payload_unsafe
from policies.agreement import load_agreement

_DRAIN_SECONDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A running broker without its server."""

    app: ASGIApp
    services: Services
    lock: ProcessLock

    def close(self) -> None:
        """Finish what is queued and let the data folder go."""
        self.services.writer.stop()
        self.services.reads.close()
        self.lock.release()


def build(
    settings: BrokerSettings,
    *,
    clock: Clock | None = None,
    on_failure: Callable[[], None] | None = None,
) -> Broker:
    """Return a broker over the data folder that `mash broker init` made.

    Args:
        settings: What the broker is told.
        clock: A clock in place of the settings' one.
        on_failure: Told when the writer has stopped for good; without it the process is ended.

    Raises:
        AgreementError: Not initialised, or the agreement names another log key.
        StorageError: Another process runs here, or the stored ledger is damaged.
        keys.errors.KeyStoreError: The key store does not open.

    """
    hub, token_secret = _hub(settings, clock)
    lock = ProcessLock(settings.data_dir / "broker.lock")
    try:
        services = _services(settings, hub, token_secret, on_failure or _end_process)
    except BaseException:
        lock.release()
        raise
    return Broker(app=create_app(services), services=services, lock=lock)


def _hub(settings: BrokerSettings, clock: Clock | None) -> tuple[Hub, bytes]:
    if not settings.agreement_path.exists():
        raise AgreementError("no agreement here: run `mash broker init` first")
    document = settings.agreement_path.read_bytes()
    agreement = load_agreement(document, source=settings.agreement_path.name)
    secret = settings.keystore_secret.get_secret_value().encode()
    store = FileKeyStore(settings.keys_path, secret=secret)
    log_key = SigningKey.from_seed(store.get(LOG_KEY))
    check_log_key(agreement, log_key)
    clock = clock or clock_for(
        start=settings.clock_start,
        started_at=settings.clock_started_at,
        origin=agreement.schedule.broker.origin,
    )
    hub = Hub(
        agreement=agreement,
        document=document,
        log_key=log_key,
        clock=clock,
        salt=new_salt,
        lease=timedelta(seconds=settings.lease_seconds),
    )
    return hub, store.get(TOKEN_KEY)


def _services(
    settings: BrokerSettings, hub: Hub, token_secret: bytes, on_failure: Callable[[], None]
) -> Services:
    wakeups = Wakeups()
    writer = Writer(
        open_writer(settings.database),
        log=LogIdentity(origin=hub.origin, mash=hub.agreement.mash, key=hub.log_key),
        clock=hub.clock,
        salt=new_salt,
        on_commit=wakeups.wake,
        on_failure=on_failure,
    )
    reader = open_reader(settings.database)
    reads = Reads(reader)
    hub.restore(*reads.membership())
    return Services(
        hub=hub,
        writer=writer,
        reads=reads,
        ledger=LedgerReads(reader),
        tokens=AccessTokens(token_secret),
        wakeups=wakeups,
        sweep_seconds=settings.sweep_seconds,
    )


def _end_process() -> None:
    """A writer that failed must not be left running half a broker."""
    os.kill(os.getpid(), signal.SIGTERM)


def run(settings: BrokerSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    broker = build(settings)
    configure_logs(settings.log_level)
    log = structlog.get_logger()
    log.info("broker_started", origin=broker.services.hub.origin, port=settings.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains, then raises the signal again for this handler: closing comes after it.
        signal.signal(number, lambda *_: None)
    try:
        uvicorn.run(
            broker.app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    finally:
        broker.close()
        log.info("broker_stopped")


def kept_facts(settings: BrokerSettings) -> Iterator[str]:
    """Yield the clear facts that are still kept, for `mash agreement replay --facts`.

    No name and no reason is among them: the broker has none.
    """
    reads = Reads(open_reader(settings.database))
    for jws, body in reads.kept_asks():
        request = decode_message(read_payload_unsafe(jws))  # checked when it was taken
        if isinstance(request, Request):
            yield facts_line(request, decode(body, Ask))
    reads.close()


def export_ledger(settings: BrokerSettings, out: Path) -> int:
    """Write the ledger up to its newest checkpoint to the folder `out`; return its size.

    Raises:
        audit.errors.AuditError: The folder exists, or the entries do not fit the checkpoint.
        NotFoundError: The ledger is empty.

    """
    agreement = load_agreement(
        settings.agreement_path.read_bytes(), source=settings.agreement_path.name
    )
    keys = agreement.schedule.broker
    ledger = LedgerReads(open_reader(settings.database))
    note = ledger.checkpoint()
    size = open_checkpoint(note, origin=keys.origin, public=keys.log_key).size
    write_export(
        out,
        note=note,
        entries=ledger.all_entries(size=size),
        vkey=vkey_text(keys.origin, keys.log_key),
    )
    return size

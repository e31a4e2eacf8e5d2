"""Composition root of the node: joins settings, keys, connectors, agent and local API."""

from pathlib import Path

import uvicorn

from adapters.clock import Clock, clock_for
from adapters.errors import SettingsError
from adapters.logs import configure_logs
from adapters.node.agent import Agent
from adapters.node.api import create_app
from adapters.node.client import BrokerClient
from adapters.node.context import Node
from adapters.node.keyring import Keyring
from adapters.node.ledgerview import LedgerView
from adapters.node.settings import NodeSecrets, NodeSettings, load_settings
from adapters.node.standing import Believed, load_own_agreement
from adapters.node.store import Store
from adapters.node.systems import load_systems
from policies.agreement import Agreement
from policies.local import LocalPolicy, load_local_policy


def build(settings: NodeSettings, *, secret: bytes, clock: Clock | None = None) -> Node:
    """Return the node that `settings` describe; nothing runs yet.

    Args:
        settings: What the node is told.
        secret: Opens its key store.
        clock: A clock in place of the settings' one.

    Raises:
        AdaptersError, KeysError, AgreementError: Something does not fit; says what and where.

    """
    agreement = load_own_agreement(settings.agreement, sha256=settings.agreement_sha256)
    schedule = agreement.schedule
    clock = clock or clock_for(
        start=settings.clock_start,
        started_at=settings.clock_started_at,
        origin=schedule.broker.origin,
    )
    keyring = Keyring(
        settings.data_dir,
        secret=secret,
        mash=agreement.mash,
        party=settings.party,
        clock=clock,
    )
    store = Store(settings.data_dir / "node.sqlite")
    client = BrokerClient(
        base_url=settings.broker_url,
        origin=schedule.broker.origin,
        party=settings.party,
        key=keyring.node,
        clock=clock,
    )
    view = LedgerView(
        store=store,
        client=client,
        origin=schedule.broker.origin,
        log_key=schedule.broker.log_key,
        operator=schedule.broker.operator,
        quorum=schedule.witness.quorum,
        witnesses=lambda: believed.witnesses(),  # noqa: PLW0108 - made below
        party=settings.party,
        key=keyring.node,
        clock=clock,
    )
    believed = Believed(agreement=agreement, client=client, view=view, clock=clock, store=store)
    return Node(
        settings=settings,
        clock=clock,
        store=store,
        client=client,
        keyring=keyring,
        view=view,
        believed=believed,
        systems=load_systems(settings.systems, index_seconds=settings.index_seconds, clock=clock),
        local_policy=_local_policy(settings, agreement),
    )


def _local_policy(settings: NodeSettings, agreement: Agreement) -> LocalPolicy | None:
    path = settings.local_policy
    if path is None:
        return None
    policy = load_local_policy(path.read_bytes(), agreement=agreement, source=path.name)
    if policy.party != settings.party:
        raise SettingsError(path.name, "party", f"is another party's than {settings.party}")
    return policy


def run(config: Path) -> None:
    """Run the node described by the file `config` until it is told to stop."""
    settings = load_settings(config)
    configure_logs(settings.log_level)
    secret = NodeSecrets().keystore_secret.get_secret_value().encode()
    node = build(settings, secret=secret)
    agent = Agent(node)
    agent.start()
    app = create_app(node, agent)
    try:
        uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False)
    finally:
        agent.stop()
        node.client.close()
        node.store.close()

"""Connections: SQLite in WAL with full synchronisation, or another database by its URL.

SQLite's driver would begin transactions by itself and too late; here the engines begin them,
the writer's with BEGIN IMMEDIATE, so that a transaction that will write holds the lock from its
first read on.
"""

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from broker.store.tables import metadata

_BUSY_MILLISECONDS = 5000


def open_writer(url: str) -> Engine:
    """Return an engine with the one connection that writes; its tables exist."""
    engine = create_engine(
        url,
        poolclass=StaticPool,
        hide_parameters=True,
        connect_args={"check_same_thread": False} if _is_sqlite(url) else {},
    )
    if _is_sqlite(url):
        _manage_sqlite(engine, begin="BEGIN IMMEDIATE", query_only=False)
    metadata.create_all(engine)
    return engine


def open_reader(url: str) -> Engine:
    """Return an engine whose connections read consistent snapshots."""
    engine = create_engine(url, pool_size=8, max_overflow=56, hide_parameters=True)
    if _is_sqlite(url):
        _manage_sqlite(engine, begin="BEGIN", query_only=True)
    return engine


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _manage_sqlite(engine: Engine, *, begin: str, query_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

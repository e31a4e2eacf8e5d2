"""Open a database so that it cannot be written to.

SQLite: the file is opened with `mode=ro` and `query_only`. PostgreSQL, MySQL and MariaDB: every
session is made read-only before its first query. Any other database has no such switch; the
mapping must state `read_only_login: true`, by which the agency vouches for the login's rights.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from adapters.connectors.document import Section

_READ_ONLY: Final = MappingProxyType(
    {
        "postgresql": (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET statement_timeout = {milliseconds}",
        ),
        "mysql": ("SET SESSION TRANSACTION READ ONLY",),
        "mariadb": ("SET SESSION TRANSACTION READ ONLY",),
    }
)
_STEPS: Final = 20_000
"""SQLite instructions between two looks at the clock: about a millisecond."""


def open_engine(top: Section, url_text: str, *, timeout_seconds: float) -> Engine:
    """Return a read-only engine; connects only when used.

    Args:
        top: The mapping, for messages and as the origin of relative paths.
        url_text: A SQLAlchemy URL; a relative SQLite path counts from the mapping's folder.
        timeout_seconds: After which a query is broken off.

    Raises:
        MappingError: Not a URL, no driver, or no way to enforce reading only.

    """
    try:
        url = make_url(url_text)
        if url.get_backend_name() == "sqlite":
            return _sqlite(top, url, timeout_seconds)
        if url.get_backend_name() not in _READ_ONLY and not top.flag("read_only_login"):
            top.refuse(
                "url",
                f"{url.get_backend_name()} cannot be switched to reading only: give the node a "
                "login with SELECT alone and state read_only_login: true",
            )
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError):
        # Without the cause: its message may show the URL with its password.
        top.refuse("url", "not a database URL, or its driver is not installed")
    statements = _READ_ONLY.get(url.get_backend_name(), ())
    milliseconds = int(timeout_seconds * 1000)
    event.listen(
        engine, "connect", _run(tuple(s.format(milliseconds=milliseconds) for s in statements))
    )
    return engine


def _sqlite(top: Section, url: URL, timeout_seconds: float) -> Engine:
    if not url.database or url.database == ":memory:":
        top.refuse("url", "names no file")
    path = quote(str((top.folder / Path(url.database)).resolve()))

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, timeout=timeout_seconds, check_same_thread=False
        )
        connection.text_factory = _lenient_text
        connection.execute("PRAGMA query_only = ON")
        return connection

    return sqlite_engine(connect, timeout_seconds=timeout_seconds)


def sqlite_engine(connect: Callable[[], sqlite3.Connection], *, timeout_seconds: float) -> Engine:
    """Return an engine over `connect` that breaks off a query after `timeout_seconds`."""
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    def start_clock(connection: Any, *_: object) -> None:  # noqa: ANN401 - the DBAPI's own type
        deadline = time.monotonic() + timeout_seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)

    event.listen(engine, "connect", start_clock)
    return engine


def _lenient_text(data: bytes) -> str:
    """Decode text that is not UTF-8 as the old Windows code page, rather than fail the table."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _run(statements: tuple[str, ...]) -> Callable[..., None]:
    def on_connect(connection: Any, *_: object) -> None:  # noqa: ANN401 - the DBAPI's own type
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        # A session setting inside an open transaction is undone by its rollback.
        connection.commit()

    return on_connect

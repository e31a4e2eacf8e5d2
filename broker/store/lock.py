"""One broker process for one data folder: two writers would fork the ledger."""

import fcntl
from pathlib import Path
from typing import Self

from broker.errors import StoreBusyError


class ProcessLock:
    """Held from its making until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            StoreBusyError: Another process holds it.

        """
        self._file = path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreBusyError("another broker process runs on this data folder") from None

    def release(self) -> None:
        """Let another process have it."""
        self._file.close()

    def __enter__(self) -> Self:
        """Hold the lock for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()

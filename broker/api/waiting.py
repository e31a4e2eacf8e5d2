"""Waking long polls when the writer has committed something that concerns a party."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Wakeups:
    """Events by party; set from the writer's thread, awaited in the event loop."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = (
            defaultdict(set)
        )

    def wake(self, parties: Iterable[str]) -> None:
        """Wake everybody who waits for one of `parties`; callable from any thread."""
        with self._lock:
            waiting = [entry for party in parties for entry in self._waiting.get(party, ())]
        for loop, woken in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

    @contextmanager
    def listen(self, party: str) -> Iterator[asyncio.Event]:
        """Give an event that is set on the party's next commit, while the block runs."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting[party].add(entry)
        try:
            yield entry[1]
        finally:
            with self._lock:
                self._waiting[party].discard(entry)

"""Scripted agency representatives: they work their own node's worklist, as people would.

They decide from what the worklist shows them, never from the truth: a proposed match is
confirmed, a candidate is left to a telephone call that this script does not make.
"""

import threading
from collections.abc import Iterable
from typing import Any, Final, Self

from adapters.errors import LocalApiError
from adapters.localclient import LocalClient

ADDED_SENTENCE: Final = (
    "She has kept every appointment since August; her keyworker would value a call before a visit."
)
WITHHELD_REASON: Final = "third_party_confidence"
_EVERY_SECONDS: Final = 0.15


class Representatives:
    """One thread that sees to the worklists of several nodes until it is stopped."""

    def __init__(self, clients: Iterable[LocalClient]) -> None:
        """Take clients on the representatives' own tokens."""
        self._clients = tuple(clients)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.done: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Start working."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the task in hand."""
        self._stop.set()
        self._thread.join()

    def idle(self) -> bool:
        """Return whether nothing is left but candidates that need a telephone call."""
        return not any(
            decide(task) is not None
            for client in self._clients
            for task in client.get("/worklist")["tasks"]
        )

    def _work(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            for client in self._clients:
                try:
                    self._work_list(client)
                except LocalApiError:
                    continue  # the node is being restarted: its worklist is still there after

    def _work_list(self, client: LocalClient) -> None:
        for task in client.get("/worklist")["tasks"]:
            decision = decide(task)
            if decision is not None:
                client.post(f"/worklist/{task['id']}", decision)
                self.done.append({"kind": task["kind"], "order": task["order"], **decision})


def decide(task: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the representative decides on a task; None leaves it open."""
    match task["kind"]:
        case "confirm" if task["proposal"] == "matched":
            return {"confirm": next(iter(task["records"]))}
        case "review" if task["category"] == "hlt.mh.risk_summary" and len(task["rows"]) > 1:
            return {
                "keep": list(range(len(task["rows"]) - 1)),
                "reason": WITHHELD_REASON,
                "note": ADDED_SENTENCE,
            }
        case "review":
            return {"keep": list(range(len(task["rows"])))}
        case "manual":
            note = "Looked up by hand in the case list: no order and no referral."
            return {"status": "KNOWN_NO_RELEVANT", "note": note}
        case _:
            return None

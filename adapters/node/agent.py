"""The node's agent: sends what is kept, takes what waits, and goes on where it was killed.

One thread does all the work in small steps; each step is one transaction and may be repeated.
A second thread holds a long poll to the broker and wakes the first. Outbound calls only.
"""

import threading
from typing import Any, Final

import msgspec
import structlog

from adapters.errors import BrokerRefusedError, BrokerUnavailableError
from adapters.node.compose import queue_credential
from adapters.node.context import Node
from adapters.node.faults import ONE_MESSAGE, STOP
from adapters.node.receiving import cursor, fetch_deliveries
from adapters.node.records import Order, Outgoing
from adapters.node.replies import on_refusal, on_reply
from adapters.node.supply import (
    UNDECIDABLE,
    claim_orders,
    next_version,
    refuse,
    take_up,
    write_claim,
)
from adapters.protocol import encode_json
from audit.errors import WitnessError

_log = structlog.get_logger()
_FIRST_BACKOFF_SECONDS: Final = 0.2
_LONGEST_BACKOFF_SECONDS: Final = 5.0  # a RED answer must not wait for a broker that is back
_IDLE_SECONDS: Final = 5.0
_REFRESH_SECONDS: Final = 15.0
_AT_ONCE: Final = 64
_EVERY: Final = 1_000_000


class Agent:
    """Runs the node until it is told to stop."""

    def __init__(self, node: Node) -> None:
        """Prepare; nothing happens before `start`."""
        self._node = node
        self._stop = threading.Event()
        self._inbox: dict[str, Any] = {"orders": 0, "deliveries": 0}
        self._claim: bytes | None = None  # sent, but not answered: these bytes go out again
        self._resumed = False
        self._refreshed = 0.0
        self.state = "starting"
        self._threads = [
            threading.Thread(target=self._work, name="agent", daemon=True),
            threading.Thread(target=self._listen, name="listener", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask both threads to end after their present step."""
        self._stop.set()
        self._node.wake.set()
        self._threads[0].join(timeout=10)

    def _work(self) -> None:
        backoff = _FIRST_BACKOFF_SECONDS
        while not self._stop.is_set():
            self._node.wake.clear()
            try:
                self._step()
            except STOP as error:
                self.state = f"stopped: {type(error).__name__}"
                _keep_evidence(self._node, error)
                _log.critical("node_stopped", why=type(error).__name__)
                return
            except (BrokerUnavailableError, BrokerRefusedError) as error:
                self.state = "broker unreachable"
                _log.warning("broker_unreachable", why=str(error), again_in_seconds=backoff)
                self._stop.wait(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 - a thread that dies unseen answers nobody
                self.state = f"alarm: {type(error).__name__}"
                _log.error("step_failed", why=type(error).__name__)
                self._stop.wait(backoff)
                continue
            backoff = _FIRST_BACKOFF_SECONDS
            self.state = "running"
            self._node.wake.wait(self._pause())

    def _pause(self) -> float:
        """Return how long nothing is due."""
        with self._node.store.begin() as tx:
            due = tx.next_due(Outgoing, state="waiting")
        if due is None:
            return _IDLE_SECONDS
        return min(max(due - self._node.now().timestamp(), 0.005), _IDLE_SECONDS)

    def _step(self) -> None:
        node = self._node
        if not self._resumed:
            self._resume()
        flush(node)
        self._refresh()
        if self._inbox["orders"] or self._claim is not None:
            self._inbox["orders"] = 0
            if self._claim_orders(resume=False) == node.settings.claim_at_once:
                self._inbox["orders"] = 1
                node.wake.set()
        work_orders(node)
        flush(node)
        if self._inbox["deliveries"]:
            self._inbox["deliveries"] = 0
            while fetch_deliveries(node):
                pass

    def _resume(self) -> None:
        """After a start: log our credentials, believe the others', take back our orders."""
        node = self._node
        with node.store.begin() as tx:
            for credential in node.keyring.credentials:
                queue_credential(tx, credential)
        flush(node, only="credential")
        node.view.refresh()
        node.believed.refresh()
        self._claim_orders(resume=True)
        self._inbox = {"orders": 1, "deliveries": 1}
        self._resumed = True

    def _claim_orders(self, *, resume: bool) -> int:
        """Claim, with the same bytes until there is an answer: it may have been granted unheard.

        A claim is not kept across a restart: there, resuming takes back what was granted.
        """
        if self._claim is None:
            self._claim = write_claim(self._node, resume=resume)
        try:
            count = claim_orders(self._node, self._claim)
        except BrokerRefusedError:
            self._claim = None
            raise
        self._claim = None
        return count

    def _refresh(self) -> None:
        now = self._node.now().timestamp()
        if now - self._refreshed > _REFRESH_SECONDS:
            self._node.believed.refresh()
            self._refreshed = now

    def _listen(self) -> None:
        node = self._node
        while not self._stop.is_set():
            if not self._resumed or self._inbox["orders"] or self._inbox["deliveries"]:
                self._stop.wait(0.02)
                continue
            try:
                inbox = node.client.get_json(
                    "/inbox", after=cursor(node), wait=int(node.settings.poll_seconds)
                )
                waiting = {"orders": inbox["orders"], "deliveries": inbox["deliveries"]}
            except ONE_MESSAGE:  # no answer, or one that makes no sense: ask again
                self._stop.wait(1.0)
                continue
            self._inbox = waiting
            if any(waiting.values()):
                node.wake.set()


def _give_up(node: Node, document: Order) -> None:
    """Refuse an order that does not hold; one that cannot even be refused is left alone."""
    try:
        refuse(node, document, rule=UNDECIDABLE)
    except ONE_MESSAGE:
        with node.store.begin() as tx:
            tx.put(msgspec.structs.replace(document, state="refused", problem=UNDECIDABLE))


def _keep_evidence(node: Node, error: WitnessError) -> None:
    """Keep both views of the ledger: together they may convict its operator."""
    path = node.settings.data_dir / "evidence.json"
    path.write_bytes(encode_json({"first": error.first, "second": error.second}))
    path.chmod(0o600)


def flush(node: Node, *, only: str | None = None) -> None:
    """Send everything that is due, in order; exact bytes, again and again until answered.

    Raises:
        BrokerUnavailableError: The broker cannot be reached; nothing is lost, try again.
        audit.errors.WitnessError: Two histories: stop and alarm.

    """
    while True:
        with node.store.begin() as tx:
            most = _AT_ONCE if only is None else _EVERY
            due = tx.find(Outgoing, state="waiting", due_by=node.now().timestamp(), limit=most)
        due = [item for item in due if only in {None, item.kind}]
        if not due:
            return
        for item in due:
            send(node, item)


def send(node: Node, item: Outgoing) -> None:
    """Send one kept message and carry out what its reply means. Raises as `flush`."""
    if item.context.get("cover"):
        item = _tried(node, item)
    try:
        reply = node.client.post(item.path, item.body, token=item.kind != "credential")
    except BrokerRefusedError as error:
        change = on_refusal(node, item, error.problem)
        problem = str(error.problem.get("type", error.status))
        done = msgspec.structs.replace(item, state="refused", problem=problem)
    else:  # a proof refused afterwards is no refusal of the message: it is asked for again
        change = on_reply(node, item, reply)
        done = msgspec.structs.replace(item, state="sent", reply=reply, body=b"", context={})
    with node.store.begin() as tx:
        change(tx)
        tx.put(done)
    node.notify()


def _tried(node: Node, item: Outgoing) -> Outgoing:
    """From here on the broker may have it, whatever we hear: it cannot be withdrawn."""
    item = msgspec.structs.replace(item, context=item.context | {"cover": False})
    with node.store.begin() as tx:
        tx.put(item)
    return item


def work_orders(node: Node) -> None:
    """Take up claimed orders, RED first, and send further versions where people have decided.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: A proof could not be fetched; try again.
        audit.errors.WitnessError: Two histories: stop and alarm.

    """
    with node.store.begin() as tx:
        claimed = tx.find(Order, state="claimed")
        decided = tx.find(Order, state="due_version")
    for document, work in [(d, take_up) for d in claimed] + [(d, next_version) for d in decided]:
        try:
            work(node, document)
        except (*STOP, BrokerUnavailableError, BrokerRefusedError):
            raise  # nothing is known against the order: it is taken up again
        except ONE_MESSAGE as error:
            _log.error("order_failed", order=document.id, why=type(error).__name__)
            if work is take_up:  # what people have decided is kept, and tried again
                _give_up(node, document)

"""The one writer: many units of work in one transaction, each answered after the commit.

A unit runs in its own savepoint: if it raises, only it is undone, and its caller gets the error.
After the last unit the batch's ledger entries are appended at once, one checkpoint is signed
inside the transaction, and only a durable commit answers anybody. A commit that fails is fatal:
whether it persisted is unknown, and a second attempt could fork the ledger (FACTS 3, trap 3).
"""

import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from audit.errors import AuditError
from audit.ledger import Head, append
from broker.errors import StorageError, WriterStoppedError
from broker.ports import Clock, Salt, Tx
from broker.store.ledger_store import LogIdentity, check_store, store_append
from broker.store.tx import SqlTx

T = TypeVar("T")
Unit = Callable[[Tx], T]
MAX_UNITS: Final = 256
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    unit: Unit[Any]
    future: "Future[Any]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """How a unit ended, kept until the batch is durable."""

    job: _Job
    result: object = None
    error: Exception | None = None


class Writer:
    """The writer's thread and its queue."""

    def __init__(
        self,
        engine: Engine,
        *,
        log: LogIdentity,
        clock: Clock,
        salt: Salt,
        on_commit: Callable[[Iterable[str]], None] = lambda _: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Check the stored ledger, then start.

        Args:
            engine: The writer's own engine, see `open_writer`.
            log: Name and key of the ledger.
            clock: The MASH's clock.
            salt: Fresh random salts.
            on_commit: Told, from the writer's thread, which parties new entries concern.
            on_failure: Told when the writer has stopped for good.

        Raises:
            StoreDamagedError: The stored ledger does not agree with itself.

        """
        self._engine = engine
        self._log = log
        self._clock = clock
        self._salt = salt
        self._on_commit = on_commit
        self._on_failure = on_failure
        with engine.begin() as connection:
            self._head = check_store(connection, log)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._state_lock = threading.Lock()
        self._stopped = False
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def is_healthy(self) -> bool:
        """Whether the writer takes work."""
        return not self._stopped and self._thread.is_alive()

    def submit(self, unit: Unit[T]) -> "Future[T]":
        """Queue `unit`; the future is answered once its effects are durable.

        Raises:
            WriterStoppedError: The writer takes no more work.

        """
        future: Future[T] = Future()
        with self._state_lock:
            if self._stopped:
                raise WriterStoppedError("the writer has stopped")
            self._jobs.put(_Job(unit=unit, future=future))
        return future

    def call(self, unit: Unit[T]) -> T:
        """Run `unit` and return its result once it is durable; raises what the unit raises."""
        return self.submit(unit).result()

    def stop(self) -> None:
        """Finish what is queued, then end the thread and close the connection."""
        with self._state_lock:
            self._stopped = True
            self._jobs.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while True:
            jobs, last = self._gather()
            if jobs:
                self._run_batch(jobs)
            if last or self._failed:
                break
        self._refuse_rest()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Wait for one job, then take what else is there; True after the last job of all."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == MAX_UNITS:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _run_batch(self, jobs: list[_Job]) -> None:
        try:
            outcomes, tx, head = self._write(jobs)
        except AuditError as error:
            self._run_apart(jobs, error)
            return
        except (DBAPIError, StorageError) as error:
            self._answer_failed(jobs, error)
            return
        except Exception as error:  # noqa: BLE001 - nobody may wait for a dead writer
            self._fail()
            self._answer_failed(jobs, error)
            return
        self._head = head
        for act in tx.acts:
            act()
        for outcome in outcomes:
            _answer(outcome)
        self._on_commit({party for draft in tx.drafts for party in draft.parties})

    def _run_apart(self, jobs: list[_Job], error: AuditError) -> None:
        """Run each unit by itself: one unit's entry must not fail its neighbours."""
        if len(jobs) == 1:
            self._answer_failed(jobs, error)
            return
        for job in jobs:
            if self._failed:
                job.future.set_exception(WriterStoppedError("the writer has stopped"))
            else:
                self._run_batch([job])

    def _write(self, jobs: list[_Job]) -> tuple[list[_Outcome], SqlTx, Head]:
        with self._engine.connect() as connection:
            transaction = connection.begin()
            try:
                tx = SqlTx(connection, now=self._clock(), size=self._head.size)
                outcomes = [self._run_unit(tx, job) for job in jobs]
                head = self._append(tx)
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except BaseException:
                self._fail()
                raise
        return outcomes, tx, head

    def _run_unit(self, tx: SqlTx, job: _Job) -> _Outcome:
        drafts, acts = len(tx.drafts), len(tx.acts)
        savepoint = tx.begin_savepoint()
        try:
            result = job.unit(tx)
        except Exception as error:
            if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
                raise  # disk full, locked, broken: the whole batch is in doubt
            savepoint.rollback()
            del tx.drafts[drafts:], tx.acts[acts:]
            return _Outcome(job=job, error=error)
        savepoint.commit()
        return _Outcome(job=job, result=result)

    def _append(self, tx: SqlTx) -> Head:
        if not tx.drafts:
            return self._head
        appended = append(
            self._head,
            tx.drafts,
            mash=self._log.mash,
            now=tx.now,
            salts=[self._salt() for _ in tx.drafts],
        )
        store_append(tx.connection, appended, old_size=self._head.size, log=self._log)
        return appended.head

    def _fail(self) -> None:
        self._failed = True
        with self._state_lock:
            self._stopped = True

    def _answer_failed(self, jobs: list[_Job], error: Exception) -> None:
        _log.error("batch_failed", units=len(jobs), fatal=self._failed, why=type(error).__name__)
        if isinstance(error, StorageError):  # another writer: never write again
            self._fail()
        for job in jobs:
            failure = WriterStoppedError("the batch could not be written")
            failure.__cause__ = error
            job.future.set_exception(failure)
        if self._failed:
            self._on_failure()

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job.future.set_exception(WriterStoppedError("the writer has stopped"))


def _answer(outcome: _Outcome) -> None:
    if outcome.error is None:
        outcome.job.future.set_result(outcome.result)
    else:
        outcome.job.future.set_exception(outcome.error)

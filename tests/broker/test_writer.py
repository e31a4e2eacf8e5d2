"""The writer: many units, one commit; each unit alone; a failed commit is the end."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, select, update
from sqlalchemy.exc import OperationalError

from audit.entry import Draft, Event, draft
from broker.domain import RefusalCount
from broker.errors import StoreBusyError, StoreDamagedError, WriterStoppedError
from broker.ports import Tx
from broker.store.database import open_writer
from broker.store.tables import checkpoints, ledger_entries, ledger_head, ledger_tiles
from broker.store.writer import MAX_UNITS, Writer
from broker.testing import POLICE, World


def entry(world: World, count: int = 1) -> Draft:
    return draft(
        Event.REFUSED,
        party="broker",
        kid=world.broker.services.hub.log_key.kid,
        actor_ref=None,
        role=None,
        msg=None,
        concerned=[POLICE],
        kind="test",
        count=count,
    )


def unit(world: World, code: str) -> Callable[[Tx], int]:
    def apply(tx: Tx) -> int:
        tx.add(RefusalCount(party=POLICE, code=code, hour=0, count=0))
        return tx.log(entry(world))

    return apply


def failing(world: World, code: str) -> Callable[[Tx], int]:
    def apply(tx: Tx) -> int:
        unit(world, code)(tx)
        raise LookupError(code)

    return apply


def hold(writer: Writer) -> threading.Event:
    """Keep the writer busy until the returned event is set, so that units gather."""
    gate, held = threading.Event(), threading.Event()

    def wait(_: Tx) -> None:
        held.set()
        gate.wait(10)

    writer.submit(wait)
    held.wait(10)
    return gate


def test_units_that_wait_together_share_one_commit_and_one_checkpoint(world: World) -> None:
    writer = world.broker.services.writer
    before = world.seen().size
    gate = hold(writer)
    futures = [writer.submit(unit(world, f"c{n}")) for n in range(20)]
    gate.set()

    assert [f.result() for f in futures] == list(range(before, before + 20))

    with engine_of(world).begin() as connection:
        sizes = connection.execute(select(checkpoints.c.size).order_by(checkpoints.c.size))
        assert list(sizes.scalars())[-2:] == [before, before + 20]
    world.check()


def test_a_unit_that_fails_leaves_nothing_and_disturbs_nobody(world: World) -> None:
    writer = world.broker.services.writer
    before = world.seen().size
    gate = hold(writer)
    futures = [writer.submit((failing if n % 2 else unit)(world, f"c{n}")) for n in range(6)]
    gate.set()

    assert [f.result() for f in futures[::2]] == [before, before + 1, before + 2]
    for future in futures[1::2]:
        with pytest.raises(LookupError):
            future.result()
    assert world.seen().size == before + 3
    found = writer.call(lambda tx: tx.select(RefusalCount, party=POLICE))
    assert [count.code for count in found] == ["c0", "c2", "c4"]
    world.check()


def test_acts_after_the_commit_are_those_of_units_that_succeeded(world: World) -> None:
    writer = world.broker.services.writer
    done: list[str] = []

    def good(tx: Tx) -> None:
        tx.after_commit(lambda: done.append("good"))

    def bad(tx: Tx) -> None:
        tx.after_commit(lambda: done.append("bad"))
        raise LookupError

    writer.call(good)
    with pytest.raises(LookupError):
        writer.call(bad)

    assert done == ["good"]


def test_more_units_than_a_batch_holds_are_all_written(world: World) -> None:
    writer = world.broker.services.writer
    before = world.seen().size
    gate = hold(writer)
    futures = [writer.submit(unit(world, f"c{n}")) for n in range(MAX_UNITS + 10)]
    gate.set()

    assert len({f.result() for f in futures}) == MAX_UNITS + 10
    assert world.seen().size == before + MAX_UNITS + 10
    world.check()


def test_a_clock_that_goes_back_stops_signing_and_goes_on_when_it_is_right(world: World) -> None:
    writer = world.broker.services.writer
    world.clock.move(seconds=-1)
    with pytest.raises(WriterStoppedError):
        writer.call(unit(world, "early"))

    world.clock.move(seconds=1)
    writer.call(unit(world, "right"))

    world.check()


def engine_of(world: World) -> Engine:
    return world.broker.services.writer._engine  # noqa: SLF001 - faults are injected where they happen


def test_a_commit_that_fails_is_fatal(world: World) -> None:
    writer, engine = world.broker.services.writer, engine_of(world)
    before = world.seen()

    def fail(_: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    event.listen(engine, "commit", fail)
    with pytest.raises(WriterStoppedError):
        writer.call(unit(world, "lost"))
    event.remove(engine, "commit", fail)

    assert not writer.is_healthy
    with pytest.raises(WriterStoppedError):
        writer.call(unit(world, "later"))
    world.restart()
    assert world.seen() == before
    world.check()


def test_a_statement_that_fails_undoes_the_whole_batch_and_no_more(world: World) -> None:
    writer = world.broker.services.writer
    before = world.seen()

    def broken(tx: Tx) -> None:
        tx.log(entry(world))
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    gate = hold(writer)
    futures: list[Future[Any]] = [
        writer.submit(unit(world, "neighbour")),
        writer.submit(broken),
    ]
    gate.set()

    for future in futures:
        with pytest.raises(WriterStoppedError):
            future.result()
    assert world.seen() == before
    writer.call(unit(world, "after"))
    world.check()


def test_an_entry_that_cannot_be_sealed_fails_its_own_unit_only(world: World) -> None:
    writer = world.broker.services.writer
    before = world.seen().size

    def poisoned(tx: Tx) -> int:
        return tx.log(replace(entry(world), parties=("No Party", POLICE)))

    gate = hold(writer)
    futures: list[Future[Any]] = [
        writer.submit(unit(world, "before")),
        writer.submit(poisoned),
        writer.submit(unit(world, "after")),
    ]
    gate.set()

    assert [futures[0].result(), futures[2].result()] == [before, before + 1]
    with pytest.raises(WriterStoppedError):
        futures[1].result()
    assert writer.is_healthy
    world.check()


def test_a_fault_nobody_expected_answers_everybody_and_ends_the_writer(world: World) -> None:
    writer = world.broker.services.writer
    writer._salt = bad_salt  # noqa: SLF001 - a fault where randomness comes from

    with pytest.raises(WriterStoppedError):
        writer.call(unit(world, "x"))

    assert not writer.is_healthy


def bad_salt() -> bytes:
    raise OSError("no randomness")


def test_another_writer_on_the_database_ends_this_one(world: World) -> None:
    writer = world.broker.services.writer
    with engine_of(world).begin() as connection:
        connection.execute(update(ledger_head).values(size=ledger_head.c.size + 1))

    with pytest.raises(WriterStoppedError):
        writer.call(unit(world, "second"))

    assert not writer.is_healthy


def test_what_is_queued_at_the_end_is_still_written(world: World) -> None:
    writer = world.broker.services.writer
    gate = hold(writer)
    future = writer.submit(unit(world, "last"))
    ending = threading.Thread(target=writer.stop)
    ending.start()
    gate.set()
    ending.join()

    assert future.result() == world.seen().size - 1
    with pytest.raises(WriterStoppedError):
        writer.submit(unit(world, "too late"))


DAMAGE = {
    "an entry edited": update(ledger_entries).where(ledger_entries.c.i == 3).values(entry=b"{}"),
    "the last entry gone": delete(ledger_entries).where(ledger_entries.c.i > 20),
    "a tile edited": update(ledger_tiles).values(hashes=b"\x00" * 32 * 200),
    "the tiles gone": delete(ledger_tiles),
    "the checkpoint gone": delete(checkpoints),
    "the checkpoint edited": update(checkpoints).values(note="x"),
    "the head edited": update(ledger_head).values(state=b"{}"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_ledger_is_refused_at_the_start(world: World, damage: str) -> None:
    with engine_of(world).begin() as connection:
        connection.execute(DAMAGE[damage])

    world.stop()
    with pytest.raises(StoreDamagedError):
        world.start()


def test_a_data_folder_has_one_broker(world: World) -> None:
    with pytest.raises(StoreBusyError):
        world.start()


def test_the_database_is_synchronous_and_in_wal_mode(tmp_path: Path) -> None:
    engine = open_writer(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with engine.begin() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()

    assert pragmas == ["wal", 2, 1]

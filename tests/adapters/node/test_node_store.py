import stat
from pathlib import Path

import pytest

from adapters.node.records import Meta, Outgoing
from adapters.node.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "node.sqlite")


def outgoing(number: int, *, due: float = 0.0, state: str = "waiting") -> Outgoing:
    return Outgoing(
        id=f"j{number}",
        kind="answer",
        path="/x",
        body=bytes([number]),
        message="m",
        due=due,
        reference=f"o{number % 2}",
        state=state,
    )


def test_a_document_comes_back_as_it_was_put(store: Store) -> None:
    document = outgoing(1)
    with store.begin() as tx:
        tx.put(document)

    with store.begin() as tx:
        assert tx.get(Outgoing, "j1") == document
        assert tx.get(Outgoing, "j2") is None
        assert tx.get(Meta, "j1") is None  # another collection


def test_documents_are_found_by_state_reference_and_due_time_oldest_first(store: Store) -> None:
    with store.begin() as tx:
        for number, due in ((3, 30.0), (1, 10.0), (2, 20.0)):
            tx.put(outgoing(number, due=due))
        tx.put(outgoing(4, state="sent"))

    with store.begin() as tx:
        assert [d.id for d in tx.find(Outgoing)] == ["j3", "j1", "j2", "j4"]
        assert [d.id for d in tx.find(Outgoing, state="waiting", due_by=20.0)] == ["j1", "j2"]
        assert [d.id for d in tx.find(Outgoing, reference="o0")] == ["j2", "j4"]
        assert [d.id for d in tx.find(Outgoing, limit=1)] == ["j3"]
        assert tx.next_due(Outgoing, state="waiting") == 10.0
        assert tx.next_due(Outgoing, state="refused") is None


def test_putting_again_replaces_and_keeps_the_place(store: Store) -> None:
    with store.begin() as tx:
        tx.put(outgoing(1))
        tx.put(outgoing(2))
        tx.put(outgoing(1, state="sent"))

    with store.begin() as tx:
        assert [(d.id, d.state) for d in tx.find(Outgoing)] == [("j1", "sent"), ("j2", "waiting")]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.begin() as tx:
            tx.put(outgoing(1))
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with store.begin() as tx:
        assert tx.find(Outgoing) == []


def test_what_was_committed_is_there_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    first = Store(path)
    with first.begin() as tx:
        tx.put(Meta(id="cursor", value="7"))

    second = Store(path)  # the first was never closed, as after a kill

    with second.begin() as tx:
        assert tx.get(Meta, "cursor") == Meta(id="cursor", value="7")
    second.close()
    first.close()


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")

    assert stat.S_IMODE((tmp_path / "node.sqlite").stat().st_mode) == 0o600
    store.close()


def test_a_replaced_body_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    store = Store(path)
    with store.begin() as tx:
        tx.put(Meta(id="a", value="marigold-to-be-forgotten"))
    with store.begin() as tx:
        tx.put(Meta(id="a", value="-"))
    store.close()  # the write-ahead log is folded in

    assert b"marigold-to-be-forgotten" not in path.read_bytes()

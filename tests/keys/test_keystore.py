"""The key store: modes, wrong secrets, damage, and what a power cut leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys.encoding import encode_base64url
from keys.errors import (
    DamagedStoreError,
    EntryExistsError,
    EntryMissingError,
    UnsafeModeError,
    WrongSecretError,
)
from keys.keystore import MAX_ENTRY_BYTES, FileKeyStore, read_private

SECRET = b"correct horse"


def open_store(path: Path, secret: bytes = SECRET) -> FileKeyStore:
    """Open with the least Argon2id cost, so that tests stay quick."""
    return FileKeyStore(path, secret=secret, operations=1, memory_bytes=8192)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> FileKeyStore:
    store = open_store(path)
    store.put("node", b"one")
    store.put("post.guardian.2026Q4", b"two")
    return store


def test_what_was_put_is_there_after_reopening(path: Path, store: FileKeyStore) -> None:
    again = open_store(path)

    assert again.names() == store.names() == ("node", "post.guardian.2026Q4")
    assert again.get("node") == b"one"


def test_an_existing_store_keeps_its_own_cost(path: Path, store: FileKeyStore) -> None:
    assert FileKeyStore(path, secret=SECRET).get("node") == store.get("node")


def test_the_default_cost_is_libsodiums_interactive_one(path: Path) -> None:
    FileKeyStore(path, secret=SECRET)

    header = json.loads((path / "store.json").read_text())
    assert (header["operations"], header["memory_bytes"]) == (2, 64 << 20)


def test_an_entry_is_replaced_unless_forbidden(store: FileKeyStore) -> None:
    store.put("node", b"new")

    assert store.get("node") == b"new"
    with pytest.raises(EntryExistsError) as caught:
        store.put("node", b"newer", replace=False)
    assert caught.value.name == "node"
    assert store.get("node") == b"new"


def test_a_new_entry_that_must_not_replace_is_stored(store: FileKeyStore) -> None:
    store.put("root", b"three", replace=False)

    assert store.get("root") == b"three"


def test_a_deleted_entry_is_gone(path: Path, store: FileKeyStore) -> None:
    store.delete("node")

    assert open_store(path).names() == ("post.guardian.2026Q4",)
    for use in (store.get, store.delete):
        with pytest.raises(EntryMissingError):
            use("node")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "é", "a\n", "a" * 101])
def test_a_name_that_could_leave_the_folder_is_refused(store: FileKeyStore, name: str) -> None:
    for use in (store.get, store.delete, lambda name: store.put(name, b"")):
        with pytest.raises(ValueError, match="name"):
            use(name)


def test_an_oversize_entry_is_refused_and_the_largest_comes_back(store: FileKeyStore) -> None:
    store.put("big", bytes(MAX_ENTRY_BYTES))

    assert store.get("big") == bytes(MAX_ENTRY_BYTES)
    with pytest.raises(ValueError, match="1 MiB"):
        store.put("big", bytes(MAX_ENTRY_BYTES + 1))


# Secrets


def test_a_wrong_secret_is_refused(path: Path, store: FileKeyStore) -> None:
    with pytest.raises(WrongSecretError):
        open_store(path, b"Correct horse")
    assert store.get("node") == b"one"


def test_an_empty_secret_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="secret"):
        open_store(path, b"")


def test_two_stores_of_one_secret_do_not_read_each_others_files(
    path: Path, store: FileKeyStore, tmp_path: Path
) -> None:
    other = open_store(tmp_path / "other")
    other.put("node", b"x")
    (path / "node.box").replace(tmp_path / "other" / "node.box")

    with pytest.raises(DamagedStoreError):
        other.get("node")
    with pytest.raises(EntryMissingError):
        store.get("node")


def test_nothing_of_an_entry_is_on_disk_in_clear(path: Path, store: FileKeyStore) -> None:
    secret = b"a very recognisable private key!"
    store.put("root", secret)

    for file in path.iterdir():
        assert secret not in file.read_bytes()
        assert encode_base64url(secret).encode() not in file.read_bytes()


def test_a_repr_shows_neither_path_nor_secret(path: Path, store: FileKeyStore) -> None:
    assert repr(store) == f"<FileKeyStore {path.name}>"


# Modes


def test_folder_and_files_are_the_owners_alone(path: Path, store: FileKeyStore) -> None:
    assert store.names()

    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o707, 0o720])
def test_a_folder_open_to_others_is_refused(path: Path, store: FileKeyStore, mode: int) -> None:
    path.chmod(mode)

    with pytest.raises(UnsafeModeError):
        open_store(path)
    assert store.names()


@pytest.mark.parametrize("name", ["store.json", "node.box"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused(
    path: Path, store: FileKeyStore, name: str, mode: int
) -> None:
    (path / name).chmod(mode)

    with pytest.raises(UnsafeModeError) as caught:
        open_store(path).get("node")
    assert caught.value.name == name
    assert store.get("post.guardian.2026Q4") == b"two"


def test_links_are_refused(path: Path, store: FileKeyStore, tmp_path: Path) -> None:
    (path / "node.box").rename(tmp_path / "elsewhere")
    (path / "node.box").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "linked").symlink_to(path)

    with pytest.raises(UnsafeModeError):
        store.get("node")
    with pytest.raises(UnsafeModeError):
        open_store(tmp_path / "linked")


def test_a_header_that_is_a_dangling_link_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o700)
    (tmp_path / "store" / "store.json").symlink_to(tmp_path / "nowhere")

    with pytest.raises(UnsafeModeError):
        open_store(tmp_path / "store")


def test_a_folder_or_pipe_in_place_of_an_entry_is_refused_without_hanging(
    path: Path, store: FileKeyStore
) -> None:
    (path / "folder.box").mkdir()
    os.mkfifo(path / "pipe.box", 0o600)

    for name in ("folder", "pipe"):
        with pytest.raises(UnsafeModeError):
            store.get(name)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    (tmp_path / "store").chmod(0o600)

    with pytest.raises(UnsafeModeError):
        open_store(tmp_path / "store")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path: Path, store: FileKeyStore) -> None:
    os.chown(path / "node.box", 65534, 65534)

    with pytest.raises(UnsafeModeError) as caught:
        store.get("node")
    assert caught.value.problem == "belongs to another user"


# Damage


def test_swapped_entries_are_noticed(path: Path, store: FileKeyStore) -> None:
    (path / "node.box").rename(path / "kept")
    (path / "post.guardian.2026Q4.box").rename(path / "node.box")

    with pytest.raises(DamagedStoreError) as caught:
        store.get("node")
    assert caught.value.name == "node"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_flipped_bit_or_cut_of_an_entry_is_accepted(
    path: Path, store: FileKeyStore, data: st.DataObject
) -> None:
    store.put("node", b"one")
    file = path / "node.box"
    damaged = bytearray(file.read_bytes())
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    if data.draw(st.booleans()):
        damaged[bit // 8] ^= 1 << bit % 8
    else:
        del damaged[bit // 8 :]
    file.write_bytes(damaged)

    with pytest.raises(DamagedStoreError):
        store.get("node")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "mash-keystore-2"},
        {"format": None},
        {"operations": 0},
        {"operations": 1 << 40},
        {"operations": "1"},
        {"memory_bytes": 1 << 50},
        {"memory_bytes": 1},
        {"memory_bytes": -1},
        {"salt": ""},
        {"salt": "*"},
        {"check": 5},
    ],
)
def test_a_changed_header_is_refused_without_its_cost_being_paid(
    path: Path, store: FileKeyStore, changes: dict[str, object]
) -> None:
    header = path / "store.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | changes))

    with pytest.raises(DamagedStoreError):
        open_store(path)
    assert store.get("node") == b"one"


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", '{"format":1,"format":1}'])
def test_a_header_of_junk_is_refused(path: Path, store: FileKeyStore, text: str) -> None:
    (path / "store.json").write_text(text)

    with pytest.raises(DamagedStoreError):
        open_store(path)
    assert store.get("node") == b"one"


@pytest.mark.parametrize(
    "changes",
    [{"operations": 2}, {"memory_bytes": 16384}, {"salt": encode_base64url(bytes(16))}],
)
def test_a_plausible_change_of_the_header_leads_to_no_key(
    path: Path, store: FileKeyStore, changes: dict[str, object]
) -> None:
    header = path / "store.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | changes))

    with pytest.raises(WrongSecretError):
        open_store(path)
    assert store.get("node") == b"one"


def test_a_shortened_check_value_is_refused(path: Path, store: FileKeyStore) -> None:
    header = path / "store.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"check": "AAAA"}))

    with pytest.raises(WrongSecretError):
        open_store(path)
    assert store.get("node") == b"one"


def test_a_lost_header_is_reported_and_never_replaced(path: Path, store: FileKeyStore) -> None:
    (path / "store.json").unlink()

    with pytest.raises(DamagedStoreError):
        open_store(path)
    assert not (path / "store.json").exists()
    assert store.get("node") == b"one"


@pytest.mark.parametrize("operations", [0, 17])
def test_a_cost_outside_the_range_is_refused(path: Path, operations: int) -> None:
    with pytest.raises(ValueError, match="cost"):
        FileKeyStore(path, secret=SECRET, operations=operations, memory_bytes=8192)


# Crashes

WRITER = """
import itertools, pathlib, sys
from keys.keystore import FileKeyStore
store = FileKeyStore(pathlib.Path(sys.argv[1]), secret=b"correct horse")
print("ready", flush=True)
for number in itertools.count():
    store.put("node", (b"%08d" % number) * 4096)
"""


def test_a_killed_writer_leaves_the_old_or_the_new_entry_whole(
    path: Path, store: FileKeyStore
) -> None:
    root = Path(__file__).parents[2]
    for attempt in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=root
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(0.01 + attempt * 0.017)
            writer.send_signal(signal.SIGKILL)

        data = store.get("node")

        assert data == b"one" or data == data[:8] * 4096
        assert store.get("post.guardian.2026Q4") == b"two"
        assert store.names() == ("node", "post.guardian.2026Q4")


def test_the_remains_of_a_cut_write_are_no_entry(path: Path, store: FileKeyStore) -> None:
    (path / ".0123456789abcdef.tmp").write_bytes(b"half a")
    (path / ".odd.box").write_bytes(b"")

    assert store.names() == ("node", "post.guardian.2026Q4")


def test_a_write_that_fails_leaves_the_old_entry_and_no_remains(
    path: Path, store: FileKeyStore
) -> None:
    # A folder under the entry's name makes the last step, the rename, fail.
    (path / "blocked.box").mkdir()

    with pytest.raises(OSError, match="directory"):
        store.put("blocked", b"x")
    assert not [file for file in path.iterdir() if file.name.endswith(".tmp")]
    assert store.get("node") == b"one"


def test_two_processes_that_make_one_store_end_with_one(path: Path) -> None:
    first = open_store(path)
    header = (path / "store.json").read_bytes()

    first._create(SECRET, 1, 8192)  # noqa: SLF001 - the loser of the race, as it runs

    assert (path / "store.json").read_bytes() == header


def test_a_missing_private_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "none")

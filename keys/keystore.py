"""Private keys at rest: a folder of small encrypted files, for one node or one officer.

The folder is 0700 and its files 0600, owned by the running user; anything wider is refused,
never repaired. Argon2id (RFC 9106) turns the secret into one key for the store; each entry is
an XSalsa20-Poly1305 secretbox with its name inside, so files cannot be swapped. A write is
temporary file, fsync, rename, fsync of the folder: after a power cut an entry is the old or
the new one. Not protected against: putting back an older copy of a file, and a reader of the
running process's memory. Deleting a file does not erase it from flash media or backups.
"""

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from keys.claims import read_text
from keys.encoding import canonical_json, decode_base64url, encode_base64url, parse_object
from keys.errors import (
    DamagedStoreError,
    EntryExistsError,
    EntryMissingError,
    UnsafeModeError,
    WrongSecretError,
)

MAX_ENTRY_BYTES: Final = 1 << 20
MAX_MEMORY_BYTES: Final = 1 << 30
MAX_OPERATIONS: Final = 16

_HEADER: Final = "store.json"
_SUFFIX: Final = ".box"
_CHECK: Final = b"mash-keystore-1 check"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_SALT_BYTES: Final = argon2id.SALTBYTES
_OTHERS: Final = 0o077


class FileKeyStore:
    """Named secrets in a folder, under one secret; one process writes at a time.

    Opening makes the folder and the store if there is none; an existing one keeps its own
    Argon2id cost. Defaults are libsodium's interactive limits (64 MiB, about 0.2 s).
    """

    def __init__(
        self,
        path: Path,
        *,
        secret: bytes,
        operations: int = argon2id.OPSLIMIT_INTERACTIVE,
        memory_bytes: int = argon2id.MEMLIMIT_INTERACTIVE,
    ) -> None:
        """Open the store at `path`, or make it.

        Args:
            path: Folder; its parent must exist.
            secret: The officer's or the service's secret, not empty.
            operations: Argon2id passes, for a new store only.
            memory_bytes: Argon2id memory, for a new store only.

        Raises:
            UnsafeModeError: Folder or header are open to others, not ours, or a link.
            WrongSecretError: The secret is not this store's.
            DamagedStoreError: The header is unreadable, or entries exist without one.
            ValueError: Empty secret, or a cost outside the accepted range.

        """
        if not secret:
            raise ValueError("a key store needs a secret")
        self._path = path
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        _check_mode(path, is_kind=stat.S_ISDIR)
        header = path / _HEADER
        if not os.path.lexists(header):
            self._create(secret, operations, memory_bytes)
        self._box = _unlock(read_private(header), secret)

    def __repr__(self) -> str:
        """Name the folder only."""
        return f"<FileKeyStore {self._path.name}>"

    def put(self, name: str, data: bytes, *, replace: bool = True) -> None:
        """Store `data` as `name`; durable when this returns.

        Args:
            name: 1 to 100 letters, digits, `.`, `_` or `-`.
            data: At most 1 MiB.
            replace: Whether an entry of this name may be overwritten.

        Raises:
            EntryExistsError: There is one and `replace` is false.
            ValueError: The name or the size is not allowed.

        """
        if len(data) > MAX_ENTRY_BYTES:
            raise ValueError("an entry is at most 1 MiB")
        target = self._file(name)
        if not replace and os.path.lexists(target):
            raise EntryExistsError(name)
        _write(target, self._box.encrypt(_bind(name) + data), replace=replace)

    def get(self, name: str) -> bytes:
        """Return the data of `name`.

        Raises:
            EntryMissingError: There is no such entry.
            UnsafeModeError: Its file is open to others, not ours, or a link.
            DamagedStoreError: Its file was changed, cut short or is another entry's.
            ValueError: The name is not allowed.

        """
        file = self._file(name)
        try:
            data = self._box.decrypt(read_private(file))
        except FileNotFoundError:
            raise EntryMissingError(name) from None
        except (CryptoError, ValueError):
            raise DamagedStoreError(name) from None
        bound = _bind(name)
        if not data.startswith(bound):
            raise DamagedStoreError(name)
        return data[len(bound) :]

    def names(self) -> tuple[str, ...]:
        """Return the names of all entries, sorted."""
        return tuple(sorted(_entries(self._path)))

    def delete(self, name: str) -> None:
        """Remove the entry `name`; durable when this returns.

        Raises:
            EntryMissingError: There is no such entry.

        """
        try:
            self._file(name).unlink()
        except FileNotFoundError:
            raise EntryMissingError(name) from None
        _sync_folder(self._path)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("an entry's name is 1 to 100 letters, digits, '.', '_' or '-'")
        return self._path / f"{name}{_SUFFIX}"

    def _create(self, secret: bytes, operations: int, memory_bytes: int) -> None:
        # A new salt beside old entries would lock them for ever: the header was lost, say so.
        if any(_entries(self._path)):
            raise DamagedStoreError(_HEADER)
        salt = secrets.token_bytes(_SALT_BYTES)
        box = _derive(secret, salt, operations, memory_bytes)
        header = {
            "check": encode_base64url(box.encrypt(_CHECK)),
            "format": "mash-keystore-1",
            "memory_bytes": memory_bytes,
            "operations": operations,
            "salt": encode_base64url(salt),
        }
        with contextlib.suppress(EntryExistsError):  # another process was first: open its store
            _write(self._path / _HEADER, canonical_json(header), replace=False)


def read_private(path: Path) -> bytes:
    """Return the bytes (at most 2 MiB) of a file that only this user may read.

    Mode and owner are checked on the open descriptor, so the file cannot be changed for another.

    Raises:
        UnsafeModeError: Open to others, not ours, a link, or not a file.
        FileNotFoundError: There is none.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError:
        raise UnsafeModeError(name=path.name, problem="is a link or cannot be read") from None
    try:
        _check_mode(path, is_kind=stat.S_ISREG, status=os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(2 * MAX_ENTRY_BYTES)
    finally:
        os.close(descriptor)


def _entries(path: Path) -> Iterator[str]:
    return (
        file.name.removesuffix(_SUFFIX)
        for file in path.iterdir()
        if file.name.endswith(_SUFFIX) and not file.name.startswith(".")
    )


def _unlock(header: bytes, secret: bytes) -> SecretBox:
    try:
        fields = parse_object(header)
        salt = decode_base64url(read_text(fields, "salt"))
        check = decode_base64url(read_text(fields, "check"))
        match fields:
            case {
                "format": "mash-keystore-1",
                "operations": int(passes),
                "memory_bytes": int(size),
            }:
                box = _derive(secret, salt, passes, size)
            case _:
                raise DamagedStoreError(_HEADER)
    except ValueError:
        raise DamagedStoreError(_HEADER) from None
    try:
        box.decrypt(check)
    except (CryptoError, ValueError):
        raise WrongSecretError from None
    return box


def _derive(secret: bytes, salt: bytes, operations: int, memory_bytes: int) -> SecretBox:
    # Bounds: a changed header must not make us allocate without limit.
    if not 0 < operations <= MAX_OPERATIONS or not 0 < memory_bytes <= MAX_MEMORY_BYTES:
        raise ValueError("the Argon2id cost is outside the accepted range")
    key = argon2id.kdf(SecretBox.KEY_SIZE, secret, salt, opslimit=operations, memlimit=memory_bytes)
    return SecretBox(key)


def _bind(name: str) -> bytes:
    return len(name).to_bytes(1, "big") + name.encode("ascii")


def _check_mode(
    path: Path, *, is_kind: Callable[[int], bool], status: os.stat_result | None = None
) -> None:
    found = status or path.lstat()
    if not is_kind(found.st_mode):
        raise UnsafeModeError(name=path.name, problem="is a link or of another kind")
    if found.st_uid != os.geteuid():
        raise UnsafeModeError(name=path.name, problem="belongs to another user")
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise UnsafeModeError(name=path.name, problem="is open to others: chmod go= it")


def _write(target: Path, data: bytes, *, replace: bool) -> None:
    """Write `data` so that `target` is whole, old or new, whenever the power fails."""
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(target)
        else:
            # A link fails when the name is taken; a rename would silently overwrite.
            target.hardlink_to(temporary)
    except FileExistsError:
        raise EntryExistsError(target.name.removesuffix(_SUFFIX)) from None
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

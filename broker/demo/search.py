"""Searching files and captured traffic for what must not be there.

Looks in the bytes as they are and in what they decode to: base64 (both alphabets, folded lines
too), hex, zlib and gzip streams, JSON escapes; three layers deep. A search that finds nothing is
worth something only beside one that does: the same words are looked for at the nodes, where they
must be.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

_BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX_RUN: Final = re.compile(rb"[0-9a-fA-F]{16,}")
_ZLIB_START: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
_ESCAPE: Final = re.compile(rb"\\u([0-9a-fA-F]{4})|\\(/)")
_FOLD: Final = re.compile(rb"(?<=[A-Za-z0-9+/]{60})(?:\r?\n|\\n)(?=[A-Za-z0-9+/])")
_DEPTH: Final = 3
_LONGEST_INFLATED: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A word found where it was looked for; the word itself is not repeated."""

    where: str
    number: int


def search(words: Iterable[str], named: Iterable[tuple[str, bytes]]) -> list[Found]:
    """Return which of `words` (by number) stand in which of the `named` bytes.

    Args:
        words: Names, dates, sentences; case is ignored.
        named: Name and bytes of each thing to look in.

    """
    numbers = {form: number for number, word in enumerate(words) for form in _forms(word)}
    anything = re.compile(_any_of(set(numbers)), re.DOTALL)
    shortest = min(map(len, numbers))
    found = []
    for name, data in named:
        seen = {
            numbers[match]
            for layer in layers(data)
            if len(layer) >= shortest
            for match in anything.findall(layer)
        }
        found += [Found(where=name, number=number) for number in sorted(seen)]
    return found


def _any_of(forms: set[bytes]) -> bytes:
    """Return a pattern for any of `forms`, sharing beginnings: many times quicker than a list."""
    rest: dict[bytes, set[bytes]] = {}
    for form in forms - {b""}:
        rest.setdefault(form[:1], set()).add(form[1:])
    branches = [re.escape(first) + _any_of(after) for first, after in sorted(rest.items())]
    if not branches:
        return b""
    return b"(?:" + b"|".join(branches) + b")" + (b"?" if b"" in forms else b"")


def files_below(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below `directory` with its bytes: databases, write-ahead logs, logs."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(directory)), path.read_bytes()


def layers(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    """Yield `data` in lower case, then everything it decodes to."""
    yield data.lower()
    if _ESCAPE.search(data):
        data = _ESCAPE.sub(_unescaped, data)
        yield data.lower()
    if depth:
        for inner in _decoded(_FOLD.sub(b"", data)):
            yield from layers(inner, depth - 1)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return match[2] or chr(int(match[1], 16)).encode("utf-8", "replace")


def _decoded(data: bytes) -> Iterator[bytes]:
    for match in _BASE64_RUN.finditer(data):
        run = match[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        for start in range(4):  # a run may begin in the middle of a quantum
            part = run[start:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            try:
                yield base64.b64decode(part + b"=" * (-len(part) % 4))
            except (binascii.Error, ValueError):
                continue
    for match in _HEX_RUN.finditer(data):
        for start in range(2):  # a run may begin in the middle of a byte
            part = match[0][start:]
            yield bytes.fromhex(part[: len(part) // 2 * 2].decode())
    for match in _ZLIB_START.finditer(data):
        yield from _inflated(data[match.start() :])


def _inflated(data: bytes) -> Iterator[bytes]:
    try:
        inflated = zlib.decompressobj(wbits=47).decompress(data, _LONGEST_INFLATED)
    except zlib.error:
        return
    if inflated:
        yield inflated


def _forms(word: str) -> set[bytes]:
    """Every way a word stands in a layer, whose ASCII letters are in lower case."""
    spelled = {word, word.casefold(), word.upper()}
    spelled |= {quote(word), quote(word, safe=""), quote_plus(word)}
    return {form.encode(code).lower() for form in spelled for code in ("utf-8", "utf-16-le")}

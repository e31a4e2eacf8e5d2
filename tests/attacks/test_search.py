"""The search that finds nothing at the broker finds what is there, in whatever form it hides."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from broker.demo.search import files_below, search

MARK = "Zephrinella Quorblaxtôn"
AROUND = b"\x00\x17 some bytes before, "


def plain(data: bytes) -> bytes:
    return data


def in_capitals(data: bytes) -> bytes:
    return data.decode().upper().encode()


def in_base64(data: bytes) -> bytes:
    return base64.b64encode(data)


def in_base64url_without_padding(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def in_folded_base64(data: bytes) -> bytes:
    return base64.encodebytes(b"x" * 50 + data)


def in_base64_with_escaped_slashes(data: bytes) -> bytes:
    return base64.b64encode(b"\xff\xff\xff" + data + b"\xff\xff\xff").replace(b"/", b"\\/")


def in_hex(data: bytes) -> bytes:
    return data.hex().encode()


def in_hex_after_an_odd_digit(data: bytes) -> bytes:
    return b"f" + data.hex().upper().encode()


def in_zlib(data: bytes) -> bytes:
    return zlib.compress(data * 3)


def in_gzip(data: bytes) -> bytes:
    return gzip.compress(data)


def in_a_cut_zlib_stream(data: bytes) -> bytes:
    return zlib.compress(data + bytes(range(256)) * 40)[:-20]


def in_json_escapes(data: bytes) -> bytes:
    return json.dumps({"name": data.decode()}).encode()


def in_utf16(data: bytes) -> bytes:
    return data.decode().encode("utf-16-le")


def in_a_url(data: bytes) -> bytes:
    return quote(data.decode()).encode()


def in_a_form(data: bytes) -> bytes:
    return quote_plus(data.decode()).encode()


def in_base64_of_json_in_base64(data: bytes) -> bytes:
    inner = json.dumps({"blob": base64.b64encode(data).decode()}).encode()
    return base64.urlsafe_b64encode(b"ab" + inner)


def in_gzip_in_hex(data: bytes) -> bytes:
    return gzip.compress(data).hex().encode()


@pytest.mark.parametrize(
    "hide",
    [
        plain,
        in_capitals,
        in_base64,
        in_base64url_without_padding,
        in_folded_base64,
        in_base64_with_escaped_slashes,
        in_hex,
        in_hex_after_an_odd_digit,
        in_zlib,
        in_gzip,
        in_a_cut_zlib_stream,
        in_json_escapes,
        in_utf16,
        in_a_url,
        in_a_form,
        in_base64_of_json_in_base64,
        in_gzip_in_hex,
    ],
)
@pytest.mark.parametrize("before", range(4))
def test_a_planted_mark_is_found(hide: Callable[[bytes], bytes], before: int) -> None:
    planted = AROUND + b"." * before + b'"' + hide(MARK.encode()) + b'"'

    (found,) = search(["nobody", MARK], [("empty", AROUND), ("planted", planted)])

    assert (found.where, found.number) == ("planted", 1)


@pytest.mark.parametrize("offset", range(6))
def test_a_mark_anywhere_in_a_base64_quantum_is_found(offset: int) -> None:
    planted = base64.b64encode(b"#" * offset + MARK.encode() + b"#" * 7)

    assert search([MARK], [("planted", planted)])


def test_what_is_not_there_is_not_found() -> None:
    assert search([MARK], [("other", base64.b64encode(b"Zephrinella Quorblaxton" * 9))]) == []


def test_every_file_below_a_folder_is_searched(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "broker.sqlite-wal").write_bytes(in_hex(MARK.encode()))
    (tmp_path / "top").write_bytes(b"nothing")

    (found,) = search([MARK], files_below(tmp_path))

    assert found.where == "deep/er/broker.sqlite-wal"

"""One corpus of damage, through both verifiers, which must agree on kind and place."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import standalone_verify
from audit.entry import canonical, parse_entry
from audit.errors import CheckpointError, ExportError
from audit.export import (
    ExportTiles,
    number_path,
    pack_bundle,
    read_bundle,
    read_entries,
    unpack_bundle,
    write_bundle,
    write_export,
)
from audit.ledger import Head
from audit.merkle import Frontier, leaf_hash, root_hash
from audit.report import Damage, Report
from audit.testing import PARTIES, MemoryLedger, MemorySigner
from audit.tiles import tile_width
from audit.verify import verify_export

SIZE = 600
Seen = list[tuple[int, bytes]]


def _ledger(*batches: int) -> MemoryLedger:
    ledger = MemoryLedger()
    for count in batches or (100, 256, 1, SIZE - 357):
        ledger.grow(count)
    return ledger


@pytest.fixture
def ledger() -> MemoryLedger:
    return _ledger()


@pytest.fixture
def export(ledger: MemoryLedger, tmp_path: Path) -> Path:
    return ledger.export(tmp_path / "export")


def _judge(
    export: Path, *, seen: Seen | None = None, party: str | None = None, vkey: str | None = None
) -> Report:
    """Return the verdict, after both verifiers were found to agree."""
    report = verify_export(export, vkey=vkey, seen=seen or [], party=party)
    verdict = standalone_verify.verify(export, vkey, seen or [], party)
    found = None if report.problem is None else (report.problem.kind, report.problem.index)
    assert found == (None if verdict is None else (Damage(verdict[0]), verdict[1]))
    return report


def _found(export: Path, **options: object) -> tuple[Damage, int | None]:
    problem = _judge(export, **options).problem  # type: ignore[arg-type] # forwarded as given
    assert problem is not None
    return problem.kind, problem.index


def _rebundle(export: Path, entries: list[bytes]) -> None:
    """Put `entries` into the bundles of an export of SIZE entries; any excess into the last."""
    for index in range(3):
        chunk = entries[index * 256 :] if index == 2 else entries[index * 256 :][:256]
        write_bundle(export, index, tile_width(SIZE, 0, index), chunk)


def _rewrite(export: Path, entries: list[bytes]) -> None:
    """Rewrite bundles and hash tiles alike, leaving the signed checkpoint."""
    other = MemoryLedger()
    other.leaves = [leaf_hash(entry) for entry in entries]
    frontier = Frontier().extend(other.leaves)
    other.head = replace(Head(), frontier=frontier, root=frontier.root())
    note = (export / "checkpoint").read_text("utf-8")
    shutil.rmtree(export)
    other.export(export, entries=entries)
    (export / "checkpoint").write_text(note, "utf-8")
    for level in ("entries", "0"):  # keep the names the checkpoint's size asks for
        for path in (export / "tile" / level / "002.p").glob("*"):
            path.rename(path.with_name(str(SIZE - 512)))


def _edited(entry: bytes) -> bytes:
    return entry.replace(b'"epoch":1', b'"epoch":2')


def test_a_whole_export_passes(ledger: MemoryLedger, export: Path) -> None:
    seen = [(0, Head().root), (SIZE, ledger.head.root)]
    sizes = (1, 255, 256, 257, 512, 599)
    seen.extend((size, root_hash(ledger.leaves[:size])) for size in sizes)

    report = _judge(export, seen=seen, vkey=ledger.vkey)

    assert report.ok
    assert (report.size, report.root) == (SIZE, ledger.head.root)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512])
def test_whole_exports_of_awkward_sizes_pass(size: int, tmp_path: Path) -> None:
    assert _judge(_ledger(size).export(tmp_path / "export")).ok


@pytest.mark.parametrize("at", [0, 1, 255, 256, 511, 512, 598])
def test_tampered_bundles_are_named(ledger: MemoryLedger, export: Path, at: int) -> None:
    good = ledger.entries
    forged = _edited(good[at])
    cases = {
        Damage.EDITED: [*good[:at], forged, *good[at + 1 :]],
        Damage.REMOVED: [*good[:at], *good[at + 1 :]],
        Damage.INSERTED: [*good[:at], forged, *good[at:]],
        Damage.REORDERED: [*good[:at], good[at + 1], good[at], *good[at + 2 :]],
        Damage.CUT_TAIL: good[:at] if at else good[:-1],
    }
    for kind, entries in cases.items():
        _rebundle(export, entries)
        place = at or SIZE - 1 if kind is Damage.CUT_TAIL else at
        assert _found(export) == (kind, place)


@pytest.mark.parametrize("at", [2, 255, 256, 500, 597])
def test_damage_is_named_from_the_chain_when_the_tiles_were_rewritten_too(
    ledger: MemoryLedger, export: Path, at: int
) -> None:
    good = ledger.entries
    cases = {
        (Damage.EDITED, at): [*good[:at], _edited(good[at]), *good[at + 1 :]],
        (Damage.REMOVED, at): [*good[:at], *good[at + 1 :]],
        (Damage.INSERTED, at + 1): [*good[: at + 1], _edited(good[at]), *good[at + 1 :]],
        (Damage.REORDERED, at): [*good[:at], good[at + 1], good[at], *good[at + 2 :]],
        (Damage.CUT_TAIL, SIZE - 1): good[:-1],
    }
    for named, entries in cases.items():
        _rewrite(export, entries)
        assert _found(export) == named


def test_a_copy_of_an_earlier_entry_is_named(ledger: MemoryLedger, export: Path) -> None:
    good = ledger.entries

    _rebundle(export, [*good[:300], good[7], *good[300:]])
    assert _found(export) == (Damage.INSERTED, 300)
    _rebundle(export, [*good[:300], good[7], *good[301:]])
    assert _found(export) == (Damage.EDITED, 300)
    _rebundle(export, [*good, good[7]])
    assert _found(export) == (Damage.INSERTED, SIZE)


def test_a_history_rewritten_throughout_is_a_fork(ledger: MemoryLedger, export: Path) -> None:
    _rewrite(export, _ledger(SIZE).entries)
    assert _found(export) == (Damage.FORKED, None)

    _rewrite(export, [*ledger.entries[:-1], _edited(ledger.entries[-1])])
    assert _found(export) == (Damage.FORKED, None)


def test_a_rewritten_export_with_an_unreadable_entry_is_edited(
    ledger: MemoryLedger, export: Path
) -> None:
    _rewrite(export, [*ledger.entries[:9], b"{}", *ledger.entries[10:]])

    assert _found(export) == (Damage.EDITED, 9)


def test_a_first_entry_that_follows_something_is_edited(ledger: MemoryLedger, export: Path) -> None:
    first = parse_entry(ledger.entries[0]) | {"prev": "11" * 32}
    _rewrite(export, [canonical(first), *ledger.entries[1:]])

    assert _found(export) == (Damage.EDITED, 0)


def test_a_root_noted_elsewhere_convicts_a_newly_signed_history(tmp_path: Path) -> None:
    honest, forged = _ledger(), _ledger(SIZE)
    export = forged.export(tmp_path / "forged")

    assert _judge(export).ok
    assert _found(export, seen=[(300, root_hash(honest.leaves[:300]))]) == (Damage.FORKED, None)
    assert _found(export, seen=[(0, bytes(32))]) == (Damage.FORKED, None)


def test_a_restored_backup_is_rolled_back(ledger: MemoryLedger, tmp_path: Path) -> None:
    export = _ledger(100).export(tmp_path / "old")

    assert _found(export, seen=[(SIZE, ledger.head.root)]) == (Damage.ROLLED_BACK, 100)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n600\n", "\n599\n"),
        lambda note: note.replace("\n600\n", "\n599\n") + "\n",
        lambda note: note.replace("=\n\n", "=\next\n\n"),
        lambda note: note[:-20] + "\n",
        lambda _note: "junk",
    ],
    ids=lambda change: str(change.__code__.co_firstlineno),
)
def test_a_checkpoint_not_signed_by_the_log_is_named(
    export: Path, change: Callable[[str], str]
) -> None:
    note = (export / "checkpoint").read_text("utf-8")
    (export / "checkpoint").write_text(change(note), "utf-8")

    assert _found(export) == (Damage.BAD_SIGNATURE, None)


def test_an_export_signed_by_another_key_is_refused_under_the_agreements(
    ledger: MemoryLedger, tmp_path: Path
) -> None:
    impostor = _ledger()
    impostor.signer = MemorySigner("impostor")
    export = impostor.export(tmp_path / "impostor")

    assert _judge(export).ok  # it agrees with itself
    assert _found(export, vkey=ledger.vkey) == (Damage.BAD_SIGNATURE, None)


def _signed(tmp_path: Path, entries: list[bytes]) -> Path:
    """Export what a dishonest log signs: any entries, under a good checkpoint."""
    other = MemoryLedger()
    other.leaves = [leaf_hash(entry) for entry in entries]
    frontier = Frontier().extend(other.leaves)
    other.head = replace(Head(), frontier=frontier, root=frontier.root())
    return other.export(tmp_path / "signed", entries=entries)


def _rechained(entries: list[bytes], at: int, **changes: object) -> list[bytes]:
    """Change an entry and link all later ones to it, as only the log itself could."""
    done = entries[:at]
    for number, data in enumerate(entries[at:], at):
        value = parse_entry(data) | (changes if number == at else {})
        value["prev"] = leaf_hash(done[-1]).hex() if done else "00" * 32
        done.append(canonical(value))
    return done


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"ts": "2026-10-06T10:14:59.999Z"}, Damage.CLOCK_BACK),
        ({"streams": {PARTIES[0]: 11}}, Damage.STREAM_GAP),
        ({"streams": {PARTIES[0]: 9}}, Damage.STREAM_GAP),
        ({"i": 31}, Damage.MALFORMED),
        ({"mash": "elsewhere"}, Damage.MALFORMED),
    ],
)
def test_what_the_log_itself_did_wrong_is_named(
    tmp_path: Path, changes: dict[str, object], kind: Damage
) -> None:
    entries = _rechained(_ledger(20, 20).entries, 30, **changes)

    assert _found(_signed(tmp_path, entries)) == (kind, 30)


def test_signed_bytes_that_are_no_entry_or_break_the_chain_are_malformed(tmp_path: Path) -> None:
    good = _ledger(20).entries

    for number, bad in enumerate((b"{}", b"[1]", b"\xff", b'{"v": 1}', _edited(good[4]))):
        export = _signed(tmp_path / str(number), [*good[:4], bad, *good[5:]])
        assert _found(export) == (Damage.MALFORMED, 5 if bad.startswith(b'{"act') else 4)


def test_only_the_schema_is_beyond_the_standalone_verifier(tmp_path: Path) -> None:
    good = _ledger(20).entries
    value = parse_entry(good[19]) | {"surname": "x"}
    export = _signed(tmp_path, [*good[:19], canonical(value)])

    problem = verify_export(export).problem
    assert problem is not None
    assert (problem.kind, problem.index) == (Damage.MALFORMED, 19)
    assert standalone_verify.verify(export, None, [], None) is None


def test_missing_and_altered_files_are_named(ledger: MemoryLedger, tmp_path: Path) -> None:
    cases = {
        "tile/entries/001": (Damage.MISSING_TILE, 256),
        "tile/entries/000": (Damage.MISSING_TILE, 0),
        "tile/entries/002.p/88": (Damage.CUT_TAIL, 512),
        "tile/0/001": (Damage.MISSING_TILE, 256),
        "tile/0/002.p/88": (Damage.MISSING_TILE, 512),
        "tile/1/000.p/2": (Damage.MISSING_TILE, 0),
    }
    for number, (name, expected) in enumerate(cases.items()):
        export = ledger.export(tmp_path / str(number))
        data = (export / name).read_bytes()
        (export / name).unlink()
        assert _found(export) == expected
        if "entries" not in name:
            (export / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            assert _found(export) == (Damage.ALTERED_TILE, expected[1])
            (export / name).write_bytes(data[:-1])
            assert _found(export) == expected


def test_a_bundle_cut_inside_an_entry_is_a_cut_tail(export: Path) -> None:
    path = export / "tile/entries/002.p/88"
    path.write_bytes(path.read_bytes()[:-1])
    assert _found(export) == (Damage.CUT_TAIL, SIZE - 1)

    path.write_bytes(path.read_bytes() + b"\0")
    assert _found(export)[0] in {Damage.CUT_TAIL, Damage.ALTERED_TILE, Damage.EDITED}


def test_entries_in_the_wrong_bundle_are_named_but_called_as_signed(
    ledger: MemoryLedger, export: Path
) -> None:
    write_bundle(export, 0, 256, ledger.entries[:257])
    write_bundle(export, 1, 256, ledger.entries[257:512])
    assert _found(export) == (Damage.ALTERED_TILE, None)

    write_bundle(export, 0, 256, ledger.entries[:256])
    write_bundle(export, 1, 256, ledger.entries[256:512])
    path = export / "tile/entries/001"
    path.write_bytes(path.read_bytes() + b"\0")
    assert _found(export) == (Damage.ALTERED_TILE, None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_bit_in_the_entries_is_found_in_the_right_entry(
    ledger: MemoryLedger, export: Path, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, 255))
    entry = bytearray(ledger.entries[index])
    bit = data.draw(st.integers(0, len(entry) * 8 - 1))
    entry[bit // 8] ^= 1 << bit % 8

    write_bundle(
        export, 0, 256, [*ledger.entries[:index], bytes(entry), *ledger.entries[index + 1 : 256]]
    )

    assert _found(export) == (Damage.EDITED, index)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_bit_in_a_bundle_file_is_found(
    ledger: MemoryLedger, export: Path, data: st.DataObject
) -> None:
    path = export / "tile/entries/000"
    good = pack_bundle(ledger.entries[:256])
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bad)
    starts = list(accumulate((len(entry) + 2 for entry in ledger.entries[:256]), initial=0))

    place = _found(export)[1]

    assert place == max(n for n, start in enumerate(starts[:-1]) if start <= bit // 8)


def _filtered(ledger: MemoryLedger, party: str) -> list[bytes]:
    return [e if party in parse_entry(e)["streams"] else b"" for e in ledger.entries]


def test_an_export_filtered_to_a_party_is_verified_through_the_hashes(
    ledger: MemoryLedger, tmp_path: Path
) -> None:
    party = PARTIES[1]
    entries = _filtered(ledger, party)
    export = ledger.export(tmp_path / "filtered", entries=entries)

    assert _judge(export, party=party, seen=[(SIZE, ledger.head.root)]).ok
    assert _found(export) == (Damage.EDITED, 0)  # nothing may be withheld from a full export


def test_an_entry_withheld_from_its_own_party_is_a_gap_in_its_stream(
    ledger: MemoryLedger, tmp_path: Path
) -> None:
    party = PARTIES[1]
    entries = _filtered(ledger, party)
    entries[301] = b""  # 301 % 3 == 1: the party's own
    export = ledger.export(tmp_path / "filtered", entries=entries)

    assert _found(export, party=party) == (Damage.STREAM_GAP, 304)


def test_damage_in_a_filtered_export_is_named(ledger: MemoryLedger, tmp_path: Path) -> None:
    party = PARTIES[1]
    entries = _filtered(ledger, party)
    export = ledger.export(tmp_path / "filtered", entries=entries)

    _rebundle(export, [*entries[:4], _edited(entries[4]), *entries[5:]])
    assert _found(export, party=party) == (Damage.EDITED, 4)
    _rebundle(export, entries)
    tile = export / "tile/0/000"
    good = tile.read_bytes()
    tile.write_bytes(bytes(32) + good[32:])
    assert _found(export, party=party) == (Damage.ALTERED_TILE, None)
    tile.unlink()
    assert _found(export, party=party) == (Damage.MISSING_TILE, 0)


def test_progress_is_told_after_every_bundle(export: Path) -> None:
    told: list[tuple[int, int]] = []

    verify_export(export, progress=lambda done, total: told.append((done, total)))

    assert told == [(256, SIZE), (512, SIZE), (SIZE, SIZE)]


def test_an_export_without_its_texts_cannot_be_verified(export: Path) -> None:
    with pytest.raises(CheckpointError):
        verify_export(export, vkey="junk")
    (export / "log.vkey").write_bytes(b"\xff")
    with pytest.raises(ExportError):
        verify_export(export)
    (export / "log.vkey").unlink()
    with pytest.raises(ExportError):
        verify_export(export)


def test_an_export_is_not_written_over_another_or_with_other_entries(
    ledger: MemoryLedger, export: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="exists"):
        ledger.export(export)
    with pytest.raises(ExportError, match="not those"):
        write_export(
            tmp_path / "a", note=ledger.note(), entries=ledger.entries[:-1], vkey=ledger.vkey
        )
    with pytest.raises(CheckpointError):
        write_export(tmp_path / "b", note="junk", entries=ledger.entries, vkey=ledger.vkey)


def test_an_export_is_read_back_as_written(ledger: MemoryLedger, export: Path) -> None:
    assert list(read_entries(export, size=SIZE)) == ledger.entries
    assert read_bundle(export, 2, 88) == ledger.entries[512:]
    assert ExportTiles(export).read(0, 2, 88) == b"".join(ledger.leaves[512:])
    path = export / "tile/entries/001"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExportError, match="inside an entry"):
        read_bundle(export, 1, 256)
    path.unlink()
    with pytest.raises(ExportError, match="missing"):
        read_bundle(export, 1, 256)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert unpack_bundle(pack_bundle(entries)) == (entries, True)
    assert standalone_verify.unpack(pack_bundle(entries)) == (entries, True)


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked_alike(data: bytes) -> None:
    assert unpack_bundle(data) == standalone_verify.unpack(data)


def test_tile_numbers_are_written_as_the_specification_says() -> None:
    assert number_path(1_234_067) == "x001/x234/067"
    assert number_path(7) == "007"


def test_both_verifiers_read_tiles_of_large_numbers_from_the_same_place(tmp_path: Path) -> None:
    write_bundle(tmp_path, 1_234_067, 256, [b"entry"])

    assert standalone_verify.read_tile(tmp_path, "entries", 1_234_067, 256) == b"\0\5entry"
    assert read_bundle(tmp_path, 1_234_067, 256) == [b"entry"]


@pytest.mark.parametrize("change", ["+00000000+", "+"])
def test_the_standalone_verifier_refuses_a_malformed_key(
    ledger: MemoryLedger, export: Path, change: str
) -> None:
    name, _, material = ledger.vkey.split("+")

    verdict = standalone_verify.verify(export, f"{name}{change}{material}", [], None)

    assert verdict is not None
    assert verdict[0] == "bad_signature"


def test_an_export_of_another_log_is_refused(ledger: MemoryLedger, tmp_path: Path) -> None:
    other = MemoryLedger(origin="other.example/log")
    other.grow(3)
    export = other.export(tmp_path / "other")

    assert _found(export, vkey=ledger.vkey) == (Damage.BAD_SIGNATURE, None)


def test_the_standalone_verifier_is_one_short_file_without_our_code() -> None:
    text = Path(standalone_verify.__file__).read_text("utf-8")

    assert len(text.splitlines()) <= 250
    assert "import audit" not in text
    assert "from audit" not in text


def test_the_standalone_verifier_runs_as_a_script(
    ledger: MemoryLedger, export: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    seen.write_text(f"{SIZE} {ledger.head.root.hex()}\n", "utf-8")
    command = [sys.executable, standalone_verify.__file__, str(export), "--seen", str(seen)]

    whole = subprocess.run(command, capture_output=True, text=True, check=False)
    _rebundle(export, [*ledger.entries[:9], *ledger.entries[10:]])
    damaged = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (whole.returncode, whole.stdout) == (0, "whole: nothing was found\n")
    assert damaged.returncode == 1
    assert damaged.stdout.startswith("removed at entry 9: ")


def test_the_standalone_verifier_says_when_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], export: Path
) -> None:
    (tmp_path / "seen").write_text("one two three\n", "utf-8")

    assert standalone_verify.main([str(tmp_path / "nothing")]) == 2
    assert standalone_verify.main([str(export), "--seen", str(tmp_path / "seen")]) == 2
    assert standalone_verify.main([str(export)]) == 0
    assert "cannot be verified" in capsys.readouterr().err

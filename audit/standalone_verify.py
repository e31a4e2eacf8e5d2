"""Verify a ledger export: one file, standard library and PyNaCl, nothing of the project's own.

    python standalone_verify.py EXPORT [--vkey KEY] [--seen FILE] [--party PARTY]

EXPORT is a directory in the C2SP tlog-tiles layout. KEY is the log's verifier key from the signed
agreement; without it the export only agrees with its own `log.vkey`. FILE holds lines `size root`
(hex), noted elsewhere. Exit status: 0 whole, 1 damaged, 2 cannot be read. Format and limits:
docs/protocol/ledger.md. Not shown: the fields of each event; `mash ledger verify` checks those.
"""

import argparse
import json
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

HASH, WIDTH, LARGEST = 32, 256, 65_535  # bytes of a hash, hashes in a tile, bytes of an entry
Verdict = tuple[str, int | None, str] | None  # kind of damage, first bad entry, plain words
Seen = list[tuple[int, bytes]]  # sizes and roots noted elsewhere


def leaf_hash(entry: bytes) -> bytes:
    """RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + entry).digest()


def root_hash(hashes: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1: pair neighbours; an odd one out rises as it is."""
    row = hashes or [sha256(b"").digest()]
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=False)
        odd = row[len(row) & ~1 :]
        row = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return row[0]


def open_checkpoint(note: str, vkey: str) -> tuple[int, bytes]:
    """Return size and root of a C2SP signed note, or raise ValueError."""
    name, key_id, encoded = vkey.strip().split("+", 2)
    key = b64decode(encoded, validate=True)
    if key[0] != 1 or sha256(name.encode() + b"\n" + key).digest()[:4].hex() != key_id:
        raise ValueError("the verifier key is malformed")
    body, _, signatures = note.partition("\n\n")
    origin, size, root = body.split("\n")  # extension lines are not allowed
    if origin != name or str(int(size)) != size or len(b64decode(root, validate=True)) != HASH:
        raise ValueError("the checkpoint is malformed or of another log")
    signed = False
    for line in signatures.removesuffix("\n").split("\n"):
        dash, signer, signature = line.split(" ")
        data = b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and data[:4].hex() == key_id:
            VerifyKey(key[1:]).verify(f"{body}\n".encode(), data[4:])
            signed = True
    if not signed:
        raise ValueError("the checkpoint is not signed by the log")
    return int(size), b64decode(root, validate=True)


def read_tile(export: Path, level: str, index: int, width: int) -> bytes | None:
    """Return a tile's bytes: the partial one of this width, or else the full one."""
    digits, number = f"{index % 1000:03d}", index // 1000
    while number:
        digits, number = f"x{number % 1000:03d}/{digits}", number // 1000
    full = export / "tile" / level / digits
    partial = full.with_name(full.name + ".p") / str(width)
    for path in (partial, full) if width < WIDTH else (full,):
        if path.is_file():
            return path.read_bytes()
    return None


def unpack(bundle: bytes) -> tuple[list[bytes], bool]:
    """Return the whole entries of a bundle, and whether nothing is left over."""
    entries, at = list[bytes](), 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            return entries, False
        entries.append(bundle[at + 2 : end])
        at = end
    return entries, True


def widths(count: int) -> list[int]:
    """Return the widths of the tiles that hold `count` hashes."""
    return [min(WIDTH, count - start) for start in range(0, count, WIDTH)]


def signed_leaves(export: Path, size: int, root: bytes) -> tuple[list[bytes], Verdict]:
    """Return the stored leaf hashes if they lead to the signed root, else none and why."""
    leaves: list[bytes] = []
    for index, width in enumerate(widths(size)):
        tile = read_tile(export, "0", index, width) or b""
        if len(tile) < width * HASH:
            return [], ("missing_tile", index * WIDTH, "leaf hashes are missing")
        leaves += [tile[at : at + HASH] for at in range(0, width * HASH, HASH)]
    if root_hash(leaves) != root:
        return [], ("altered_tile", None, "the leaf hashes are not those that were signed")
    return leaves, None


def compare(found: list[bytes], signed: list[bytes]) -> Verdict:
    """Name the first difference between the entries' hashes and the signed ones."""
    both = min(len(found), len(signed))
    at = next((i for i in range(both) if found[i] != signed[i]), both)
    if at == len(found):
        return "cut_tail", at, "the last entries are missing"
    if at == len(signed):
        return "inserted", at, "entries follow the last one"
    kept = signed[at] in found  # the signed entry stands elsewhere
    moved = found[at] in signed and found[at] not in signed[:at]  # this one belongs elsewhere
    named = {(True, True): "reordered", (True, False): "inserted", (False, True): "removed"}
    kind = named.get((kept, moved), "edited")
    return kind, at, "the entry is not the one signed for this place"


def place(entry: bytes) -> dict[str, Any] | None:
    """Return an entry's fields if it is in canonical form with the fields the chain needs."""
    try:
        value = json.loads(entry)
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if text.encode() != entry or not isinstance(value, dict) or len(entry) > LARGEST:
            return None
    except (ValueError, RecursionError):
        return None
    wanted = {"i": int, "prev": str, "ts": str, "mash": str, "streams": dict}
    typed = all(type(value.get(name)) is kind for name, kind in wanted.items())
    return value if typed and all(type(n) is int for n in value["streams"].values()) else None


def compare_chain(entries: list[bytes], size: int) -> Verdict:
    """Name the first break in the entries' own chain, when no signed hashes are left."""
    values, prev = [place(entry) for entry in entries], bytes(HASH)
    for at, (entry, value) in enumerate(zip(entries, values, strict=True)):
        if value is None:
            return "edited", at, "the entry breaks its format"
        if value["i"] < at:
            return "inserted", at, "its number was given before"
        if value["i"] > at:
            later = any(other is not None and other["i"] == at for other in values)
            return "reordered" if later else "removed", at, "the entry of this number is not here"
        if value["prev"] != prev.hex():
            return "edited", max(at - 1, 0), "the next entry follows another one"
        prev = leaf_hash(entry)
    if len(entries) < size:
        return "cut_tail", len(entries), "the last entries are missing"
    return "forked", None, "the entries agree with each other, but not with what was signed"


def check_chain(entries: list[bytes], leaves: list[bytes], party: str | None) -> Verdict:
    """Check what the log signed for numbers, hashes, times and streams that go on."""
    prev, mash, last, streams = bytes(HASH), None, "", dict[str, int]()
    for at, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if entry or party is None:
            value = place(entry)
            if value is None or value["i"] != at or value["prev"] != prev.hex():
                return "malformed", at, "the entry does not follow from the one before it"
            if mash not in {None, value["mash"]}:
                return "malformed", at, "the entry belongs to another ledger"
            if value["ts"] < last:
                return "clock_back", at, "the entry is dated before the one it follows"
            for name, number in value["streams"].items():
                if party in {None, name} and number != streams.get(name, 0):
                    return "stream_gap", at, f"the stream of {name} has a gap"
                streams[name] = number + 1
            mash, last = value["mash"], value["ts"]
        prev = leaf
    return None


def check_tiles(export: Path, leaves: list[bytes]) -> Verdict:
    """Check that every stored hash tile is the one the entries give."""
    level, row = 0, leaves
    while row:
        for index, width in enumerate(widths(len(row))):
            tile, first = read_tile(export, str(level), index, width), index * WIDTH ** (level + 1)
            if tile is None or len(tile) < width * HASH:
                return "missing_tile", first, f"hash tile {level}/{index} is missing"
            if tile[: width * HASH] != b"".join(row[index * WIDTH :][:width]):
                return "altered_tile", first, f"hash tile {level}/{index} was altered"
        full = range(0, len(row) - WIDTH + 1, WIDTH)
        level, row = level + 1, [root_hash(row[at : at + WIDTH]) for at in full]
    return None


def check_entries(export: Path, size: int, root: bytes, seen: Seen, party: str | None) -> Verdict:
    """Return the first damage of an export whose checkpoint is signed, or None."""
    bundles = [read_tile(export, "entries", i, w) for i, w in enumerate(widths(size))]
    if None in bundles:
        at = bundles.index(None)
        tail = at > 0 and not any(bundle is not None for bundle in bundles[at:])
        return "cut_tail" if tail else "missing_tile", at * WIDTH, "a bundle is missing"
    unpacked = [unpack(bundle or b"") for bundle in bundles]
    entries = [entry for bundle, _ in unpacked for entry in bundle]
    signed, problem = signed_leaves(export, size, root)
    if party is not None and problem is not None:
        return problem
    found = [leaf_hash(entry) for entry in entries]
    if party is not None:  # an entry of length zero is withheld: its hash is in the tile
        rows = zip(entries, found, signed + [b""] * len(entries), strict=False)
        found = [leaf if entry else kept for entry, leaf, kept in rows]
    if root_hash(found) != root:
        return compare(found, signed) if signed else compare_chain(entries, size)
    if [(len(bundle), whole) for bundle, whole in unpacked] != [(w, True) for w in widths(size)]:
        return "altered_tile", None, "the entries are not bundled as they should be"
    for noted, other in seen:
        if root_hash(found[:noted]) != other:
            return "forked", None, f"at {noted} entries the log once stated another root"
    return check_chain(entries, found, party) or check_tiles(export, found)


def verify(export: Path, vkey: str | None, seen: Seen, party: str | None) -> Verdict:
    """Return the first damage found in an export, or None when it is whole."""
    note, key = ((export / name).read_text("utf-8") for name in ("checkpoint", "log.vkey"))
    try:
        size, root = open_checkpoint(note, vkey or key)
    except (ValueError, CryptoError, IndexError) as error:
        return "bad_signature", None, str(error)
    largest = max((noted for noted, _ in seen), default=0)
    if largest > size:
        return "rolled_back", size, f"the log once stated {largest} entries, now {size}"
    return check_entries(export, size, root, seen, party)


def main(arguments: list[str]) -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Verify a ledger export.")
    parser.add_argument("export", type=Path)
    for option in ("--vkey", "--seen", "--party"):
        parser.add_argument(option)
    options = parser.parse_args(arguments)
    try:
        lines = Path(options.seen).read_text("utf-8").splitlines() if options.seen else []
        seen = [(int(size), bytes.fromhex(root)) for size, root in map(str.split, lines)]
        verdict = verify(options.export, options.vkey, seen, options.party)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot be verified: {error}\n")
        return 2
    kind, index, detail = verdict or ("whole", None, "nothing was found")
    sys.stdout.write(f"{kind}{'' if index is None else f' at entry {index}'}: {detail}\n")
    return 0 if verdict is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

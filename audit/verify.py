"""The verifier: is an export whole, in order, and what the log signed and others saw?

One streaming pass in flat memory. Only when the entries do not lead to the signed root are they
read again, to name the damage (`audit.diagnose`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.chain import Chain
from audit.checkpoint import Checkpoint, open_checkpoint, parse_vkey, read_checkpoint_unsafe
from audit.diagnose import diagnose
from audit.errors import CheckpointError, ExportError, MissingTileError
from audit.export import CHECKPOINT, VKEY, ExportTiles, read_bundle, read_text
from audit.merkle import HASH_BYTES, Frontier, leaf_hash, split_hashes
from audit.report import Damage, Problem, Report
from audit.tiles import TILE_WIDTH, Tile, tile_width, tiles_after_append

Progress = Callable[[int, int], None]  # (entries done, entries in all)


def verify_export(
    path: Path,
    *,
    vkey: str | None = None,
    seen: Sequence[tuple[int, bytes]] = (),
    party: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Return the verdict on the export at `path`.

    Args:
        path: Directory in the tlog-tiles layout, see `audit.export`.
        vkey: The log's verifier key from the signed agreement. Without it the export's own
            `log.vkey` is believed, which shows only that the export agrees with itself.
        seen: Sizes and roots noted elsewhere: on summaries, in messages, by witnesses.
        party: The export is filtered to this party's stream.
        progress: Called after each bundle.

    Raises:
        ExportError: The export holds no checkpoint or no verifier key.
        CheckpointError: `vkey` is no verifier key.

    """
    text = read_text(path, VKEY) if vkey is None else vkey
    origin, public = parse_vkey(text)
    note = read_text(path, CHECKPOINT)
    try:
        checkpoint = open_checkpoint(note, origin=origin, public=public)
    except CheckpointError as error:
        return _unsigned(note, origin, str(error))
    problem = _rolled_back(checkpoint, seen)
    if problem is None:
        scan = _Scan(directory=path, checkpoint=checkpoint, seen=seen, chain=Chain(party=party))
        problem = scan.run(progress or (lambda _done, _total: None))
    return Report(origin=origin, size=checkpoint.size, root=checkpoint.root, problem=problem)


def _unsigned(note: str, origin: str, detail: str) -> Report:
    try:
        claimed = read_checkpoint_unsafe(note)
    except CheckpointError:
        claimed = Checkpoint(origin=origin, size=0, root=bytes(HASH_BYTES))
    problem = Problem(kind=Damage.BAD_SIGNATURE, index=None, detail=f"the checkpoint: {detail}")
    return Report(origin=origin, size=claimed.size, root=claimed.root, problem=problem)


def _rolled_back(checkpoint: Checkpoint, seen: Sequence[tuple[int, bytes]]) -> Problem | None:
    largest = max((size for size, _ in seen), default=0)
    if largest <= checkpoint.size:
        return None
    detail = f"the log once stated {largest} entries, this export {checkpoint.size}"
    return Problem(kind=Damage.ROLLED_BACK, index=checkpoint.size, detail=detail)


@dataclass(slots=True, kw_only=True)
class _Scan:
    """One pass over an export; keeps the first problem of each kind of check."""

    directory: Path
    checkpoint: Checkpoint
    seen: Sequence[tuple[int, bytes]]
    chain: Chain
    frontier: Frontier = field(default_factory=Frontier)
    edge: tuple[bytes, ...] = ()
    chain_problem: Problem | None = None
    tile_problem: Problem | None = None
    fork: Problem | None = None

    def run(self, progress: Progress) -> Problem | None:
        """Return the gravest problem: entries not signed, then a fork, order, tiles."""
        size, filtered = self.checkpoint.size, self.chain.party is not None
        self._compare_seen([])
        for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
            if not self._bundle(index, tile_width(size, 0, index)):
                return diagnose(self.directory, self.checkpoint, filtered=filtered)
            progress(self.frontier.size, size)
        if self.frontier.root() != self.checkpoint.root:
            return diagnose(self.directory, self.checkpoint, filtered=filtered)
        self._check_edge()
        return self.fork or self.chain_problem or self.tile_problem

    def _bundle(self, index: int, width: int) -> bool:
        """Take in one bundle; return whether it holds as many entries as it should."""
        try:
            entries = read_bundle(self.directory, index, width)
        except ExportError:
            return False
        if len(entries) != width:
            return False
        leaves = [leaf_hash(entry) for entry in entries]
        if self.chain.party is not None and b"" in entries:
            leaves = self._with_withheld(index, entries, leaves)
        for entry, leaf in zip(entries, leaves, strict=True):
            if not entry and self.chain.party is not None:
                self.chain.skip(leaf)
            else:
                problem = self.chain.follow(entry, leaf)
                self.chain_problem = self.chain_problem or problem
        self._compare_seen(leaves)
        tiles, self.edge = tiles_after_append(self.edge, self.frontier.size, leaves)
        self.frontier = self.frontier.extend(leaves)
        for tile in tiles:
            if tile.width == TILE_WIDTH:
                self._check_tile(tile)
        return True

    def _with_withheld(self, index: int, entries: list[bytes], leaves: list[bytes]) -> list[bytes]:
        try:
            stored = split_hashes(ExportTiles(self.directory).read(0, index, len(entries)))
        except MissingTileError:
            return leaves
        rows = zip(entries, leaves, stored, strict=True)
        return [leaf if entry else kept for entry, leaf, kept in rows]

    def _compare_seen(self, leaves: list[bytes]) -> None:
        """Compare the roots others noted with those at the same sizes here."""
        start = self.frontier.size
        for size, root in self.seen:
            here = start < size <= start + len(leaves) if leaves else size == 0
            if here and self.frontier.extend(leaves[: size - start]).root() != root:
                detail = f"at {size} entries the log once stated another root"
                found = Problem(kind=Damage.FORKED, index=None, detail=detail)
                self.fork = self.fork or found

    def _check_edge(self) -> None:
        for level, data in enumerate(self.edge):
            if data:
                index = self.frontier.size >> 8 * (level + 1)
                self._check_tile(Tile(level=level, index=index, data=data))

    def _check_tile(self, tile: Tile) -> None:
        if self.tile_problem is not None:
            return
        first = tile.index << 8 * (tile.level + 1)
        name = f"hash tile {tile.level}/{tile.index}"
        try:
            stored = ExportTiles(self.directory).read(tile.level, tile.index, tile.width)
        except MissingTileError:
            self.tile_problem = Problem(
                kind=Damage.MISSING_TILE, index=first, detail=f"{name} is missing"
            )
            return
        if stored != tile.data:
            self.tile_problem = Problem(
                kind=Damage.ALTERED_TILE, index=first, detail=f"{name} was altered"
            )

"""Merkle trees of RFC 9162: hashes, growth and proofs.

Pure functions over 32-byte hashes; leaves are given as *leaf hashes*. `audit.tiles` makes the
same proofs from stored tiles.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from audit.errors import HeadError, InvalidProofError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

RangeHash = Callable[[int, int], bytes]  # (start, end) -> root of the leaves in between


def leaf_hash(entry: bytes) -> bytes:
    """Return the leaf hash of an entry (RFC 9162 section 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162 section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root over `leaves`, which are leaf hashes (RFC 9162 section 2.1.1)."""
    return Frontier().extend(leaves).root()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The compact range of a tree: the roots of its perfect subtrees, largest first.

    Raises:
        HeadError: The number of hashes does not fit the size.

    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a shape that no tree has."""
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise HeadError("a frontier's hashes do not fit its size")
        if any(len(value) != HASH_BYTES for value in self.hashes):
            raise HeadError("a frontier's hash is not 32 bytes")

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Return the frontier after appending leaf hashes."""
        size, stack = self.size, list(self.hashes)
        for leaf in leaves:
            node, rest = leaf, size
            while rest & 1:
                node = sha256(b"\x01" + stack.pop() + node).digest()
                rest >>= 1
            stack.append(node)
            size += 1
        return Frontier(size=size, hashes=tuple(stack))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """Return the size as eight bytes, big-endian, and the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frontier":
        """Return the frontier that `to_bytes` wrote.

        Raises:
            HeadError: The bytes are no frontier.

        """
        return cls(size=int.from_bytes(data[:8], "big"), hashes=tuple(split_hashes(data[8:])))


def split_hashes(data: bytes) -> list[bytes]:
    """Return the 32-byte hashes that `data` concatenates; a remainder stays a short one."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


# --- proofs -----------------------------------------------------------------------------


def leaves_range(leaves: Sequence[bytes]) -> RangeHash:
    """Return the range hashes of a tree held in memory."""
    return lambda start, end: root_hash(leaves[start:end])


def inclusion_proof(index: int, size: int, hash_of: RangeHash) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves.

    Follows RFC 9162 section 2.1.3.1; leaf to root.

    Raises:
        InvalidProofError: There is no such leaf.

    """
    return subtree_inclusion_proof(index, 0, size, hash_of)


def subtree_inclusion_proof(index: int, start: int, end: int, hash_of: RangeHash) -> list[bytes]:
    """Return the audit path of leaf `index` within the leaves from `start` to `end`.

    Raises:
        InvalidProofError: The leaf is not among them.

    """
    if not start <= index < end:
        raise InvalidProofError("no such leaf")
    path = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old_size: int, new_size: int, hash_of: RangeHash) -> list[bytes]:
    """Return the proof that the first `old_size` leaves are a prefix (RFC 9162 2.1.4.1).

    Empty when one of the trees is empty or the sizes are equal.

    Raises:
        InvalidProofError: The new tree is smaller than the old.

    """
    if not 0 <= old_size <= new_size:
        raise InvalidProofError("the new tree is smaller than the old")
    if old_size in {0, new_size}:
        return []
    path, seed = prefix_path(old_size, new_size, hash_of)
    return path if old_size & (old_size - 1) == 0 else [seed, *path]


def prefix_path(old_size: int, new_size: int, hash_of: RangeHash) -> tuple[list[bytes], bytes]:
    """Return the consistency path and, apart, the node it starts from.

    RFC 9162 leaves out the starting node when it is the whole old tree. Evidence of a
    contradiction needs it, since there the old tree is what is in doubt.
    """
    start, end, path = 0, new_size, []
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start = middle
    return path[::-1], hash_of(start, end)


def _split(width: int) -> int:
    """Return the largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1


def check_inclusion(
    *, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` is the leaf at `index` of the tree of `size` leaves.

    Follows RFC 9162 section 2.1.3.2, whose variable names are kept.

    Args:
        leaf: Leaf hash, 32 bytes.
        index: Zero-based position of the leaf.
        size: Number of leaves in the tree that `root` commits to.
        path: Sibling hashes, from the leaf's own level up to the root's.
        root: Expected root hash, 32 bytes, taken from a *verified* checkpoint.

    Raises:
        InvalidProofError: The path has the wrong length or leads to another root.

    """
    if not 0 <= index < size:
        raise InvalidProofError("no such leaf")
    _check_hashes(leaf, root, *path)
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise InvalidProofError("the path is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise InvalidProofError("the path is too short")
    if r != root:
        raise InvalidProofError("the path leads to another root")


def check_subtree_inclusion(
    *, leaf: bytes, index: int, start: int, end: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` is at `index` in the subtree of the leaves from `start` to `end`.

    Raises:
        InvalidProofError: The subtree is not one, or see `check_inclusion`.

    """
    _check_subtree(start, end)
    check_inclusion(leaf=leaf, index=index - start, size=end - start, path=path, root=root)


def check_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of `old_size` leaves is a prefix of the tree of `new_size`.

    Follows RFC 9162 section 2.1.4.2. Every tree extends the empty one, by an empty path.

    Raises:
        InvalidProofError: The path has the wrong shape or leads to another root.

    """
    if not 0 <= old_size <= new_size:
        raise InvalidProofError("the new tree is smaller than the old")
    _check_hashes(old_root, new_root)
    if new_size == 0 and new_root != EMPTY_ROOT:
        raise InvalidProofError("the root is not that of the empty tree")
    check_subtree_consistency(
        start=0, end=old_size, size=new_size, subtree=old_root, root=new_root, path=path
    )


def check_subtree_consistency(
    *, start: int, end: int, size: int, subtree: bytes, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the leaves from `start` to `end`, rooted in `subtree`, lie under `root`.

    With `start` 0 this is RFC 9162 section 2.1.4.2; the general form is
    draft-ietf-plants-merkle-tree-certs section 4.4.3. An empty subtree lies under any root.

    Raises:
        InvalidProofError: The path has the wrong shape or leads to another root.

    """
    if end > size:
        raise InvalidProofError("the subtree reaches beyond the tree")
    if 0 <= start == end:
        if path or subtree != EMPTY_ROOT:
            raise InvalidProofError("the subtree is not the empty tree")
        return
    _check_subtree(start, end)
    _check_hashes(subtree, root, *path)
    fn, sn, tn = start, end - 1, size - 1
    shift = _whole_levels(fn, sn, tn)
    seed, rest = subtree, list(path)
    if fn >> shift != sn >> shift:
        if not rest:
            raise InvalidProofError("the path is too short")
        seed = rest.pop(0)
    found = climb(seed, rest, fn=fn >> shift, sn=sn >> shift, tn=tn >> shift)
    if found != (subtree, root):
        raise InvalidProofError("the path leads to another root")


def _whole_levels(fn: int, sn: int, tn: int) -> int:
    """Return how many levels the starting node of the path lies above the leaves."""
    shift = 0
    while fn >> shift != sn >> shift and (sn == tn or sn >> shift & 1):
        shift += 1
    return shift


def climb(seed: bytes, path: Sequence[bytes], *, fn: int, sn: int, tn: int) -> tuple[bytes, bytes]:
    """Return the roots of the subtree and of the tree that a path leads to.

    The loop of RFC 9162 section 2.1.4.2, whose variable names are kept.

    Raises:
        InvalidProofError: The path has the wrong length.

    """
    fr = sr = seed
    for c in path:
        if tn == 0:
            raise InvalidProofError("the path is too long")
        if sn & 1 or sn == tn:
            if fn < sn:
                fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            while sn and not sn & 1:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    if tn:
        raise InvalidProofError("the path is too short")
    return fr, sr


def prefix_root(
    *, old_size: int, new_size: int, seed: bytes, path: Sequence[bytes], new_root: bytes
) -> bytes:
    """Return the root that the first `old_size` leaves have in the tree under `new_root`.

    Args:
        old_size: Size of the prefix, from 1.
        new_size: Size of the tree.
        seed: The node the path starts from, see `prefix_path`.
        path: Sibling hashes, see `prefix_path`.
        new_root: Root of the tree, from a *verified* checkpoint.

    Raises:
        InvalidProofError: The path does not lead to `new_root`.

    """
    if not 0 < old_size < new_size:
        raise InvalidProofError("not a prefix")
    _check_hashes(seed, new_root, *path)
    sn, tn = old_size - 1, new_size - 1
    shift = _whole_levels(0, sn, tn)
    fr, sr = climb(seed, path, fn=0, sn=sn >> shift, tn=tn >> shift)
    if sr != new_root:
        raise InvalidProofError("the path leads to another root")
    return fr


def _check_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise InvalidProofError("a hash is not 32 bytes")


def _check_subtree(start: int, end: int) -> None:
    """Check that the range is a subtree: aligned to the power of two that holds its width."""
    if not 0 <= start < end:
        raise InvalidProofError("not a range")
    if start % (1 << (end - start - 1).bit_length()):
        raise InvalidProofError("not a subtree")

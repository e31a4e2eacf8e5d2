"""Fingerprints as twelve words that two people can compare over the telephone.

The list is BIP-0039's English one: 2,048 words, told apart by their first four letters.
Twelve words carry the first 132 bits of the digest; unlike a wallet's phrase there is no
checksum, since both sides compare rather than type.
"""

from functools import cache
from importlib.resources import files
from typing import Final

DIGEST_BYTES: Final = 32
WORDS: Final = 12
_BITS_PER_WORD: Final = 11


def twelve_words(digest: bytes) -> tuple[str, ...]:
    """Return the twelve words of a SHA-256 `digest`, most significant bits first.

    Raises:
        ValueError: `digest` is not 32 bytes.

    """
    if len(digest) != DIGEST_BYTES:
        raise ValueError("a digest is 32 bytes")
    bits = int.from_bytes(digest, "big") >> (8 * DIGEST_BYTES - WORDS * _BITS_PER_WORD)
    shifts = range((WORDS - 1) * _BITS_PER_WORD, -1, -_BITS_PER_WORD)
    return tuple(_word_list()[bits >> shift & (1 << _BITS_PER_WORD) - 1] for shift in shifts)


@cache
def _word_list() -> tuple[str, ...]:
    text = files("keys").joinpath("data/bip39-english.txt").read_text(encoding="ascii")
    return tuple(text.split())

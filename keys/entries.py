"""What the names of key store entries mean: which kind of key each holds.

`root` is 64 bytes, every other a 32-byte seed. `post.ROLE.QUARTER` is a post's seal key. Other
entries of a store (tag secrets, item keys) are not keys of this table and are only named.
"""

import hashlib

from keys.sealing import SEAL_ALG, SealKey
from keys.signing import ALG, ROOT_ALG, RootKey, SigningKey
from keys.words import twelve_words


def generate(name: str) -> bytes:
    """Return a new secret of the kind that the entry `name` holds.

    Raises:
        ValueError: No key goes by this name.

    """
    match name.split("."):
        case ["root"]:
            return RootKey.generate().to_bytes()
        case ["operational" | "node"]:
            return SigningKey.generate().seed
        case ["node_seal"] | ["post", _, _]:
            return SealKey.generate().seed
        case _:
            raise ValueError("a key is root, operational, node, node_seal or post.ROLE.QUARTER")


def describe(name: str, secret: bytes) -> tuple[str, str, str]:
    """Return algorithm, kid and twelve words of the key in the entry `name`; never its secret.

    All three are empty for an entry that holds no key. The words are those of the SHA-256 of
    the public key (for a root: Ed25519, then ML-DSA-65).
    """
    match name.split("."):
        case ["root"]:
            root = RootKey.from_bytes(secret).public
            alg, kid, public = ROOT_ALG, root.kid, root.ed25519 + root.mldsa65
        case ["operational" | "node"]:
            signing = SigningKey.from_seed(secret)
            alg, kid, public = ALG, signing.kid, signing.public
        case ["node_seal"] | ["post", _, _]:
            seal = SealKey.from_seed(secret)
            alg, kid, public = SEAL_ALG, seal.kid, seal.public
        case _:
            return "", "", ""
    return alg, kid, " ".join(twelve_words(hashlib.sha256(public).digest()))

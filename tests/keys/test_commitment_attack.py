"""The two-keys-on-one-ciphertext attack, built for real, and the commitment that stops it.

A dishonest supplier makes one ciphertext that is "no concern" under the key it gives to one
post and "risk HIGH" under the key it gives to another. XChaCha20-Poly1305 allows it: the tag is
a polynomial in the ciphertext's blocks, so one free block can be solved for such that the tags
under both keys are equal.
"""

import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

from keys.errors import CannotOpenError, CommitmentMismatchError
from keys.sealing import SUITE, Context, SealKey, open_sealed, seal, unwrap, wrap

# Two content keys whose keystreams under the zero nonce agree in the first four bytes, where the
# text's length stands; a birthday search over 65,681 keys found them in a second.
FIRST, SECOND = ((number).to_bytes(32, "big") for number in (13660, 65681))
NONCE = bytes(24)
CONTEXT = Context(kind="section", request="r_1", sender_kid="ab" * 16)
PRIME = 2**130 - 5
BLOCKS = 8
TEXT_BYTES = 16 * BLOCKS - 4


def derive(content_key: bytes, purpose: str) -> bytes:
    """Return a key or commitment, derived as the format's description says."""
    info = f"MASH-XC20P-HC-XWING-1 {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(content_key)


def rotate(value: int, by: int) -> int:
    return (value << by | value >> 32 - by) & 0xFFFFFFFF


def quarter_round(state: list[int], a: int, b: int, c: int, d: int) -> None:
    for target, source, mixed, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[target] = state[target] + state[source] & 0xFFFFFFFF
        state[mixed] = rotate(state[mixed] ^ state[target], by)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """Return the subkey of XChaCha20 (draft-irtf-cfrg-xchacha section 2.2)."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            quarter_round(state, column, column + 4, column + 8, column + 12)
        for i in range(4):
            quarter_round(state, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def keystream(key: bytes) -> tuple[int, int, bytes]:
    """Return Poly1305's r and s and the text's keystream under the zero nonce."""
    cipher = Cipher(ChaCha20(hchacha20(key, NONCE[:16]), bytes(16)), mode=None)
    stream = cipher.encryptor().update(bytes(64 + 16 * BLOCKS))
    r = int.from_bytes(stream[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    return r, int.from_bytes(stream[16:32], "little"), stream[64:]


def mac_blocks(text: bytes, data: bytes) -> list[int]:
    padded = data + bytes(-len(data) % 16) + text + struct.pack("<QQ", len(data), len(text))
    parts = (padded[i : i + 16] for i in range(0, len(padded), 16))
    return [int.from_bytes(part, "little") + 2**128 for part in parts]


def polynomial(blocks: list[int], r: int) -> int:
    total = 0
    for block in blocks:
        total = (total + block) * r % PRIME
    return total


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def solve(text: bytearray, data: bytes, sides: list[tuple[int, int]]) -> bytes | None:
    """Set the second-last block of `text` so that both tags agree; return the tag."""
    text[-32:-16] = bytes(16)
    blocks = mac_blocks(bytes(text), data)
    blocks[-3] -= 2**128
    (r1, s1), (r2, s2) = sides
    fixed = polynomial(blocks, r1) - polynomial(blocks, r2) + s1 - s2
    inverse = pow(pow(r2, 3, PRIME) - pow(r1, 3, PRIME), -1, PRIME)
    for carry in range(-4, 5):
        block = (fixed + carry * 2**128) * inverse % PRIME
        if not 2**128 <= block < 2**129:
            continue
        text[-32:-16] = (block - 2**128).to_bytes(16, "little")
        tags = [(polynomial(mac_blocks(bytes(text), data), r) + s) % 2**128 for r, s in sides]
        if tags[0] == tags[1]:
            return tags[0].to_bytes(16, "little")
    return None


def build() -> tuple[bytes, bytes]:
    """Return nonce, ciphertext and tag that open under both keys, and the associated data."""
    data = CONTEXT.bytes()
    (r1, s1, first), (r2, s2, second) = (
        keystream(derive(k, "encryption")) for k in (FIRST, SECOND)
    )
    length = TEXT_BYTES.to_bytes(4, "big")
    assert first[:4] == second[:4]
    for filler in range(256):
        text = bytearray(xor(length + b"no concern. ", first[:16]) + bytes(16 * (BLOCKS - 1)))
        text[16:32] = xor(b"risk HIGH. call ", second[16:32])
        text[-16:] = bytes([filler]) * 16
        tag = solve(text, data, [(r1, s1), (r2, s2)])
        if tag is not None:
            return NONCE + bytes(text) + tag, data
    raise AssertionError("no filler worked")


def test_the_cipher_alone_opens_one_ciphertext_to_two_texts() -> None:
    blob, data = build()

    first = decrypt(blob[24:], data, NONCE, derive(FIRST, "encryption"))
    second = decrypt(blob[24:], data, NONCE, derive(SECOND, "encryption"))

    assert first[4:].startswith(b"no concern.")
    assert b"risk HIGH." in second
    assert first != second


def test_one_signed_commitment_lets_the_blob_open_under_one_key_only() -> None:
    blob = SUITE.encode() + build()[0]
    commitments = {key: derive(key, "commitment").hex() for key in (FIRST, SECOND)}

    # Without the commitment the format would not notice: each key has its own honest-looking one.
    for content_key, commitment in commitments.items():
        text = open_sealed(blob, content_key=content_key, commitment=commitment, context=CONTEXT)
        assert len(text) == TEXT_BYTES
    for other, commitment in ((SECOND, commitments[FIRST]), (FIRST, commitments[SECOND])):
        with pytest.raises(CommitmentMismatchError):
            open_sealed(blob, content_key=other, commitment=commitment, context=CONTEXT)


def test_two_posts_with_two_keys_cannot_read_two_texts_of_one_answer() -> None:
    blob, posts = SUITE.encode() + build()[0], (SealKey.generate(), SealKey.generate())
    contexts = (CONTEXT.to("post a"), CONTEXT.to("post b"))
    wraps = [
        wrap(content_key, to_public=post.public, context=context)
        for content_key, post, context in zip((FIRST, SECOND), posts, contexts, strict=True)
    ]
    signed = derive(FIRST, "commitment").hex()

    read = [unwrap(w, key=k, context=c) for w, k, c in zip(wraps, posts, contexts, strict=True)]

    text = open_sealed(blob, content_key=read[0], commitment=signed, context=contexts[0])
    assert text.startswith(b"no concern.")
    with pytest.raises(CommitmentMismatchError):
        open_sealed(blob, content_key=read[1], commitment=signed, context=contexts[1])


def test_an_honest_seal_publishes_the_described_commitment() -> None:
    sealed = seal(b"nothing held", context=CONTEXT, classes=(4096,))

    assert sealed.commitment == derive(sealed.content_key, "commitment").hex()


@pytest.mark.parametrize(
    ("padded", "is_accepted"),
    [
        (b"\x00\x00\x00\x04text\x00\x00", True),
        (b"\x00\x00\x00\x04text\x00\x01", False),
        (b"\x00\x00\x00\x04textmore", False),
        (b"\x00\x00\x00\x07text\x00\x00", False),
        (b"\xff\xff\xff\xfftext\x00\x00", False),
    ],
)
def test_a_dishonest_senders_padding_carries_nothing(padded: bytes, *, is_accepted: bool) -> None:
    text = encrypt(padded, CONTEXT.bytes(), NONCE, derive(FIRST, "encryption"))
    blob, commitment = SUITE.encode() + NONCE + text, derive(FIRST, "commitment").hex()

    if is_accepted:
        found = open_sealed(blob, content_key=FIRST, commitment=commitment, context=CONTEXT)
        assert found == b"text"
    else:
        with pytest.raises(CannotOpenError):
            open_sealed(blob, content_key=FIRST, commitment=commitment, context=CONTEXT)

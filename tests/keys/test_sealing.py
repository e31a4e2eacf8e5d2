"""Sealing: round trips, and each way of opening the wrong thing or for the wrong reader."""

import dataclasses
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.errors import (
    CannotOpenError,
    CommitmentMismatchError,
    InvalidSealKeyError,
    PlaintextTooLargeError,
    RecipientsError,
    SealError,
    UnknownSuiteError,
)
from keys.sealing import (
    BLOB_OVERHEAD_BYTES,
    ENVELOPE_OVERHEAD_BYTES,
    PUBLIC_BYTES,
    SUITE,
    WRAPPED_BYTES,
    Context,
    Sealed,
    SealKey,
    open_envelope,
    open_sealed,
    seal,
    seal_envelope,
    unwrap,
    wrap,
    wrap_to_each,
)

CLASSES = (4096, 16384)
CONTEXT = Context(
    kind="section",
    request="r_1",
    order="o_1",
    category="pol",
    subject="s_1",
    recipient="northshire-cc/mash_decision_maker/2026Q4",
    version=1,
    sender_kid="ab" * 16,
)
KEY = SealKey.from_seed(bytes(range(32)))
OTHER = SealKey.from_seed(bytes(32))
ELSEWHERE: list[dict[str, Any]] = [
    {"kind": "reason"},
    {"request": "r_2"},
    {"order": "o_2"},
    {"category": "prob"},
    {"subject": "s_2"},
    {"version": 2},
    {"sender_kid": "cd" * 16},
]


def opened(sealed: Sealed, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "blob": sealed.blob,
        "content_key": sealed.content_key,
        "commitment": sealed.commitment,
        "context": CONTEXT,
    }
    return open_sealed(**(fields | changes))


def sealed_text(text: bytes = b"nothing held") -> Sealed:
    return seal(text, context=CONTEXT, classes=CLASSES)


def envelope(text: bytes = b"Example, A.", *, key: SealKey = KEY) -> bytes:
    return seal_envelope(text, to_public=key.public, context=CONTEXT, classes=CLASSES)


# Round trips and sizes


@given(text=st.binary(max_size=6000))
def test_what_was_sealed_opens(text: bytes) -> None:
    sealed = sealed_text(text)

    assert opened(sealed) == text
    assert len(sealed.blob) == sealed.size_class


@settings(deadline=None, max_examples=30)
@given(text=st.binary(max_size=4000))
def test_what_was_put_in_an_envelope_opens(text: bytes) -> None:
    blob = envelope(text)

    assert open_envelope(blob, key=KEY, context=CONTEXT) == text
    assert len(blob) in CLASSES


@pytest.mark.parametrize(
    ("length", "size_class"),
    [
        (0, 4096),
        (1, 4096),
        (4096 - BLOB_OVERHEAD_BYTES, 4096),
        (4096 - BLOB_OVERHEAD_BYTES + 1, 16384),
        (16384 - BLOB_OVERHEAD_BYTES, 16384),
    ],
)
def test_a_blobs_length_tells_its_class_only(length: int, size_class: int) -> None:
    sealed = seal(bytes(length), context=CONTEXT, classes=(16384, 4096))

    assert sealed.size_class == len(sealed.blob) == size_class
    assert opened(sealed) == bytes(length)


def test_a_text_beyond_the_largest_class_is_refused() -> None:
    length = 16384 - BLOB_OVERHEAD_BYTES + 1

    with pytest.raises(PlaintextTooLargeError) as caught:
        sealed_text(bytes(length))
    assert (caught.value.size_bytes, caught.value.capacity_bytes) == (length, length - 1)


@pytest.mark.parametrize("classes", [(), (0,), (BLOB_OVERHEAD_BYTES - 1,), (-5,)])
def test_no_usable_class_is_refused(classes: tuple[int, ...]) -> None:
    with pytest.raises(PlaintextTooLargeError):
        seal(b"", context=CONTEXT, classes=classes)


def test_an_envelope_beyond_the_largest_class_is_refused() -> None:
    length = 16384 - ENVELOPE_OVERHEAD_BYTES - BLOB_OVERHEAD_BYTES

    assert len(envelope(bytes(length))) == 16384
    with pytest.raises(PlaintextTooLargeError) as caught:
        envelope(bytes(length + 1))
    assert caught.value.capacity_bytes == length


def test_two_seals_of_one_text_have_nothing_in_common() -> None:
    first, second = sealed_text(), sealed_text()

    assert first.content_key != second.content_key
    assert first.commitment != second.commitment
    assert first.blob[len(SUITE) :] != second.blob[len(SUITE) :]


def test_a_sealed_blob_does_not_show_its_key() -> None:
    sealed = sealed_text()

    assert sealed.content_key.hex() not in repr(sealed)
    assert repr(sealed.content_key) not in repr(sealed)


def test_keys_come_back_from_their_seeds_and_hide_them() -> None:
    key = SealKey.generate()

    assert SealKey.from_seed(key.seed).public == key.public
    assert len(key.public) == PUBLIC_BYTES
    assert len(key.kid) == 32
    assert key.seed.hex() not in repr(key)
    assert repr(key).startswith("<SealKey ")


def test_x_wing_public_keys_follow_the_draft() -> None:
    # First vector of draft-connolly-cfrg-xwing-kem, appendix C.
    seed = hashlib.shake_128(b"").digest(32)

    assert seed.hex().startswith("7f9c2ba4e88f827d61604550")
    assert SealKey.from_seed(seed).public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seal_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        SealKey.from_seed(bytes(length))


# Wraps


def test_a_wrapped_key_unwraps() -> None:
    sealed = sealed_text()

    wrapped = wrap(sealed.content_key, to_public=KEY.public, context=CONTEXT)

    assert len(wrapped) == WRAPPED_BYTES
    assert unwrap(wrapped, key=KEY, context=CONTEXT) == sealed.content_key


def test_another_posts_key_does_not_unwrap() -> None:
    wrapped = wrap(bytes(32), to_public=KEY.public, context=CONTEXT)

    with pytest.raises(CannotOpenError):
        unwrap(wrapped, key=OTHER, context=CONTEXT)


@pytest.mark.parametrize("change", [*ELSEWHERE, {"recipient": "northshire-cc/edt_worker/2026Q4"}])
def test_a_wrap_is_worthless_elsewhere(change: dict[str, Any]) -> None:
    wrapped = wrap(bytes(32), to_public=KEY.public, context=CONTEXT)

    with pytest.raises(CannotOpenError):
        unwrap(wrapped, key=KEY, context=dataclasses.replace(CONTEXT, **change))


def test_a_wrap_that_names_no_recipient_is_neither_made_nor_opened() -> None:
    with pytest.raises(ValueError, match="recipient"):
        wrap(bytes(32), to_public=KEY.public, context=CONTEXT.to(""))
    with pytest.raises(CannotOpenError):
        unwrap(bytes(WRAPPED_BYTES), key=KEY, context=CONTEXT.to(""))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_content_key_of_another_length_is_not_wrapped(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        wrap(bytes(length), to_public=KEY.public, context=CONTEXT)


def test_swapped_wraps_open_neither_item() -> None:
    items = [sealed_text(b"one"), sealed_text(b"two")]
    wraps = [wrap(item.content_key, to_public=KEY.public, context=CONTEXT) for item in items]

    for item, wrapped in zip(items, reversed(wraps), strict=True):
        with pytest.raises(CommitmentMismatchError):
            opened(item, content_key=unwrap(wrapped, key=KEY, context=CONTEXT))


@pytest.mark.parametrize(
    "public",
    [
        b"",
        bytes(PUBLIC_BYTES - 1),
        bytes(PUBLIC_BYTES + 1),
        b"\xff" * PUBLIC_BYTES,
        KEY.public[:1184] + bytes(32),
        KEY.public[:1184] + b"\x01" + bytes(31),
    ],
    ids=["empty", "short", "long", "unreduced", "low order 0", "low order 1"],
)
def test_an_unusable_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(InvalidSealKeyError):
        wrap(bytes(32), to_public=public, context=CONTEXT)


@pytest.mark.parametrize("length", [0, 1, 1120, WRAPPED_BYTES - 1, WRAPPED_BYTES + 1])
def test_a_wrap_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(CannotOpenError):
        unwrap(bytes(length), key=KEY, context=CONTEXT)


def test_a_low_order_encapsulation_is_refused() -> None:
    wrapped = wrap(bytes(32), to_public=KEY.public, context=CONTEXT)

    with pytest.raises(CannotOpenError):
        unwrap(wrapped[:1088] + bytes(32) + wrapped[1120:], key=KEY, context=CONTEXT)


@settings(deadline=None, max_examples=60)
@given(bit=st.integers(0, WRAPPED_BYTES * 8 - 1))
def test_no_flipped_bit_of_a_wrap_is_accepted(bit: int) -> None:
    wrapped = bytearray(wrap(bytes(32), to_public=KEY.public, context=CONTEXT))
    wrapped[bit // 8] ^= 1 << bit % 8

    # X25519 ignores one bit of the encapsulated point, but the combiner hashes all of it.
    with pytest.raises(CannotOpenError):
        unwrap(bytes(wrapped), key=KEY, context=CONTEXT)


def test_a_new_post_gets_a_wrap_without_the_item_being_sealed_again() -> None:
    sealed = sealed_text()
    wrapped = wrap(sealed.content_key, to_public=KEY.public, context=CONTEXT)

    content_key = unwrap(wrapped, key=KEY, context=CONTEXT)
    new = CONTEXT.to("northshire-cc/mash_manager/2027Q1")
    rewrapped = wrap(content_key, to_public=OTHER.public, context=new)

    content_key = unwrap(rewrapped, key=OTHER, context=new)
    assert opened(sealed, content_key=content_key, context=new) == b"nothing held"


def test_each_recipient_gets_its_own_wrap() -> None:
    wraps = wrap_to_each(
        bytes(32), recipients={"a": KEY.public, "b": OTHER.public}, context=CONTEXT
    )

    assert unwrap(wraps["a"], key=KEY, context=CONTEXT.to("a")) == bytes(32)
    assert unwrap(wraps["b"], key=OTHER, context=CONTEXT.to("b")) == bytes(32)
    with pytest.raises(CannotOpenError):
        unwrap(wraps["a"], key=KEY, context=CONTEXT.to("b"))


@pytest.mark.parametrize(
    ("count", "is_same_key"), [(0, False), (2, True), (65, False), (10_000, False)]
)
def test_none_duplicate_and_too_many_recipients_are_refused(
    count: int, *, is_same_key: bool
) -> None:
    publics = [b"" if is_same_key else str(number).encode() for number in range(count)]

    with pytest.raises(RecipientsError) as caught:
        wrap_to_each(
            bytes(32),
            recipients={str(number): key for number, key in enumerate(publics)},
            context=CONTEXT,
        )
    assert (caught.value.count, caught.value.limit) == (count, 64)


# Blobs


@pytest.mark.parametrize("change", ELSEWHERE)
def test_a_blob_is_worthless_elsewhere(change: dict[str, Any]) -> None:
    with pytest.raises(CannotOpenError):
        opened(sealed_text(), context=dataclasses.replace(CONTEXT, **change))


def test_all_recipients_of_a_blob_share_it() -> None:
    assert opened(sealed_text(), context=CONTEXT.to("northshire-mh/guardian")) == b"nothing held"


def test_a_wrong_content_key_is_refused_before_decryption() -> None:
    with pytest.raises(CommitmentMismatchError):
        opened(sealed_text(), content_key=bytes(32))


@pytest.mark.parametrize("commitment", ["", "0" * 64, "é", "\ud800", "0" * 63])
def test_a_wrong_commitment_is_refused(commitment: str) -> None:
    with pytest.raises(CommitmentMismatchError):
        opened(sealed_text(), commitment=commitment)


def test_a_commitment_has_one_spelling() -> None:
    sealed = sealed_text()

    with pytest.raises(CommitmentMismatchError):
        opened(sealed, commitment=sealed.commitment.upper())


@pytest.mark.parametrize(
    "suite", ["MASH-XC20P-HC-XWING-0", "MASH-XC20P-HC-XWING-2", "MASH-XC20P-HC-X25519", ""]
)
def test_an_unknown_or_older_suite_is_refused(suite: str) -> None:
    sealed, closed = sealed_text(), envelope()

    with pytest.raises(UnknownSuiteError):
        opened(sealed, blob=suite.encode() + sealed.blob[len(SUITE) :])
    with pytest.raises(UnknownSuiteError):
        open_envelope(suite.encode() + closed[len(SUITE) :], key=KEY, context=CONTEXT)


@given(data=st.data())
def test_no_flipped_bit_of_a_blob_is_accepted(data: st.DataObject) -> None:
    sealed = sealed_text()
    blob = bytearray(sealed.blob)
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8

    with pytest.raises(SealError):
        opened(sealed, blob=bytes(blob))


@given(length=st.integers(0, 4095))
def test_no_truncated_blob_is_accepted(length: int) -> None:
    sealed = sealed_text()

    with pytest.raises(SealError):
        opened(sealed, blob=sealed.blob[:length])


def test_an_extended_or_joined_blob_is_refused() -> None:
    sealed = sealed_text()

    for blob in (sealed.blob + b"\x00", sealed.blob * 2, sealed.blob + sealed_text().blob):
        with pytest.raises(CannotOpenError):
            opened(sealed, blob=blob)


@given(st.binary(max_size=300))
def test_opening_any_bytes_raises_only_our_error(blob: bytes) -> None:
    for candidate in (blob, SUITE.encode() + blob):
        with pytest.raises(SealError):
            opened(sealed_text(), blob=candidate)
        with pytest.raises(SealError):
            open_envelope(candidate, key=KEY, context=CONTEXT)


# Envelopes


def test_another_key_does_not_open_an_envelope() -> None:
    with pytest.raises(CannotOpenError):
        open_envelope(envelope(), key=OTHER, context=CONTEXT)


@pytest.mark.parametrize("change", [*ELSEWHERE, {"recipient": "northshire-mh/node"}])
def test_an_envelope_is_worthless_elsewhere(change: dict[str, Any]) -> None:
    with pytest.raises(CannotOpenError):
        open_envelope(envelope(), key=KEY, context=dataclasses.replace(CONTEXT, **change))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_flipped_bit_of_an_envelope_is_accepted(data: st.DataObject) -> None:
    blob = bytearray(envelope())
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8

    with pytest.raises(SealError):
        open_envelope(bytes(blob), key=KEY, context=CONTEXT)


@settings(deadline=None, max_examples=40)
@given(length=st.integers(0, 4095))
def test_no_truncated_envelope_is_accepted(length: int) -> None:
    with pytest.raises(SealError):
        open_envelope(envelope()[:length], key=KEY, context=CONTEXT)


def test_the_parts_of_one_envelope_do_not_fit_another() -> None:
    commitment, inside = len(SUITE) + 32, len(SUITE) + 32 + WRAPPED_BYTES
    first, second = envelope(b"one"), envelope(b"two")

    with pytest.raises(CannotOpenError):
        open_envelope(first[:inside] + second[inside:], key=KEY, context=CONTEXT)
    for joined in (
        first[:commitment] + second[commitment:],
        first[:commitment] + second[commitment:inside] + first[inside:],
    ):
        with pytest.raises(CommitmentMismatchError):
            open_envelope(joined, key=KEY, context=CONTEXT)


def test_errors_tell_their_class_and_nothing_else() -> None:
    with pytest.raises(CannotOpenError) as caught:
        open_envelope(envelope(b"Example, A."), key=OTHER, context=CONTEXT)

    assert str(caught.value) == "the sealed blob or wrap cannot be opened"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# Context


def test_a_context_has_one_unambiguous_encoding() -> None:
    assert CONTEXT.bytes() == (
        b'{"category":"pol","kind":"section","order":"o_1",'
        b'"recipient":"northshire-cc/mash_decision_maker/2026Q4","request":"r_1",'
        b'"sender_kid":"abababababababababababababababab","subject":"s_1",'
        b'"suite":"MASH-XC20P-HC-XWING-1","version":1}'
    )


def test_moving_a_character_between_fields_changes_the_encoding() -> None:
    first = dataclasses.replace(CONTEXT, request="r_1", order="2o")
    second = dataclasses.replace(CONTEXT, request="r_12", order="o")

    assert first.bytes() != second.bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "é"},
        {"order": "a\nb"},
        {"order": "a" * 257},
        {"order": None},
        {"request": b"r"},
        {"version": -1},
        {"version": 1 << 53},
        {"version": True},
        {"version": "1"},
    ],
)
def test_a_context_that_others_might_encode_otherwise_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"ASCII|whole number"):
        dataclasses.replace(CONTEXT, **change)

"""One flipped bit anywhere is refused by name, and nothing of it stays behind.

Positions are sampled over every part; `MASH_LONG=1` takes every byte.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from adapters.errors import TrustError
from adapters.node.agent import flush
from adapters.node.asking import raise_request
from adapters.node.caseinput import read_case
from adapters.node.intake import check_order, envelope_context
from adapters.node.receiving import open_section, take_delivery
from adapters.node.records import Delivered, Order, Outgoing
from adapters.protocol import (
    Answer,
    Ask,
    Delivery,
    OrderOut,
    ProtocolError,
    Section,
    Submission,
    agreement_signing_input,
    decode,
    decode_message,
    encode,
    encode_json,
    sha256_hex,
)
from adapters.trust import CredentialBook
from audit.checkpoint import read_checkpoint_unsafe
from audit.errors import AuditError
from broker.testing import COUNCIL, DECIDER, POLICE
from broker.testing_nodes import Mesh, case_about_child
from keys.errors import KeysError
from keys.sealing import open_envelope
from keys.signing import RootPublic, RootSignature, check_root_signature, read_payload_unsafe

Positions = Callable[[int], list[int]]
REFUSED = (AuditError, KeysError, ProtocolError, TrustError)
change = msgspec.structs.replace


def flip(data: bytes, position: int) -> bytes:
    """Return `data` with one bit flipped; which one depends on the position."""
    bit = 1 << position % 8
    return data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]


def flip_text(text: str, position: int) -> str:
    """Return ASCII text with one bit flipped; the result stays text."""
    data = text.encode()
    return (flip(data, position) if position % 8 != 7 else flip(data, position - 1)).decode()


@dataclass(frozen=True, kw_only=True)
class Life:
    """One request as the broker carried it: what was asked, what came back."""

    mesh: Mesh
    order: OrderOut
    delivery: Delivery
    taken: Delivered

    @property
    def ask(self) -> Ask:
        asked: Ask = decode(self.order.ask, Ask)
        return asked

    @property
    def section(self) -> Section:
        answer = decode_message(read_payload_unsafe(self.delivery.message))
        assert isinstance(answer, Answer)
        return next(s for s in answer.sections if s.post.role == DECIDER)


@pytest.fixture(scope="module")
def life(mesh: Mesh) -> Life:
    mesh.raise_request()
    mesh.answer()
    with mesh.police.store.begin() as tx:
        order = decode(tx.find(Order)[0].raw, OrderOut)
    delivery = mesh.deliveries()[0]
    return Life(
        mesh=mesh, order=order, delivery=delivery, taken=take_delivery(mesh.council, delivery)
    )


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """A request, written and kept, that has not gone out."""

    mesh: Mesh
    submission: Submission
    size: int

    def post(self, submission: Submission) -> tuple[int, dict[str, Any]]:
        """Send it as the council's node would; return status and problem."""
        client = self.mesh.council.client
        reply = client._http.post(  # noqa: SLF001 - the status itself is asked for
            "/v1/requests",
            content=encode(submission),
            headers={"Authorization": f"Bearer {client._bearer()}"},  # noqa: SLF001
        )
        return reply.status_code, reply.json()

    def entries(self) -> list[dict[str, Any]]:
        return self.mesh.world.entries()[self.size :]


@pytest.fixture(scope="module")
def unsent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unsent]:
    mesh = Mesh(tmp_path_factory.mktemp("unsent"))
    body = encode_json(case_about_child())
    raise_request(mesh.council, read_case(body), mesh.actor(COUNCIL, DECIDER))
    flush(mesh.council, only="credential")
    with mesh.council.store.begin() as tx:
        (item,) = tx.find(Outgoing, state="waiting")
    size = read_checkpoint_unsafe(mesh.world.broker.services.ledger.checkpoint()).size
    yield Unsent(mesh=mesh, submission=decode(item.body, Submission), size=size)
    mesh.close()


def check_refused(unsent: Unsent, submission: Submission) -> None:
    status, problem = unsent.post(submission)

    assert 400 <= status < 500, (status, problem)
    assert problem["type"].startswith("urn:"), problem
    assert {entry["event"] for entry in unsent.entries()} <= {"refused"}


def test_a_bit_of_a_submitted_message(unsent: Unsent, positions: Positions) -> None:
    message = unsent.submission.message

    for position in positions(len(message)):
        check_refused(unsent, change(unsent.submission, message=flip_text(message, position)))


def test_a_bit_of_a_blob_beside_the_message(unsent: Unsent, positions: Positions) -> None:
    """Asks and envelopes: the message names each by its hash."""
    for number, blob in enumerate(unsent.submission.blobs):
        for position in positions(len(blob)):
            blobs = list(unsent.submission.blobs)
            blobs[number] = flip(blob, position)
            check_refused(unsent, change(unsent.submission, blobs=blobs))


def test_every_field_of_the_message_is_under_its_signature(unsent: Unsent) -> None:
    """Each claim changed in turn, the signature kept."""
    head, _, tail = unsent.submission.message.split(".")
    claims = msgspec.json.decode(read_payload_unsafe(unsent.submission.message))

    for name, value in claims.items():
        edited = msgspec.json.encode(claims | {name: damaged(value)})
        body = base64.urlsafe_b64encode(edited).rstrip(b"=").decode()
        check_refused(unsent, change(unsent.submission, message=f"{head}.{body}.{tail}"))


def damaged(value: Any) -> Any:
    """Return a JSON value of the same kind that says something else."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value[:-1] + ("a" if value[-1:] != "a" else "b")
        case list():
            return value[1:] if value else [0]
        case dict():
            return {name: damaged(inner) for name, inner in value.items()} or {"a": 1}
        case _:
            return "a"


def test_the_untouched_message_is_taken(own_mesh: Mesh) -> None:
    """The control: what the tests above send is refused for its damage alone."""
    own_mesh.raise_request()

    assert [e["event"] for e in own_mesh.world.entries()][-2:] == ["request", "ask"]


def test_a_bit_of_an_order_at_the_supplier(life: Life, positions: Positions) -> None:
    out = life.order

    for position in positions(len(out.request)):
        with pytest.raises(REFUSED):
            check_order(life.mesh.police, change(out, request=flip_text(out.request, position)))
    for position in positions(len(out.ask)):
        with pytest.raises(REFUSED):
            check_order(life.mesh.police, change(out, ask=flip(out.ask, position)))


def test_a_bit_of_a_sealed_identity_or_reason(life: Life, positions: Positions) -> None:
    blobs = {sha256_hex(blob): blob for blob in life.order.blobs}
    checked = check_order(life.mesh.police, life.order)
    (identity,), reason = life.ask.identities, life.ask.reason
    assert reason is not None

    for kind, subject, envelope in (
        ("identity", identity.subject, identity.envelope),
        ("reason", "", reason),
    ):
        key = life.mesh.police.keyring.seal_key(envelope.kid)
        assert key is not None
        context = envelope_context(
            kind=kind,
            request=life.ask.request,
            order=life.order.order,
            subject=subject,
            recipient=POLICE,
            sender_kid=checked.sender.credential.kid,
        )
        blob = blobs[envelope.sha256]
        assert open_envelope(blob, key=key, context=context)
        for position in positions(len(blob)):
            with pytest.raises(KeysError):
                open_envelope(flip(blob, position), key=key, context=context)


@pytest.mark.parametrize("part", ["blob", "wrap"])
def test_a_bit_of_a_section_or_of_its_wrap(life: Life, positions: Positions, part: str) -> None:
    """Even where the damaged bytes are passed off under the name of the true ones."""
    section, council = life.section, life.mesh.council
    assert open_section(council, life.taken, section)
    name = getattr(section, part)

    for position in positions(len(life.taken.blobs[name])):
        spoilt = life.taken.blobs | {name: flip(life.taken.blobs[name], position)}
        with pytest.raises(KeysError):
            open_section(council, change(life.taken, blobs=spoilt), section)


def test_a_section_opens_in_its_own_place_only(life: Life) -> None:
    """Same bytes, same keys: another order, version, category, subject or post."""
    section, council, taken = life.section, life.mesh.council, life.taken
    elsewhere = [
        (change(taken, order="o_" + "0" * 32), section),
        (change(taken, reference="r_" + "a" * 26), section),
        (change(taken, version=2), section),
        (change(taken, content={"sender_kid": "0" * 32}), section),
        (taken, change(section, category="pol.intel_graded")),
        (taken, change(section, subject=None)),
        (taken, change(section, post=change(section.post, role="mash_social_worker"))),
        (taken, change(section, commitment="0" * 64)),
    ]

    for delivered, part in elsewhere:
        with pytest.raises(KeysError):
            open_section(council, delivered, part)


@pytest.mark.parametrize("field", ["entry", "proof", "checkpoint", "index"])
def test_a_bit_of_a_receipt(life: Life, positions: Positions, field: str) -> None:
    receipt = life.delivery.receipt

    for spoilt in spoilt_values(receipt[field], positions):
        with pytest.raises(REFUSED):
            take_delivery(
                life.mesh.council, change(life.delivery, receipt=receipt | {field: spoilt})
            )


def spoilt_values(value: Any, positions: Positions) -> Iterator[Any]:
    """Yield a receipt's field with one bit flipped, at many places."""
    match value:
        case int():
            yield from (value ^ (1 << bit) for bit in range(16))
        case list():
            for number, item in enumerate(value):
                for spoilt in spoilt_values(item, positions):
                    yield [*value[:number], spoilt, *value[number + 1 :]]
        case str() if value.isascii() and "\n" not in value:
            raw = base64.b64decode(value)
            for position in positions(len(raw)):
                yield base64.b64encode(flip(raw, position)).decode()
        case _:
            raw = value.encode()
            for position in positions(len(raw)):
                yield flip(raw, position).decode("utf-8", "replace")


def test_a_receipts_cosignature_counts_or_is_refused_never_misread(
    life: Life, positions: Positions
) -> None:
    """Unknown witnesses are passed over; a damaged line must never raise the level."""
    receipt = life.delivery.receipt
    assert life.taken.receipt_level == "weak"
    line = life.mesh.world.broker.services.reads.receipts((0,))[0]["cosignatures"]
    assert line, "the ledger's newest checkpoint has been cosigned"

    for position in positions(len(line[0].encode())):
        spoilt = flip(line[0].encode(), position).decode("utf-8", "replace")
        try:
            taken = take_delivery(
                life.mesh.council,
                change(life.delivery, receipt=receipt | {"cosignatures": [spoilt]}),
            )
        except REFUSED:
            continue
        assert taken.receipt_level == "weak"


def test_a_bit_of_a_credential(life: Life, positions: Positions) -> None:
    world = life.mesh.world
    roots = world.broker.services.hub.roots

    for credential in life.mesh.police.keyring.credentials[:3]:
        for position in positions(len(credential.text)):
            book = CredentialBook(roots, mash=world.agreement.mash)
            for issuer in life.mesh.police.keyring.credentials[:1]:
                book.add(issuer.text, at=world.clock())
            with pytest.raises((KeysError, TrustError)):
                book.add(flip_text(credential.text, position), at=world.clock())


@pytest.mark.parametrize("algorithm", ["ed25519", "mldsa65"])
def test_a_bit_of_a_signature_under_the_agreement(
    life: Life, positions: Positions, algorithm: str
) -> None:
    world = life.mesh.world
    signed = agreement_signing_input(agreement=world.reference, party=POLICE, act="signed")
    root = world.agencies[POLICE].root
    signature, public = root.sign(signed), root.public
    check_root_signature(public, signature, signed)
    good = {"ed25519": signature.ed25519, "mldsa65": signature.mldsa65}

    for position in positions(len(good[algorithm])):
        spoilt = RootSignature(**good | {algorithm: flip(good[algorithm], position)})
        with pytest.raises(KeysError):
            check_root_signature(public, spoilt, signed)
    for position in positions(len(signed)):
        with pytest.raises(KeysError):
            check_root_signature(public, signature, flip(signed, position))
    other = world.agencies[COUNCIL].root.public
    halves = RootPublic(ed25519=public.ed25519, mldsa65=other.mldsa65)
    with pytest.raises(KeysError):
        check_root_signature(halves, signature, signed)

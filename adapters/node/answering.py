"""Answering an order: look, decide on what only this agency knows, seal, submit, release.

Every permitted (category, subject, post) gets a section, whatever the status, of a size class
that depends on nothing but its length; the first version leaves at the end of a fixed slot. The
wrapped keys stay here until the ledger's receipt for the answer has been checked (promise T5).
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from adapters.node.compose import Composed, compose, queue
from adapters.node.context import Node
from adapters.node.intake import CheckedOrder
from adapters.node.records import Order, Outgoing
from adapters.node.store import Tx
from adapters.protocol import (
    GUARDIAN_ROLE,
    SHARING_RECORD,
    Accepted,
    Answer,
    Post,
    Release,
    Section,
    decode,
    sha256_hex,
)
from audit.entry import Event
from keys.credentials import Credential
from keys.sealing import Context, seal, wrap
from keys.signing import SigningKey


class Status(StrEnum):
    """The status of a section (law-and-vocabulary 3.13); seen only by those who can open it."""

    KNOWN_DATA = "KNOWN_DATA"
    KNOWN_NO_RELEVANT = "KNOWN_NO_RELEVANT"
    KNOWN_WITHHELD = "KNOWN_WITHHELD"
    NOT_KNOWN = "NOT_KNOWN"
    PARTIAL = "PARTIAL"
    PENDING_HUMAN = "PENDING_HUMAN"
    UNAVAILABLE = "UNAVAILABLE"


def section_context(
    *, request: str, order: str, version: int, category: str, subject: str | None, sender_kid: str
) -> Context:
    """Return the context that binds a section to its place; the same at both ends."""
    return Context(
        kind="section",
        request=request,
        order=order,
        version=version,
        category=category,
        subject=subject or "",
        sender_kid=sender_kid,
    )


def post_label(post: Post) -> str:
    """Return a post as contexts name it."""
    return f"{post.party}/{post.role}"


def seal_section(
    node: Node,
    order: CheckedOrder,
    *,
    version: int,
    category: str,
    subject: str | None,
    post: Post,
    content: dict[str, Any],
    sender_kid: str,
) -> tuple[Section, bytes, bytes]:
    """Return a section for one post, its blob, and the wrapped key that is released later.

    Raises:
        LookupError: The post has no valid seal key in the ledger.

    """
    credential = node.believed.book.posts(post.party, post.role, at=node.now())
    if credential is None:
        raise LookupError(f"no seal key for {post_label(post)}")
    context = section_context(
        request=order.request.request,
        order=order.out.order,
        version=version,
        category=category,
        subject=subject,
        sender_kid=sender_kid,
    )
    sealed = seal(
        msgspec.json.encode(content),
        context=context,
        classes=node.believed.agreement.schedule.size_classes,
    )
    wrapped = wrap(
        sealed.content_key, to_public=credential.public, context=context.to(post_label(post))
    )
    section = Section(
        category=category,
        subject=subject,
        post=post,
        kid=credential.kid,
        blob=sha256_hex(sealed.blob),
        size_class=sealed.size_class,
        commitment=sealed.commitment,
        wrap=sha256_hex(wrapped),
    )
    return section, sealed.blob, wrapped


def guardian_posts(order: CheckedOrder, party: str) -> tuple[Post, ...]:
    """Return the guardians' offices of both parties, once each."""
    parties = sorted({order.request.iss, party})
    return tuple(Post(party=name, role=GUARDIAN_ROLE) for name in parties)


def build_answer(
    node: Node,
    order: CheckedOrder,
    *,
    version: int,
    contents: Iterable[tuple[str, str | None, Post, dict[str, Any]]],
    sharing_record: dict[str, Any],
    signer: tuple[SigningKey, Credential],
) -> tuple[Composed, list[bytes], list[bytes]]:
    """Return the signed answer, its blobs, and the wraps to be kept for the release."""
    key, credential = signer
    parts = [*contents]
    parts += [
        (SHARING_RECORD, None, post, sharing_record) for post in guardian_posts(order, node.party)
    ]
    made = [
        seal_section(
            node,
            order,
            version=version,
            category=category,
            subject=subject,
            post=post,
            content=content,
            sender_kid=credential.kid,
        )
        for category, subject, post, content in parts
    ]
    composed = compose(
        node,
        Answer,
        key=key,
        lasting_as=order.request.rag,
        request=order.request.request,
        order=order.out.order,
        epoch=order.out.epoch,
        version=version,
        sections=[section for section, _, _ in made],
    )
    return composed, [blob for _, blob, _ in made], [wrapped for _, _, wrapped in made]


def queue_answer(
    tx: Tx,
    answer: Composed,
    *,
    blobs: list[bytes],
    wraps: list[bytes],
    order: CheckedOrder,
    due: float,
    cover: bool,
) -> None:
    """Keep an answer for sending at `due`, and its wraps for afterwards.

    A `cover` may be withdrawn until it has been tried.
    """
    queue(
        tx,
        answer,
        kind="answer",
        path=f"/work/{order.out.order}/answer",
        reference=order.out.order,
        due=due,
        blobs=blobs,
        context={
            "wraps": [b64encode(wrapped).decode() for wrapped in wraps],
            "request": order.request.request,
            "rag": order.request.rag,
            "version": _answer(answer).version,
            "cover": cover,
        },
    )


def _answer(composed: Composed) -> Answer:
    if not isinstance(composed.message, Answer):
        raise TypeError("not an answer")
    return composed.message


def prepare_release(node: Node, item: Outgoing, reply: bytes) -> Composed:
    """Return the release of an answer whose receipt holds.

    Raises:
        AuditError, WrongReceiptError: The answer is not in the ledger: the wraps stay here.

    """
    receipt = decode(reply, Accepted).receipts[0]
    answer_sha256 = sha256_hex(item.message.encode())
    entry, _ = node.view.check_receipt(receipt, message_sha256=answer_sha256, event=Event.ANSWER)
    return compose(
        node,
        Release,
        key=node.keyring.node,
        lasting_as=item.context["rag"],
        request=item.context["request"],
        order=item.reference,
        version=item.context["version"],
        answer=answer_sha256,
        entry=entry["i"],
    )


def queue_release(tx: Tx, item: Outgoing, release: Composed) -> None:
    """Keep the release and its wraps for sending at once."""
    queue(
        tx,
        release,
        kind="release",
        path=f"/work/{item.reference}/release",
        reference=item.reference,
        due=0.0,
        blobs=[b64decode(part) for part in item.context["wraps"]],
        context={"version": item.context["version"]},
    )


def mark_released(tx: Tx, item: Outgoing) -> None:
    """Note that the newest version of the order's answer has been released."""
    order = tx.get(Order, item.reference)
    if order is None or order.state != "answering":
        return
    if order.version == item.context["version"]:
        tx.put(msgspec.structs.replace(order, state="done"))

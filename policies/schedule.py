"""The schedule of an agreement: party roots, operators, broker, witnesses, suites.

Keys stand in the document as base64url without padding. Before the signing
ceremony they read `to-be-pinned`; such a document serves lint, test and
explain, and nothing else.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from policies.document import Node, Plain, read_document
from policies.errors import AgreementError
from policies.schema import UNPINNED, check_shape

ED25519_BYTES: Final = 32
MLDSA65_BYTES: Final = 1952


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKeys:
    """A party's root keys (32 and 1,952 bytes) and the operator of its node."""

    ed25519: bytes
    mldsa65: bytes
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerKeys:
    """The broker's operator, its ledger's origin and its Ed25519 log key (32 bytes)."""

    operator: str
    origin: str
    log_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """How many cosignatures by different operators a receipt needs."""

    quorum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The technical half of an agreement.

    `size_classes` are bytes, ascending; `slots` seconds, by `red` and `other`.
    Unpinned keys are empty bytes, and then `pinned` is False.
    """

    seq: int
    supersedes: str | None
    parties: Mapping[str, PartyKeys]
    broker: BrokerKeys
    witness: Witness
    suites: tuple[str, ...]
    size_classes: tuple[int, ...]
    slots: Mapping[str, int]

    @property
    def pinned(self) -> bool:
        """Whether every key is pinned."""
        keys = [key for party in self.parties.values() for key in (party.ed25519, party.mldsa65)]
        return all([*keys, self.broker.log_key])


def build_schedule(node: Node, *, source: str) -> Schedule:
    """Return the schedule of a document whose shape was checked.

    Raises:
        AgreementError: A key of the wrong length, or size classes not ascending.

    """
    table: Any = node.plain()
    sizes = tuple(int(size) for size in table["size_classes"])
    if list(sizes) != sorted(set(sizes)):
        line = _member(node, "size_classes").line
        raise AgreementError("size_classes must ascend", path=source, line=line)
    return Schedule(
        seq=int(table["seq"]),
        supersedes=table.get("supersedes"),
        parties={
            party: PartyKeys(
                ed25519=_key(_member(node, "parties", party, "ed25519"), ED25519_BYTES, source),
                mldsa65=_key(_member(node, "parties", party, "mldsa65"), MLDSA65_BYTES, source),
                operator=entry["operator"],
            )
            for party, entry in table["parties"].items()
        },
        broker=BrokerKeys(
            operator=table["broker"]["operator"],
            origin=table["broker"]["origin"],
            log_key=_key(_member(node, "broker", "log_key"), ED25519_BYTES, source),
        ),
        witness=Witness(quorum=int(table["witness"]["quorum"])),
        suites=tuple(table["suites"]),
        size_classes=sizes,
        slots={name: int(seconds) for name, seconds in table["slots"].items()},
    )


def with_schedule(agreement_yaml: bytes, schedule: Mapping[str, object]) -> bytes:
    """Return the agreement with `schedule` in place of its own, as YAML without comments.

    Args:
        agreement_yaml: A whole agreement, its keys usually unpinned.
        schedule: Texts, whole numbers and bytes (written in base64url), nested
            as in the document; keys left out keep the document's value.

    Raises:
        AgreementError: Either is not of the agreement's shape.

    """
    root = read_document(agreement_yaml, source="agreement")
    check_shape(root, source="agreement")
    document: Any = root.plain()
    document["schedule"] = document["schedule"] | {
        key: _as_text(value) for key, value in schedule.items()
    }
    text = yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)
    data = text.encode()
    check_shape(read_document(data, source="schedule"), source="schedule")
    return data


class _PlainDumper(yaml.SafeDumper):
    """Writes repeated values in full: agreements have no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Never abbreviate."""
        del data
        return True


def _as_text(value: object) -> Plain:
    if isinstance(value, Mapping):
        return {str(key): _as_text(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(entry) for entry in value]
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    return str(value)


def _member(node: Node, *path: str) -> Node:
    for key in path:
        assert isinstance(node.value, dict)  # noqa: S101  # the shape was checked
        node = node.value[key]
    return node


def _key(node: Node, size: int, source: str) -> bytes:
    text = str(node.value)
    if text == UNPINNED:
        return b""
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise AgreementError("not base64url", path=source, line=node.line) from error
    if len(key) != size or base64.urlsafe_b64encode(key).rstrip(b"=").decode() != text:
        raise AgreementError(f"must be a key of {size} bytes", path=source, line=node.line)
    return key

"""Detached signatures and withdrawals as files, one act each.

What is signed is `adapters.protocol.agreement_signing_input`: party, act, and the
agreement's id, number and SHA-256. The posts that agreed are written beside it for
people; the party's root signs for the party, not for a post.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from adapters.errors import AgreementActError
from adapters.protocol import AgreementRef, agreement_signing_input
from keys.encoding import decode_base64url
from keys.errors import KeysError
from keys.signing import RootPublic, RootSignature, check_root_signature
from policies.agreement import Agreement
from policies.standing import Standing

MAX_ACT_BYTES: Final = 64 * 1024
ACTS: Final = ("signed", "withdrawn")


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One party's act on one agreement, as its file holds it; keys in base64url."""

    party: str
    act: str
    agreement: AgreementRef
    ed25519: str
    mldsa65: str
    posts: list[str] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a set of verified acts amounts to; `missing` have not signed."""

    standing: Standing
    missing: tuple[str, ...]


def reference_of(agreement: Agreement) -> AgreementRef:
    """Return the agreement as messages and acts name it."""
    return AgreementRef(id=agreement.id, seq=agreement.seq, sha256=agreement.sha256)


def root_of(agreement: Agreement, party: str) -> RootPublic:
    """Return the party's root as the schedule pins it.

    Raises:
        AgreementActError: No such party.

    """
    keys = agreement.schedule.parties.get(party)
    if keys is None:
        raise AgreementActError("is no party of this agreement", party=party)
    return RootPublic(ed25519=keys.ed25519, mldsa65=keys.mldsa65)


def read_act(data: bytes) -> Act:
    """Return the act in a file.

    Raises:
        AgreementActError: Too long, or not an act.

    """
    try:
        if len(data) > MAX_ACT_BYTES:
            raise AgreementActError("the file is too long for an act", party="")
        act = msgspec.json.decode(data, type=Act)
    except msgspec.DecodeError as error:
        raise AgreementActError("the file holds no act", party="") from error
    if act.act not in ACTS:
        raise AgreementActError("neither signed nor withdrawn", party=act.party)
    return act


def check_acts(agreement: Agreement, acts: list[Act]) -> Checked:
    """Return who stands behind `agreement`, every signature checked.

    Raises:
        AgreementActError: An act is another agreement's or party's, or its signature fails.

    """
    for act in acts:
        _check(agreement, act)
    by = {word: frozenset(act.party for act in acts if act.act == word) for word in ACTS}
    standing = Standing(signed=by["signed"], withdrawn=by["withdrawn"])
    missing = tuple(party for party in agreement.terms.parties if party not in by["signed"])
    return Checked(standing=standing, missing=missing)


def _check(agreement: Agreement, act: Act) -> None:
    if act.agreement != reference_of(agreement):
        raise AgreementActError("was given for another text than this", party=act.party)
    signed = agreement_signing_input(agreement=act.agreement, party=act.party, act=act.act)
    try:
        signature = RootSignature(
            ed25519=decode_base64url(act.ed25519), mldsa65=decode_base64url(act.mldsa65)
        )
        check_root_signature(root_of(agreement, act.party), signature, signed)
    except (KeysError, ValueError) as error:
        raise AgreementActError("the signature does not hold", party=act.party) from error


def to_file(fields: dict[str, Any], *, agreement: AgreementRef, posts: list[str]) -> bytes:
    """Return an act as its file: what `sign_agreement` returned, and what it is about."""
    act = Act(**fields, agreement=agreement, posts=posts)
    return msgspec.json.format(msgspec.json.encode(act)) + b"\n"

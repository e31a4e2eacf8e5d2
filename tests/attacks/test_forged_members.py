"""T2: whose keys and signatures count is nobody's to invent, not even the broker's."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters.ceremony import sign_agreement
from adapters.node.context import Node
from adapters.protocol import sha256_hex
from audit.entry import Event, draft
from audit.errors import ReceiptError
from broker.testing import COUNCIL, FIRE, POLICE, World
from broker.testing_nodes import Mesh
from keys.credentials import Credential, Kind, issue, issue_operational
from keys.errors import InvalidSignatureError
from keys.signing import SigningKey
from tests.attacks.hostile import Rewrite, log

Lead = Callable[[Mesh, str, Rewrite], Node]


def operational_of(world: World, *, party: str, signer: str) -> Credential:
    start = world.clock()
    return issue_operational(
        world.agencies[signer].root,
        mash=world.agreement.mash,
        party=party,
        public=SigningKey.generate().public,
        not_before=start,
        expires=start.replace(month=12),
    )


def log_unchecked(world: World, credential: Credential) -> dict[str, Any]:
    """Log a credential as a broker would that does not check it; return its listing."""
    receipt = log(
        world,
        draft(
            Event.CREDENTIAL,
            party=credential.party,
            kid=credential.issuer_kid,
            actor_ref=None,
            role=None,
            msg=sha256_hex(credential.text.encode()),
            cred_kid=credential.kid,
            cred_party=credential.party,
            cred_kind=credential.kind.value,
            not_before="2026-10-06T09:00:00.000Z",
            expires="2026-12-06T09:00:00.000Z",
            key_sha256=sha256_hex(credential.public),
        ),
    )
    return {"text": credential.text, "receipt": receipt}


def never_logged(world: World) -> dict[str, Any]:
    """A genuine credential under the receipt of another one."""
    credential = operational_of(world, party=COUNCIL, signer=COUNCIL)
    other = log_unchecked(world, operational_of(world, party=COUNCIL, signer=COUNCIL))
    return other | {"text": credential.text}


def of_another_partys_root(world: World) -> dict[str, Any]:
    return log_unchecked(world, operational_of(world, party=COUNCIL, signer=POLICE))


def of_an_unlogged_issuer(world: World) -> dict[str, Any]:
    now = world.clock()
    credential = issue(
        SigningKey.generate(),
        mash=world.agreement.mash,
        party=COUNCIL,
        kind=Kind.NODE,
        alg="Ed25519",
        public=SigningKey.generate().public,
        not_before=now,
        expires=now.replace(month=12),
    )
    return log_unchecked(world, credential)


def slipped_in(invented: dict[str, Any]) -> Rewrite:
    """Return a rewriting that lists one credential more, once, at the end of the first page."""
    waiting = [invented]

    def slip_in(path: str, body: bytes) -> bytes:
        if not path.endswith("/credentials") or not waiting:
            return body
        listed = msgspec.json.decode(body)["credentials"]
        return msgspec.json.encode({"credentials": [*listed, waiting.pop()]})

    return slip_in


@pytest.mark.parametrize("invent", [of_another_partys_root, of_an_unlogged_issuer])
def test_a_credential_whose_chain_does_not_hold_is_passed_over(
    own_mesh: Mesh, lead: Lead, invent: Callable[[World], dict[str, Any]]
) -> None:
    """It stands in the ledger, under a genuine receipt: it counts for nothing all the same."""
    invented = invent(own_mesh.world)

    node = lead(own_mesh, POLICE, slipped_in(invented))
    with capture_logs() as logs:
        node.believed.refresh()

    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "credential_refused"
    ]
    known = {credential.text for credential in node.believed.book.all()}
    assert known
    assert invented["text"] not in known


def test_a_credential_that_was_never_logged_stops_the_refresh(own_mesh: Mesh, lead: Lead) -> None:
    invented = never_logged(own_mesh.world)

    node = lead(own_mesh, POLICE, slipped_in(invented))
    with pytest.raises(ReceiptError):
        node.believed.refresh()

    assert invented["text"] not in {credential.text for credential in node.believed.book.all()}


def acts_rewritten(rewrite: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Rewrite:
    def apply(path: str, body: bytes) -> bytes:
        if not path.endswith("/agreement"):
            return body
        value = msgspec.json.decode(body)
        return msgspec.json.encode(value | {"signatures": rewrite(value["signatures"])})

    return apply


def test_a_signature_under_the_agreement_by_another_root_counts_for_nothing(
    own_mesh: Mesh, lead: Lead
) -> None:
    world = own_mesh.world
    forged = sign_agreement(world.agencies[POLICE].root, party=FIRE, agreement=world.reference)

    node = lead(own_mesh, POLICE, acts_rewritten(lambda acts: [*acts, forged]))

    with pytest.raises(InvalidSignatureError):
        node.believed.refresh()
    assert not node.believed.standing.is_party(FIRE)


def test_a_signature_of_one_party_shown_as_anothers_counts_for_nothing(
    own_mesh: Mesh, lead: Lead
) -> None:
    def relabel(acts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*acts, acts[0] | {"party": FIRE}]

    with pytest.raises(InvalidSignatureError):
        lead(own_mesh, POLICE, acts_rewritten(relabel)).believed.refresh()


def test_a_withdrawal_left_out_later_is_not_undone(own_mesh: Mesh, lead: Lead) -> None:
    mesh, hiding = own_mesh, [False]

    def hide(acts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [a for a in acts if a["act"] == "signed"] if hiding[0] else acts

    node = lead(mesh, POLICE, acts_rewritten(hide))
    mesh.world.sign_agreement(mesh.world.agencies[COUNCIL], act="withdrawn")
    node.believed.refresh()
    assert not node.believed.standing.is_party(COUNCIL)

    hiding[0] = True
    node.believed.refresh()

    assert not node.believed.standing.is_party(COUNCIL)


def test_a_withdrawal_left_out_after_a_restart_is_not_undone(own_mesh: Mesh, lead: Lead) -> None:
    mesh = own_mesh
    mesh.world.sign_agreement(mesh.world.agencies[COUNCIL], act="withdrawn")
    mesh.nodes[POLICE].believed.refresh()

    node = lead(
        mesh, POLICE, acts_rewritten(lambda acts: [a for a in acts if a["act"] == "signed"])
    )
    node.believed.refresh()

    assert not node.believed.standing.is_party(COUNCIL)

"""Whom a request concerns: who may see it here, and who may act in it."""

from collections.abc import Iterable

from adapters.deciding import PERMITTED
from adapters.errors import CaseInputError
from adapters.node.context import Node
from adapters.node.records import Raised
from adapters.protocol import GUARDIAN_ROLE


def raised_for(node: Node, request: str, *, roles: Iterable[str], to_act: bool = False) -> Raised:
    """Return a request raised here, for somebody in one of `roles`.

    The post that asked and the posts that may be answered see it and act in it; the guardian's
    office sees it.

    Raises:
        CaseInputError: Not raised here; one that does not concern the post looks the same.

    """
    with node.store.begin() as tx:
        raised = tx.get(Raised, request)
    reviewing = set() if to_act else {GUARDIAN_ROLE}
    if raised is None or not (_posts_of(node, raised) | reviewing) & {*roles}:
        raise CaseInputError("request", "was not raised at this node")
    return raised


def _posts_of(node: Node, raised: Raised) -> set[str]:
    answered = {
        line["role"]
        for line in raised.preview
        if line["party"] == node.party and line["outcome"] in PERMITTED
    }
    return {raised.actor["role"], *answered}

"""What a Caldicott Guardian sees: the week's sharing with reasons, and what needs a look.

The guardian's office reads sharing records sealed to it; opening one is recorded like any other
opening. Indicators were computed at this node (DESIGN 6).
"""

from datetime import timedelta
from typing import Any, Final

from adapters.node.asking import Actor
from adapters.node.context import Node
from adapters.node.receiving import open_for_role
from adapters.node.records import Delivered, Indicator, OpenedSection, Raised
from adapters.protocol import SHARING_RECORD

WEEK: Final = timedelta(days=7)


def review_queue(node: Node, actor: Actor, indicators: list[Indicator]) -> dict[str, Any]:
    """Return the week's sharing records, newest version of each order, and the open indicators."""
    since = (node.now() - WEEK).timestamp()
    with node.store.begin() as tx:
        recent = {d.reference for d in tx.find(Delivered) if d.received >= since}
        raised = {r.id: r for r in tx.find(Raised)}
    newest: dict[str, OpenedSection] = {}
    for request in sorted(recent):
        for section in open_for_role(node, request, actor):
            known = newest.get(section.order)
            if section.category == SHARING_RECORD and (
                known is None or known.version < section.version
            ):
                newest[section.order] = section
    return {
        "party": node.party,
        "since": (node.now() - WEEK).isoformat(timespec="seconds"),
        "look_at_first": [_indicator(item, raised) for item in indicators],
        "shared": [_record(section, raised) for section in newest.values()],
    }


def _record(section: OpenedSection, raised: dict[str, Raised]) -> dict[str, Any]:
    """A sharing record; the requester's own guardian knows who asked, whoever was found."""
    record = section.content
    own = raised.get(section.reference)
    if own is None or record["requester"] is not None:
        return record
    asks = own.case_input["asks"]
    reason = next((ask["reason"] for ask in asks if ask["supplier"] == section.supplier), None)
    return record | {"requester": own.actor, "reason": reason}


def _indicator(item: Indicator, raised: dict[str, Raised]) -> dict[str, Any]:
    request = raised.get(item.reference)
    return {
        "kind": item.kind,
        "sentence": item.sentence,
        "request": item.reference,
        "requester": None if request is None else request.actor,
    }

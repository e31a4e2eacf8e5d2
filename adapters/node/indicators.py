"""Conflicts of interest that only a node can see, for its own guardian (DESIGN 6).

Computed from names inside the agency; nothing of it leaves: the broker and the ledger hold no
name to compare.
"""

from typing import Final

from adapters.matching.identity import Identity
from adapters.matching.normalise import fold_name
from adapters.node.caseinput import CaseInput
from adapters.node.context import Node
from adapters.node.records import Indicator

SAME_SURNAME: Final = "same_surname"


def find_conflicts(node: Node, case: CaseInput, requester: str, request: str) -> list[Indicator]:
    """Return an indicator for every subject who bears the requester's surname (I05)."""
    own = {part for word in requester.split()[-1:] for part in fold_name(word)}
    return [
        Indicator(
            id=f"{request}:{SAME_SURNAME}:{subject.label}",
            kind=SAME_SURNAME,
            sentence=(
                f"The requester and the {subject.role.replace('_', ' ')} share a surname: "
                "is this person asking about their own family?"
            ),
            reference=request,
            found=node.now().timestamp(),
        )
        for subject in case.subjects
        if own.intersection(fold_name(Identity.from_json(subject.identity).surname))
    ]

"""One decision as a readable tree."""

from collections.abc import Iterator

from policies.decide import Explanation
from policies.facts import Query


def explain_lines(query: Query, explanation: Explanation) -> Iterator[str]:
    """Yield the lines of the tree: outcome, remedy, each rule with its basis, the facts."""
    decision = explanation.decision
    yield (
        f"{decision.outcome} {decision.rule} ({decision.reason}): {query.category}"
        f" from {query.supplier} about {query.subject_role or 'nobody on the case'}"
        f" for {query.recipient_role} at {query.recipient_party}"
    )
    if decision.remedy:
        yield f"├─ what to do: {decision.remedy}"
    contact = decision.contact
    yield f"├─ whom to ring: {contact.post}, {contact.party}, {contact.telephone}"
    yield f"├─ fields: {_listed(decision.fields_allowed, 'all')}"
    yield f"├─ masked: {_listed(decision.fields_masked, 'none')}"
    yield f"├─ never: {_listed(decision.fields_never, 'none')}"
    obligations = decision.obligations
    due = f"{obligations.deadline or 'nothing'} {obligations.clock or ''}".rstrip()
    yield f"├─ due: {due}; keep: {obligations.retention}; pass on: {obligations.onward}"
    for warning in decision.warnings:
        yield f"├─ warning: {warning}"
    yield "├─ rules that fired"
    for fired in decision.fired:
        yield f"│  ├─ {fired.rule} {fired.effect}: {fired.why} [{fired.legal}]"
    yield "├─ rules that did not"
    quiet = [rule.id for rule, matched in explanation.rules if not matched]
    yield f"│  └─ {' '.join(quiet)}"
    yield f"└─ facts: {' '.join(explanation.facts)}"


def _listed(names: tuple[str, ...] | None, instead: str) -> str:
    return (
        ", ".join(names) if names else (instead if names is None or instead == "none" else "none")
    )

"""The demonstration as one JSON object: the numbers, then the details."""

from collections import Counter
from typing import Any

from adapters.protocol import SHARING_RECORD
from audit.report import Report
from broker.demo.evidence import Attempt, Leaks
from broker.demo.story import Told


def build_report(
    told: list[Told],
    *,
    ledger: Report,
    attempts: list[Attempt],
    leaks: Leaks,
    saw: dict[str, Any],
    guardians: dict[str, dict[str, Any]],
    feedback: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    """Return what `mash demo --json` prints."""
    lines = [line for one in told for ask in one.decisions["asks"] for line in ask["lines"]]
    outcomes = Counter(line["outcome"] for line in lines)
    sections = [s for one in told for sections in one.posts.values() for s in sections]
    return {
        "requests": len(told),
        "decisions": {name: outcomes[name] for name in ("PERMIT", "REVIEW", "DENY")},
        "answers": _answers(told),
        "opened": sum(section["category"] != SHARING_RECORD for section in sections),
        "ledger": {
            "size": ledger.size,
            "verified": ledger.ok,
            "root": ledger.root.hex(),
        },
        "tampering_detected": {
            "tried": len(attempts),
            "named": sum(attempt.named for attempt in attempts),
            "how": {a.name: a.report.problem.kind if a.report.problem else None for a in attempts},
        },
        "leaks_found": leaks.at_broker,
        "same_search_at_nodes": leaks.at_nodes,
        "broker_saw": saw,
        "guardians": {
            party: {
                "shared": len(queue["shared"]),
                "look_at_first": [item["kind"] for item in queue["look_at_first"]],
            }
            for party, queue in guardians.items()
        },
        "feedback": {party: len(received) for party, received in feedback.items()},
        "cases": [_case(one) for one in told],
    }


def _answers(told: list[Told]) -> int:
    """How many versions of answers reached somebody who opened them."""
    return len(
        {
            (one.request, section["supplier"], section["version"])
            for one in told
            for sections in one.posts.values()
            for section in sections
        }
    )


def _case(told: Told) -> dict[str, Any]:
    return {
        "scenario": told.name,
        "request": told.request,
        "rag": told.scenario.case["rag"],
        "preview_equals_decisions": told.alarm == "",
        "decisions": _decisions(told),
        "opened": {
            post: [
                {
                    "category": s["category"],
                    "subject_role": s["subject"]["role"],
                    "status": s["status"],
                    "version": s["version"],
                }
                for s in sections
                if s["category"] != SHARING_RECORD
            ]
            for post, sections in told.posts.items()
        },
        "missing": told.summary["missing"],
        "findings": told.summary["findings"],
        "outcome": told.outcome["outcome"],
        "seconds": told.seconds,
    }


def _decisions(told: Told) -> list[dict[str, Any]]:
    """The broker's signed decisions, with the subjects' roles that the preview knows."""
    roles = {line["subject_ref"]: line["subject_role"] for line in told.preview}
    return [
        {
            "role": line["post"]["role"],
            "category": line["category"],
            "subject_role": roles[line["subject"]],
            "outcome": line["outcome"],
            "rule": line["rule"],
        }
        for ask in told.decisions["asks"]
        for line in ask["lines"]
    ]

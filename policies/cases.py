"""Examples with expected decisions: an agreement's own, or a file of scenarios.

A file is a list of scenarios with `case` (facts of the case) and `rows` (one
query each, which may override the case's facts) and `exp`, such as `DENY D18`.
A row's `role` is the receiving post; the requester is the same session.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from policies.agreement import Agreement
from policies.decide import Decision, Engine
from policies.errors import CasesError
from policies.facts import CaseFacts, Consent, Query, SupplierFacts
from policies.standing import Standing
from policies.working_time import LOCAL

MAX_BYTES: Final = 10_000_000
_CONFIRMED: Final = frozenset({"match", "matched", "confirmed"})
_KNOWN: Final = frozenset(
    {
        *("at", "purpose", "rag", "role", "category", "supplier", "subject_role", "consent"),
        *("override_reason", "dash", "children_in_household", "break_glass", "requester_party"),
        *("mfa", "conflict", "match_status", "sealed", "safe_address", "closed", "case_closed"),
        *("justification", "justified", "evidenced_authority", "opened_in_hours", "exp"),
    }
)
_CONSENT_KEYS: Final = frozenset(
    {"given", "by", "parties", "categories", "until", "withdrawn", "capacity"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One query with the decision that is expected."""

    place: str
    query: Query
    case: CaseFacts
    supplier: SupplierFacts
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An example and what was decided."""

    example: Example
    decision: Decision

    @property
    def got(self) -> str:
        """The decision in the words of `expected`."""
        return f"{self.decision.outcome} {self.decision.rule}"

    @property
    def differs(self) -> bool:
        """Whether the decision is not the expected one."""
        return self.got != self.example.expected


def signed_standing(agreement: Agreement) -> Standing:
    """Return the standing that the agreement's own examples assume."""
    return Standing(signed=frozenset(agreement.terms.tests_signed))


def run_examples(agreement: Agreement, examples: Iterator[Example]) -> list[Result]:
    """Return every example with its decision.

    Raises:
        CasesError: An example cannot be read.

    """
    engine = Engine(agreement, signed_standing(agreement))
    return [
        Result(example=e, decision=engine.decide(e.query, e.case, e.supplier)) for e in examples
    ]


def own_examples(agreement: Agreement) -> Iterator[Example]:
    """Yield the examples that the agreement carries itself.

    Raises:
        CasesError: One cannot be read.

    """
    cases = agreement.terms.document["tests"].get("cases", [])
    for number, row in enumerate(cases, start=1):
        facts = {key: {"true": True, "false": False}.get(text, text) for key, text in row.items()}
        yield _example(agreement, facts, place=f"own case {number}")


def file_examples(agreement: Agreement, data: bytes) -> Iterator[Example]:
    """Yield the examples of a scenario file.

    Raises:
        CasesError: It is not a scenario file, or a row has an unknown key.

    """
    if len(data) > MAX_BYTES:
        raise CasesError(f"larger than {MAX_BYTES} bytes", place="file")
    try:
        scenarios = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CasesError("not JSON", place="file") from error
    for number, scenario in enumerate(_list(scenarios, "file"), start=1):
        table = _table(scenario, f"scenario {number}")
        name = str(table.get("id", f"scenario {number}"))
        shared = _table(table.get("case"), f"{name} case")
        for index, row in enumerate(_list(table.get("rows"), name), start=1):
            place = f"{name} row {index}"
            yield _example(agreement, {**shared, **_table(row, place)}, place=place)


def one_example(agreement: Agreement, text: str) -> Example:
    """Return the example in `text`, a row of a scenario file with the case's facts in it.

    Raises:
        CasesError: It cannot be read.

    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CasesError("not JSON", place="facts") from error
    return _example(agreement, _table(row, "facts"), place="facts")


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise CasesError("must be a list", place=place)
    return value


def _table(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CasesError("must be a table", place=place)
    return value


def _example(agreement: Agreement, facts: Mapping[str, Any], *, place: str) -> Example:
    unknown = sorted(facts.keys() - _KNOWN)
    if unknown:
        raise CasesError(f"unknown key '{unknown[0]}'", place=place)
    try:
        query = _query(agreement, facts)
        case = _case(agreement, facts, query)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CasesError("a fact is missing or of the wrong type", place=place) from error
    return Example(
        place=place,
        query=query,
        case=case,
        supplier=SupplierFacts(
            identity_confirmed=facts.get("match_status", "confirmed") in _CONFIRMED,
            sealed=bool(facts.get("sealed", False)),
            safe_address=bool(facts.get("safe_address", False)),
        ),
        expected=str(facts.get("exp", "")),
    )


def _query(agreement: Agreement, facts: Mapping[str, Any]) -> Query:
    category, role = facts["category"], facts["role"]
    known = category in agreement.terms.categories
    return Query(
        category=category,
        supplier=facts.get("supplier") or (agreement.supplier_of(category) if known else ""),
        subject_role=facts.get("subject_role"),
        recipient_role=role,
        recipient_party=facts.get("requester_party") or _party_of(agreement, role),
    )


def _party_of(agreement: Agreement, role: str) -> str:
    """Return the role's party; an unknown role asks from the agreement's owner."""
    known = role in agreement.terms.roles
    return agreement.role_party(role) if known else agreement.terms.owner


def _case(agreement: Agreement, facts: Mapping[str, Any], query: Query) -> CaseFacts:
    at = datetime.fromisoformat(facts["at"])
    return CaseFacts(
        at=at if at.tzinfo else at.replace(tzinfo=LOCAL),
        purpose=facts["purpose"],
        requester_party=query.recipient_party,
        rag=facts.get("rag"),
        consent=_consent(facts.get("consent")),
        reason_without_consent=facts.get("override_reason"),
        dash=facts.get("dash"),
        children_in_household=facts.get("children_in_household", False),
        closed=facts.get("closed", facts.get("case_closed", False)),
        emergency=facts.get("break_glass", False),
        second_factor=facts.get("mfa", True),
        conflict=facts.get("conflict", False),
        justified=_justified(agreement, facts),
        evidenced_authority=facts.get("evidenced_authority", False),
        opened_in_hours=facts.get("opened_in_hours", False),
    )


def _justified(agreement: Agreement, facts: Mapping[str, Any]) -> bool:
    text = facts.get("justification")
    if text is None:
        return bool(facts.get("justified", True))
    return len(text.strip()) >= agreement.terms.gates.justification_characters


def _consent(value: Mapping[str, Any] | None) -> Consent | None:
    if value is None:
        return None
    if value.keys() - _CONSENT_KEYS:
        raise ValueError("unknown key in consent")
    until = value.get("until")
    return Consent(
        given=value["given"],
        parties=_scope(value.get("parties", "all")),
        categories=_scope(value.get("categories", "all")),
        until=None if until is None else date.fromisoformat(until),
        withdrawn=bool(value.get("withdrawn", False)),
        capacity=bool(value.get("capacity", True)),
    )


def _scope(value: object) -> tuple[str, ...] | None:
    if value is None or value == "all":
        return None
    if not isinstance(value, list):
        raise TypeError("a scope is a list or 'all'")
    return tuple(str(entry) for entry in value)

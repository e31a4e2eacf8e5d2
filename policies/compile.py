"""Rules of an agreement as Casbin rows, and the enforcer that runs them.

Three outcomes from two actions: PERMIT means that `auto` is allowed, REVIEW that
only `review` is. A `deny` rule denies both actions, a `hold` rule denies `auto`.

What keeps it from failing open: rows are fully expanded (no wildcard), keyed by
(action, rating, group); every bucket carries a sentinel deny row and all
obligatory denials; every row is checked when it is made; the only condition is
`holds(facts, name)`, which is false for an empty name; unknown keys find an
empty bucket, where the matcher compares with empty texts and is false.
"""

import ast
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from casbin import FastEnforcer
from casbin.model import FastModel

from policies.errors import CompileError
from policies.predicates import CONDITIONS, GATES, MAX_SENSITIVITY
from policies.terms import Gate, Rule, Terms

NO_RATING: Final = "unrated"
NO_GROUP: Final = "no_group"
ACTIONS: Final = ("auto", "review")
SENTINEL: Final = "S00"
NEVER: Final = "never"
_KEY_ORDER: Final = (0, 1, 2)
_EFFECTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "deny": (("auto", "deny"), ("review", "deny")),
    "hold": (("auto", "deny"),),
    "permit": (("auto", "allow"), ("review", "allow")),
    "review": (("review", "allow"),),
}

# CPython 3.11's ast.parse is not safe in threads (gh-106905), nor is FastEnforcer:
# one lock for the process, since the parsing of two enforcers may meet.
_CASBIN_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy line, in the order of model.conf."""

    act: str
    rag: str
    group: str
    when: str
    eft: str
    rule: str

    def values(self) -> list[str]:
        """Return the line as Casbin takes it."""
        return [self.act, self.rag, self.group, self.when, self.eft, self.rule]


def _holds(facts: frozenset[str], when: str) -> bool:
    """Return whether the condition `when` is among the facts; an empty name never is."""
    return when != "" and when in facts


class _Matcher:
    """The matcher of model.conf as Python code, compiled once and run on every line."""

    def __init__(self, parsed: ast.expr, functions: Mapping[str, Any]) -> None:
        self._code = compile(ast.Expression(parsed), "model.conf", "eval")
        self._globals = {"__builtins__": {}, **functions}

    def eval(self, names: Mapping[str, Any]) -> object:
        """Return the matcher's value for one request and one line."""
        return eval(self._code, self._globals, names)  # noqa: S307  # our text, no word of an agreement


class _Enforcer(FastEnforcer):  # type: ignore[misc]  # Casbin ships no types
    """Casbin's enforcer; it parses its matcher on every call and walks the tree on every line."""

    _matcher: _Matcher | None = None

    def _get_expression(self, expr: str, functions: Mapping[str, Any]) -> _Matcher:
        if self._matcher is None:
            parsed = FastEnforcer._get_expression(expr, functions)  # noqa: SLF001  # overridden
            self._matcher = _Matcher(parsed.ast_parsed_value, functions)
        return self._matcher


class Policy:
    """The compiled rows of one agreement; thread-safe."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """Load checked rows into Casbin.

        Raises:
            CompileError: A row that could fail open.

        """
        model = FastModel(_KEY_ORDER)
        text = resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8")
        model.load_model_from_text(text)
        self._enforcer = _Enforcer(model, cache_key_order=_KEY_ORDER)
        self._enforcer.add_function("holds", _holds)
        self._explained: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        lines = model.model["p"]["p"].policy
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007  # the count is used below
            _check_row(row)
            lines.append(row.values())
            if row.rule != SENTINEL:
                self._explained.setdefault((row.rag, row.group), {})[row.rule, row.when] = None
        if count == 0:
            raise CompileError("an agreement without rows decides nothing", rule=SENTINEL)
        self.row_count = count

    def allows(self, act: str, *, rag: str, group: str, facts: frozenset[str]) -> bool:
        """Return Casbin's answer for one action."""
        with _CASBIN_LOCK:
            return self._enforcer.enforce(act, rag, group, facts) is True

    def matching(self, *, rag: str, group: str, facts: frozenset[str]) -> frozenset[str]:
        """Return the ids of the rules with a matching row: our own step, on the same rows."""
        rows = self._explained.get((rag, group), {})
        return frozenset(rule for rule, when in rows if when in facts)


def compile_terms(terms: Terms) -> Policy:
    """Return the policy of an agreement.

    Raises:
        CompileError: Its rules do not make rows that fail closed.

    """
    return Policy(rows_of(terms))


def rows_of(terms: Terms) -> Iterator[Row]:
    """Yield the rows of every (action, rating, group), each with its sentinel."""
    groups = {role.group for role in terms.roles.values()} | {NO_GROUP}
    for rag in (*terms.rag, NO_RATING):
        for group in sorted(groups):
            gate = terms.gates.sensitivity.get((rag, group))
            for act in ACTIONS:
                yield Row(act=act, rag=rag, group=group, when=NEVER, eft="deny", rule=SENTINEL)
            for rule in terms.rules:
                yield from _rule_rows(rule, rag=rag, group=group, gate=gate)


def _rule_rows(rule: Rule, *, rag: str, group: str, gate: Gate | None) -> Iterator[Row]:
    if rule.rag is not None and rule.rag != rag:
        return
    when = _condition(rule.when, gate)
    if when is None:
        return
    for act, eft in _EFFECTS[rule.effect]:
        yield Row(act=act, rag=rag, group=group, when=when, eft=eft, rule=rule.id)


def _condition(when: str, gate: Gate | None) -> str | None:
    """Return the fact a rule waits for; gates become numbers, None means no row."""
    if when not in GATES:
        return when
    if when == "above_role_gate":
        lowest = 0 if gate is None else gate.review + 1
        return f"sensitivity_at_least_{lowest}" if lowest <= MAX_SENSITIVITY else None
    if gate is None:
        return None
    highest = gate.auto if when == "within_automatic_gate" else gate.review
    return f"sensitivity_at_most_{highest}"


_FACTS: Final = (
    (CONDITIONS - GATES)
    | {f"sensitivity_at_{side}_{n}" for side in ("most", "least") for n in range(5)}
    | {NEVER}
)


def _check_row(row: Row) -> None:
    """Refuse what Casbin would silently ignore or read as a wildcard."""
    if row.eft not in {"allow", "deny"}:
        raise CompileError(f"effect '{row.eft}' is not allow or deny", rule=row.rule)
    if row.act not in ACTIONS:
        raise CompileError(f"action '{row.act}' is not known", rule=row.rule)
    if row.when not in _FACTS:
        raise CompileError(f"condition '{row.when}' is not known", rule=row.rule)
    if "" in row.values() or "*" in row.values():
        raise CompileError("an empty or wildcard field", rule=row.rule)

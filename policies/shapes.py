"""Shapes a document must have: texts, numbers, codes, lists, tables and records.

A shape checks a node and answers with the file, the line and the nearest valid
word; the same shapes write the JSON Schema that editors use.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from policies.document import Node
from policies.errors import AgreementError

MAX_TEXT_CHARS = 4_000


class Shape(Protocol):
    """What a node may look like."""

    def check(self, node: Node, *, source: str, where: str) -> None:
        """Raise AgreementError, with line and suggestion, unless `node` fits."""
        ...

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema of this shape."""
        ...


def nearest(word: str, valid: Collection[str]) -> str | None:
    """Return the valid word closest to `word`, if one is close."""
    found = difflib.get_close_matches(word.lower(), sorted(valid), n=1, cutoff=0.6)
    return found[0] if found else None


def refuse(
    message: str, node: Node, *, source: str, valid: Collection[str] = (), word: str = ""
) -> AgreementError:
    """Return the error for `node`, suggesting the word of `valid` nearest to `word`."""
    suggestion = nearest(word, valid) if word else None
    return AgreementError(message, path=source, line=node.line, suggestion=suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text, optionally of one pattern (whole match); `hint` says it in words."""

    pattern: str = r".+"
    hint: str = "a text"

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        value = node.value
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
            raise refuse(f"{where} must be {self.hint}", node, source=source)
        if re.fullmatch(self.pattern, value, re.DOTALL) is None:
            raise refuse(f"{where} must be {self.hint}", node, source=source)

    def schema(self) -> dict[str, object]:
        """See Shape."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$", "description": self.hint}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A calendar date, 2026-09-01."""

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        try:
            date.fromisoformat(node.value if isinstance(node.value, str) else "")
        except ValueError as error:
            message = f"{where} must be a date such as 2026-09-01"
            raise refuse(message, node, source=source) from error

    def schema(self) -> dict[str, object]:
        """See Shape."""
        return {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A whole number within bounds, both included."""

    low: int
    high: int

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        value = node.value
        fits = isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,8}", value) is not None
        if not fits or not self.low <= int(str(value)) <= self.high:
            message = f"{where} must be a whole number from {self.low} to {self.high}"
            raise refuse(message, node, source=source)

    def schema(self) -> dict[str, object]:
        """See Shape."""
        return {"type": ["string", "integer"], "pattern": "^[0-9]+$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One word of a closed list."""

    valid: Collection[str]

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        if not isinstance(node.value, str):
            raise refuse(f"{where} must be one word", node, source=source)
        if node.value not in self.valid:
            message = f"{where}: '{node.value[:60]}' is not a valid word"
            raise refuse(message, node, source=source, valid=self.valid, word=node.value)

    def schema(self) -> dict[str, object]:
        """See Shape."""
        return {"enum": sorted(self.valid)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of one shape; `least` entries at least."""

    of: Shape
    least: int = 0

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        if not isinstance(node.value, tuple):
            raise refuse(f"{where} must be a list", node, source=source)
        if len(node.value) < self.least:
            raise refuse(f"{where} needs at least {self.least} entry", node, source=source)
        for number, entry in enumerate(node.value, start=1):
            self.of.check(entry, source=source, where=f"{where} {number}")

    def schema(self) -> dict[str, object]:
        """See Shape."""
        return {"type": "array", "items": self.of.schema(), "minItems": self.least}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping from words of one shape to values of another."""

    key: Shape
    value: Shape
    least: int = 0

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        if not isinstance(node.value, dict):
            raise refuse(f"{where} must be a table", node, source=source)
        if len(node.value) < self.least:
            raise refuse(f"{where} needs at least {self.least} entry", node, source=source)
        for word, entry in node.value.items():
            self.key.check(Node(value=word, line=entry.key_line), source=source, where=where)
            self.value.check(entry, source=source, where=f"{where}.{word}")

    def schema(self) -> dict[str, object]:
        """See Shape."""
        return {
            "type": "object",
            "propertyNames": self.key.schema(),
            "additionalProperties": self.value.schema(),
            "minProperties": self.least,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A mapping with named keys; every other key is refused."""

    needs: Mapping[str, Shape]
    may: Mapping[str, Shape] = field(default_factory=dict)

    def check(self, node: Node, *, source: str, where: str) -> None:
        """See Shape."""
        if not isinstance(node.value, dict):
            raise refuse(f"{where} must be a table", node, source=source)
        known = {**self.needs, **self.may}
        for word, entry in node.value.items():
            if word not in known:
                at_key = Node(value=word, line=entry.key_line)
                message = f"{where} has no key '{word[:60]}'"
                raise refuse(message, at_key, source=source, valid=known.keys(), word=word)
            known[word].check(entry, source=source, where=f"{where}.{word}")
        for word in self.needs:
            if word not in node.value:
                raise refuse(f"{where} lacks '{word}'", node, source=source)

    def schema(self) -> dict[str, object]:
        """See Shape."""
        known = {**self.needs, **self.may}
        return {
            "type": "object",
            "properties": {word: shape.schema() for word, shape in known.items()},
            "required": sorted(self.needs),
            "additionalProperties": False,
        }

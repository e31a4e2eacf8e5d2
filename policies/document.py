"""YAML text into a tree of texts, lists and mappings that remember their lines.

The strict part of YAML: every scalar is a text, keys are unique, and anchors,
aliases, tags, several documents, deep nesting and large files are refused, so
that what a person reads is what is signed (no alias bomb, no `no` read as
false, no key hidden by a later twin).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from policies.errors import AgreementError

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 12
MAX_VALUES: Final = 50_000  # a real agreement has about 2,300

Plain = str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of a document and the one-based line it stands on."""

    value: "str | tuple[Node, ...] | dict[str, Node]"
    line: int
    key_line: int = 0

    def member(self, *path: str) -> "Node":
        """Return the node below `path`; one without value where there is none."""
        node = self
        for key in path:
            members = node.value if isinstance(node.value, dict) else {}
            node = members.get(key, Node(value="", line=node.line))
        return node

    def plain(self) -> Plain:
        """Return the value as texts, lists and dictionaries."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, tuple):
            return [entry.plain() for entry in self.value]
        return {key: entry.plain() for key, entry in self.value.items()}


def read_document(data: bytes, *, source: str) -> Node:
    """Return the one document in `data`.

    Args:
        data: UTF-8 YAML, at most `MAX_BYTES`.
        source: Name to put into errors.

    Raises:
        AgreementError: Not strict YAML, with the line.

    """
    if len(data) > MAX_BYTES:
        raise AgreementError(f"larger than {MAX_BYTES} bytes", path=source, line=0)
    if (tab := data.find(b"\t")) >= 0:  # YAML parsers disagree about them
        line = data.count(b"\n", 0, tab) + 1
        raise AgreementError("use spaces, not a tab", path=source, line=line)
    try:
        text = data.decode("utf-8")
        return _Reader(yaml.parse(text, Loader=yaml.CSafeLoader), source).document()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AgreementError("not UTF-8", path=source, line=line) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 0 if mark is None else mark.line + 1
        raise AgreementError(f"not YAML: {error.problem}", path=source, line=line) from error
    except yaml.YAMLError as error:
        raise AgreementError("not YAML: unreadable characters", path=source, line=0) from error


def _line(event: yaml.Event) -> int:
    """Return the one-based line of an event; 0 for one without a place."""
    return 0 if event.start_mark is None else event.start_mark.line + 1


class _Reader:
    """Builds nodes from parser events, one event at a time."""

    def __init__(self, events: Iterator[yaml.Event], source: str) -> None:
        self._events = events
        self._source = source
        self._values = 0

    def document(self) -> Node:
        self._next()  # stream start
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise AgreementError("the document is empty", path=self._source, line=0)
        root = self._node(self._next(), depth=0)
        self._next()  # document end
        extra = self._next()
        if not isinstance(extra, yaml.StreamEndEvent):
            raise self._error("only one document is allowed", extra)
        return root

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _error(self, message: str, event: yaml.Event) -> AgreementError:
        return AgreementError(message, path=self._source, line=_line(event))

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        self._check_event(event, depth)
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return Node(value=event.value, line=line)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(value=self._entries(depth), line=line)
        return Node(value=self._members(depth), line=line)

    def _check_event(self, event: yaml.Event, depth: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self._error("aliases are not allowed", event)
        if getattr(event, "anchor", None) is not None:
            raise self._error("anchors are not allowed", event)
        if getattr(event, "tag", None) is not None:
            raise self._error("tags are not allowed", event)
        if depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}", event)
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._error(f"more than {MAX_VALUES} values", event)

    def _entries(self, depth: int) -> tuple[Node, ...]:
        entries: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            entries.append(self._node(event, depth=depth + 1))
        return tuple(entries)

    def _members(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            if not isinstance(key.value, str):
                raise self._error("a key must be a text", event)
            if key.value in members:
                raise self._error(f"'{key.value}' stands here twice", event)
            value = self._node(self._next(), depth=depth + 1)
            members[key.value] = Node(value=value.value, line=value.line, key_line=key.line)
        return members

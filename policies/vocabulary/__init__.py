"""Closed word lists as data: purposes, roles of subjects, legal bases, gateways."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources

from policies.document import Node, read_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Statute:
    """A statutory item: a power to share, a condition, a reason for acting without consent.

    `in_force_from` is None while it is not known to have commenced; `verify_by` is the
    day by which a lawyer looks again.
    """

    code: str
    title: str
    in_force_from: date | None
    verify_by: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Word lists by name, and the statutory items with their dates, by code."""

    lists: Mapping[str, frozenset[str]]
    statutes: Mapping[str, Statute]

    def __getitem__(self, name: str) -> frozenset[str]:
        """Return the list called `name`."""
        return self.lists[name]


@functools.cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary shipped with this version."""
    data = resources.files("policies.vocabulary").joinpath("codes.yaml").read_bytes()
    root = read_document(data, source="codes.yaml").value
    assert isinstance(root, dict)  # noqa: S101  # our own file; its shape is tested
    lists = {name: _words(node) for name, node in root.items() if isinstance(node.value, tuple)}
    tables = {name: node.plain() for name, node in root.items() if isinstance(node.value, dict)}
    statutes: dict[str, Statute] = {}
    for name, table in tables.items():
        assert isinstance(table, dict)  # noqa: S101  # as above
        lists[name] = frozenset(table)
        statutes |= {code: _statute(code, entry) for code, entry in table.items()}
    return Vocabulary(lists=lists, statutes=statutes)


def _words(node: Node) -> frozenset[str]:
    plain = node.plain()
    return frozenset(word for word in plain if isinstance(word, str))


def _statute(code: str, entry: object) -> Statute:
    assert isinstance(entry, dict)  # noqa: S101  # our own file; its shape is tested
    start = entry["in_force_from"]
    return Statute(
        code=code,
        title=entry["title"],
        in_force_from=date.fromisoformat(start) if start else None,
        verify_by=date.fromisoformat(entry["verify_by"]),
    )

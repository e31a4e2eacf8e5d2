"""What the demonstration shows about itself: a verified ledger, tampering named, nothing leaked."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from audit.checkpoint import open_checkpoint, vkey_text
from audit.export import read_bundle, read_entries, read_text, tile_path, write_bundle, write_export
from audit.report import Damage, Report
from audit.verify import verify_export
from broker.demo.deployment import Deployment, run_mash
from broker.demo.households import CaseSeed
from broker.demo.search import files_below, search

_BUNDLE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One way of tampering with a copy of the ledger, and what the verifier said."""

    name: str
    expected: frozenset[Damage]
    report: Report

    @property
    def named(self) -> bool:
        """Whether the verifier named this damage."""
        problem = self.report.problem
        return problem is not None and problem.kind in self.expected


def export_ledger(deployment: Deployment) -> tuple[Path, Report]:
    """Export the broker's ledger and verify it offline against the agreement's log key."""
    out = deployment.plan.directory / "export"
    broker = deployment.plan.directory / "broker"
    run_mash(["broker", "export", "--dir", str(broker), "--out", str(out)], deployment.environment)
    return out, verify_export(out, vkey=_vkey(deployment))


def _vkey(deployment: Deployment) -> str:
    keys = deployment.agreement.schedule.broker
    return vkey_text(keys.origin, keys.log_key)


def tamper(deployment: Deployment, export: Path, earlier_note: str) -> list[Attempt]:
    """Damage copies of the export in four ways and return what the verifier says of each.

    The cut tail is the hard case: a shorter ledger with its own genuine checkpoint, which only
    what a node has seen convicts.
    """
    seen = _seen(deployment, export)
    attempts: list[tuple[str, set[Damage], Callable[[Path], None]]] = [
        ("one entry edited", {Damage.EDITED}, _edit),
        ("one entry removed", {Damage.REMOVED}, _remove),
        ("two entries reordered", {Damage.REORDERED}, _swap),
        (
            "the tail cut off",
            {Damage.CUT_TAIL, Damage.ROLLED_BACK},
            lambda copy: _cut(copy, deployment, earlier_note),
        ),
    ]
    made = []
    for name, expected, damage in attempts:
        copy = deployment.plan.directory / "tampered" / name.replace(" ", "-")
        shutil.copytree(export, copy)
        damage(copy)
        report = verify_export(copy, vkey=_vkey(deployment), seen=seen)
        made.append(Attempt(name=name, expected=frozenset(expected), report=report))
    return made


def _seen(deployment: Deployment, export: Path) -> list[tuple[int, bytes]]:
    """The newest checkpoint, as a node has seen it."""
    keys = deployment.agreement.schedule.broker
    checkpoint = open_checkpoint(
        read_text(export, "checkpoint"), origin=keys.origin, public=keys.log_key
    )
    return [(checkpoint.size, checkpoint.root)]


def _first_bundle(copy: Path) -> tuple[int, list[bytes]]:
    """Return the width and the entries of the export's first bundle."""
    if (copy / tile_path("entries", 0, _BUNDLE)).exists():
        return _BUNDLE, read_bundle(copy, 0, _BUNDLE)
    (partial,) = (copy / "tile/entries/000.p").iterdir()
    return int(partial.name), read_bundle(copy, 0, int(partial.name))


def _edit(copy: Path) -> None:
    width, entries = _first_bundle(copy)
    at = next(i for i, entry in enumerate(entries) if b'"event":"request"' in entry)
    entries[at] = (
        entries[at]
        .replace(b'"rag":"red"', b'"rag":"amber"')
        .replace(b'"rag":"green"', b'"rag":"amber"')
    )
    if b'"rag":"amber"' not in entries[at]:
        raise ValueError("nothing to edit")
    write_bundle(copy, 0, width, entries)


def _remove(copy: Path) -> None:
    width, entries = _first_bundle(copy)
    del entries[len(entries) // 2]
    write_bundle(copy, 0, width, entries)


def _swap(copy: Path) -> None:
    width, entries = _first_bundle(copy)
    middle = len(entries) // 2
    entries[middle], entries[middle + 1] = entries[middle + 1], entries[middle]
    write_bundle(copy, 0, width, entries)


def _cut(copy: Path, deployment: Deployment, earlier_note: str) -> None:
    keys = deployment.agreement.schedule.broker
    earlier = open_checkpoint(earlier_note, origin=keys.origin, public=keys.log_key)
    whole = open_checkpoint(read_text(copy, "checkpoint"), origin=keys.origin, public=keys.log_key)
    entries = list(read_entries(copy, size=whole.size))[: earlier.size]
    shutil.rmtree(copy)
    write_export(copy, note=earlier_note, entries=entries, vkey=_vkey(deployment))


def secrets_of(cases: Iterable[CaseSeed]) -> list[str]:
    """Return what the broker must not hold: names, dates, numbers, addresses, narratives."""
    words: set[str] = set()
    for case in cases:
        words |= {case.narrative[:60], case.referrer_words[:60]}
        for subject in case.subjects:
            identity = subject.identity
            words |= {f"{given} {identity['surname']}" for given in identity["given"]}
            words |= {identity["surname"], identity["birth_date"]}
            words |= {address["line"] for address in identity["addresses"]}
            words |= {address["postcode"] for address in identity["addresses"]}
            words |= set(identity["identifiers"].values())
    return sorted(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """What a search for the families' data found, at the broker and, as a control, at nodes."""

    words: int
    at_broker: int
    files_at_broker: int
    at_nodes: int


def look_for_leaks(deployment: Deployment, cases: Iterable[CaseSeed]) -> Leaks:
    """Search the broker's database, write-ahead log and logs; the same search at the nodes."""
    words = secrets_of(cases)
    directory = deployment.plan.directory
    broker = [
        *files_below(directory / "broker"),
        ("broker.log", (directory / "logs" / "broker.log").read_bytes()),
    ]
    nodes = [
        (name, data) for name, data in files_below(directory / "parties") if "node.sqlite" in name
    ]
    return Leaks(
        words=len(words),
        at_broker=len(search(words, broker)),
        files_at_broker=len(broker),
        at_nodes=len({found.number for found in search(words, nodes)}),
    )


def what_the_broker_saw(export: Path, size: int) -> dict[str, Any]:
    """Return what stands in the ledger in clear: events, categories, and blobs by size."""
    events: Counter[str] = Counter()
    classes: Counter[int] = Counter()
    sample: dict[str, Any] = {}
    for entry in read_entries(export, size=size):
        value = msgspec.json.decode(entry, type=dict[str, Any])
        events[value["event"]] += 1
        for blob in value.get("blobs", []):
            classes[blob["class"]] += 1
        if value["event"] == "answer" and not sample:
            sample = value
    return {
        "entries": size,
        "events": dict(events.most_common()),
        "sealed_blobs_by_size": {str(size): count for size, count in sorted(classes.items())},
        "an_answer_as_the_broker_sees_it": sample,
    }

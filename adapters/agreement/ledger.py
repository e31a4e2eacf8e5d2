"""For replay: past decisions out of a ledger export, and the facts that they rested on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.deciding import case_facts
from adapters.protocol import Ask, Request
from audit.checkpoint import read_checkpoint_unsafe
from audit.entry import Event, parse_entry
from audit.export import CHECKPOINT, read_entries, read_text
from policies.replay import PastDecision
from policies.standing import Standing


class PastDecisions:
    """Reads an export once, in order; `withheld` counts entries that it does not show."""

    def __init__(self, export: Path) -> None:
        """Read below `export`, which is not verified here (`mash ledger verify` does that)."""
        self._export = export
        self._standings: dict[str, Standing] = {}
        self._agreements: dict[str, str] = {}
        self.withheld = 0

    def __iter__(self) -> Iterator[PastDecision]:
        """Yield the lines of all `ask` entries.

        Raises:
            audit.errors.AuditError: The export cannot be read.

        """
        size = read_checkpoint_unsafe(read_text(self._export, CHECKPOINT)).size
        for data in read_entries(self._export, size=size):
            if not data:
                self.withheld += 1
                continue
            entry = parse_entry(data)
            if entry["event"] == Event.ASK:
                yield from self._lines(entry)
            else:
                self._note(entry)

    def _note(self, entry: dict[str, Any]) -> None:
        event = entry["event"]
        if event == Event.REQUEST:
            self._agreements[entry["request"]] = entry["agreement"]["sha256"]
        if event not in {Event.AGREEMENT_SIGNED, Event.AGREEMENT_WITHDRAWN}:
            return
        sha256, party = entry["agreement"]["sha256"], frozenset({entry["party"]})
        was = self._standings.get(sha256, Standing(signed=frozenset()))
        if event == Event.AGREEMENT_SIGNED:
            now = Standing(signed=was.signed | party, withdrawn=was.withdrawn)
        else:
            now = Standing(signed=was.signed, withdrawn=was.withdrawn | party)
        self._standings[sha256] = now

    def _lines(self, entry: dict[str, Any]) -> Iterator[PastDecision]:
        agreement = self._agreements.get(entry["request"], "")
        standing = self._standings.get(agreement, Standing(signed=frozenset()))
        for line in entry["decisions"]:
            yield PastDecision(
                entry=entry["i"],
                request=entry["request"],
                supplier=entry["supplier"],
                category=line["category"],
                subject=line["subject"],
                role=line["role"],
                party=line["party"],
                outcome=line["outcome"],
                rules=tuple(line["rules"]),
                agreement=agreement,
                standing=standing,
            )


def facts_line(request: Request, ask: Ask) -> str:
    """Return the clear facts of one ask as a line for `mash agreement replay --facts`.

    Whoever keeps the messages (the broker, the asking node) writes these while the
    facts' retention lasts; after that the decisions are no longer made again.

    Raises:
        ValueError: The consent's end date is no ISO date.

    """
    return json.dumps(
        {
            "request": request.request,
            "supplier": ask.supplier,
            "subjects": {subject.ref: subject.role for subject in request.subjects},
            "facts": case_facts(request, ask).to_json(),
        }
    )

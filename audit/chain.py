"""The order of entries: numbers, the hash chain, time and the parties' streams."""

from dataclasses import dataclass, field
from typing import Any

from audit.entry import parse_entry
from audit.errors import EntryError
from audit.ledger import NO_ENTRY
from audit.report import Damage, Problem


@dataclass(slots=True, kw_only=True)
class Chain:
    """Follows entries one by one; mutable, because it is fed from a stream.

    With `party`, only that party's stream is expected to be whole.
    """

    party: str | None = None
    size: int = 0
    prev: bytes = NO_ENTRY
    mash: str | None = None
    last_ts: str = ""
    streams: dict[str, int] = field(default_factory=dict)

    def skip(self, leaf: bytes) -> None:
        """Step over a withheld entry."""
        self.prev = leaf
        self.size += 1

    def follow(self, data: bytes, leaf: bytes) -> Problem | None:
        """Step over an entry and return what is wrong with it, if anything.

        Args:
            data: The entry.
            leaf: Its leaf hash.

        """
        index = self.size
        try:
            entry = parse_entry(data)
        except EntryError as error:
            self.skip(leaf)
            return Problem(kind=Damage.MALFORMED, index=index, detail=f"the entry is {error}")
        problem = self._problem(entry, index)
        self.mash, self.last_ts = entry["mash"], entry["ts"]
        for party, number in entry["streams"].items():
            self.streams[party] = number + 1
        self.skip(leaf)
        return problem

    def _problem(self, entry: dict[str, Any], index: int) -> Problem | None:
        if entry["i"] != index or entry["prev"] != self.prev.hex():
            detail = "the entry does not follow from the one before it"
            return Problem(kind=Damage.MALFORMED, index=index, detail=detail)
        if self.mash not in {None, entry["mash"]}:
            detail = "the entry belongs to another ledger"
            return Problem(kind=Damage.MALFORMED, index=index, detail=detail)
        if entry["ts"] < self.last_ts:
            detail = "the entry is dated before the one it follows"
            return Problem(kind=Damage.CLOCK_BACK, index=index, detail=detail)
        for party, number in entry["streams"].items():
            if self.party in {None, party} and number != self.streams.get(party, 0):
                detail = f"the stream of {party} does not go on here with its next number"
                return Problem(kind=Damage.STREAM_GAP, index=index, detail=detail)
        return None

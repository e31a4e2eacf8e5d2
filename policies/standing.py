"""Who stands behind one exact agreement.

Signatures are detached; whoever builds a Standing has verified them against
the agreement's SHA-256 and the party roots in its schedule.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The parties that signed an agreement's exact hash, and those that withdrew since."""

    signed: frozenset[str]
    withdrawn: frozenset[str] = frozenset()

    def is_party(self, party: str) -> bool:
        """Return whether `party` has signed and has not withdrawn."""
        return party in self.signed and party not in self.withdrawn

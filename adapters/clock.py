"""The time, as a parameter: the machine's, or one moved for demonstrations and tests.

A moved clock is refused unless the ledger's origin ends in `/demo` (DESIGN 8), so that no real
ledger can be given a false time by a setting.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

Clock = Callable[[], datetime]
DEMO_ORIGIN_SUFFIX: Final = "/demo"


def system_clock() -> datetime:
    """Return the machine's time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads it


def moved_clock(*, start: datetime, started_at: datetime, origin: str) -> Clock:
    """Return a clock that showed `start` at the real instant `started_at` and runs on from there.

    Raises:
        ValueError: The ledger's origin is not a demonstration's.

    """
    if not origin.endswith(DEMO_ORIGIN_SUFFIX):
        raise ValueError(
            f"clock_start is only for demonstrations: the ledger origin must end in "
            f"{DEMO_ORIGIN_SUFFIX}, this one is {origin}"
        )
    offset = start - started_at
    return lambda: system_clock() + offset


def clock_for(*, start: datetime | None, started_at: datetime | None, origin: str) -> Clock:
    """Return the clock that the two settings describe; the machine's when neither is set.

    Raises:
        ValueError: Only one of the two is set, or the origin is not a demonstration's.

    """
    if start is None and started_at is None:
        return system_clock
    if start is None or started_at is None:
        raise ValueError("clock_start and clock_started_at go together: set both or neither")
    return moved_clock(start=start, started_at=started_at, origin=origin)

"""Hours of work: is it open, and when is a clock of working or elapsed hours over.

Local time is England's; bank holidays are England's.
"""

import functools
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from policies.terms import Hours

LOCAL: Final = ZoneInfo("Europe/London")


@functools.cache
def bank_holidays(year: int) -> frozenset[date]:
    """Return England's bank holidays of `year`."""
    import holidays  # noqa: PLC0415 - a sixth of a second that only a late decision needs

    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=[year]))


def is_working_day(hours: Hours, day: date) -> bool:
    """Return whether `day` is a day of work."""
    if day.weekday() not in hours.days:
        return False
    return not (hours.bank_holidays and day in bank_holidays(day.year))


def is_open(hours: Hours, at: datetime) -> bool:
    """Return whether `at` (aware) lies in working hours; the closing minute does not."""
    local = at.astimezone(LOCAL)
    if not is_working_day(hours, local.date()):
        return False
    return hours.opens <= local.time().replace(tzinfo=None) < hours.closes


def deadline_after(hours: Hours, start: datetime, *, count: int, working: bool) -> datetime:
    """Return the instant `count` hours after `start`, in UTC.

    Args:
        hours: Working hours; only their open time counts when `working`.
        start: Aware.
        count: Hours.
        working: Working hours rather than elapsed ones.

    """
    if not working:
        return start.astimezone(UTC) + timedelta(hours=count)
    left = timedelta(hours=count)
    day = start.astimezone(LOCAL).date()
    while True:  # ends: an agreement opens at least once a week
        opens, closes = _span(hours, day)
        day += timedelta(days=1)
        begin = max(opens, start.astimezone(UTC))
        available = max(closes - begin, timedelta(0))
        if left <= available:
            return begin + left
        left -= available


def _span(hours: Hours, day: date) -> tuple[datetime, datetime]:
    """Return opening and closing of `day` in UTC; both equal when it is no day of work."""
    opens = datetime.combine(day, hours.opens, LOCAL).astimezone(UTC)
    if not is_working_day(hours, day):
        return opens, opens
    return opens, datetime.combine(day, hours.closes, LOCAL).astimezone(UTC)

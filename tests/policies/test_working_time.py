"""Working hours across weekends, bank holidays and the change of the clocks."""

from datetime import UTC, datetime

import pytest

from policies.agreement import Agreement
from policies.working_time import deadline_after, is_open


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 10, 6, 7, 29, tzinfo=UTC), False),
        (datetime(2026, 10, 6, 7, 30, tzinfo=UTC), True),  # 08:30 summer time
        (datetime(2026, 10, 6, 16, 29, 59, tzinfo=UTC), True),
        (datetime(2026, 10, 6, 16, 30, tzinfo=UTC), False),
        (datetime(2026, 10, 27, 8, 29, tzinfo=UTC), False),  # winter time
        (datetime(2026, 10, 27, 8, 30, tzinfo=UTC), True),
        (datetime(2026, 10, 10, 10, 0, tzinfo=UTC), False),  # Saturday
        (datetime(2026, 12, 28, 10, 0, tzinfo=UTC), False),  # Boxing Day, substitute
        (datetime(2027, 3, 29, 10, 0, tzinfo=UTC), False),  # Easter Monday
    ],
)
def test_open_in_local_hours_only(northshire: Agreement, at: datetime, *, expected: bool) -> None:
    assert is_open(northshire.terms.hours, at) is expected


def test_working_hours_skip_nights_weekends_and_bank_holidays(northshire: Agreement) -> None:
    hours = northshire.terms.hours
    christmas_eve = datetime(2026, 12, 24, 16, 30, tzinfo=UTC)

    due = deadline_after(hours, christmas_eve, count=2, working=True)

    assert due == datetime(2026, 12, 29, 9, 30, tzinfo=UTC)


def test_elapsed_hours_count_through_the_change_of_the_clocks(northshire: Agreement) -> None:
    before = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)

    due = deadline_after(northshire.terms.hours, before, count=24, working=False)

    assert due == datetime(2026, 10, 25, 20, 0, tzinfo=UTC)


def test_a_clock_started_before_opening_starts_at_opening(northshire: Agreement) -> None:
    early = datetime(2026, 10, 6, 3, 0, tzinfo=UTC)

    due = deadline_after(northshire.terms.hours, early, count=1, working=True)

    assert due == datetime(2026, 10, 6, 8, 30, tzinfo=UTC)

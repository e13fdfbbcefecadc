"""Test the time that a supplier has to acknowledge: without weekends and public holidays."""

from datetime import UTC, datetime, timedelta

import pytest

from models.working_days import Calendar, after_working_time, weekend_of

FRIDAY = datetime(2026, 11, 27, 15, tzinfo=UTC)
"""16:00 in Berlin, 18:00 in Riyadh."""
CASES = [
    # country, weekend, time zone, start, hours: end
    ("DE", "", "UTC", FRIDAY, 8, datetime(2026, 11, 27, 23, tzinfo=UTC)),
    ("DE", "", "UTC", FRIDAY, 9, datetime(2026, 11, 28, tzinfo=UTC)),
    ("DE", "", "UTC", FRIDAY, 10, datetime(2026, 11, 30, 1, tzinfo=UTC)),
    ("DE", "", "UTC", FRIDAY, 48, datetime(2026, 12, 1, 15, tzinfo=UTC)),
    ("DE", "", "Europe/Berlin", FRIDAY, 9, datetime(2026, 11, 30, tzinfo=UTC)),
    ("DE", "none", "UTC", FRIDAY, 48, datetime(2026, 11, 29, 15, tzinfo=UTC)),
    ("SA", "", "Asia/Riyadh", FRIDAY, 1, datetime(2026, 11, 28, 22, tzinfo=UTC)),
    ("SA", "sat sun", "Asia/Riyadh", FRIDAY, 1, datetime(2026, 11, 27, 16, tzinfo=UTC)),
    ("DE", "Fri, Sat", "UTC", FRIDAY, 1, datetime(2026, 11, 29, 1, tzinfo=UTC)),
    ("DE", "", "UTC", FRIDAY + timedelta(days=1), 0, datetime(2026, 11, 30, tzinfo=UTC)),
    ("DE", "", "Europe/Berlin", datetime(2026, 10, 23, 12, tzinfo=UTC), 24, datetime(2026, 10, 26, 13, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(("country", "weekend", "zone", "start", "hours", "end"), CASES)
def test_weekends_do_not_count(
    country: str, weekend: str, zone: str, start: datetime, hours: int, end: datetime
) -> None:
    """The last case is across a change of the clock."""
    calendar = Calendar(timezone=zone, country=country, weekend=weekend)
    assert after_working_time(calendar, country, start, timedelta(hours=hours)) == end


CHRISTMAS = datetime(2026, 12, 24, 12, tzinfo=UTC)
"""A Thursday."""


@pytest.mark.parametrize(
    ("country", "region", "supplier", "start", "end"),
    [
        ("DE", "", "DE", CHRISTMAS, datetime(2026, 12, 28, 12, tzinfo=UTC)),
        ("DE", "", "AE", CHRISTMAS, datetime(2026, 12, 28, 12, tzinfo=UTC)),  # the location's
        ("AE", "", "DE", CHRISTMAS, datetime(2026, 12, 28, 12, tzinfo=UTC)),  # the supplier's
        ("AE", "", "AE", CHRISTMAS, datetime(2026, 12, 25, 12, tzinfo=UTC)),
        ("DE", "BE", "FR", datetime(2027, 3, 5, 12, tzinfo=UTC), datetime(2027, 3, 9, 12, tzinfo=UTC)),
        ("DE", "", "FR", datetime(2027, 3, 5, 12, tzinfo=UTC), datetime(2027, 3, 8, 12, tzinfo=UTC)),
        ("DE", "", "XK", CHRISTMAS, datetime(2026, 12, 28, 12, tzinfo=UTC)),  # none are known
    ],
)  # fmt: skip
def test_public_holidays_of_location_and_supplier_do_not_count(
    country: str, region: str, supplier: str, start: datetime, end: datetime
) -> None:
    """A day to acknowledge. 8 March is a holiday in Berlin only."""
    calendar = Calendar(country=country, region=region)
    assert after_working_time(calendar, supplier, start, timedelta(days=1)) == end


@pytest.mark.parametrize(
    "weekend", ["6", "samstag", "none sat", ",", "mon tue wed thu fri sat sun"]
)
def test_other_words_than_days_are_refused(weekend: str) -> None:
    with pytest.raises(ValueError, match="is not days such as 'fri sat', or 'none'"):
        weekend_of("DE", weekend)

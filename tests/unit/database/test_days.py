"""Days in the company's time zone: midnight, ends of months and years, changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.days import day_at, end_of_period, moment_of, timezone_of

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize(
    ("timezone", "moment", "day"),
    [
        (BERLIN, "2026-10-31T23:30", "2026-11-01"),  # the end of a month
        (BERLIN, "2026-10-31T22:59", "2026-10-31"),
        (BERLIN, "2026-07-31T22:00", "2026-08-01"),  # in summer the day begins at 22:00 UTC
        (BERLIN, "2026-07-31T21:59", "2026-07-31"),
        (BERLIN, "2026-12-31T23:00", "2027-01-01"),  # the end of a year
        (BERLIN, "2026-12-31T22:59", "2026-12-31"),
        (BERLIN, "2026-03-28T23:00", "2026-03-29"),  # clocks go forward
        (BERLIN, "2026-03-29T21:59", "2026-03-29"),
        (BERLIN, "2026-03-29T22:00", "2026-03-30"),
        (BERLIN, "2026-10-24T22:00", "2026-10-25"),  # clocks go back
        (BERLIN, "2026-10-25T22:59", "2026-10-25"),
        (BERLIN, "2026-10-25T23:00", "2026-10-26"),
        (NEW_YORK, "2027-01-01T04:59", "2026-12-31"),
        (NEW_YORK, "2027-01-01T05:00", "2027-01-01"),
        ("Pacific/Kiritimati", "2026-12-31T10:00", "2027-01-01"),
        ("UTC", "2026-12-31T23:59", "2026-12-31"),
    ],
)
def test_day_of_a_moment_is_that_of_the_time_zone(timezone: str, moment: str, day: str) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert day_at(timezone, at) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("timezone", "day", "begins"),
    [
        (BERLIN, "2026-03-29", "2026-03-28T23:00"),
        (BERLIN, "2026-03-30", "2026-03-29T22:00"),  # after 23 hours
        (BERLIN, "2026-10-25", "2026-10-24T22:00"),
        (BERLIN, "2026-10-26", "2026-10-25T23:00"),  # after 25 hours
        ("America/Havana", "2026-03-08", "2026-03-08T05:00"),  # midnight is skipped
        ("America/Havana", "2026-11-01", "2026-11-01T04:00"),  # midnight comes twice
    ],
)
def test_start_of_a_day_is_its_first_moment(timezone: str, day: str, begins: str) -> None:
    start = moment_of(timezone, date.fromisoformat(day))
    assert start == datetime.fromisoformat(begins).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "begin", "seconds", "end"),
    [
        (BERLIN, "2026-11-30T09:00", 7 * 86_400, "2026-12-07T22:59:59"),
        (BERLIN, "2026-11-30T23:30", 7 * 86_400, "2026-12-08T22:59:59"),  # on 1 December there
        (NEW_YORK, "2026-11-30T02:00", 86_400, "2026-12-01T04:59:59"),
        (BERLIN, "2026-10-24T12:00", 86_400, "2026-10-25T22:59:59"),  # after 25 hours
        (BERLIN, "2026-11-30T09:00", 3_600, "2026-11-30T10:00:00"),  # shorter than a day
    ],
)
def test_period_of_days_ends_with_its_last_day(
    timezone: str, begin: str, seconds: int, end: str
) -> None:
    begins, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begin, end))
    assert end_of_period(timezone, begins, timedelta(seconds=seconds)) == ends


ZONES = [BERLIN, NEW_YORK, "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut"]


@given(st.sampled_from(ZONES), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_day_lasts_from_its_start_to_the_next(timezone: str, day: date) -> None:
    start, end = moment_of(timezone, day), moment_of(timezone, day + timedelta(days=1))
    assert day_at(timezone, start) == day == day_at(timezone, end - timedelta(microseconds=1))
    assert day_at(timezone, start - timedelta(microseconds=1)) == day - timedelta(days=1)
    noon = moment_of(timezone, day, time(12))
    assert noon.astimezone(ZoneInfo(timezone)).time() == time(12)


@pytest.mark.parametrize(
    ("timezone", "country", "found"),
    [
        ("", "DE", BERLIN),  # Büsingen's clock shows the same time
        ("", "CY", "Asia/Nicosia"),
        ("", "GB", "Europe/London"),
        ("", "IN", "Asia/Kolkata"),
        ("Atlantic/Canary", "ES", "Atlantic/Canary"),
        ("UTC", "US", "UTC"),
    ],
)
def test_time_zone_is_the_given_one_or_that_of_the_country(
    timezone: str, country: str, found: str
) -> None:
    assert timezone_of(timezone, country) == found


@pytest.mark.parametrize(
    ("timezone", "country", "problem"),
    [
        ("", "US", "timezone: is missing: the clocks of US differ; give one of America/New_York, "),
        ("", "ES", "the clocks of ES differ; give one of Europe/Madrid, Atlantic/Canary"),
        ("", "BV", "timezone: is missing: give an IANA time zone, such as Europe/Berlin or UTC"),
        ("CET+1", "DE", "timezone: 'CET+1' is not an IANA time zone, such as Europe/Berlin"),
    ],
)
def test_missing_or_unknown_time_zone_is_refused_with_a_way_out(
    timezone: str, country: str, problem: str
) -> None:
    with pytest.raises(ValueError, match="timezone: ") as refused:
        timezone_of(timezone, country)
    assert problem in str(refused.value)

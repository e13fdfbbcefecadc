"""Test when goods leave a location: at once, or when its next working day begins."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.working_days import Calendar, check_calendar, hand_over_at, is_working_day


def calendar(
    country: str = "DE", region: str = "", zone: str = "Europe/Berlin", cutoff: time = time(15)
) -> Calendar:
    """Build a calendar, by default in Germany until three o'clock."""
    return Calendar(timezone=zone, cutoff=cutoff, country=country, region=region)


def utc(text: str) -> datetime:
    """Parse a time in UTC such as "2026-03-02 14:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


calendars = st.builds(
    calendar,
    country=st.sampled_from(["", "DE", "US", "JP", "BR", "AZ"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Africa/Cairo"]),
    cutoff=st.times(),
)
seconds = st.integers(int(utc("2020-01-01").timestamp()), int(utc("2030-01-01").timestamp()))
moments = seconds.map(lambda since: datetime.fromtimestamp(since, UTC))


@pytest.mark.parametrize(
    ("ready", "leaves"),
    [
        ("2026-03-02 13:59:59.999999", "2026-03-02 13:59:59.999999"),
        ("2026-03-02 14:00", "2026-03-02 23:00"),
        ("2026-03-02 14:01", "2026-03-02 23:00"),
        ("2026-03-02 22:59", "2026-03-02 23:00"),
        ("2026-03-02 23:00", "2026-03-02 23:00"),
    ],
)
def test_goods_ready_at_cutoff_wait_for_next_working_day(ready: str, leaves: str) -> None:
    """On a Monday in winter, one hour ahead of UTC."""
    assert hand_over_at(calendar(), utc(ready)) == utc(leaves)


@pytest.mark.parametrize("ready", ["2026-03-06 14:00", "2026-03-07 09:00", "2026-03-08 22:59"])
def test_goods_ready_at_weekend_leave_on_monday(ready: str) -> None:
    assert hand_over_at(calendar(), utc(ready)) == utc("2026-03-08 23:00")


@pytest.mark.parametrize(
    ("country", "weekend", "leaves"),
    [
        ("", "fri sat", "2026-03-08 00:00"),
        ("EG", "", "2026-03-08 00:00"),
        ("EG", "sat sun", "2026-03-06 09:00"),
        ("", "none", "2026-03-06 09:00"),
    ],
)
def test_weekend_is_that_of_the_country_or_as_imported(
    country: str, weekend: str, leaves: str
) -> None:
    """Goods are ready on a Friday."""
    location = Calendar(cutoff=time(15), country=country, weekend=weekend)
    assert hand_over_at(location, utc("2026-03-06 09:00")) == utc(leaves)


def test_goods_ready_before_easter_leave_on_tuesday() -> None:
    """After Good Friday, weekend and Easter Monday, in summer time two hours ahead of UTC."""
    assert hand_over_at(calendar(), utc("2026-04-02 13:00")) == utc("2026-04-06 22:00")


@pytest.mark.parametrize(
    ("country", "region", "day", "works"),
    [
        ("DE", "", date(2025, 10, 3), False),  # German Unity Day, a Friday
        ("AT", "", date(2025, 10, 3), True),
        ("", "", date(2025, 10, 3), True),
        ("XX", "", date(2025, 10, 3), True),
        ("DE", "BB", date(2025, 10, 31), False),  # Reformation Day, a Friday
        ("DE", "BE", date(2025, 10, 31), True),
        ("DE", "", date(2025, 10, 31), True),
        ("US", "", date(2026, 7, 3), False),  # Independence Day, observed on the Friday before
        ("", "", date(2026, 3, 6), True),
        ("", "", date(2026, 3, 7), False),
        ("", "", date(2026, 3, 8), False),
        ("", "", date(2026, 3, 9), True),
    ],
)
def test_public_holidays_are_those_of_country_and_region(
    country: str, region: str, day: date, works: bool
) -> None:
    assert is_working_day(calendar(country, region), day) is works


def test_working_day_is_that_of_local_time_zone() -> None:
    """Los Angeles is still on Friday when UTC is on Saturday; Kiritimati is on Saturday when UTC is
    on Friday."""
    west = calendar("US", zone="America/Los_Angeles", cutoff=time(17))
    assert hand_over_at(west, utc("2026-03-06 20:00")) == utc("2026-03-06 20:00")
    assert hand_over_at(west, utc("2026-03-07 00:59")) == utc("2026-03-07 00:59")
    assert hand_over_at(west, utc("2026-03-07 01:00")) == utc("2026-03-09 07:00")
    assert hand_over_at(west, utc("2026-03-09 06:59")) == utc("2026-03-09 07:00")
    east = calendar("", zone="Pacific/Kiritimati")
    assert hand_over_at(east, utc("2026-03-06 10:00")) == utc("2026-03-08 10:00")


@pytest.mark.parametrize(
    ("zone", "ready", "leaves"),
    [
        ("Europe/Berlin", "2026-03-27 15:00", "2026-03-29 22:00"),  # summer begins on Sunday
        ("Europe/Berlin", "2026-10-23 15:00", "2026-10-25 23:00"),  # and ends on Sunday
        ("Africa/Cairo", "2026-04-23 15:00", "2026-04-23 22:00"),  # Friday begins at 1 o'clock
        ("Africa/Cairo", "2026-10-29 15:00", "2026-10-29 22:00"),  # Thursday's last hour came twice
    ],
)
def test_next_working_day_begins_at_local_midnight(zone: str, ready: str, leaves: str) -> None:
    """Also in a night with a change of clocks."""
    assert hand_over_at(calendar("", zone=zone), utc(ready)) == utc(leaves)


def test_cutoff_in_repeated_hour_counts_from_its_first_occurrence() -> None:
    """In Cairo the hour from 23:00 occurs twice on Thursday, 29 October 2026."""
    late = calendar("", zone="Africa/Cairo", cutoff=time(23, 30))
    assert hand_over_at(late, utc("2026-10-29 20:29")) == utc("2026-10-29 20:29")
    assert hand_over_at(late, utc("2026-10-29 20:30")) == utc("2026-10-29 22:00")
    assert hand_over_at(late, utc("2026-10-29 21:15")) == utc("2026-10-29 22:00")


@given(ready=moments)
def test_goods_leave_at_once_without_cutoff(ready: datetime) -> None:
    assert hand_over_at(Calendar(), ready) == ready
    assert hand_over_at(Calendar(country="DE", timezone="Europe/Berlin"), ready) == ready


@given(where=calendars, ready=moments)
def test_goods_leave_on_working_day_not_before_they_are_ready(
    where: Calendar, ready: datetime
) -> None:
    leaves = hand_over_at(where, ready)
    assert leaves >= ready
    assert leaves.tzinfo is UTC
    local = leaves.astimezone(ZoneInfo(where.timezone))
    assert is_working_day(where, local.date())
    before = (leaves - timedelta(microseconds=1)).astimezone(ZoneInfo(where.timezone))
    assert leaves == ready or before.date() < local.date()


@given(where=calendars, ready=moments, later=st.timedeltas(timedelta(), timedelta(days=5)))
def test_goods_ready_later_leave_no_earlier(
    where: Calendar, ready: datetime, later: timedelta
) -> None:
    assert hand_over_at(where, ready + later) >= hand_over_at(where, ready)


@pytest.mark.parametrize(
    ("zone", "cutoff", "country", "region", "message"),
    [
        ("Mars/Base", None, "", "", "timezone: 'Mars/Base' is not an IANA time zone, such as"),
        ("Europe", None, "", "", "timezone: 'Europe' is not"),
        ("", None, "", "", "timezone: '' is not"),
        ("../UTC", None, "", "", r"timezone: '../UTC' is not"),
        ("UTC", time(15, tzinfo=UTC), "", "", "cutoff: 15:00:00.00:00 has an offset"),
        (
            "UTC",
            None,
            "DE",
            "XY",
            "region: 'XY' is not a region of DE: leave it empty, or one of BB, BE",
        ),
        (
            "UTC",
            None,
            "XX",
            "BE",
            "region: 'BE': no regions are known for country 'XX'; leave it empty",
        ),
        ("UTC", None, "", "BE", "region: 'BE': no regions are known for country ''"),
    ],
)
def test_unknown_time_zone_or_region_is_refused_with_field(
    zone: str, cutoff: time | None, country: str, region: str, message: str
) -> None:
    """By the check of imports, and by the calendar itself."""
    with pytest.raises(ValueError, match=f"^{message}"):
        check_calendar(zone, cutoff, country, region)
    with pytest.raises(ValidationError, match=message):
        Calendar(timezone=zone, cutoff=cutoff, country=country, region=region)


def test_time_without_time_zone_is_refused() -> None:
    """Its meaning would depend on the machine."""
    with pytest.raises(ValueError, match="has no time zone"):
        hand_over_at(Calendar(), datetime(2026, 3, 2))  # noqa: DTZ001


def test_calendar_survives_json() -> None:
    berlin = calendar("DE", "BE")
    assert Calendar.model_validate_json(berlin.model_dump_json()) == berlin

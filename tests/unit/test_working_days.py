"""Working days: goods leave at once, or when the next working day begins where they are."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.working_days import (
    MAX_WORKING_DAYS,
    Calendar,
    add_working_days,
    check_calendar,
    hand_over_at,
    is_working_day,
)


def calendar(
    country: str = "DE", region: str = "", zone: str = "Europe/Berlin", cutoff: time = time(15)
) -> Calendar:
    """In Germany until three o'clock, but for what a test says."""
    return Calendar(timezone=zone, cutoff=cutoff, country=country, region=region)


def utc(text: str) -> datetime:
    """A moment such as "2026-03-02 14:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


calendars = st.builds(
    calendar,
    country=st.sampled_from(["", "DE", "US", "JP", "BR", "AZ"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Africa/Cairo"]),
    cutoff=st.times(),
)
seconds = st.integers(int(utc("2020-01-01").timestamp()), int(utc("2030-01-01").timestamp()))
moments = seconds.map(lambda since: datetime.fromtimestamp(since, UTC))
days = st.dates(date(2020, 1, 1), date(2030, 1, 1))


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
def test_goods_ready_at_the_cut_off_wait_for_the_next_morning(ready: str, leaves: str) -> None:
    """A Monday in winter, an hour ahead of UTC."""
    assert hand_over_at(calendar(), utc(ready)) == utc(leaves)


@pytest.mark.parametrize("ready", ["2026-03-06 14:00", "2026-03-07 09:00", "2026-03-08 22:59"])
def test_goods_ready_at_the_weekend_leave_on_monday(ready: str) -> None:
    assert hand_over_at(calendar(), utc(ready)) == utc("2026-03-08 23:00")


def test_goods_ready_before_easter_leave_on_tuesday() -> None:
    """Good Friday, weekend, Easter Monday; from the last Sunday of March on two hours ahead."""
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
def test_public_holidays_are_those_of_the_place(
    country: str, region: str, day: date, works: bool
) -> None:
    assert is_working_day(calendar(country, region), day) is works


def test_the_day_is_that_of_the_place() -> None:
    """In Los Angeles it is Friday noon when it is Friday evening in UTC, and still Friday when
    it is Saturday; in Kiritimati it is Saturday already."""
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
def test_the_next_day_begins_when_it_does_there(zone: str, ready: str, leaves: str) -> None:
    """Also in a night in which clocks are changed."""
    assert hand_over_at(calendar("", zone=zone), utc(ready)) == utc(leaves)


def test_a_cut_off_in_the_hour_that_comes_twice_is_passed_at_its_first() -> None:
    """In Cairo it is 23:00 to 24:00 twice on Thursday, 29 October 2026."""
    late = calendar("", zone="Africa/Cairo", cutoff=time(23, 30))
    assert hand_over_at(late, utc("2026-10-29 20:29")) == utc("2026-10-29 20:29")
    assert hand_over_at(late, utc("2026-10-29 20:30")) == utc("2026-10-29 22:00")
    assert hand_over_at(late, utc("2026-10-29 21:15")) == utc("2026-10-29 22:00")


@given(ready=moments)
def test_where_nobody_closes_goods_leave_at_once(ready: datetime) -> None:
    assert hand_over_at(Calendar(), ready) == ready
    assert hand_over_at(Calendar(country="DE", timezone="Europe/Berlin"), ready) == ready


@given(where=calendars, ready=moments)
def test_goods_leave_on_a_working_day_and_never_before_they_are_ready(
    where: Calendar, ready: datetime
) -> None:
    leaves = hand_over_at(where, ready)
    assert leaves >= ready
    assert leaves.tzinfo is UTC
    local = leaves.astimezone(ZoneInfo(where.timezone))
    assert is_working_day(where, local.date())
    assert leaves == ready or local.time() == time()


@given(where=calendars, ready=moments, later=st.timedeltas(timedelta(), timedelta(days=5)))
def test_goods_that_are_ready_later_never_leave_earlier(
    where: Calendar, ready: datetime, later: timedelta
) -> None:
    assert hand_over_at(where, ready + later) >= hand_over_at(where, ready)


@pytest.mark.parametrize(
    ("n", "day"),
    [
        (0, date(2026, 4, 2)),
        (1, date(2026, 4, 7)),
        (4, date(2026, 4, 10)),
        (5, date(2026, 4, 13)),
    ],
)
def test_working_days_are_counted_across_easter(n: int, day: date) -> None:
    assert add_working_days(calendar(), date(2026, 4, 2), n) == day


def test_where_nobody_closes_every_day_is_a_working_day() -> None:
    assert add_working_days(Calendar(country="DE"), date(2026, 4, 2), 5) == date(2026, 4, 7)


@given(where=calendars, day=days, n=st.integers(1, 40))
def test_so_many_working_days_lie_between(where: Calendar, day: date, n: int) -> None:
    end = add_working_days(where, day, n)
    passed = [day + timedelta(days=k) for k in range(1, (end - day).days + 1)]
    assert sum(is_working_day(where, each) for each in passed) == n
    assert is_working_day(where, end)


@pytest.mark.parametrize("n", [-1, MAX_WORKING_DAYS + 1])
def test_terms_beyond_ten_years_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="not between 0 and 3,650 working days"):
        add_working_days(calendar(), date(2026, 1, 1), n)


@pytest.mark.parametrize(
    ("zone", "cutoff", "country", "region", "said"),
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
def test_what_nobody_knows_is_refused_by_field(
    zone: str, cutoff: time | None, country: str, region: str, said: str
) -> None:
    """By the function that imports call, and by the calendar itself."""
    with pytest.raises(ValueError, match=f"^{said}"):
        check_calendar(zone, cutoff, country, region)
    with pytest.raises(ValidationError, match=said):
        Calendar(timezone=zone, cutoff=cutoff, country=country, region=region)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    """It would be taken for the time of whatever machine asks."""
    with pytest.raises(ValueError, match="has no time zone"):
        hand_over_at(Calendar(), datetime(2026, 3, 2))  # noqa: DTZ001


def test_a_calendar_travels_as_json() -> None:
    there = calendar("DE", "BE")
    assert Calendar.model_validate_json(there.model_dump_json()) == there

"""Working days: when a location hands goods over."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

import holidays
from pydantic import model_validator

from models.base import Payload, at_field

LONGEST_CLOSURE_DAYS = 31
"""Weekends and public holidays that follow on each other are far shorter everywhere: Novruz with
the weekends around it, 12 days, is the longest of 2024 to 2027."""

MAX_WORKING_DAYS = 3_650
"""No term is longer."""

_SATURDAY = 5


class Calendar(Payload):
    """When a location works: Monday to Friday until `cutoff`, but on no public holiday.

    `timezone`: IANA name, such as "Europe/Berlin". `cutoff`: local time from which on goods wait
    for the next working day; None: open always, weekends and holidays too. `country`: ISO 3166
    alpha-2; without one, or of a country that the holidays package doesn't know, no holidays.
    `region`: the country's subdivision as that package names it, such as "BE" for Berlin; without
    one, the holidays of the whole country.

    Where the week ends on another day than Friday, or Saturdays are worked, isn't known here.
    """

    timezone: str = "UTC"
    cutoff: time | None = None
    country: str = ""
    region: str = ""

    @model_validator(mode="after")
    def _known(self) -> Self:
        check_calendar(self.timezone, self.cutoff, self.country, self.region)
        return self


def check_calendar(timezone: str, cutoff: time | None, country: str, region: str) -> None:
    """Raises ValueError, naming the field, for a time zone or region that nobody knows, and for a
    cut-off with an offset of its own."""
    with at_field("timezone"):
        _zone(timezone)
    if cutoff is not None and cutoff.tzinfo is not None:
        raise ValueError(f"cutoff: {cutoff} has an offset; it is local time, such as 15:00")
    with at_field("region"):
        _check_region(country, region)


def is_working_day(calendar: Calendar, day: date) -> bool:
    """Whether the location works on `day`, there."""
    if calendar.cutoff is None:
        return True
    closed = _public_holidays(calendar.country, calendar.region, day.year)
    return day.weekday() < _SATURDAY and day not in closed


def add_working_days(calendar: Calendar, day: date, n: int) -> date:
    """The `n`th working day after `day`; for 0 `day` itself, whatever day it is.

    Raises ValueError below 0 and above MAX_WORKING_DAYS.
    """
    if not 0 <= n <= MAX_WORKING_DAYS:
        raise ValueError(f"{n:,} is not between 0 and {MAX_WORKING_DAYS:,} working days")
    for _ in range(n):
        day = _next_working_day(calendar, day)
    return day


def hand_over_at(calendar: Calendar, ready: datetime) -> datetime:
    """When goods that are `ready` (in UTC, as is the answer) leave the location's hands: at once
    on a working day before the cut-off, else when the next working day begins there.

    Raises ValueError for a `ready` without a time zone.
    """
    if ready.tzinfo is None:
        raise ValueError(f"{ready} has no time zone")
    if calendar.cutoff is None:
        return ready
    zone = _zone(calendar.timezone)
    today = ready.astimezone(zone).date()
    if is_working_day(calendar, today) and ready < _moment(today, calendar.cutoff, zone):
        return ready
    return _moment(_next_working_day(calendar, today), time(), zone)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """In UTC; of a time that comes twice in a night, the first."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _next_working_day(calendar: Calendar, day: date) -> date:
    for days in range(1, LONGEST_CLOSURE_DAYS + 1):
        later = day + timedelta(days=days)
        if is_working_day(calendar, later):
            return later
    raise ValueError(f"no working day in the {LONGEST_CLOSURE_DAYS} days after {day}")


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:  # OSError: "Europe" is a directory
        raise ValueError(
            f"{timezone!r} is not an IANA time zone, such as Europe/Berlin or UTC"
        ) from error


def _check_region(country: str, region: str) -> None:
    if not region:
        return
    known = _regions(country)
    if not known:
        raise ValueError(
            f"{region!r}: no regions are known for country {country!r}; leave it empty"
        )
    if region not in known:
        raise ValueError(
            f"{region!r} is not a region of {country}: leave it empty, or one of {', '.join(known)}"
        )


@lru_cache(maxsize=300)
def _regions(country: str) -> tuple[str, ...]:
    try:
        return tuple(holidays.country_holidays(country).subdivisions)
    except NotImplementedError:
        return ()


@lru_cache(maxsize=2_000)
def _public_holidays(country: str, region: str, year: int) -> frozenset[date]:
    """Kept by year: the package's own objects fill themselves while they are asked, which two
    threads must not do at once."""
    try:
        return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year))
    except NotImplementedError:
        return frozenset()

"""Working days of a location, on which it hands goods over."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Self

import holidays
from pydantic import model_validator

from models.base import Payload, at_field
from models.days import day_at, moment_of, zone_of

LONGEST_CLOSURE_DAYS = 31
"""More than any series of weekends and public holidays: the longest of 2024 to 2027 has 12 days
(Novruz)."""

_SATURDAY = 5


class Calendar(Payload):
    """The working days of a location: Monday to Friday until `cutoff`, except public holidays.

    `timezone`: IANA name, such as "Europe/Berlin". `cutoff`: the local time from which goods wait
    for the next working day; None: always open, also on weekends and holidays. `country`: ISO 3166
    alpha-2; without one, or with one unknown to the holidays package, there are no holidays.
    `region`: a subdivision as that package names it, such as "BE" for Berlin; without one, only the
    holidays of the whole country.

    Weeks that end on other days are not supported.
    """

    timezone: str = "UTC"
    cutoff: time | None = None
    country: str = ""
    region: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_calendar(self.timezone, self.cutoff, self.country, self.region)
        return self


def check_calendar(timezone: str, cutoff: time | None, country: str, region: str) -> None:
    """Check the fields of a calendar.

    Raises ValueError with the field for an unknown time zone or region, or a cutoff with an offset.
    """
    with at_field("timezone"):
        zone_of(timezone)
    if cutoff is not None and cutoff.tzinfo is not None:
        raise ValueError(f"cutoff: {cutoff} has an offset; it is local time, such as 15:00")
    with at_field("region"):
        _check_region(country, region)


def is_working_day(calendar: Calendar, day: date) -> bool:
    """Return whether the location works on `day`, a local date."""
    if calendar.cutoff is None:
        return True
    closed = _public_holidays(calendar.country, calendar.region, day.year)
    return day.weekday() < _SATURDAY and day not in closed


def hand_over_at(calendar: Calendar, ready: datetime) -> datetime:
    """Return the time of handing over, in UTC, for goods that are `ready` at a time in UTC.

    This is at once on a working day before the cutoff, otherwise the local start of the next one.
    Raises ValueError for a time without a time zone.
    """
    if ready.tzinfo is None:
        raise ValueError(f"{ready} has no time zone")
    if calendar.cutoff is None:
        return ready
    zone = calendar.timezone
    today = day_at(zone, ready)
    if is_working_day(calendar, today) and ready < moment_of(zone, today, calendar.cutoff):
        return ready
    return moment_of(zone, _next_working_day(calendar, today))


def _next_working_day(calendar: Calendar, day: date) -> date:
    for days in range(1, LONGEST_CLOSURE_DAYS + 1):
        later = day + timedelta(days=days)
        if is_working_day(calendar, later):
            return later
    raise ValueError(f"no working day in the {LONGEST_CLOSURE_DAYS} days after {day}")


def _check_region(country: str, region: str) -> None:
    if not region:
        return
    regions = _regions(country)
    if not regions:
        raise ValueError(
            f"{region!r}: no regions are known for country {country!r}; leave it empty"
        )
    if region not in regions:
        names = ", ".join(regions)
        raise ValueError(
            f"{region!r} is not a region of {country}: leave it empty, or one of {names}"
        )


@lru_cache(maxsize=300)
def _regions(country: str) -> tuple[str, ...]:
    try:
        return tuple(holidays.country_holidays(country).subdivisions)
    except NotImplementedError:
        return ()


@lru_cache(maxsize=2_000)
def _public_holidays(country: str, region: str, year: int) -> frozenset[date]:
    """List the holidays of a year; cached, as the package's own objects are not thread-safe."""
    try:
        return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year))
    except NotImplementedError:
        return frozenset()

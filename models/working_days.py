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

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NO_WEEKEND = "none"
_SATURDAY_AND_SUNDAY = frozenset((5, 6))


class Calendar(Payload):
    """The working days of a location: all but its weekend and public holidays, until `cutoff`.

    `timezone`: IANA name, such as "Europe/Berlin". `cutoff`: the local time from which goods wait
    for the next working day; None: always open, also on weekends and holidays. `country`: ISO 3166
    alpha-2; without one, or with one unknown to the holidays package, there are no holidays.
    `region`: a subdivision as that package names it, such as "BE" for Berlin; without one, only the
    holidays of the whole country.

    `weekend`: its days, such as "fri sat", or "none"; without any, those of the country.
    """

    timezone: str = "UTC"
    cutoff: time | None = None
    country: str = ""
    region: str = ""
    weekend: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_calendar(self.timezone, self.cutoff, self.country, self.region)
        weekend_of(self.country, self.weekend)
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
    return calendar.cutoff is None or _is_open(calendar, day)


def _is_open(calendar: Calendar, day: date) -> bool:
    closed = _public_holidays(calendar.country, calendar.region, day.year)
    return day.weekday() not in weekend_of(calendar.country, calendar.weekend) and day not in closed


def weekend_of(country: str, weekend: str = "") -> frozenset[int]:
    """Return the days of a weekend, Monday being 0: as given, else those of the country.

    Raises ValueError for other words than days, and for a week without a working day.
    """
    if not weekend:
        return _weekend_of_country(country)
    words = weekend.casefold().replace(",", " ").split()
    if words == [NO_WEEKEND]:
        return frozenset()
    if not words or not set(words) <= set(DAYS) or len(set(words)) == len(DAYS):
        raise ValueError(f"weekend: {weekend!r} is not days such as 'fri sat', or 'none'")
    return frozenset(map(DAYS.index, words))


@lru_cache(maxsize=300)
def _weekend_of_country(country: str) -> frozenset[int]:
    try:
        return frozenset(holidays.country_holidays(country).weekend)
    except NotImplementedError:
        return _SATURDAY_AND_SUNDAY


def after_working_time(
    calendar: Calendar, supplier_country: str, start: datetime, span: timedelta
) -> datetime:
    """Return when a span of time has passed, without weekends and public holidays.

    They are those of the location, whatever its cutoff, and the public holidays of the supplier's
    country.
    """
    left = span
    while True:
        day = day_at(calendar.timezone, start)
        end = moment_of(calendar.timezone, day + timedelta(days=1))
        closed = _public_holidays(supplier_country, "", day.year)
        if _is_open(calendar, day) and day not in closed:
            if start + left <= end:
                return start + left
            left -= end - start
        start = end


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

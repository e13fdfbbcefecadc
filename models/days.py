"""Days: the dates of moments in a time zone, and the moments at which days begin."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from models.base import at_field

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
"""The days to calculate with. Beyond them, days have no calendar in all time zones, and timers no
end. Other programs write 0001-01-01 or 9999-12-31 for an unknown day."""
EXAMPLE = "an IANA time zone, such as Europe/Berlin or UTC"
_COMPARED = tuple(datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(365))
"""The moments at which two clocks of a country show the same time if they are one."""
_LISTED = 8


def zone_of(timezone: str) -> ZoneInfo:
    """Return the time zone of a name. Raises ValueError for an unknown name."""
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:  # OSError: "Europe" is a directory
        raise ValueError(f"{timezone!r} is not {EXAMPLE}") from error


def unless_unknown(day: date | None) -> date | None:
    """Return a reported day; None for one outside of FIRST_DAY and LAST_DAY: it is unknown."""
    return day if day is not None and FIRST_DAY <= day <= LAST_DAY else None


def check_known(day: date) -> date:
    """Return a requested day. Raises ValueError for one outside of FIRST_DAY and LAST_DAY."""
    if unless_unknown(day) is None:
        raise ValueError(f"{day} is not between {FIRST_DAY} and {LAST_DAY}")
    return day


def day_at(timezone: str, moment: datetime) -> date:
    """Return the day of a moment by the calendars of a time zone."""
    return moment.astimezone(zone_of(timezone)).date()


def moment_of(timezone: str, day: date, at: time = time()) -> datetime:
    """Return a local time in UTC, by default the start of its day.

    The first one where clocks are set back; the moment of the change for one that they skip.
    """
    return datetime.combine(day, at, tzinfo=zone_of(timezone)).astimezone(UTC)


def end_of_period(timezone: str, begin: datetime, period: timedelta) -> datetime:
    """Return the end of a period: the last second of its last day, unless it is shorter than a day.

    Who reads "until 7 December" may pay on that day.
    """
    end = begin + period
    if period < timedelta(days=1):
        return end
    return moment_of(timezone, day_at(timezone, end) + timedelta(days=1)) - timedelta(seconds=1)


def timezone_of(timezone: str, country: str) -> str:
    """Check the time zone of a company; without one, return that of its country.

    Raises ValueError, with the field and a way out, for an unknown name, and for none in a country
    whose clocks differ.
    """
    if timezone:
        with at_field("timezone"):
            zone_of(timezone)
        return timezone
    if only := only_timezone(country):
        return only
    names = _timezones(country)
    listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    choice = f"the clocks of {country} differ; give one of {listed}" if names else f"give {EXAMPLE}"
    raise ValueError(f"timezone: is missing: {choice}")


def only_timezone(country: str) -> str | None:
    """Return the time zone of a country; None where its clocks differ."""
    names = _timezones(country)
    return names[0] if len(names) == 1 else None


@lru_cache(maxsize=300)
def _timezones(country: str) -> tuple[str, ...]:
    """List the time zones of a country, without those whose clocks show the time of an earlier one.

    tzdata lists the most important of a country first.
    """
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = (row.split("\t") for row in table.splitlines() if not row.startswith("#"))
    names = (row[2] for row in rows if row[0] == country)
    by_clock: dict[tuple[timedelta | None, ...], str] = {}
    for name in names:
        clock = tuple(moment.astimezone(ZoneInfo(name)).utcoffset() for moment in _COMPARED)
        by_clock.setdefault(clock, name)
    return tuple(by_clock.values())

"""Read the clock; no other module of the simulators does."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with milliseconds; the texts sort chronologically."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")

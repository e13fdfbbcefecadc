"""The only place of the simulators that reads the clock."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds; such texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")

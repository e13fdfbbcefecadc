"""Cover of shortages by goods that are due: matched by date, the oldest promise first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Missing:
    """Units that an order is short of, promised by a day; None: by no day."""

    units: int
    promised_by: date | None = None


@dataclass(frozen=True)
class Due:
    """Units that are due on a day; None: the supplier has named no day."""

    units: int
    expected: date | None = None


def uncovered(missing: Sequence[Missing], due: Sequence[Due], earliest: date | None) -> list[int]:
    """Return, for each shortage, the units that goods due don't cover.

    `missing`: the oldest promise first, as received goods are allocated. `earliest`: the day on
    which a new purchase arrives; None: nothing can be purchased.

    The earliest units cover the oldest promise. Units due after the day promised don't cover it
    where a new purchase arrives earlier: they are left for later promises. Units without a day
    cover: the supplier hasn't answered yet.
    """
    rows = sorted(due, key=lambda one: one.expected or date.max)
    left = [one.units for one in rows]
    result = []
    for shortage in missing:
        units = shortage.units
        for number, row in enumerate(rows):
            if not _is_late(row.expected, shortage.promised_by, earliest):
                taken = min(units, left[number])
                units -= taken
                left[number] -= taken
        result.append(units)
    return result


def first_late(missing: Sequence[Missing], due: Sequence[Due]) -> date | None:
    """Return the first day after a promise on which units are due; None: none are late."""
    promised = min((one.promised_by for one in missing if one.promised_by), default=None)
    if promised is None:
        return None
    days = (one.expected for one in due if one.expected and one.expected > promised)
    return min(days, default=None)


def _is_late(expected: date | None, promised_by: date | None, earliest: date | None) -> bool:
    """Return whether goods arrive after a promise that a new purchase serves earlier."""
    if expected is None or promised_by is None or earliest is None:
        return False
    return expected > promised_by and earliest < expected

"""Services of an order: lines that are billed, and never stocked or delivered by themselves."""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class _Line(Protocol):
    @property
    def line_no(self) -> int: ...

    @property
    def is_goods(self) -> bool: ...

    @property
    def net_minor(self) -> int: ...


Line = TypeVar("Line", bound=_Line)


def services_of(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that are services: billed with the first delivery of the order."""
    return [line for line in lines if not line.is_goods]


def services_net(lines: Sequence[_Line]) -> int:
    """Return the net amount of the services."""
    return sum(line.net_minor for line in services_of(lines))


def is_service_order(lines: Sequence[_Line]) -> bool:
    """Return whether an order has services alone: they are supplied with its invoice."""
    return bool(lines) and not any(line.is_goods for line in lines)

"""Purchasing: states of purchase orders, the reason of a purchase, and landed cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from models.base import Payload
from models.money import PPM_PER_PERCENT, round_half_up, share
from models.offers import Comparison


class PurchaseOrderState(StrEnum):
    """The life of a purchase order."""

    PLANNED = "planned"
    """Collects lines, and isn't sent yet."""
    SENDING = "sending"
    """Being sent: the supplier may have it already."""
    SENT = "sent"
    """The supplier has it, and hasn't acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """The supplier has accepted it."""
    SHIPPED = "shipped"
    """The supplier has reported that the goods are on their way."""
    RECEIVED = "received"
    """All goods are received."""
    INVOICED = "invoiced"
    """All goods are received and invoiced."""
    CLOSED = "closed"
    """Closed by an operator: its due units are no longer expected."""
    REFUSED = "refused"
    """The supplier has declined it."""
    LAPSED = "lapsed"
    """Not acknowledged in time, or without any goods when its time was over."""
    CANCELLED = "cancelled"
    """Withdrawn by us."""

    @property
    def is_open(self) -> bool:
        """Whether its goods are expected: they count as on order, even before it is sent."""
        return self in OPEN_STATES

    @property
    def has_failed(self) -> bool:
        """Whether its goods will not come: its orders need another purchase order."""
        return self in _FAILED

    @property
    def is_over(self) -> bool:
        """Whether it needs no more goods or invoices."""
        over = (PurchaseOrderState.INVOICED, PurchaseOrderState.CLOSED)
        return self in over or self.has_failed


OPEN_STATES = (
    PurchaseOrderState.PLANNED,
    PurchaseOrderState.SENDING,
    PurchaseOrderState.SENT,
    PurchaseOrderState.ACKNOWLEDGED,
    PurchaseOrderState.SHIPPED,
)
_FAILED = (
    PurchaseOrderState.REFUSED,
    PurchaseOrderState.LAPSED,
    PurchaseOrderState.CANCELLED,
)


class Reason(Payload):
    """The reason for a purchase order line at its planning: units, days, and the compared offers.

    `orders` are short of `short` units; `restock` units are added, as the `position` without this
    purchase is at or below the reorder point.
    """

    orders: tuple[str, ...]
    short: int
    restock: int
    position: int
    reorder_point: int | None
    demand_a_day: float | None
    lead_time_days: float | None
    comparison: Comparison

    def in_words(self) -> str:
        """Return the reason as one sentence for an operator."""
        parts = []
        if self.short:
            parts.append(f"{self.short} short for {', '.join(self.orders)}")
        if self.restock:
            parts.append(
                f"{self.restock} to restock (position {self.position}, "
                f"reorder point {self.reorder_point})"
            )
        return f"{' and '.join(parts)}: {self.comparison.reason}"


@dataclass(frozen=True)
class PurchasingPolicy:
    """The configured rules of purchasing.

    `window`: the time for which a purchase order collects lines; `acknowledge_within`: the time a
    supplier has to acknowledge; `receipt_grace`: the delay after which goods are no longer
    expected; `rest`: the time for which a failed supplier isn't asked again; `tolerance_ppm`: the
    accepted excess over the ordered units, in millionths.
    """

    window: timedelta
    acknowledge_within: timedelta
    receipt_grace: timedelta
    rest: timedelta
    tolerance_ppm: int

    def most_units(self, ordered: int) -> int:
        """Return the most units that are received of a line."""
        return ordered + ordered * self.tolerance_ppm // (100 * PPM_PER_PERCENT)


class LandedValue(Payload):
    """The landed value of received goods, in minor units."""

    goods_minor: int
    freight_minor: int
    duty_minor: int

    @property
    def total_minor(self) -> int:
        """The value in stock: goods, freight and duty."""
        return self.goods_minor + self.freight_minor + self.duty_minor


class ArrivedUnits(Payload):
    """The received and the due units of a purchase order line."""

    unit_cost_minor: int
    received: int
    due: int


def freight_of_arrived(freight_minor: int, lines: Sequence[ArrivedUnits]) -> int:
    """Return the part of a purchase order's freight that received goods bear, rounded half up.

    In proportion to value (to units, where all costs are zero) of received and due units. Units
    that will not come bear nothing.
    """

    def weight(line: ArrivedUnits) -> int:
        return line.unit_cost_minor if has_value else 1

    has_value = any((line.received + line.due) * line.unit_cost_minor for line in lines)
    received = sum(line.received * weight(line) for line in lines)
    due = sum(line.due * weight(line) for line in lines)
    return round_half_up(freight_minor * received, received + due) if received else 0


def landed_value(
    received_before: int,
    received_now: int,
    goods_minor_per_unit: int,
    freight_minor: int,
    duty_ppm: int,
) -> LandedValue:
    """Return the value that `received_now` units of a purchase order line add to the stock.

    `freight_minor` is the freight that they bear. Duty is of the goods' value: the duty of all
    units so far, rounded half up, less that of the earlier receipts. So the sum over all receipts
    is exact, in whatever parts the units arrive.
    """

    def duty(units: int) -> int:
        return share(units * goods_minor_per_unit, duty_ppm)

    return LandedValue(
        goods_minor=received_now * goods_minor_per_unit,
        freight_minor=freight_minor,
        duty_minor=duty(received_before + received_now) - duty(received_before),
    )

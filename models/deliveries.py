"""Parts of an order: what a delivery costs, and an order whose rest is never delivered.

The amounts of a part are those of all units invoiced until then, less those invoiced before. So
all parts of a line, and of the tax at a rate, add up to the whole exactly.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.money import share_of_units
from models.pricing import PricedLine, TaxAmount, Totals, total

Units = Mapping[int, int]
"""Units by the number of their line."""


class InvoicedPart(NamedTuple):
    """The lines and amounts of one invoice."""

    lines: tuple[PricedLine, ...]
    taxes: tuple[TaxAmount, ...]

    @property
    def net_minor(self) -> int:
        """The amount without tax."""
        return sum(tax.taxable_minor for tax in self.taxes)

    @property
    def tax_minor(self) -> int:
        """The tax at all rates."""
        return sum(tax.tax_minor for tax in self.taxes)


def units_of_line(line: PricedLine, before: int, units: int) -> PricedLine:
    """Return `units` of a line at their share of its price, after `before` others."""

    def part(amount_minor: int) -> int:
        return share_of_units(amount_minor, before, units, line.quantity)

    changed = {
        "quantity": units,
        "net_minor": part(line.net_minor),
        "order_discount_minor": part(line.order_discount_minor),
        "gross_minor": None if line.gross_minor is None else part(line.gross_minor),
        "gross_discount_minor": part(line.gross_discount_minor),
    }
    return line.model_copy(update=changed)


def totals_of_units(lines: Sequence[PricedLine], units: Units) -> Totals:
    """Return the totals of the first `units` of each line."""
    return total(
        units_of_line(line, 0, units[line.line_no]) for line in lines if units.get(line.line_no)
    )


def part_of_order(lines: Sequence[PricedLine], before: Units, units: Units) -> InvoicedPart:
    """Return the part of an order with `units` of its lines, after those invoiced `before`.

    The tax at a rate is that of all units until then, less that of the units before.
    """
    shown = tuple(
        units_of_line(line, before.get(line.line_no, 0), units[line.line_no])
        for line in lines
        if units.get(line.line_no)
    )
    rates = {line.tax_rate_ppm for line in shown}
    until = {number: before.get(number, 0) + units.get(number, 0) for number in {*before, *units}}
    earlier = {tax.rate_ppm: tax for tax in totals_of_units(lines, before).taxes}
    taxes = []
    for tax in totals_of_units(lines, until).taxes:
        known = earlier.get(tax.rate_ppm)
        if tax.rate_ppm in rates:
            taxes.append(tax.less(known) if known else tax)
    return InvoicedPart(shown, tuple(taxes))


class CancelledUnits(NamedTuple):
    """The units of a line that are cancelled before goods issue.

    `credited` of them were invoiced, so that `net_minor` is credited; the others never are.
    """

    credited: int
    net_minor: int


def cancel_units(
    line: PricedLine, *, invoiced: int, cancelled_before: int, cancelled: int
) -> CancelledUnits:
    """Cancel `cancelled` units of a line, after `cancelled_before` others, none of which left.

    `invoiced` units are on invoices: goods that are sent again after they were lost are invoiced
    with their first delivery. They are credited as far as more is invoiced than can be delivered.
    """
    left_before = line.quantity - cancelled_before
    excess_before = max(0, invoiced - left_before)
    excess = max(0, invoiced - (left_before - cancelled))
    first = invoiced - excess
    net_minor = share_of_units(line.net_minor, first, excess - excess_before, line.quantity)
    return CancelledUnits(credited=excess - excess_before, net_minor=net_minor)

"""Credits of one line of an invoice: of units of it, or of an amount."""

from collections.abc import Sequence

from models.base import Payload
from models.billing import CreditNote, credited_tax, credited_units
from models.money import share_of_units
from models.pricing import PricedLine, TaxAmount


class LineRest(Payload):
    """What earlier credit notes left of a line; `price_minor` has tax if prices include it."""

    units: int
    net_minor: int
    price_minor: int


def find_line(lines: Sequence[PricedLine], line_no: int) -> PricedLine:
    """Find a line of an invoice by its number. Raises ValueError."""
    for line in lines:
        if line.line_no == line_no:
            return line
    known = ", ".join(f"{line.line_no} ({line.sku})" for line in lines)
    raise ValueError(f"line_no: the invoice has no line {line_no}: it has {known}")


def rest_of_line(line: PricedLine, notes: Sequence[CreditNote]) -> LineRest:
    """Return what the credit notes of its invoice left of a line.

    Credits of the whole invoice, or of a rate, are of no line.
    """
    amounts = [part for note in notes if note.line_no == line.line_no for part in note.lines]
    units = [
        part
        for note in notes
        if note.line_no is None
        for part in note.lines
        if (part.line_no, part.sku) == (line.line_no, line.sku)
    ]
    credited = [*amounts, *units]
    return LineRest(
        units=max(0, line.quantity - sum(part.quantity for part in units)),
        net_minor=max(0, line.net_minor - sum(part.net_minor for part in credited)),
        price_minor=max(0, line.price_minor - sum(part.price_minor for part in credited)),
    )


def units_to_credit(line: PricedLine, rest: LineRest, quantity: int | None) -> PricedLine | None:
    """Return units of a line to credit; without `quantity` those that are left.

    Returns None without `quantity` if no units, or a part of their price only, are left. Raises
    ValueError for more than is left.
    """
    wanted = rest.units if quantity is None else quantity
    if wanted > rest.units:
        raise ValueError(f"quantity: only {rest.units} of line {line.line_no} can be credited")
    before = line.quantity - rest.units
    net_minor = share_of_units(line.net_minor, before, wanted, line.quantity)
    if wanted and net_minor <= rest.net_minor:
        return credited_units(line, wanted, net_minor, before=before)
    if quantity is None:
        return None
    raise ValueError(
        f"quantity: a part of the price of line {line.line_no} is credited already: give an amount"
    )


def amount_left(rest: LineRest, line: PricedLine, invoiced: TaxAmount, left: TaxAmount) -> int:
    """Return the amount of a line that can be credited, tax included.

    `invoiced`, `left`: the amounts of its invoice at its rate, and those not credited yet.
    """
    if line.gross_minor is not None:
        return min(rest.price_minor, left.taxable_minor + left.tax_minor)
    net_minor = min(rest.net_minor, left.taxable_minor)
    return net_minor + credited_tax(invoiced, left, net_minor)

"""Amendments: the lines of an order with other quantities, at the prices that were agreed."""

from collections.abc import Mapping, Sequence

from models.money import PPM_PER_PERCENT, share
from models.pricing import PricedLine, discount_order, without_tax

_WHOLE_PPM = 100 * PPM_PER_PERCENT


def amend_lines(
    lines: Sequence[PricedLine],
    quantities: Mapping[str, int],
    added: Sequence[PricedLine],
    discount_ppm: int,
    *,
    used_no: int = 0,
) -> list[PricedLine]:
    """Give lines other quantities by SKU, 0 removes one; append the `added` ones.

    Lines keep their agreed unit price, discount, tax rate and number. The discount of the order is
    that of the new lines. Added lines are numbered after `used_no` too: a number that a removed
    line had is not given to another SKU.
    """
    changed = [
        _with_quantity(line, quantities.get(line.sku, line.quantity))
        for line in lines
        if quantities.get(line.sku) != 0
    ]
    last = max([used_no, *(line.line_no for line in lines)])
    appended = [
        _with_quantity(line, line.quantity).model_copy(update={"line_no": last + number})
        for number, line in enumerate(added, start=1)
    ]
    return discount_order([*changed, *appended], discount_ppm)


def _with_quantity(line: PricedLine, quantity: int) -> PricedLine:
    """Price so many units of a line, before the discount of the order."""
    amount_minor = share(line.unit_price_minor * quantity, _WHOLE_PPM - line.discount_ppm)
    includes_tax = line.gross_minor is not None
    return line.model_copy(
        update={
            "quantity": quantity,
            "net_minor": without_tax(amount_minor, line.tax_rate_ppm)
            if includes_tax
            else amount_minor,
            "gross_minor": amount_minor if includes_tax else None,
            "order_discount_minor": 0,
            "gross_discount_minor": 0,
        }
    )

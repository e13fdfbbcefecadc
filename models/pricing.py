"""Prices of order lines, discounts and totals."""

from collections.abc import Iterable, Mapping, Sequence

from models.base import Payload
from models.customers import TaxTreatment
from models.money import (
    MAX_AMOUNT_MINOR,
    PPM_PER_PERCENT,
    parse_amount,
    parse_percent,
    share,
)
from models.orders import OrderDocument, OrderLine


class ProductPrice(Payload):
    """What the price list says of a SKU."""

    sku: str
    name: str
    unit_price_minor: int
    tax_rate_ppm: int


class PricedLine(Payload):
    """An order line with its price settled; `net_minor` is quantity * unit price less the line's
    discount and its share of the whole order's."""

    line_no: int
    sku: str
    name: str
    quantity: int
    list_price_minor: int
    unit_price_minor: int
    discount_ppm: int
    net_minor: int
    tax_rate_ppm: int
    order_discount_minor: int = 0
    """The line's share of the discount of the whole order."""

    @property
    def before_order_discount_minor(self) -> int:
        """As printed in the line."""
        return self.net_minor + self.order_discount_minor


class TaxAmount(Payload):
    """The tax of one rate over the whole invoice."""

    rate_ppm: int
    taxable_minor: int
    tax_minor: int


class Totals(Payload):
    """What an order comes to, in minor units."""

    net_minor: int
    taxes: tuple[TaxAmount, ...]
    total_minor: int

    @property
    def tax_minor(self) -> int:
        """All rates together."""
        return sum(tax.tax_minor for tax in self.taxes)


def price_line(
    line_no: int, line: OrderLine, product: ProductPrice, currency: str, tax: TaxTreatment
) -> PricedLine:
    """Settle the price of a line: rounded half up once, after the discount."""
    unit_price_minor = (
        product.unit_price_minor
        if line.unit_price is None
        else parse_amount(line.unit_price, currency)
    )
    discount_ppm = 0 if line.discount_percent is None else parse_percent(line.discount_percent)
    gross_minor = unit_price_minor * line.quantity
    return PricedLine(
        line_no=line_no,
        sku=line.sku,
        name=product.name,
        quantity=line.quantity,
        list_price_minor=product.unit_price_minor,
        unit_price_minor=unit_price_minor,
        discount_ppm=discount_ppm,
        net_minor=share(gross_minor, 100 * PPM_PER_PERCENT - discount_ppm),
        tax_rate_ppm=product.tax_rate_ppm if tax is TaxTreatment.STANDARD else 0,
    )


def price_lines(
    document: OrderDocument, products: Mapping[str, ProductPrice], tax: TaxTreatment
) -> list[PricedLine]:
    """Settle the prices of an order. Raises KeyError for a SKU that `products` doesn't have."""
    lines = [
        price_line(number, line, products[line.sku], document.currency, tax)
        for number, line in enumerate(document.lines, start=1)
    ]
    return discount_order(lines, parse_percent(document.discount_percent or "0"))


def discount_order(lines: Sequence[PricedLine], ppm: int) -> list[PricedLine]:
    """Take `ppm` millionths off all lines together: rounded half up once, and spread over them so
    that the shares add up to it exactly (each cumulated, then rounded)."""
    before_minor, taken_minor, discounted = 0, 0, []
    for line in lines:
        before_minor += line.net_minor
        share_minor = share(before_minor, ppm) - taken_minor
        taken_minor += share_minor
        changed = {"net_minor": line.net_minor - share_minor, "order_discount_minor": share_minor}
        discounted.append(line.model_copy(update=changed))
    return discounted


def total(lines: Iterable[PricedLine]) -> Totals:
    """Sum up: tax is computed once per rate over all its lines (2006/112/EC art. 226).

    Raises ValueError where the total is beyond MAX_AMOUNT_MINOR.
    """
    taxable: dict[int, int] = {}
    for line in lines:
        taxable[line.tax_rate_ppm] = taxable.get(line.tax_rate_ppm, 0) + line.net_minor
    taxes = tuple(
        TaxAmount(rate_ppm=rate, taxable_minor=net, tax_minor=share(net, rate))
        for rate, net in sorted(taxable.items())
    )
    net_minor = sum(taxable.values())
    total_minor = net_minor + sum(tax.tax_minor for tax in taxes)
    if total_minor > MAX_AMOUNT_MINOR:
        raise ValueError("the order's total is beyond the largest amount we take")
    return Totals(net_minor=net_minor, taxes=taxes, total_minor=total_minor)

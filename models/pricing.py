"""Prices of order lines, discounts and totals."""

from collections.abc import Iterable, Mapping, Sequence

from models.base import Payload
from models.customers import TaxTreatment
from models.money import MAX_AMOUNT_MINOR, PPM_PER_PERCENT, parse_amount, parse_percent, share
from models.orders import OrderDocument, OrderLine


class ProductPrice(Payload):
    """The entry of a SKU in the price list."""

    sku: str
    name: str
    unit_price_minor: int
    tax_rate_ppm: int


class PricedLine(Payload):
    """An order line with its price.

    `net_minor` is quantity times unit price, less the discount of the line and its share of the
    order's discount.
    """

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
    """The line's share of the order's discount."""

    @property
    def before_order_discount_minor(self) -> int:
        """The net amount as printed in the line."""
        return self.net_minor + self.order_discount_minor


class TaxAmount(Payload):
    """The tax at one rate, of all lines together."""

    rate_ppm: int
    taxable_minor: int
    tax_minor: int


class Totals(Payload):
    """The totals of an order, in minor units."""

    net_minor: int
    taxes: tuple[TaxAmount, ...]
    total_minor: int

    @property
    def tax_minor(self) -> int:
        """The tax at all rates together."""
        return sum(tax.tax_minor for tax in self.taxes)


def price_line(
    line_no: int, line: OrderLine, product: ProductPrice, currency: str, tax: TaxTreatment
) -> PricedLine:
    """Price a line: rounded half up once, after the discount."""
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
    """Price the lines of an order. Raises KeyError for a SKU that is not in `products`."""
    lines = [
        price_line(number, line, products[line.sku], document.currency, tax)
        for number, line in enumerate(document.lines, start=1)
    ]
    return discount_order(lines, parse_percent(document.discount_percent or "0"))


def discount_order(lines: Sequence[PricedLine], ppm: int) -> list[PricedLine]:
    """Apply the order's discount of `ppm` millionths to its lines.

    The discount is rounded half up once. The lines' shares add up to it exactly, as each is the
    difference of two rounded running totals.
    """
    net_minor, discount_minor, discounted = 0, 0, []
    for line in lines:
        net_minor += line.net_minor
        share_minor = share(net_minor, ppm) - discount_minor
        discount_minor += share_minor
        changed = {"net_minor": line.net_minor - share_minor, "order_discount_minor": share_minor}
        discounted.append(line.model_copy(update=changed))
    return discounted


def total(lines: Iterable[PricedLine]) -> Totals:
    """Sum up lines: tax is computed once per rate over all its lines (2006/112/EC art. 226).

    Raises ValueError for a total above MAX_AMOUNT_MINOR.
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
        raise ValueError("the order's total is beyond the largest amount")
    return Totals(net_minor=net_minor, taxes=taxes, total_minor=total_minor)

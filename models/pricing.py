"""Prices of order lines, discounts and totals."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pydantic import Field

from models.base import Payload
from models.money import (
    MAX_AMOUNT_MINOR,
    PPM_PER_PERCENT,
    parse_amount,
    parse_percent,
    round_half_up,
    share,
)
from models.orders import OrderDocument, OrderLine
from models.tax import AS_GOODS, STANDARD_CLASS, ProductKind, TaxCase

_WHOLE_PPM = 100 * PPM_PER_PERCENT


class ProductPrice(Payload):
    """The entry of a SKU in the price list.

    `tax_rate_ppm` is the rate of the company's country, `foreign_rate_ppm` that of the country
    where an order is delivered, if it is known.
    """

    sku: str
    name: str
    unit_price_minor: int
    tax_rate_ppm: int
    tax_class: str = STANDARD_CLASS
    foreign_rate_ppm: int | None = None
    kind: ProductKind = ProductKind.GOODS
    is_sold: bool = True
    is_bought: bool = True

    @property
    def is_incidental(self) -> bool:
        """Whether it is a service that is taxed as the goods that it accompanies (art. 78)."""
        return self.kind is ProductKind.SERVICE and self.tax_class == AS_GOODS


class PriceTerms(Payload):
    """How the prices of an order are taxed, and whether they include the tax.

    `taxed_in`: the country of the tax; None: the company's. `list_includes_tax`: the price list
    includes the tax of the company's country.
    """

    case: TaxCase = TaxCase.DOMESTIC
    taxed_in: str | None = None
    includes_tax: bool = False
    list_includes_tax: bool = False
    service_case: TaxCase | None = None
    """The case of services in an order with goods, unless they only accompany these."""

    def rate_of(self, product: ProductPrice) -> int:
        """Return the tax rate of a product. Raises ValueError if it has none where it is taxed.

        For a service that accompanies goods it is 0: `follow_goods` gives it the rates of these.
        """
        if self.service_case is not None and product.kind is ProductKind.SERVICE:
            is_taxed = self.service_case.is_taxed and not product.is_incidental
            return product.tax_rate_ppm if is_taxed else 0
        if not self.case.is_taxed:
            return 0
        if self.taxed_in is None:
            return product.tax_rate_ppm
        if product.foreign_rate_ppm is None:
            raise ValueError(
                f"there is no tax rate of {self.taxed_in} for the class {product.tax_class!r} of "
                f"{product.sku}: import tax_rates.csv with a row {self.taxed_in},"
                f"{product.tax_class},RATE"
            )
        return product.foreign_rate_ppm

    def list_price(self, product: ProductPrice) -> int:
        """Return the list price as the prices of the order are given, rounded half up.

        A list price that includes tax stays the same at any rate. Where no tax is charged, the tax
        of the company's country is taken out.
        """
        price_minor = product.unit_price_minor
        if self.list_includes_tax and not (self.includes_tax and self.case.is_taxed):
            return without_tax(price_minor, product.tax_rate_ppm)
        if self.includes_tax and not self.list_includes_tax:
            rate_ppm = product.tax_rate_ppm if product.is_incidental else self.rate_of(product)
            return price_minor + share(price_minor, rate_ppm)
        return price_minor


class PricedLine(Payload):
    """An order line with its price.

    `net_minor` is quantity times unit price, less the discount of the line and its share of the
    order's discount, without tax.
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
    order_discount_minor: int = Field(default=0, exclude_if=lambda discount: discount == 0)
    """The line's share of the order's discount, without tax."""
    gross_minor: int | None = Field(default=None, exclude_if=lambda gross: gross is None)
    """The amount with tax, if prices include it; None: they don't."""
    gross_discount_minor: int = Field(default=0, exclude_if=lambda discount: discount == 0)
    """The line's share of the order's discount with tax, if prices include it."""
    kind: ProductKind = Field(
        default=ProductKind.GOODS, exclude_if=lambda kind: kind is ProductKind.GOODS
    )

    @property
    def is_goods(self) -> bool:
        """Whether its units are stocked and delivered."""
        return self.kind is ProductKind.GOODS

    @property
    def price_minor(self) -> int:
        """The amount as its price is given: with tax if prices include it."""
        return self.net_minor if self.gross_minor is None else self.gross_minor

    @property
    def before_order_discount_minor(self) -> int:
        """The net amount before the discount of the whole order."""
        return self.net_minor + self.order_discount_minor

    @property
    def shown_minor(self) -> int:
        """The amount as printed in the line: before the order's discount, with tax if prices
        include it."""
        if self.gross_minor is None:
            return self.before_order_discount_minor
        return self.gross_minor + self.gross_discount_minor


class TaxAmount(Payload):
    """The tax at one rate, of all lines together."""

    rate_ppm: int
    taxable_minor: int
    tax_minor: int

    def less(self, other: "TaxAmount") -> "TaxAmount":
        """Return what is left of it without `other`, of the same rate."""
        return TaxAmount(
            rate_ppm=self.rate_ppm,
            taxable_minor=self.taxable_minor - other.taxable_minor,
            tax_minor=self.tax_minor - other.tax_minor,
        )


class Totals(Payload):
    """The totals of an order, in minor units."""

    net_minor: int
    taxes: tuple[TaxAmount, ...]
    total_minor: int

    @property
    def tax_minor(self) -> int:
        """The tax at all rates together."""
        return sum(tax.tax_minor for tax in self.taxes)


def without_tax(gross_minor: int, rate_ppm: int) -> int:
    """Take the tax out of an amount that includes it: the net amount, rounded half up."""
    return round_half_up(gross_minor * _WHOLE_PPM, _WHOLE_PPM + rate_ppm)


def price_line(
    line_no: int, line: OrderLine, product: ProductPrice, currency: str, terms: PriceTerms
) -> PricedLine:
    """Price a line: rounded half up once, after the discount."""
    list_price_minor = terms.list_price(product)
    unit_price_minor = (
        list_price_minor if line.unit_price is None else parse_amount(line.unit_price, currency)
    )
    discount_ppm = 0 if line.discount_percent is None else parse_percent(line.discount_percent)
    amount_minor = share(unit_price_minor * line.quantity, _WHOLE_PPM - discount_ppm)
    rate_ppm = terms.rate_of(product)
    return PricedLine(
        line_no=line_no,
        sku=line.sku,
        name=product.name,
        quantity=line.quantity,
        list_price_minor=list_price_minor,
        unit_price_minor=unit_price_minor,
        discount_ppm=discount_ppm,
        net_minor=without_tax(amount_minor, rate_ppm) if terms.includes_tax else amount_minor,
        tax_rate_ppm=rate_ppm,
        gross_minor=amount_minor if terms.includes_tax else None,
        kind=product.kind,
    )


def price_lines(
    document: OrderDocument, products: Mapping[str, ProductPrice], terms: PriceTerms
) -> list[PricedLine]:
    """Price the lines of an order.

    Raises KeyError for a SKU that is not in `products`, ValueError for a product without a tax rate
    where it is taxed.
    """
    lines = [
        price_line(number, line, products[line.sku], document.currency, terms)
        for number, line in enumerate(document.lines, start=1)
    ]
    incidental = {line.line_no for line in lines if products[line.sku].is_incidental}
    lines = follow_goods(lines, incidental)
    return discount_order(lines, parse_percent(document.discount_percent or "0"))


def follow_goods(lines: Sequence[PricedLine], incidental: Collection[int]) -> list[PricedLine]:
    """Give lines the tax rates of the goods that they accompany (2006/112/EC art. 78).

    `incidental`: the numbers of these lines.
    Where goods have several rates, such a line is split by the price of the goods at each. The
    first part keeps its number, the others come last. Without goods, the lines keep their rates.
    """
    by_rate: dict[int, int] = {}
    for line in lines:
        if line.is_goods:
            rate_ppm = line.tax_rate_ppm
            by_rate[rate_ppm] = by_rate.get(rate_ppm, 0) + line.price_minor
    if not by_rate or not incidental:
        return list(lines)
    followed, added = [], []
    for line in lines:
        if line.line_no not in incidental:
            followed.append(line)
            continue
        first, *others = _at_rates(line, by_rate)
        followed.append(first)
        added += others
    last = max(line.line_no for line in lines)
    return followed + [
        part.model_copy(update={"line_no": last + number}) for number, part in enumerate(added, 1)
    ]


def _at_rates(line: PricedLine, by_rate: Mapping[int, int]) -> list[PricedLine]:
    """Split a line over tax rates in proportion to `by_rate`; a part is one unit, without its
    discount. A single part keeps units and discount."""
    rates = sorted(by_rate)
    prices_minor = split_in_proportion(line.price_minor, [by_rate[rate] for rate in rates])
    parts = dict(zip(rates, prices_minor, strict=True))
    taken = {rate: minor for rate, minor in parts.items() if minor} or {min(by_rate): 0}
    if len(taken) == 1:
        return [_at_rate(line, next(iter(taken)), line.price_minor)]
    name = line.name if line.quantity == 1 else f"{line.quantity} x {line.name}"
    one = line.model_copy(update={"discount_ppm": 0, "quantity": 1, "name": name})
    return [
        _at_rate(one, rate, minor).model_copy(
            update={"unit_price_minor": minor, "list_price_minor": minor}
        )
        for rate, minor in taken.items()
    ]


def _at_rate(line: PricedLine, rate_ppm: int, price_minor: int) -> PricedLine:
    if line.gross_minor is None:
        return line.model_copy(update={"tax_rate_ppm": rate_ppm, "net_minor": price_minor})
    changed = {
        "tax_rate_ppm": rate_ppm,
        "net_minor": without_tax(price_minor, rate_ppm),
        "gross_minor": price_minor,
    }
    return line.model_copy(update=changed)


def split_in_proportion(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to weights: each part is the difference of two rounded running
    totals, so that they add up to it. Without any weight, the first part is all of it."""
    whole, until, taken_minor, parts = sum(weights), 0, 0, []
    if not whole:
        return [amount_minor, *(0 for _ in weights[1:])]
    for weight in weights:
        until += weight
        part_minor = round_half_up(amount_minor * until, whole) - taken_minor
        taken_minor += part_minor
        parts.append(part_minor)
    return parts


def discount_order(lines: Sequence[PricedLine], ppm: int) -> list[PricedLine]:
    """Apply the order's discount of `ppm` millionths to its lines.

    The discount is rounded half up once. The lines' shares add up to it exactly, as each is the
    difference of two rounded running totals. Where prices include tax, it is taken out of the lines
    in the same way: at each rate, net amounts add up to the net of the whole.
    """
    amount_minor, discount_minor, discounted = 0, 0, []
    before, after = NetAmounts(), NetAmounts()
    for line in lines:
        undiscounted_minor = line.net_minor if line.gross_minor is None else line.gross_minor
        amount_minor += undiscounted_minor
        share_minor = share(amount_minor, ppm) - discount_minor
        discount_minor += share_minor
        left_minor = undiscounted_minor - share_minor
        if line.gross_minor is None:
            changed = {"net_minor": left_minor, "order_discount_minor": share_minor}
        else:
            net_minor = after.take(left_minor, line.tax_rate_ppm)
            net_before_minor = before.take(undiscounted_minor, line.tax_rate_ppm)
            changed = {
                "net_minor": net_minor,
                "order_discount_minor": net_before_minor - net_minor,
                "gross_minor": left_minor,
                "gross_discount_minor": share_minor,
            }
        discounted.append(line.model_copy(update=changed))
    return discounted


class NetAmounts:
    """Net amounts of lines with tax: the differences of rounded running totals at each rate."""

    def __init__(self) -> None:
        self._gross_minor: dict[int, int] = {}

    def take(self, gross_minor: int, rate_ppm: int) -> int:
        """Return the net amount of the next line."""
        before_minor = self._gross_minor.get(rate_ppm, 0)
        self._gross_minor[rate_ppm] = before_minor + gross_minor
        until_minor = without_tax(before_minor + gross_minor, rate_ppm)
        return until_minor - without_tax(before_minor, rate_ppm)


def total(lines: Iterable[PricedLine]) -> Totals:
    """Sum up lines: tax is computed once per rate over all its lines (2006/112/EC art. 226).

    Where prices include tax, it is the difference of gross and net, so that the total is the sum of
    the prices. Raises ValueError for a total above MAX_AMOUNT_MINOR.
    """
    taxable: dict[int, int] = {}
    untaxed: dict[int, int] = {}
    included: dict[int, int] = {}
    for line in lines:
        rate, net = line.tax_rate_ppm, line.net_minor
        taxable[rate] = taxable.get(rate, 0) + net
        if line.gross_minor is None:
            untaxed[rate] = untaxed.get(rate, 0) + net
        else:
            included[rate] = included.get(rate, 0) + line.gross_minor - net
    taxes = tuple(
        TaxAmount(
            rate_ppm=rate,
            taxable_minor=net,
            tax_minor=share(untaxed.get(rate, 0), rate) + included.get(rate, 0),
        )
        for rate, net in sorted(taxable.items())
    )
    net_minor = sum(taxable.values())
    total_minor = net_minor + sum(tax.tax_minor for tax in taxes)
    if total_minor > MAX_AMOUNT_MINOR:
        raise ValueError("the order's total is beyond the largest amount")
    return Totals(net_minor=net_minor, taxes=taxes, total_minor=total_minor)

"""Billing rules: invoices, credit notes, balances, payments and refunds."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field

from models.base import Payload
from models.customers import Address
from models.money import (
    PPM_PER_PERCENT,
    decimals,
    parse_amount,
    round_half_up,
    share,
    share_of_units,
)
from models.orders import Terms
from models.pricing import PricedLine, TaxAmount
from models.tax import TaxCase

NET_DAYS = 30


class Seller(Payload):
    """Our company as printed on documents."""

    legal_entity: str
    name: str
    street: str
    line2: str = ""
    city: str
    region: str = ""
    postal_code: str
    country: str
    vat_id: str
    iban: str
    tax_number: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    trading_name: str = Field(default="", exclude_if=lambda name: not name)


class OnAccount(Payload):
    """A payment before the invoice, with the tax that fell due with it (2006/112/EC art. 65)."""

    payment_id: str
    received_on: date
    amount_minor: int
    tax_minor: int


class Bill(Payload):
    """The common part of invoices and credit notes, complete for an unchanged reprint.

    The amounts of a credit note are the credited amounts, above zero.
    """

    number: str
    order_id: str
    issued_on: date
    seller: Seller
    customer_id: str
    customer_name: str
    customer_company: str = Field(default="", exclude_if=lambda company: not company)
    """The company of the customer, if the name is that of a contact in it."""
    customer_vat_id: str
    customer_email: str = ""
    customer_reference: str = ""
    bill_to: Address | None
    """None: a sale at the counter to a customer without an address."""
    ship_to: Address
    language: str
    tax_case: TaxCase
    prices_include_tax: bool = False
    """Whether the prices of the lines include the tax, so that it is taken out of their sum."""
    currency: str
    discount_ppm: int = 0
    """The discount of the whole order; each line has its share as `order_discount_minor`."""
    lines: tuple[PricedLine, ...]
    taxes: tuple[TaxAmount, ...]
    net_minor: int
    total_minor: int
    ordered_on: date | None = None
    """The day from which the goods may be supplied."""
    supply_by: date | None = None
    """The promised date of dispatch: the supply is after the invoice (art. 226 (7))."""
    supplied_on: date | None = None
    """The day on which the goods left, if they left before the invoice."""

    @property
    def buyer_name(self) -> str:
        """The full name of the customer (art. 226 (5)): of the company, if there is one."""
        return self.customer_company or self.customer_name

    @property
    def tax_minor(self) -> int:
        """The tax of all rates."""
        return self.total_minor - self.net_minor

    @property
    def discount_minor(self) -> int:
        """The amount of the discount of the whole order."""
        return sum(line.order_discount_minor for line in self.lines)


class Invoice(Bill):
    """An invoice as issued."""

    due_on: date | None
    """None: paid in full when issued."""
    terms: Terms
    paid_minor: int
    on_account: tuple[OnAccount, ...] = ()
    """The payments before the invoice whose tax fell due with them; part of `paid_minor`."""
    waived_minor: int = 0
    """The underpayment within the tolerance, which is not claimed."""

    @property
    def due_minor(self) -> int:
        """The amount still to be paid; never below zero."""
        return max(0, self.total_minor - self.paid_minor - self.waived_minor)


class CreditNote(Bill):
    """The reversal of an invoice or of a part of it."""

    invoice_number: str
    invoice_issued_on: date
    reason: str
    line_no: int | None = Field(default=None, exclude_if=lambda line_no: line_no is None)
    """The line of the invoice of which an amount is credited; None: units, or any part."""
    refund_minor: int
    """The paid part that is refunded."""
    kept_minor: int
    """The paid part that remains as the customer's credit."""

    @property
    def due_reduction_minor(self) -> int:
        """The unpaid part, which lowers the amount due."""
        return self.total_minor - self.refund_minor - self.kept_minor


def due_date(terms: Terms, issued_on: date) -> date | None:
    """Return the due date of an invoice; None without credit terms, as it is paid when issued."""
    return issued_on + timedelta(days=NET_DAYS) if terms.on_credit else None


INVOICE_NUMBER = re.compile(r"INV-\d{4,}-\d{6,}")
"""The form of an invoice's number."""


def invoice_number(year: int, sequence: int) -> str:
    """Format the number of an invoice: `INV-2026-000001`, one gapless series a year."""
    return f"INV-{year}-{sequence:06d}"


def issue_order(number: str) -> tuple[int, ...]:
    """Return the key by which the numbers of invoices are sorted: year and number."""
    return tuple(int(part) for part in number.split("-")[1:])


def credit_note_number(year: int, sequence: int) -> str:
    """Format the number of a credit note: `CN-2026-000001`, in a series of its own."""
    return f"CN-{year}-{sequence:06d}"


class InvoiceAt(StrEnum):
    """When an order on credit is invoiced."""

    GOODS_ISSUE = "goods_issue"
    """Each delivery, when its goods are issued."""
    ACCEPTANCE = "acceptance"
    """The whole order, before its goods leave."""


class DunningLevel(Payload):
    """A reminder, `days` after the due date; `fee` is a decimal string."""

    days: int
    fee: str = "0"


class BillingRules(Payload):
    """The configured rules of billing.

    `tax_on_account`: tax falls due with payments before the invoice (2006/112/EC art. 65), not only
    with the invoice. `tolerance`: the accepted underpayment, a decimal string.
    `bad_debt_relief`: tax on written-off amounts is owed no longer (art. 90). `invoice_at`: when
    orders on credit are invoiced that are accepted from now on.
    """

    tax_on_account: bool = True
    tolerance: str = "0"
    bad_debt_relief: bool = True
    dunning: tuple[DunningLevel, ...] = ()
    invoice_at: InvoiceAt = InvoiceAt.GOODS_ISSUE

    def tolerance_minor(self, currency: str) -> int:
        """Return the tolerance in minor units of a currency, rounded down."""
        return minor_units(self.tolerance, currency)

    def on_account_minor(self, paid_minor: int, total_minor: int, tax_minor: int) -> int:
        """Return the tax in payments before the invoice: its share, rounded half up."""
        if not self.tax_on_account or not total_minor:
            return 0
        return round_half_up(tax_minor * min(paid_minor, total_minor), total_minor)


def minor_units(amount: str, currency: str) -> int:
    """Convert a configured amount to minor units of a currency, rounded down."""
    return int(Decimal(amount).scaleb(decimals(currency)))


AUTHORISATION_LAPSED = "authorisation_lapsed"
"""The code of a refused capture whose authorisation has lapsed."""


def amount_problem(
    text: str | None, currency: str | None, field: str, *, least: int | None
) -> str | None:
    """Check an amount of at least `least` minor units (0 or 1; None: any); None: it is valid."""
    if not text:
        return f"{field}: missing"
    if not currency:
        return "currency: missing"
    try:
        amount_minor = parse_amount(text, currency)
    except ValueError as error:
        return f"{field}: {error}"
    if least is None or amount_minor >= least:
        return None
    return f"{field}: {text} is {'not above' if least else 'below'} zero"


class Balance(Payload):
    """The sums of an order's money in minor units, as the columns of its row.

    `invoiced_minor`, `invoiced_tax_minor`: the sums of its invoices. `cancelled`: it is (being)
    cancelled, so that all its money is refunded.
    """

    total_minor: int
    tax_minor: int
    paid_minor: int = 0
    deposit_minor: int = 0
    refunded_minor: int = 0
    fees_minor: int = 0
    credited_minor: int = 0
    payable_minor: int = 0
    forgiven_minor: int = 0
    reclaimed_minor: int = 0
    taxed_minor: int = 0
    invoiced_minor: int = 0
    invoiced_tax_minor: int = 0
    cancelled: bool = False

    @property
    def invoiced(self) -> bool:
        """Whether a part of the order is invoiced, or nothing of it costs anything."""
        return self.invoiced_minor > 0 or not self.total_minor

    @property
    def uninvoiced_minor(self) -> int:
        """The part of the total that is not invoiced yet."""
        return max(0, self.total_minor - self.invoiced_minor)

    @property
    def charges_minor(self) -> int:
        """The amounts due in addition to the total; may be below zero.

        Fees and reclaimed refunds, less unpaid credits and written-off amounts.
        """
        added_minor = self.fees_minor + self.reclaimed_minor
        return added_minor - self.credited_minor + self.payable_minor - self.forgiven_minor

    @property
    def due_minor(self) -> int:
        """The amount that the customer still has to pay."""
        return max(0, self.total_minor + self.charges_minor - self.paid_minor)

    @property
    def receivable_minor(self) -> int:
        """The balance of Accounts receivable: without an invoice only reclaimed refunds."""
        if self.invoiced:
            return max(0, self.invoiced_minor + self.charges_minor - self.paid_minor)
        return max(0, self.reclaimed_minor - self.forgiven_minor)

    @property
    def advance_minor(self) -> int:
        """The payments on account: what was paid of the part that is not invoiced yet."""
        claimed_minor = self.invoiced_minor + self.charges_minor if self.invoiced else 0
        return max(0, min(self.paid_minor - claimed_minor, self.uninvoiced_minor))

    @property
    def owed_minor(self) -> int:
        """The amount that we owe the customer, without refunds already requested."""
        gross_minor = self.payable_minor
        if self.cancelled:  # all of its money, also that of a reversed payment already credited
            gross_minor = max(gross_minor, self.paid_minor)
        return max(0, gross_minor + self.deposit_minor - self.refunded_minor)

    @property
    def owed_payable_minor(self) -> int:
        """The part of `owed_minor` from credit notes, which is refunded first."""
        return min(self.owed_minor, max(0, self.payable_minor - self.refunded_minor))


def relieved_tax(
    balance: Balance, lost_minor: int, *, credited_tax_minor: int, relieved_minor: int
) -> int:
    """Return the tax in `lost_minor` of the receivable, rounded half up (2006/112/EC art. 90).

    It is the share of the uncredited goods, and never more than the tax still owed. Fees and
    reclaimed refunds carry no tax and are lost first.
    """
    without_tax_minor = balance.fees_minor + balance.reclaimed_minor
    goods_minor = max(0, lost_minor - without_tax_minor)
    uncredited_minor = balance.invoiced_minor - balance.credited_minor
    tax_minor = balance.invoiced_tax_minor - credited_tax_minor
    if not balance.invoiced or uncredited_minor <= 0:
        return 0
    share_minor = round_half_up(tax_minor * min(goods_minor, uncredited_minor), uncredited_minor)
    return max(0, min(share_minor, tax_minor - relieved_minor))


class SplitReversal(Payload):
    """A reversed payment, split into the amounts that it reduces."""

    deposit_minor: int
    payable_minor: int
    due_again_minor: int


def split_reversal(balance: Balance, amount_minor: int) -> SplitReversal:
    """Split a reversal: deposits first, then open credit notes; the rest is due again."""
    payable_minor = balance.owed_payable_minor
    deposit_minor = min(amount_minor, balance.owed_minor - payable_minor)
    payable_minor = min(amount_minor - deposit_minor, payable_minor)
    return SplitReversal(
        deposit_minor=deposit_minor,
        payable_minor=payable_minor,
        due_again_minor=amount_minor - deposit_minor - payable_minor,
    )


def credited_units(
    line: PricedLine, quantity: int, net_minor: int, *, before: int = 0
) -> PricedLine:
    """Return `quantity` units of a line, credited for `net_minor`, after `before` others.

    Where prices include tax, the units are credited for their share of the price with tax.
    """
    gross_minor = line.gross_minor
    if gross_minor is not None:
        gross_minor = share_of_units(gross_minor, before, quantity, line.quantity)
    return _credited(line, quantity, net_minor, gross_minor)


def credited_percent(line: PricedLine, percent: int) -> PricedLine:
    """Return a line, credited for `percent` of its price."""
    gross_minor = line.gross_minor
    if gross_minor is not None:
        gross_minor = round_half_up(gross_minor * percent, 100)
    net_minor = round_half_up(line.net_minor * percent, 100)
    return _credited(line, line.quantity, net_minor, gross_minor)


def _credited(
    line: PricedLine, quantity: int, net_minor: int, gross_minor: int | None
) -> PricedLine:
    """Change quantity and amount; the discounts of the line and of the order become one."""
    full_minor = quantity * line.unit_price_minor
    off_minor = max(0, full_minor - (net_minor if gross_minor is None else gross_minor))
    off_ppm = round_half_up(100 * PPM_PER_PERCENT * off_minor, full_minor) if full_minor else 0
    changed = {
        "quantity": quantity,
        "net_minor": net_minor,
        "discount_ppm": off_ppm,
        "order_discount_minor": 0,
        "gross_minor": gross_minor,
        "gross_discount_minor": 0,
    }
    return line.model_copy(update=changed)


def fit_gross(lines: Sequence[PricedLine], taxes: Sequence[TaxAmount]) -> tuple[PricedLine, ...]:
    """Fit lines with tax to the tax that is left to credit: the last one at a rate takes the
    difference.

    Lines without tax are unchanged.
    """
    left = {tax.rate_ppm: tax.taxable_minor + tax.tax_minor for tax in taxes}
    for line in lines:
        left[line.tax_rate_ppm] = left.get(line.tax_rate_ppm, 0) - (line.gross_minor or 0)
    fitted = []
    for line in reversed(lines):
        gross_minor = line.gross_minor
        if gross_minor is not None:
            gross_minor += left.pop(line.tax_rate_ppm, 0)
        fitted.append(line.model_copy(update={"gross_minor": gross_minor}))
    return tuple(reversed(fitted))


def credited_tax(invoiced: TaxAmount, left: TaxAmount, net_minor: int) -> int:
    """Return the tax of a credit of `net_minor` at a rate, of which `left` is not credited yet.

    It is the tax of all credited so far less that of earlier credit notes. So each credit note has
    the tax of its own net amount, rounded up or down, and all together have that of the invoice.
    """
    if net_minor == left.taxable_minor:
        return left.tax_minor
    before_minor = invoiced.taxable_minor - left.taxable_minor
    until_minor = share(before_minor + net_minor, invoiced.rate_ppm)
    return max(0, min(until_minor - (invoiced.tax_minor - left.tax_minor), left.tax_minor))


def split_credit(
    invoiced: Sequence[TaxAmount], left: Sequence[TaxAmount], amount_minor: int
) -> tuple[TaxAmount, ...]:
    """Split a credit of `amount_minor`, tax included, over the uncredited amounts by rate.

    `invoiced`, `left`: the amounts of the invoice and those not credited yet, of the same rates.
    Each rate gets its cumulated share, rounded half up. So no amount is below zero, and the last
    credit note takes exactly the rest. Raises ValueError for more than is left.
    """
    total_minor = sum(tax.taxable_minor + tax.tax_minor for tax in left)
    if not 0 < amount_minor <= total_minor:
        raise ValueError("is more than is left of the invoice")
    parts, before_minor, taken_minor = [], 0, 0
    for of_invoice, rest in zip(invoiced, left, strict=True):
        before_minor += rest.taxable_minor + rest.tax_minor
        part_minor = round_half_up(amount_minor * before_minor, total_minor) - taken_minor
        taken_minor += part_minor
        net_minor = _net_of(of_invoice, rest, part_minor)
        part = {"taxable_minor": net_minor, "tax_minor": part_minor - net_minor}
        if part_minor:
            parts.append(rest.model_copy(update=part))
    return tuple(parts)


def _net_of(invoiced: TaxAmount, left: TaxAmount, part_minor: int) -> int:
    """Take the tax out of a credit: the net amount whose tax makes it up, or comes nearest to it.

    Some amounts, such as 9.99 at 19 %, are the sum of no net amount and its tax.
    """
    least_minor = max(0, part_minor - left.tax_minor)
    most_minor = min(part_minor, left.taxable_minor)
    rate = 100 * PPM_PER_PERCENT + left.rate_ppm
    near_minor = round_half_up(part_minor * 100 * PPM_PER_PERCENT, rate)
    near_minor = max(least_minor, min(near_minor, most_minor))
    candidates = range(max(least_minor, near_minor - 2), min(most_minor, near_minor + 2) + 1)
    return min(
        candidates,
        key=lambda net: (
            abs(net + credited_tax(invoiced, left, net) - part_minor),
            abs(net - near_minor),
        ),
    )


class AuthorisationState(StrEnum):
    """The life of a card's authorisation."""

    LIVE = "live"
    CAPTURED = "captured"
    EXPIRED = "expired"
    VOIDED = "voided"


MORE_THAN_DUE = "more than was due"
"""The reason of an unmatched payment of which a part is a deposit."""
BEING_REFUNDED = "it is being refunded"
"""The reason of an unmatched payment that can no longer be assigned."""


def reinstates(
    preference: Literal["refund", "reallocate"],
    *,
    expired: bool,
    invoiced: bool,
    owed_minor: int,
    reclaimed_minor: int,
    received_minor: int,
    total_minor: int,
) -> bool:
    """Decide whether a late payment reinstates its cancelled order; otherwise it is refunded.

    `expired`: cancelled by its payment deadline, not by an operator. `invoiced`: it has an invoice,
    which was credited. `owed_minor`: earlier payments that are to be refunded.
    `reclaimed_minor`: refunded payments that were reversed as well, and are due.
    """
    settled = not invoiced and not owed_minor and not reclaimed_minor
    return preference == "reallocate" and expired and settled and received_minor >= total_minor

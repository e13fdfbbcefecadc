"""Invoices and payments: what a bill says, and where received money goes."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from models.base import Payload
from models.customers import Address, TaxTreatment
from models.money import PPM_PER_PERCENT, decimals, parse_amount, round_half_up
from models.orders import Terms
from models.pricing import PricedLine, TaxAmount

NET_DAYS = 30


class Seller(Payload):
    """Our company, as printed."""

    legal_entity: str
    name: str
    street: str
    city: str
    postal_code: str
    country: str
    vat_id: str
    iban: str


class OnAccount(Payload):
    """A payment before the invoice, with the tax that fell due on it (2006/112/EC art. 65)."""

    payment_id: str
    received_on: date
    amount_minor: int
    tax_minor: int


class Bill(Payload):
    """What invoice and credit note have in common: complete in itself, so that it can be printed
    again unchanged. Of a credit note the amounts are what is credited, above zero."""

    number: str
    order_id: str
    issued_on: date
    seller: Seller
    customer_id: str
    customer_name: str
    customer_vat_id: str
    bill_to: Address
    ship_to: Address
    language: str
    tax_treatment: TaxTreatment
    currency: str
    discount_ppm: int = 0
    """Of the whole order; each line's share of it is its `order_discount_minor`."""
    lines: tuple[PricedLine, ...]
    taxes: tuple[TaxAmount, ...]
    net_minor: int
    total_minor: int

    @property
    def tax_minor(self) -> int:
        """All rates together."""
        return self.total_minor - self.net_minor

    @property
    def discount_minor(self) -> int:
        """What the discount of the whole order comes to."""
        return sum(line.order_discount_minor for line in self.lines)


class Invoice(Bill):
    """A bill as issued."""

    due_on: date | None
    """None: paid in full when it was issued."""
    terms: Terms
    paid_minor: int
    on_account: tuple[OnAccount, ...] = ()
    """What came before the invoice, the tax of which was due then; part of `paid_minor`."""
    waived_minor: int = 0
    """What was missing of the payment and is too little to ask for."""
    supply_by: date | None = None
    """By when the goods are to leave: they are supplied after the invoice (art. 226 (7))."""

    @property
    def due_minor(self) -> int:
        """What is still to be paid; never below zero."""
        return max(0, self.total_minor - self.paid_minor - self.waived_minor)


class CreditNote(Bill):
    """The reversal of an invoice, or of a part of it."""

    invoice_number: str
    invoice_issued_on: date
    reason: str
    refund_minor: int
    """What is given back."""
    kept_minor: int = 0
    """What was paid and isn't given back: it is the customer's credit. The rest lowers what is
    due."""

    @property
    def lowers_due_minor(self) -> int:
        """What is due no longer."""
        return self.total_minor - self.refund_minor - self.kept_minor


def due_date(terms: Terms, issued_on: date) -> date | None:
    """When an invoice is to be paid; None for what was paid before it was issued."""
    return issued_on + timedelta(days=NET_DAYS) if terms.on_credit else None


def invoice_number(year: int, sequence: int) -> str:
    """`INV-2026-000001`: one gapless series a year."""
    return f"INV-{year}-{sequence:06d}"


def credit_note_number(year: int, sequence: int) -> str:
    """`CN-2026-000001`: credit notes have a series of their own."""
    return f"CN-{year}-{sequence:06d}"


class DunningLevel(Payload):
    """A reminder, so many days after the invoice was due; `fee` is a decimal string."""

    days: int
    fee: str = "0"


class BillingRules(Payload):
    """How we bill, as configured.

    `tax_on_account`: tax falls due with payments before the invoice (2006/112/EC art. 65), not only
    with the invoice. `tolerance`: what may be missing of a payment, a decimal string.
    `bad_debt_relief`: tax on what is written off is owed no longer (art. 90).
    """

    tax_on_account: bool = True
    tolerance: str = "0"
    bad_debt_relief: bool = True
    dunning: tuple[DunningLevel, ...] = ()

    def tolerance_minor(self, currency: str) -> int:
        """In minor units; what the currency has no decimals for is left out."""
        return minor_units(self.tolerance, currency)

    def on_account_minor(self, paid_minor: int, total_minor: int, tax_minor: int) -> int:
        """The tax in what was paid before the invoice: its share, rounded half up."""
        if not self.tax_on_account or not total_minor:
            return 0
        return round_half_up(tax_minor * min(paid_minor, total_minor), total_minor)


def minor_units(amount: str, currency: str) -> int:
    """A configured amount in a currency that may have fewer decimals: rounded down."""
    return int(Decimal(amount).scaleb(decimals(currency)))


AUTHORISATION_LAPSED = "authorisation_lapsed"
"""The code of a refusal to capture what a card stands for no longer."""


def not_an_amount(
    text: str | None, currency: str | None, field: str, *, least: int | None
) -> str | None:
    """Why `text` isn't money of at least `least` minor units (None: any); None: it is."""
    if not text:
        return f"{field}: missing"
    if not currency:
        return "currency: missing"
    try:
        amount_minor = parse_amount(text, currency)
    except ValueError as error:
        return f"{field}: {error}"
    return None if least is None or amount_minor >= least else f"{field}: {text} is too little"


class Balance(Payload):
    """An order's money, in minor units: each a sum of facts, as the columns of its row.

    `invoiced`: it has an invoice. `cancelled`: it is (being) cancelled, so that all money of it is
    to be given back.
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
    invoiced: bool = False
    cancelled: bool = False

    @property
    def charges_minor(self) -> int:
        """What is due beside the total: fees, and what was given back twice; less what was credited
        and not given back, and what was forgiven. May be below zero."""
        more = self.fees_minor + self.reclaimed_minor
        return more - self.credited_minor + self.payable_minor - self.forgiven_minor

    @property
    def due_minor(self) -> int:
        """What the customer is still to pay."""
        return max(0, self.total_minor + self.charges_minor - self.paid_minor)

    @property
    def receivable_minor(self) -> int:
        """What the ledger has as receivable: nothing but what was given back twice before there is
        an invoice."""
        if self.invoiced:
            return self.due_minor
        return max(0, self.reclaimed_minor - self.forgiven_minor)

    @property
    def owed_minor(self) -> int:
        """What we owe the customer, but for what is being given back already."""
        all_minor = self.paid_minor if self.cancelled else self.payable_minor
        return max(0, all_minor + self.deposit_minor - self.refunded_minor)

    @property
    def owed_payable_minor(self) -> int:
        """The part of it that credit notes owe; they are served first."""
        return min(self.owed_minor, max(0, self.payable_minor - self.refunded_minor))


def relief(
    balance: Balance, lost_minor: int, *, credited_tax_minor: int, relieved_minor: int
) -> int:
    """The tax in `lost_minor` of what is receivable, rounded half up: the goods' share of what
    isn't credited, never more than what of the tax is still owed. Fees, and what was given back
    twice, have none; they are lost first."""
    without_tax_minor = balance.fees_minor + balance.reclaimed_minor
    goods_minor = max(0, lost_minor - without_tax_minor)
    whole_minor = balance.total_minor - balance.credited_minor
    tax_minor = balance.tax_minor - credited_tax_minor
    if not balance.invoiced or whole_minor <= 0:
        return 0
    wanted_minor = round_half_up(tax_minor * min(goods_minor, whole_minor), whole_minor)
    return max(0, min(wanted_minor, tax_minor - relieved_minor))


class TakenBack(Payload):
    """A payment that was reversed, split by what it takes away."""

    deposit_minor: int
    payable_minor: int
    due_again_minor: int


def take_back(balance: Balance, amount_minor: int) -> TakenBack:
    """What we still owe the customer first (deposits, then credit notes), the rest is due again."""
    payable_minor = balance.owed_payable_minor
    deposit_minor = min(amount_minor, balance.owed_minor - payable_minor)
    payable_minor = min(amount_minor - deposit_minor, payable_minor)
    return TakenBack(
        deposit_minor=deposit_minor,
        payable_minor=payable_minor,
        due_again_minor=amount_minor - deposit_minor - payable_minor,
    )


def units_of(line: PricedLine, quantity: int, net_minor: int) -> PricedLine:
    """`quantity` units of a line, credited for `net_minor`: its discount, and its share of the
    order's, are one."""
    full_minor = quantity * line.unit_price_minor
    off_minor = max(0, full_minor - net_minor)
    off_ppm = round_half_up(100 * PPM_PER_PERCENT * off_minor, full_minor) if full_minor else 0
    changed = {
        "quantity": quantity,
        "net_minor": net_minor,
        "discount_ppm": off_ppm,
        "order_discount_minor": 0,
    }
    return line.model_copy(update=changed)


def split_credit(left: Sequence[TaxAmount], amount_minor: int) -> tuple[TaxAmount, ...]:
    """`amount_minor` (tax included) of what is left of an invoice, by rate.

    Each rate has its share (cumulated, then rounded), of which the tax is the same part as of all
    that is left: so nothing is below zero, and the last credit note takes exactly the rest.
    Raises ValueError for more than is left.
    """
    total_minor = sum(tax.taxable_minor + tax.tax_minor for tax in left)
    if not 0 < amount_minor <= total_minor:
        raise ValueError("is more than is left of the invoice")
    parts, before_minor, taken_minor = [], 0, 0
    for tax in left:
        gross_minor = tax.taxable_minor + tax.tax_minor
        before_minor += gross_minor
        part_minor = round_half_up(amount_minor * before_minor, total_minor) - taken_minor
        taken_minor += part_minor
        tax_minor = round_half_up(tax.tax_minor * part_minor, gross_minor) if gross_minor else 0
        part = {"taxable_minor": part_minor - tax_minor, "tax_minor": tax_minor}
        if part_minor:
            parts.append(tax.model_copy(update=part))
    return tuple(parts)


class SplitPayment(Payload):
    """A payment, split by what it settles."""

    applied_minor: int
    deposit_minor: int


def split_payment(amount_minor: int, due_minor: int) -> SplitPayment:
    """What is due first; the excess is a deposit of the customer's."""
    applied_minor = min(amount_minor, due_minor)
    return SplitPayment(applied_minor=applied_minor, deposit_minor=amount_minor - applied_minor)


class AuthorisationState(StrEnum):
    """The life of a card's authorisation."""

    LIVE = "live"
    CAPTURED = "captured"
    EXPIRED = "expired"
    VOIDED = "voided"


BEING_GIVEN_BACK = "it is being given back"
"""Why a payment that has no order can't be used any more."""


class RefundState(StrEnum):
    """The life of a refund."""

    ASKED = "asked"
    REFUNDED = "refunded"


class LateMoney(StrEnum):
    """What becomes of money for an order that is cancelled."""

    REFUND = "refund"
    """It is given back."""
    REALLOCATE = "reallocate"
    """The order is taken up again, and allocated anew."""


def late_money(
    wish: Literal["refund", "reallocate"],
    *,
    expired: bool,
    invoiced: bool,
    owed_minor: int,
    reclaimed_minor: int,
    received_minor: int,
    total_minor: int,
) -> LateMoney:
    """Refund, unless `wish` and the order allow to take it up again.

    `expired`: it was cancelled by its payment deadline, not by a person. `invoiced`: it has an
    invoice, which was credited then.
    `owed_minor`: what came before and is being given back: it pays nothing any more.
    `reclaimed_minor`: what was given back, and taken back by the payer's bank too: that is due of
    the order that is over.
    """
    possible = expired and not invoiced and not owed_minor and not reclaimed_minor
    possible = possible and received_minor >= total_minor
    return LateMoney.REALLOCATE if wish == "reallocate" and possible else LateMoney.REFUND

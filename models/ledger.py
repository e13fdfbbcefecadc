"""The ledger's rules: accounts, balanced entries, and which fact posts what.

The postings are those of double-entry bookkeeping with revenue and cost in the same period, at
goods issue (IFRS 15, ASC 606): until then an invoice is a contract liability.
"""

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum

from models.base import Payload


class Account(StrEnum):
    """The chart of accounts; the value is the account's code in the tables."""

    BANK = "1000"
    CASH_CLEARING = "1100"
    ACCOUNTS_RECEIVABLE = "1200"
    CLAIMS_RECEIVABLE = "1300"
    INVENTORY = "1400"
    ACCOUNTS_PAYABLE = "2000"
    GOODS_RECEIVED_NOT_INVOICED = "2100"
    ACCRUED_FREIGHT = "2110"
    TAX_PAYABLE = "2200"
    CUSTOMER_DEPOSITS = "2300"
    CONTRACT_LIABILITIES = "2400"
    REFUNDS_PAYABLE = "2500"
    UNAPPLIED_RECEIPTS = "2600"
    OPENING_BALANCE_EQUITY = "3000"
    REVENUE = "4000"
    SALES_RETURNS = "4100"
    INVENTORY_GAIN = "4900"
    OTHER_INCOME = "4910"
    COST_OF_GOODS_SOLD = "5000"
    BAD_DEBTS = "5100"
    PAYMENT_DIFFERENCES = "5110"
    PAYMENT_FEES = "5200"
    INVENTORY_LOSS = "5900"

    @property
    def label(self) -> str:
        """As printed: "Cash clearing"."""
        return self.name.replace("_", " ").capitalize()

    @property
    def role(self) -> str:
        """As people name it in files and commands: `cash_clearing`."""
        return self.name.lower()

    @property
    def kind(self) -> "AccountKind":
        """By the first digit of its code."""
        return {
            "1": AccountKind.ASSET,
            "2": AccountKind.LIABILITY,
            "3": AccountKind.EQUITY,
            "4": AccountKind.INCOME,
            "5": AccountKind.EXPENSE,
        }[self.value[0]]


class AccountKind(StrEnum):
    """What an account is about: the five of double-entry bookkeeping."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


def account_named(given: str) -> Account | None:
    """By its code, or its role, also as printed: "1100", "cash_clearing", "Cash clearing"."""
    words = "_".join(given.casefold().replace("-", " ").replace("_", " ").split())
    return next((a for a in Account if words in (a.value, a.role)), None)


class Posting(Payload):
    """One line of an entry: a debit above zero, a credit below."""

    account: Account
    amount_minor: int


class Entry(Payload):
    """One balanced event. `entry_id` is the fact's natural key, so it can be posted only once."""

    entry_id: str
    currency: str
    postings: tuple[Posting, ...]
    order_id: str | None = None


def entry(
    entry_id: str,
    currency: str,
    debits: Mapping[Account, int],
    credits: Mapping[Account, int],
    order_id: str | None = None,
) -> Entry:
    """An entry from amounts in minor units; zero amounts are left out.

    Raises ValueError unless debits equal credits and no amount is negative.
    """
    amounts: dict[Account, int] = defaultdict(int)
    for sign, side in ((1, debits), (-1, credits)):
        for account, amount_minor in side.items():
            if amount_minor < 0:
                raise ValueError(f"{entry_id}: {account.label} is negative ({amount_minor})")
            amounts[account] += sign * amount_minor
    if sum(amounts.values()):
        raise ValueError(f"{entry_id}: debits and credits differ by {sum(amounts.values())}")
    postings = tuple(Posting(account=a, amount_minor=m) for a, m in sorted(amounts.items()) if m)
    return Entry(entry_id=entry_id, currency=currency, postings=postings, order_id=order_id)


def invoice_entry(
    number: str,
    order_id: str,
    currency: str,
    *,
    net_minor: int,
    tax_minor: int,
    paid_minor: int,
    taxed_minor: int,
) -> Entry:
    """An invoice: what was paid before comes from deposits, the rest is a receivable.

    `taxed_minor`: the part of the tax that fell due with payments before it; it is owed already.
    """
    return entry(
        f"invoice:{number}",
        currency,
        {
            Account.CUSTOMER_DEPOSITS: paid_minor - taxed_minor,
            Account.ACCOUNTS_RECEIVABLE: net_minor + tax_minor - paid_minor,
        },
        {
            Account.CONTRACT_LIABILITIES: net_minor,
            Account.TAX_PAYABLE: tax_minor - taxed_minor,
        },
        order_id,
    )


def credit_note_entry(
    number: str,
    order_id: str,
    currency: str,
    *,
    net_minor: int,
    tax_minor: int,
    refund_minor: int,
    goods_left: bool,
) -> Entry:
    """An invoice credited: what was paid becomes a refund we owe, the rest is due no longer. Before
    goods left it was a contract liability, after that it is a return (or an allowance)."""
    account = Account.SALES_RETURNS if goods_left else Account.CONTRACT_LIABILITIES
    return entry(
        f"credit_note:{number}",
        currency,
        {account: net_minor, Account.TAX_PAYABLE: tax_minor},
        {
            Account.REFUNDS_PAYABLE: refund_minor,
            Account.ACCOUNTS_RECEIVABLE: net_minor + tax_minor - refund_minor,
        },
        order_id,
    )


def payment_entry(
    payment_id: str,
    currency: str,
    *,
    receivable_minor: int = 0,
    deposit_minor: int = 0,
    taxed_minor: int = 0,
    unapplied_minor: int = 0,
    order_id: str | None,
) -> Entry:
    """Money in: against the receivable, as a deposit (of which `taxed_minor` is tax that falls due
    with it), or unapplied where no order is known."""
    return entry(
        f"payment:{payment_id}",
        currency,
        {Account.CASH_CLEARING: receivable_minor + deposit_minor + unapplied_minor},
        {
            Account.ACCOUNTS_RECEIVABLE: receivable_minor,
            **_deposit(deposit_minor, taxed_minor),
            Account.UNAPPLIED_RECEIPTS: unapplied_minor,
        },
        order_id,
    )


def _deposit(deposit_minor: int, taxed_minor: int) -> dict[Account, int]:
    """A customer's deposit, of which `taxed_minor` is tax that fell due with it."""
    return {
        Account.CUSTOMER_DEPOSITS: deposit_minor - taxed_minor,
        Account.TAX_PAYABLE: taxed_minor,
    }


def deposit_entry(key: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """A deposit settles a receivable."""
    return entry(
        f"deposit:{key}",
        currency,
        {Account.CUSTOMER_DEPOSITS: amount_minor},
        {Account.ACCOUNTS_RECEIVABLE: amount_minor},
        order_id,
    )


def on_account_entry(key: str, order_id: str, currency: str, taxed_minor: int) -> Entry:
    """A deposit becomes a payment on account: its tax falls due (below zero: no longer)."""
    due, back = max(0, taxed_minor), max(0, -taxed_minor)
    return entry(
        f"on_account:{key}",
        currency,
        {Account.CUSTOMER_DEPOSITS: due, Account.TAX_PAYABLE: back},
        {Account.TAX_PAYABLE: due, Account.CUSTOMER_DEPOSITS: back},
        order_id,
    )


def matched_entry(
    key: str,
    order_id: str,
    currency: str,
    *,
    receivable_minor: int,
    deposit_minor: int,
    taxed_minor: int,
) -> Entry:
    """Unapplied money finds its order."""
    return entry(
        f"matched:{key}",
        currency,
        {Account.UNAPPLIED_RECEIPTS: receivable_minor + deposit_minor},
        {
            Account.ACCOUNTS_RECEIVABLE: receivable_minor,
            **_deposit(deposit_minor, taxed_minor),
        },
        order_id,
    )


def reversal_entry(
    reversal_id: str,
    currency: str,
    *,
    receivable_minor: int = 0,
    payable_minor: int = 0,
    deposit_minor: int = 0,
    taxed_minor: int = 0,
    unapplied_minor: int = 0,
    fee_minor: int,
    order_id: str | None,
) -> Entry:
    """The payer's bank takes money back: what we still owed the customer first, the rest is due
    again. `taxed_minor` of the deposit was tax; it is owed no longer."""
    back_minor = receivable_minor + payable_minor + deposit_minor + unapplied_minor
    return entry(
        f"reversal:{reversal_id}",
        currency,
        {
            Account.ACCOUNTS_RECEIVABLE: receivable_minor,
            Account.REFUNDS_PAYABLE: payable_minor,
            **_deposit(deposit_minor, taxed_minor),
            Account.UNAPPLIED_RECEIPTS: unapplied_minor,
            Account.PAYMENT_FEES: fee_minor,
        },
        {Account.CASH_CLEARING: back_minor + fee_minor},
        order_id,
    )


def write_off_entry(
    key: str, order_id: str, currency: str, account: Account, *, amount_minor: int, tax_minor: int
) -> Entry:
    """What is due won't come: to `account` (Bad debts, or Payment differences) less the tax of
    which we are relieved (2006/112/EC art. 90)."""
    return entry(
        f"write_off:{key}",
        currency,
        {account: amount_minor - tax_minor, Account.TAX_PAYABLE: tax_minor},
        {Account.ACCOUNTS_RECEIVABLE: amount_minor},
        order_id,
    )


def recovery_entry(
    key: str,
    order_id: str,
    currency: str,
    *,
    amount_minor: int,
    difference_minor: int,
    tax_minor: int,
) -> Entry:
    """What was written off is due after all: it was paid, or is credited. `difference_minor` of it
    had been a payment difference; `tax_minor` is owed again."""
    lost_minor = amount_minor - difference_minor
    from_lost_minor = min(tax_minor, lost_minor)
    return entry(
        f"recovery:{key}",
        currency,
        {Account.ACCOUNTS_RECEIVABLE: amount_minor},
        {
            Account.BAD_DEBTS: lost_minor - from_lost_minor,
            Account.PAYMENT_DIFFERENCES: difference_minor - (tax_minor - from_lost_minor),
            Account.TAX_PAYABLE: tax_minor,
        },
        order_id,
    )


def loss_entry(reversal_id: str, currency: str, *, amount_minor: int, fee_minor: int) -> Entry:
    """Money without an order was given back, and then taken back by its payer's bank as well: there
    is nobody to ask."""
    return entry(
        f"reversal:{reversal_id}",
        currency,
        {Account.BAD_DEBTS: amount_minor, Account.PAYMENT_FEES: fee_minor},
        {Account.CASH_CLEARING: amount_minor + fee_minor},
    )


def dunning_fee_entry(order_id: str, level: int, currency: str, fee_minor: int) -> Entry:
    """What a reminder costs the customer; damages, so without tax."""
    return entry(
        f"dunning_fee:{order_id}:{level}",
        currency,
        {Account.ACCOUNTS_RECEIVABLE: fee_minor},
        {Account.OTHER_INCOME: fee_minor},
        order_id,
    )


def payout_entry(payout_id: str, currency: str, *, amount_minor: int, fee_minor: int) -> Entry:
    """The provider pays out what it collected, less its fee; where it gave back more than it
    collected, the amount is below zero, and comes from our bank account."""
    collected_minor = amount_minor + fee_minor
    return entry(
        f"payout:{payout_id}",
        currency,
        {
            Account.BANK: max(0, amount_minor),
            Account.PAYMENT_FEES: fee_minor,
            Account.CASH_CLEARING: max(0, -collected_minor),
        },
        {Account.BANK: max(0, -amount_minor), Account.CASH_CLEARING: max(0, collected_minor)},
    )


def goods_issue_entry(
    shipment_id: str, order_id: str, currency: str, *, revenue_minor: int, cost_minor: int
) -> Entry:
    """Goods leave: the contract liability turns into revenue, their cost leaves the inventory."""
    return entry(
        f"goods_issue:{shipment_id}",
        currency,
        {Account.CONTRACT_LIABILITIES: revenue_minor, Account.COST_OF_GOODS_SOLD: cost_minor},
        {Account.REVENUE: revenue_minor, Account.INVENTORY: cost_minor},
        order_id,
    )


def failed_shipment_entry(
    shipment_id: str,
    order_id: str,
    currency: str,
    *,
    revenue_minor: int,
    cost_minor: int,
    restocked: bool,
) -> Entry:
    """Goods that left won't arrive: they are owed again, so it was no sale. What they cost is lost,
    or in stock again."""
    account = Account.INVENTORY if restocked else Account.INVENTORY_LOSS
    return entry(
        f"shipment_failed:{shipment_id}",
        currency,
        {Account.REVENUE: revenue_minor, account: cost_minor},
        {Account.CONTRACT_LIABILITIES: revenue_minor, Account.COST_OF_GOODS_SOLD: cost_minor},
        order_id,
    )


def credited_before_entry(entry_id: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """What won't arrive had been credited, as an allowance, before it was given up: it was no sale,
    so there is nothing to allow for, and no goods are owed for it."""
    return entry(
        entry_id,
        currency,
        {Account.CONTRACT_LIABILITIES: amount_minor},
        {Account.SALES_RETURNS: amount_minor},
        order_id,
    )


def claim_entry(claim_id: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """A carrier owes us what it lost or damaged."""
    return entry(
        f"claim:{claim_id}",
        currency,
        {Account.CLAIMS_RECEIVABLE: amount_minor},
        {Account.INVENTORY_LOSS: amount_minor},
        order_id,
    )


def claim_settled_entry(
    claim_id: str, order_id: str, currency: str, *, claimed_minor: int, paid_minor: int
) -> Entry:
    """A carrier has paid to our bank what it owed, or less, or more: the loss is greater or
    smaller by the difference."""
    return entry(
        f"claim_settled:{claim_id}",
        currency,
        {Account.BANK: paid_minor, Account.INVENTORY_LOSS: max(0, claimed_minor - paid_minor)},
        {
            Account.CLAIMS_RECEIVABLE: claimed_minor,
            Account.INVENTORY_LOSS: max(0, paid_minor - claimed_minor),
        },
        order_id,
    )


def claim_withdrawn_entry(claim_id: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """A carrier owes us nothing after all."""
    return entry(
        f"claim_withdrawn:{claim_id}",
        currency,
        {Account.INVENTORY_LOSS: amount_minor},
        {Account.CLAIMS_RECEIVABLE: amount_minor},
        order_id,
    )


def recovered_shipment_entry(
    shipment_id: str, order_id: str, currency: str, cost_minor: int
) -> Entry:
    """Goods that were lost are in stock again, at what they cost."""
    return entry(
        f"shipment_recovered:{shipment_id}",
        currency,
        {Account.INVENTORY: cost_minor},
        {Account.INVENTORY_LOSS: cost_minor},
        order_id,
    )


def return_entry(
    inspection_id: str,
    order_id: str,
    currency: str,
    *,
    restocked_minor: int,
    lost_minor: int,
    sent_back_minor: int,
) -> Entry:
    """Goods that were sold are ours again, at what they cost: in stock, lost (also as scrap), or
    their supplier's to take back, who owes us for them."""
    return entry(
        f"return:{inspection_id}",
        currency,
        {
            Account.INVENTORY: restocked_minor,
            Account.INVENTORY_LOSS: lost_minor,
            Account.ACCOUNTS_PAYABLE: sent_back_minor,
        },
        {Account.COST_OF_GOODS_SOLD: restocked_minor + lost_minor + sent_back_minor},
        order_id,
    )


def receipt_entry(receipt_id: str, currency: str, *, goods_minor: int, freight_minor: int) -> Entry:
    """Goods received from a supplier, whose invoice is still to come; so are freight and duty."""
    return entry(
        f"goods_receipt:{receipt_id}",
        currency,
        {Account.INVENTORY: goods_minor + freight_minor},
        {
            Account.GOODS_RECEIVED_NOT_INVOICED: goods_minor,
            Account.ACCRUED_FREIGHT: freight_minor,
        },
    )


def supplier_invoice_entry(
    invoice_id: str, currency: str, *, received_minor: int, asked_minor: int, held_minor: int
) -> Entry:
    """A supplier's invoice for received goods. What it asks above (or below) the purchase order is
    cost: `held_minor` of it, with its sign, of units still held, the rest of units that are gone.
    """
    difference = {
        Account.INVENTORY: held_minor,
        Account.COST_OF_GOODS_SOLD: asked_minor - received_minor - held_minor,
    }
    return entry(
        f"supplier_invoice:{invoice_id}",
        currency,
        {
            Account.GOODS_RECEIVED_NOT_INVOICED: received_minor,
            **{account: amount for account, amount in difference.items() if amount > 0},
        },
        {
            Account.ACCOUNTS_PAYABLE: asked_minor,
            **{account: -amount for account, amount in difference.items() if amount < 0},
        },
    )


def stock_gain_entry(movement_id: str, currency: str, value_minor: int) -> Entry:
    """Stock that was found: by a count, or put there by hand."""
    return entry(
        movement_id,
        currency,
        {Account.INVENTORY: value_minor},
        {Account.INVENTORY_GAIN: value_minor},
    )


def stock_loss_entry(movement_id: str, currency: str, value_minor: int) -> Entry:
    """Stock that is missing, or written off."""
    return entry(
        movement_id,
        currency,
        {Account.INVENTORY_LOSS: value_minor},
        {Account.INVENTORY: value_minor},
    )


def opening_entry(location: str, sku: str, currency: str, value_minor: int) -> Entry:
    """Stock that was there before us."""
    return entry(
        f"opening:{location}:{sku}",
        currency,
        {Account.INVENTORY: value_minor},
        {Account.OPENING_BALANCE_EQUITY: value_minor},
    )


def refund_entry(
    key: str,
    order_id: str | None,
    currency: str,
    *,
    payable_minor: int = 0,
    deposit_minor: int = 0,
    taxed_minor: int = 0,
    unapplied_minor: int = 0,
) -> Entry:
    """Money out again: what a credit note owes, money that was never invoiced (`taxed_minor` of it
    was tax), or that had no order."""
    return entry(
        f"refund:{key}",
        currency,
        {
            Account.REFUNDS_PAYABLE: payable_minor,
            **_deposit(deposit_minor, taxed_minor),
            Account.UNAPPLIED_RECEIPTS: unapplied_minor,
        },
        {Account.CASH_CLEARING: payable_minor + deposit_minor + unapplied_minor},
        order_id,
    )

"""The ledger: accounts, balanced entries, and the entries of goods.

The entries of billing are in `models.billing_entries`. Revenue and cost are posted in the same
period, at goods issue (IFRS 15, ASC 606); until then an invoice is a contract liability.
"""

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum

from models.base import Payload


class Account(StrEnum):
    """The chart of accounts; the value is the account's code in the tables."""

    BANK = "1000"
    TILL = "1010"
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
        """The name as printed: "Cash clearing"."""
        return self.name.replace("_", " ").capitalize()

    @property
    def role(self) -> str:
        """The name in imports and commands: `cash_clearing`."""
        return self.name.lower()

    @property
    def kind(self) -> "AccountKind":
        """The kind of the account, which is the first digit of its code."""
        return {
            "1": AccountKind.ASSET,
            "2": AccountKind.LIABILITY,
            "3": AccountKind.EQUITY,
            "4": AccountKind.INCOME,
            "5": AccountKind.EXPENSE,
        }[self.value[0]]


class AccountKind(StrEnum):
    """The five kinds of accounts of double-entry bookkeeping."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


def account_named(given: str) -> Account | None:
    """Find an account by code, role or label: "1100", "cash_clearing", "Cash clearing"."""
    words = "_".join(given.casefold().replace("-", " ").replace("_", " ").split())
    return next((a for a in Account if words in (a.value, a.role)), None)


class Posting(Payload):
    """One line of an entry: a debit above zero, a credit below."""

    account: Account
    amount_minor: int


class Entry(Payload):
    """One balanced event. `entry_id` is the key of the fact, so the fact is posted only once."""

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
    """Build an entry from amounts in minor units, without those that are zero.

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


def goods_issue_entry(
    shipment_id: str, order_id: str, currency: str, *, revenue_minor: int, cost_minor: int
) -> Entry:
    """Build the entry of a goods issue: liability becomes revenue, inventory becomes cost."""
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
    """Build the entry of a written-off shipment: no revenue, its goods are owed again.

    Their cost is a loss, or in inventory again if `restocked`.
    """
    account = Account.INVENTORY if restocked else Account.INVENTORY_LOSS
    return entry(
        f"shipment_failed:{shipment_id}",
        currency,
        {Account.REVENUE: revenue_minor, account: cost_minor},
        {Account.CONTRACT_LIABILITIES: revenue_minor, Account.COST_OF_GOODS_SOLD: cost_minor},
        order_id,
    )


def credited_before_entry(entry_id: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """Build the entry that moves an allowance on goods written off later to the contract liability.

    Without a sale there is no allowance, and credited goods are not owed.
    """
    return entry(
        entry_id,
        currency,
        {Account.CONTRACT_LIABILITIES: amount_minor},
        {Account.SALES_RETURNS: amount_minor},
        order_id,
    )


def unrecognised_entry(
    order_id: str, currency: str, *, revenue_minor: int, allowance_minor: int
) -> Entry:
    """Build the entry that takes back the revenue of a cancelled order, and allowances on it."""
    return entry(
        f"unrecognised:{order_id}",
        currency,
        {Account.REVENUE: revenue_minor, Account.CONTRACT_LIABILITIES: allowance_minor},
        {Account.CONTRACT_LIABILITIES: revenue_minor, Account.SALES_RETURNS: allowance_minor},
        order_id,
    )


def claim_entry(claim_id: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """Build the entry of a claim against a carrier for lost or damaged goods."""
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
    """Build the entry of a settled claim; the part that the carrier did not pay is a loss.

    Raises ValueError for more than was claimed.
    """
    return entry(
        f"claim_settled:{claim_id}",
        currency,
        {Account.BANK: paid_minor, Account.INVENTORY_LOSS: claimed_minor - paid_minor},
        {Account.CLAIMS_RECEIVABLE: claimed_minor},
        order_id,
    )


def claim_withdrawn_entry(claim_id: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """Build the entry of a withdrawn claim."""
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
    """Build the entry of recovered goods: in inventory again, at their cost."""
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
    """Build the entry of returned goods, at their cost.

    `lost_minor` includes scrapped goods. Goods sent back to their supplier lower our payables.
    """
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
    """Build the entry of a goods receipt, not invoiced yet; freight and duty are accrued."""
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
    """Build the entry of a supplier's invoice, with its difference from the purchase order.

    `held_minor` of the difference, with its sign, is the cost of units on hand; the rest is cost of
    goods sold.
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
    """Build the entry of a stock gain: found by a count, or adjusted by an operator."""
    return entry(
        movement_id,
        currency,
        {Account.INVENTORY: value_minor},
        {Account.INVENTORY_GAIN: value_minor},
    )


def stock_loss_entry(movement_id: str, currency: str, value_minor: int) -> Entry:
    """Build the entry of a stock loss: missing in a count, or adjusted by an operator."""
    return entry(
        movement_id,
        currency,
        {Account.INVENTORY_LOSS: value_minor},
        {Account.INVENTORY: value_minor},
    )


def opening_entry(location: str, sku: str, currency: str, value_minor: int) -> Entry:
    """Build the entry of the opening stock of a SKU at a location."""
    return entry(
        f"opening:{location}:{sku}",
        currency,
        {Account.INVENTORY: value_minor},
        {Account.OPENING_BALANCE_EQUITY: value_minor},
    )

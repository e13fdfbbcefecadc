"""The ledger entries of billing: invoices, payments, refunds and receivables.

Amounts are minor units of `currency`. `taxed_minor` is always the tax in a payment before the
invoice, which falls due with the payment (2006/112/EC art. 65).
"""

from models.ledger import Account, Entry, entry


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
    """Build the entry of an invoice: the paid part from deposits, the rest a receivable.

    `taxed_minor` of the tax is owed already. It may be more than the tax of a part of an order that
    is taxed less than the rest.
    """
    return entry(
        f"invoice:{number}",
        currency,
        {
            Account.CUSTOMER_DEPOSITS: paid_minor - taxed_minor,
            Account.ACCOUNTS_RECEIVABLE: net_minor + tax_minor - paid_minor,
            Account.TAX_PAYABLE: max(0, taxed_minor - tax_minor),
        },
        {
            Account.CONTRACT_LIABILITIES: net_minor,
            Account.TAX_PAYABLE: max(0, tax_minor - taxed_minor),
        },
        order_id,
    )


def services_entry(order_id: str, currency: str, net_minor: int) -> Entry:
    """Build the entry of an order's services: liability becomes revenue, with the first goods
    issue."""
    return entry(
        f"services:{order_id}",
        currency,
        {Account.CONTRACT_LIABILITIES: net_minor},
        {Account.REVENUE: net_minor},
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
    after_goods_issue: bool,
) -> Entry:
    """Build the entry of a credit note.

    The paid part becomes a refund payable, the rest lowers the receivable. Before goods issue it
    reduces the contract liability, afterwards it is a return or an allowance.
    """
    account = Account.SALES_RETURNS if after_goods_issue else Account.CONTRACT_LIABILITIES
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
    money: Account,
    *,
    receivable_minor: int = 0,
    deposit_minor: int = 0,
    taxed_minor: int = 0,
    unapplied_minor: int = 0,
    order_id: str | None,
) -> Entry:
    """Build the entry of a payment: receivable, deposit, or unapplied if no order is known.

    `money`: the account that holds it: cash clearing, till or bank.
    """
    return entry(
        f"payment:{payment_id}",
        currency,
        {money: receivable_minor + deposit_minor + unapplied_minor},
        {
            Account.ACCOUNTS_RECEIVABLE: receivable_minor,
            **_deposit(deposit_minor, taxed_minor),
            Account.UNAPPLIED_RECEIPTS: unapplied_minor,
        },
        order_id,
    )


def _deposit(deposit_minor: int, taxed_minor: int) -> dict[Account, int]:
    return {
        Account.CUSTOMER_DEPOSITS: deposit_minor - taxed_minor,
        Account.TAX_PAYABLE: taxed_minor,
    }


def deposit_entry(key: str, order_id: str, currency: str, amount_minor: int) -> Entry:
    """Build the entry of a deposit applied to a receivable."""
    return entry(
        f"deposit:{key}",
        currency,
        {Account.CUSTOMER_DEPOSITS: amount_minor},
        {Account.ACCOUNTS_RECEIVABLE: amount_minor},
        order_id,
    )


def on_account_entry(key: str, order_id: str, currency: str, taxed_minor: int) -> Entry:
    """Build the entry of a deposit turned into a payment on account; below zero, back again."""
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
    """Build the entry of an unapplied payment assigned to an order."""
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
    money: Account,
    *,
    receivable_minor: int = 0,
    payable_minor: int = 0,
    deposit_minor: int = 0,
    taxed_minor: int = 0,
    unapplied_minor: int = 0,
    lost_minor: int = 0,
    fee_minor: int,
    order_id: str | None,
) -> Entry:
    """Build the entry of a reversal: it reduces the amounts owed, the rest is due again.

    `taxed_minor` of the deposit is owed no longer. `lost_minor` was refunded before, without an
    order that could owe it. `fee_minor` is the bank's charge.
    """
    owed_minor = receivable_minor + payable_minor + deposit_minor
    reversed_minor = owed_minor + unapplied_minor + lost_minor
    return entry(
        f"reversal:{reversal_id}",
        currency,
        {
            Account.ACCOUNTS_RECEIVABLE: receivable_minor,
            Account.REFUNDS_PAYABLE: payable_minor,
            **_deposit(deposit_minor, taxed_minor),
            Account.UNAPPLIED_RECEIPTS: unapplied_minor,
            Account.BAD_DEBTS: lost_minor,
            Account.PAYMENT_FEES: fee_minor,
        },
        {money: reversed_minor + fee_minor},
        order_id,
    )


def offset_entry(
    key: str,
    order_id: str,
    currency: str,
    *,
    payable_minor: int,
    deposit_minor: int,
    taxed_minor: int,
) -> Entry:
    """Build the entry of an amount owed to a customer that meets what is due from them.

    `taxed_minor` of the deposit is owed no longer.
    """
    return entry(
        f"offset:{key}",
        currency,
        {Account.REFUNDS_PAYABLE: payable_minor, **_deposit(deposit_minor, taxed_minor)},
        {Account.ACCOUNTS_RECEIVABLE: payable_minor + deposit_minor},
        order_id,
    )


def reversed_refund_entry(key: str, currency: str, amount_minor: int) -> Entry:
    """Build the entry of a refund without an order that was not paid, of a reversed payment.

    The reversal was posted as a loss.
    """
    return entry(
        f"refund_withdrawn:{key}",
        currency,
        {Account.UNAPPLIED_RECEIPTS: amount_minor},
        {Account.BAD_DEBTS: amount_minor},
    )


def write_off_entry(
    key: str, order_id: str, currency: str, account: Account, *, amount_minor: int, tax_minor: int
) -> Entry:
    """Build the entry of a write-off to `account`, less the tax relief (2006/112/EC art. 90)."""
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
    """Build the entry of a reversed write-off, which is paid or credited after all.

    `difference_minor` of it was a payment difference; `tax_minor` is owed again.
    """
    lost_minor = amount_minor - difference_minor
    tax_on_lost_minor = min(tax_minor, lost_minor)
    return entry(
        f"recovery:{key}",
        currency,
        {Account.ACCOUNTS_RECEIVABLE: amount_minor},
        {
            Account.BAD_DEBTS: lost_minor - tax_on_lost_minor,
            Account.PAYMENT_DIFFERENCES: difference_minor - (tax_minor - tax_on_lost_minor),
            Account.TAX_PAYABLE: tax_minor,
        },
        order_id,
    )


def dunning_fee_entry(
    order_id: str, number: str, level: int, currency: str, fee_minor: int
) -> Entry:
    """Build the entry of the fee of a reminder: damages, so without tax."""
    return entry(
        f"dunning_fee:{number}:{level}",
        currency,
        {Account.ACCOUNTS_RECEIVABLE: fee_minor},
        {Account.OTHER_INCOME: fee_minor},
        order_id,
    )


def payout_entry(payout_id: str, currency: str, *, amount_minor: int, fee_minor: int) -> Entry:
    """Build the entry of a payout of collected money, less the provider's fee.

    Below zero, the provider refunded more than it collected and debits our bank account.
    """
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


def refund_entry(
    key: str,
    order_id: str | None,
    currency: str,
    money: Account,
    *,
    payable_minor: int = 0,
    deposit_minor: int = 0,
    taxed_minor: int = 0,
    unapplied_minor: int = 0,
    failed: bool = False,
) -> Entry:
    """Build the entry of a refund: of credit notes (payable), deposits or unapplied payments.

    `failed`: of one that was not paid after all, the other way round.
    """
    owed = {
        Account.REFUNDS_PAYABLE: payable_minor,
        **_deposit(deposit_minor, taxed_minor),
        Account.UNAPPLIED_RECEIPTS: unapplied_minor,
    }
    paid = {money: payable_minor + deposit_minor + unapplied_minor}
    if failed:
        return entry(f"refund_failed:{key}", currency, paid, owed, order_id)
    return entry(f"refund:{key}", currency, owed, paid, order_id)

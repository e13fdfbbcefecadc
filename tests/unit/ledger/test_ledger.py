"""The ledger: the entry of every fact balances, for all amounts."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing_entries import (
    credit_note_entry,
    dunning_fee_entry,
    invoice_entry,
    payment_entry,
    payout_entry,
    refund_entry,
    reversal_entry,
    write_off_entry,
)
from models.ledger import Account, Entry, entry, goods_issue_entry, opening_entry, receipt_entry
from models.money import MAX_AMOUNT_MINOR

amount = st.integers(0, MAX_AMOUNT_MINOR)


def postings(built: Entry) -> dict[Account, int]:
    """Return an entry's amounts by account, debits above zero."""
    return {posting.account: posting.amount_minor for posting in built.postings}


def invoice(net_minor: int, tax_minor: int, deposit_minor: int) -> Entry:
    """Build the entry of an invoice of order O-1."""
    return invoice_entry(
        "INV-1",
        "O-1",
        "EUR",
        net_minor=net_minor,
        tax_minor=tax_minor,
        paid_minor=min(deposit_minor, net_minor + tax_minor),
        taxed_minor=0,
    )


def invoice_after_part_payment(net_minor: int, tax_minor: int, paid_minor: int) -> Entry:
    """Build the entry of an invoice of order O-1 with a payment on account."""
    paid_minor = min(paid_minor, net_minor + tax_minor)
    return invoice_entry(
        "INV-1",
        "O-1",
        "EUR",
        net_minor=net_minor,
        tax_minor=tax_minor,
        paid_minor=paid_minor,
        taxed_minor=min(paid_minor, tax_minor) // 2,
    )


def credit_note(net_minor: int, tax_minor: int, refund_minor: int) -> Entry:
    """Build the entry of a credit note of order O-1."""
    return credit_note_entry(
        "CN-1",
        "O-1",
        "EUR",
        net_minor=net_minor,
        tax_minor=tax_minor,
        refund_minor=min(refund_minor, net_minor + tax_minor),
        after_goods_issue=False,
    )


def payment(receivable_minor: int, deposit_minor: int, unapplied_minor: int) -> Entry:
    """Build the entry of a payment of order O-1."""
    return payment_entry(
        "P-1",
        "EUR",
        Account.CASH_CLEARING,
        receivable_minor=receivable_minor,
        deposit_minor=deposit_minor,
        unapplied_minor=unapplied_minor,
        order_id="O-1",
    )


def taxed_payment(receivable_minor: int, deposit_minor: int, taxed_minor: int) -> Entry:
    """Build the entry of a payment on account of order O-1."""
    return payment_entry(
        "P-1",
        "EUR",
        Account.CASH_CLEARING,
        receivable_minor=receivable_minor,
        deposit_minor=deposit_minor,
        taxed_minor=min(taxed_minor, deposit_minor),
        order_id="O-1",
    )


def reversal(receivable_minor: int, payable_minor: int, deposit_minor: int) -> Entry:
    """Build the entry of a reversed payment of order O-1, with a fee."""
    return reversal_entry(
        "RV-1",
        "EUR",
        Account.CASH_CLEARING,
        receivable_minor=receivable_minor,
        payable_minor=payable_minor,
        deposit_minor=deposit_minor,
        taxed_minor=deposit_minor // 5,
        fee_minor=receivable_minor // 100,
        order_id="O-1",
    )


def write_off(amount_minor: int, tax_minor: int, _: int) -> Entry:
    """Build the entry of a write-off of order O-1."""
    return write_off_entry(
        "O-1:3",
        "O-1",
        "EUR",
        Account.BAD_DEBTS,
        amount_minor=amount_minor,
        tax_minor=min(amount_minor, tax_minor),
    )


def payout(amount_minor: int, fee_minor: int, _: int) -> Entry:
    """Build the entry of a payout."""
    return payout_entry("PO-1", "EUR", amount_minor=amount_minor, fee_minor=fee_minor)


def fee(amount_minor: int, _: int, __: int) -> Entry:
    """Build the entry of the fee of a reminder of order O-1."""
    return dunning_fee_entry("O-1", "INV-1", 2, "EUR", amount_minor)


def goods_issue(revenue_minor: int, cost_minor: int, _: int) -> Entry:
    """Build the entry of the goods issue of shipment S-1."""
    return goods_issue_entry(
        "S-1", "O-1", "EUR", revenue_minor=revenue_minor, cost_minor=cost_minor
    )


def refund(payable_minor: int, deposit_minor: int, _: int) -> Entry:
    """Build the entry of a refund of order O-1."""
    return refund_entry(
        "R-1",
        "O-1",
        "EUR",
        Account.CASH_CLEARING,
        payable_minor=payable_minor,
        deposit_minor=deposit_minor,
    )


def receipt(value_minor: int, _: int, __: int) -> Entry:
    """Build the entry of a goods receipt."""
    return receipt_entry("G-1", "EUR", goods_minor=value_minor, freight_minor=0)


def opening(value_minor: int, _: int, __: int) -> Entry:
    """Build the entry of opening stock."""
    return opening_entry("BER", "DRILL", "EUR", value_minor)


BUILDERS = (
    *(invoice, invoice_after_part_payment, credit_note, payment, taxed_payment, reversal),
    *(write_off, payout, fee, goods_issue, refund, receipt, opening),
)


@pytest.mark.parametrize("build", BUILDERS)
@given(first=amount, second=amount, third=amount)
def test_entry_balances_without_empty_postings(
    build: Callable[[int, int, int], Entry], first: int, second: int, third: int
) -> None:
    amounts = postings(build(first, second, third))
    assert sum(amounts.values()) == 0
    assert 0 not in amounts.values()


@pytest.mark.parametrize("build", BUILDERS)
def test_entry_of_zero_amounts_has_no_postings(build: Callable[[int, int, int], Entry]) -> None:
    assert build(0, 0, 0).postings == ()


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (
            invoice(100, 19, 0),
            {
                Account.ACCOUNTS_RECEIVABLE: 119,
                Account.TAX_PAYABLE: -19,
                Account.CONTRACT_LIABILITIES: -100,
            },
        ),
        (
            invoice(100, 19, 119),
            {
                Account.CUSTOMER_DEPOSITS: 119,
                Account.TAX_PAYABLE: -19,
                Account.CONTRACT_LIABILITIES: -100,
            },
        ),
        (
            invoice_after_part_payment(100, 20, 60),
            {
                Account.CUSTOMER_DEPOSITS: 50,
                Account.ACCOUNTS_RECEIVABLE: 60,
                Account.TAX_PAYABLE: -10,
                Account.CONTRACT_LIABILITIES: -100,
            },
        ),
        (
            taxed_payment(0, 60, 10),
            {
                Account.CASH_CLEARING: 60,
                Account.CUSTOMER_DEPOSITS: -50,
                Account.TAX_PAYABLE: -10,
            },
        ),
        (
            credit_note_entry(
                "CN-1",
                "O-1",
                "EUR",
                net_minor=100,
                tax_minor=19,
                refund_minor=119,
                after_goods_issue=True,
            ),
            {
                Account.SALES_RETURNS: 100,
                Account.TAX_PAYABLE: 19,
                Account.REFUNDS_PAYABLE: -119,
            },
        ),
        (
            reversal(1_000, 50, 25),
            {
                Account.ACCOUNTS_RECEIVABLE: 1_000,
                Account.REFUNDS_PAYABLE: 50,
                Account.CUSTOMER_DEPOSITS: 20,
                Account.TAX_PAYABLE: 5,
                Account.PAYMENT_FEES: 10,
                Account.CASH_CLEARING: -1_085,
            },
        ),
        (
            write_off(119, 19, 0),
            {
                Account.BAD_DEBTS: 100,
                Account.TAX_PAYABLE: 19,
                Account.ACCOUNTS_RECEIVABLE: -119,
            },
        ),
        (
            payout(97, 3, 0),
            {Account.BANK: 97, Account.PAYMENT_FEES: 3, Account.CASH_CLEARING: -100},
        ),
        (fee(500, 0, 0), {Account.ACCOUNTS_RECEIVABLE: 500, Account.OTHER_INCOME: -500}),
        (
            credit_note(100, 19, 50),
            {
                Account.CONTRACT_LIABILITIES: 100,
                Account.TAX_PAYABLE: 19,
                Account.ACCOUNTS_RECEIVABLE: -69,
                Account.REFUNDS_PAYABLE: -50,
            },
        ),
        (
            payment(100, 20, 3),
            {
                Account.CASH_CLEARING: 123,
                Account.ACCOUNTS_RECEIVABLE: -100,
                Account.CUSTOMER_DEPOSITS: -20,
                Account.UNAPPLIED_RECEIPTS: -3,
            },
        ),
        (
            goods_issue(100, 60, 0),
            {
                Account.CONTRACT_LIABILITIES: 100,
                Account.COST_OF_GOODS_SOLD: 60,
                Account.REVENUE: -100,
                Account.INVENTORY: -60,
            },
        ),
        (
            refund(50, 7, 0),
            {
                Account.REFUNDS_PAYABLE: 50,
                Account.CUSTOMER_DEPOSITS: 7,
                Account.CASH_CLEARING: -57,
            },
        ),
        (receipt(60, 0, 0), {Account.INVENTORY: 60, Account.GOODS_RECEIVED_NOT_INVOICED: -60}),
        (opening(60, 0, 0), {Account.INVENTORY: 60, Account.OPENING_BALANCE_EQUITY: -60}),
    ],
    ids=lambda value: value.entry_id if isinstance(value, Entry) else "",
)
def test_fact_posts_to_its_accounts(built: Entry, expected: dict[Account, int]) -> None:
    assert postings(built) == expected


@given(net=amount, tax=amount, paid=amount)
def test_credit_note_and_refund_reverse_paid_invoice(net: int, tax: int, paid: int) -> None:
    """After deposit, invoice, credit note and refund every account is at zero."""
    paid = min(paid, net + tax)
    balances = dict.fromkeys(Account, 0)
    for built in (
        payment(0, paid, 0),
        invoice(net, tax, paid),
        credit_note(net, tax, paid),
        refund(paid, 0, 0),
    ):
        for account, amount_minor in postings(built).items():
            balances[account] += amount_minor
    assert not any(balances.values())


@given(debit=amount, credit=amount)
def test_unbalanced_entry_is_rejected(debit: int, credit: int) -> None:
    sides = {Account.BANK: debit}, {Account.REVENUE: credit}
    if debit == credit:
        assert entry("E-1", "EUR", *sides)
    else:
        with pytest.raises(ValueError, match="E-1: debits and credits differ"):
            entry("E-1", "EUR", *sides)


@pytest.mark.parametrize(
    ("debits", "credits"),
    [
        ({Account.BANK: -5}, {Account.REVENUE: -5}),
        ({Account.BANK: 5, Account.INVENTORY: -5}, {}),
        ({}, {Account.BANK: 5, Account.INVENTORY: -5}),
    ],
)
def test_negative_amount_is_rejected_in_balanced_entry(
    debits: dict[Account, int], credits: dict[Account, int]
) -> None:
    with pytest.raises(ValueError, match="is negative"):
        entry("E-1", "EUR", debits, credits)


def test_deposit_above_invoice_total_is_rejected() -> None:
    with pytest.raises(ValueError, match="Accounts receivable is negative"):
        invoice_entry(
            "INV-1", "O-1", "EUR", net_minor=10, tax_minor=0, paid_minor=11, taxed_minor=0
        )


def test_account_on_both_sides_is_one_posting() -> None:
    built = entry("E-1", "EUR", {Account.BANK: 7}, {Account.BANK: 5, Account.REVENUE: 2})
    assert postings(built) == {Account.BANK: 2, Account.REVENUE: -2}


def test_entry_id_is_key_of_fact() -> None:
    assert [build(1, 1, 1).entry_id for build in BUILDERS] == [
        "invoice:INV-1",
        "invoice:INV-1",
        "credit_note:CN-1",
        "payment:P-1",
        "payment:P-1",
        "reversal:RV-1",
        "write_off:O-1:3",
        "payout:PO-1",
        "dunning_fee:INV-1:2",
        "goods_issue:S-1",
        "refund:R-1",
        "goods_receipt:G-1",
        "opening:BER:DRILL",
    ]

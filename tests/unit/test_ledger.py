"""The ledger: every fact's entry balances, whatever the amounts."""

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


def postings(made: Entry) -> dict[Account, int]:
    """An entry's amounts by account: debits above zero."""
    return {posting.account: posting.amount_minor for posting in made.postings}


def invoice(net_minor: int, tax_minor: int, deposit_minor: int) -> Entry:
    """An invoice of order O-1."""
    return invoice_entry(
        "INV-1",
        "O-1",
        "EUR",
        net_minor=net_minor,
        tax_minor=tax_minor,
        paid_minor=min(deposit_minor, net_minor + tax_minor),
        taxed_minor=0,
    )


def invoice_after_parts(net_minor: int, tax_minor: int, paid_minor: int) -> Entry:
    """An invoice of order O-1, a part of which was paid and taxed before."""
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
    """The reversal of an invoice of order O-1."""
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
    """Money in for order O-1."""
    return payment_entry(
        "P-1",
        "EUR",
        receivable_minor=receivable_minor,
        deposit_minor=deposit_minor,
        unapplied_minor=unapplied_minor,
        order_id="O-1",
    )


def taxed_payment(receivable_minor: int, deposit_minor: int, taxed_minor: int) -> Entry:
    """Money in for order O-1, before its invoice."""
    return payment_entry(
        "P-1",
        "EUR",
        receivable_minor=receivable_minor,
        deposit_minor=deposit_minor,
        taxed_minor=min(taxed_minor, deposit_minor),
        order_id="O-1",
    )


def reversal(receivable_minor: int, payable_minor: int, deposit_minor: int) -> Entry:
    """Money of order O-1 taken back, at a fee."""
    return reversal_entry(
        "RV-1",
        "EUR",
        receivable_minor=receivable_minor,
        payable_minor=payable_minor,
        deposit_minor=deposit_minor,
        taxed_minor=deposit_minor // 5,
        fee_minor=receivable_minor // 100,
        order_id="O-1",
    )


def write_off(amount_minor: int, tax_minor: int, _: int) -> Entry:
    """A receivable of order O-1 is lost."""
    return write_off_entry(
        "O-1:3",
        "O-1",
        "EUR",
        Account.BAD_DEBTS,
        amount_minor=amount_minor,
        tax_minor=min(amount_minor, tax_minor),
    )


def payout(amount_minor: int, fee_minor: int, _: int) -> Entry:
    """The provider pays."""
    return payout_entry("PO-1", "EUR", amount_minor=amount_minor, fee_minor=fee_minor)


def fee(amount_minor: int, _: int, __: int) -> Entry:
    """A reminder of order O-1."""
    return dunning_fee_entry("O-1", 2, "EUR", amount_minor)


def goods_issue(revenue_minor: int, cost_minor: int, _: int) -> Entry:
    """Shipment S-1 leaves."""
    return goods_issue_entry(
        "S-1", "O-1", "EUR", revenue_minor=revenue_minor, cost_minor=cost_minor
    )


def refund(payable_minor: int, deposit_minor: int, _: int) -> Entry:
    """Money out for order O-1."""
    return refund_entry(
        "R-1", "O-1", "EUR", payable_minor=payable_minor, deposit_minor=deposit_minor
    )


def receipt(value_minor: int, _: int, __: int) -> Entry:
    """Goods from a supplier."""
    return receipt_entry("G-1", "EUR", goods_minor=value_minor, freight_minor=0)


def opening(value_minor: int, _: int, __: int) -> Entry:
    """Stock that was there before us."""
    return opening_entry("BER", "DRILL", "EUR", value_minor)


BUILDERS = (
    *(
        invoice,
        invoice_after_parts,
        credit_note,
        payment,
        taxed_payment,
        reversal,
        write_off,
        payout,
        fee,
    ),
    *(goods_issue, refund, receipt, opening),
)


@pytest.mark.parametrize("build", BUILDERS)
@given(first=amount, second=amount, third=amount)
def test_every_entry_balances_and_has_no_empty_posting(
    build: Callable[[int, int, int], Entry], first: int, second: int, third: int
) -> None:
    amounts = postings(build(first, second, third))
    assert sum(amounts.values()) == 0
    assert 0 not in amounts.values()


@pytest.mark.parametrize("build", BUILDERS)
def test_an_entry_of_nothing_has_no_postings(build: Callable[[int, int, int], Entry]) -> None:
    assert build(0, 0, 0).postings == ()


@pytest.mark.parametrize(
    ("made", "expected"),
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
            invoice_after_parts(100, 20, 60),
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
def test_each_fact_posts_where_the_trade_posts_it(
    made: Entry, expected: dict[Account, int]
) -> None:
    assert postings(made) == expected


@given(net=amount, tax=amount, paid=amount)
def test_a_credit_note_and_its_refund_undo_a_paid_invoice(net: int, tax: int, paid: int) -> None:
    """Deposit, invoice, credit note, refund: every account is back at zero."""
    paid = min(paid, net + tax)
    balances = dict.fromkeys(Account, 0)
    for made in (
        payment(0, paid, 0),
        invoice(net, tax, paid),
        credit_note(net, tax, paid),
        refund(paid, 0, 0),
    ):
        for account, amount_minor in postings(made).items():
            balances[account] += amount_minor
    assert not any(balances.values())


@given(debit=amount, credit=amount)
def test_an_entry_that_does_not_balance_is_refused(debit: int, credit: int) -> None:
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
def test_a_negative_amount_is_refused_though_the_sum_is_zero(
    debits: dict[Account, int], credits: dict[Account, int]
) -> None:
    with pytest.raises(ValueError, match="is negative"):
        entry("E-1", "EUR", debits, credits)


def test_more_deposit_than_an_invoice_comes_to_is_refused() -> None:
    with pytest.raises(ValueError, match="Accounts receivable is negative"):
        invoice_entry(
            "INV-1", "O-1", "EUR", net_minor=10, tax_minor=0, paid_minor=11, taxed_minor=0
        )


def test_an_account_on_both_sides_is_one_posting() -> None:
    made = entry("E-1", "EUR", {Account.BANK: 7}, {Account.BANK: 5, Account.REVENUE: 2})
    assert postings(made) == {Account.BANK: 2, Account.REVENUE: -2}


def test_entries_are_named_for_their_fact() -> None:
    made = [build(1, 1, 1) for build in BUILDERS]
    assert [e.entry_id for e in made] == [
        "invoice:INV-1",
        "invoice:INV-1",
        "credit_note:CN-1",
        "payment:P-1",
        "payment:P-1",
        "reversal:RV-1",
        "write_off:O-1:3",
        "payout:PO-1",
        "dunning_fee:O-1:2",
        "goods_issue:S-1",
        "refund:R-1",
        "goods_receipt:G-1",
        "opening:BER:DRILL",
    ]

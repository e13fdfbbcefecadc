"""Rules of billing: balances, credits, reversals, tax on account and late payments."""

from fractions import Fraction
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing import (
    Balance,
    BillingRules,
    credited_tax,
    reinstates,
    split_credit,
    split_reversal,
)
from models.money import share
from models.pricing import TaxAmount, discount_order
from tests.support.documents.bills import priced

REINSTATED: dict[str, Any] = {
    "expired": True,
    "invoiced": False,
    "owed_minor": 0,
    "reclaimed_minor": 0,
    "received_minor": 119,
    "total_minor": 119,
}


def test_late_payment_reinstates_expired_order_only_if_configured() -> None:
    assert reinstates("reallocate", **REINSTATED) is True
    assert reinstates("refund", **REINSTATED) is False


@pytest.mark.parametrize(
    "but",
    [
        {"expired": False},
        {"invoiced": True},
        {"owed_minor": 1},
        {"reclaimed_minor": 1},
        {"received_minor": 118},
    ],
    ids=str,
)
@pytest.mark.parametrize("preference", ["refund", "reallocate"])
def test_any_other_late_payment_is_refunded(
    preference: Literal["refund", "reallocate"], but: dict[str, Any]
) -> None:
    """Cancelled by an operator, invoiced, being refunded, reversed after a refund, or too low."""
    assert reinstates(preference, **(REINSTATED | but)) is False


amounts = st.integers(0, 10**9)


@given(paid=amounts, total=st.integers(1, 10**9), tax=amounts)
def test_tax_on_account_adds_up_to_tax_of_invoice(paid: int, total: int, tax: int) -> None:
    """The tax of the amount paid so far is rounded once (2006/112/EC art. 65)."""
    tax = min(tax, total)
    rules = BillingRules()
    assert rules.on_account_minor(total, total, tax) == tax
    assert rules.on_account_minor(paid, total, tax) <= min(tax, paid + 1)
    assert BillingRules(tax_on_account=False).on_account_minor(paid, total, tax) == 0


@given(
    rates=st.lists(
        st.tuples(st.sampled_from([0, 70_000, 190_000]), amounts), min_size=1, max_size=3
    ),
    shares=st.lists(st.integers(1, 10**9), min_size=1, max_size=6),
)
def test_credit_notes_add_up_to_invoice_and_none_is_below_zero(
    rates: list[tuple[int, int]], shares: list[int]
) -> None:
    """At each rate the last credit note takes exactly the rest."""
    taxes = {
        rate: TaxAmount(rate_ppm=rate, taxable_minor=net, tax_minor=share(net, rate))
        for rate, net in rates
    }
    left, invoiced = dict(taxes), list(taxes.values())
    rest = sum(t.taxable_minor + t.tax_minor for t in taxes.values())
    for requested in [*shares, 10**10]:
        amount_minor = min(requested, rest)
        if not amount_minor:
            break
        credited = split_credit(invoiced, list(left.values()), amount_minor)
        assert sum(t.taxable_minor + t.tax_minor for t in credited) == amount_minor
        for part in credited:
            assert part.taxable_minor >= 0
            assert part.tax_minor >= 0
            assert abs(part.tax_minor - _exact_tax(part)) < 2
            before = left[part.rate_ppm]
            less = {
                "taxable_minor": before.taxable_minor - part.taxable_minor,
                "tax_minor": before.tax_minor - part.tax_minor,
            }
            left[part.rate_ppm] = before.model_copy(update=less)
        rest -= amount_minor
    assert all(t.taxable_minor >= 0 and t.tax_minor >= 0 for t in left.values())
    assert not any(t.taxable_minor + t.tax_minor for t in left.values())


def test_credit_beyond_uncredited_amount_is_rejected() -> None:
    left = [TaxAmount(rate_ppm=190_000, taxable_minor=100, tax_minor=19)]
    for amount_minor in (0, -1, 120):
        with pytest.raises(ValueError, match="more than is left"):
            split_credit(left, left, amount_minor)


def _exact_tax(tax: TaxAmount) -> Fraction:
    return Fraction(tax.taxable_minor * tax.rate_ppm, 1_000_000)


def _credit_in_turn(rate: int, nets: list[int]) -> list[TaxAmount]:
    """Credit an invoice of these net amounts in as many credit notes."""
    invoiced = TaxAmount(rate_ppm=rate, taxable_minor=sum(nets), tax_minor=share(sum(nets), rate))
    left, notes = invoiced, []
    for net in nets:
        tax = credited_tax(invoiced, left, net)
        notes.append(TaxAmount(rate_ppm=rate, taxable_minor=net, tax_minor=tax))
        rest = {
            "taxable_minor": left.taxable_minor - net,
            "tax_minor": left.tax_minor - tax,
        }
        left = left.model_copy(update=rest)
    assert left.tax_minor == 0
    return notes


@pytest.mark.parametrize(
    ("nets", "taxes"),
    [
        (
            [50] * 10,
            [10, 9, 10, 9, 10, 9, 10, 9, 10, 9],
        ),  # 0.095 each; not 0.10 nine times and 0.05
        ([54] * 3, [10, 11, 10]),
        ([100, 100, 50], [19, 19, 10]),
        ([1] * 5, [0, 0, 1, 0, 0]),
    ],
    ids=str,
)
def test_each_partial_credit_note_has_the_tax_of_its_own_net_amount(
    nets: list[int], taxes: list[int]
) -> None:
    assert [note.tax_minor for note in _credit_in_turn(190_000, nets)] == taxes


@given(
    rate=st.sampled_from([0, 55_000, 70_000, 190_000, 1_000_000]),
    nets=st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
)
def test_last_credit_note_carries_no_rounding_of_the_others(rate: int, nets: list[int]) -> None:
    """Each tax is that of the net amount, rounded up or down; all together make the invoice's."""
    for note in _credit_in_turn(rate, nets):
        assert abs(note.tax_minor - _exact_tax(note)) < 1


def test_tax_of_a_credited_amount_is_taken_out_of_it() -> None:
    """5.00 are 4.20 and 19 % of it."""
    invoiced = [TaxAmount(rate_ppm=190_000, taxable_minor=10_000, tax_minor=1_900)]
    [part] = split_credit(invoiced, invoiced, 500)
    assert (part.taxable_minor, part.tax_minor) == (420, 80)


@given(nets=st.lists(st.integers(0, 10**6), min_size=1, max_size=50), ppm=st.integers(0, 1_000_000))
def test_shares_of_order_discount_add_up_to_discount(nets: list[int], ppm: int) -> None:
    """The discount is rounded once over all lines, and each line stays between zero and its net."""
    lines = [priced(n, unit_price_minor=net, quantity=1) for n, net in enumerate(nets, start=1)]
    discounted = discount_order(lines, ppm)
    assert sum(line.order_discount_minor for line in discounted) == share(sum(nets), ppm)
    for line, net in zip(discounted, nets, strict=True):
        assert 0 <= line.net_minor <= net
        assert line.before_order_discount_minor == net


INVOICED = {"total_minor": 119, "tax_minor": 19, "invoiced_minor": 119, "invoiced_tax_minor": 19}


@pytest.mark.parametrize(
    ("balance", "due", "receivable", "owed"),
    [
        (Balance(total_minor=119, tax_minor=19), 119, 0, 0),
        (Balance(**INVOICED), 119, 119, 0),
        (Balance(**INVOICED, paid_minor=119, deposit_minor=20), 0, 0, 20),
        (Balance(**INVOICED, paid_minor=100, fees_minor=5), 24, 24, 0),
        (Balance(**INVOICED, paid_minor=100, forgiven_minor=19), 0, 0, 0),
        (Balance(**INVOICED, credited_minor=19), 100, 100, 0),
        (Balance(**INVOICED, paid_minor=119, credited_minor=19, payable_minor=19), 0, 0, 19),
        (
            Balance(
                **INVOICED, paid_minor=119, credited_minor=19, payable_minor=19, refunded_minor=19
            ),
            *(0, 0, 0),
        ),
        (Balance(total_minor=119, tax_minor=19, paid_minor=50, cancelled=True), 69, 0, 50),
    ],
)
def test_amounts_due_and_owed_follow_from_facts(
    balance: Balance, due: int, receivable: int, owed: int
) -> None:
    found = (balance.due_minor, balance.receivable_minor, balance.owed_minor)
    assert found == (due, receivable, owed)


@given(paid=amounts, deposit=amounts, payable=amounts, refunded=amounts, amount=amounts)
def test_reversal_reduces_amounts_owed_before_payments(
    paid: int, deposit: int, payable: int, refunded: int, amount: int
) -> None:
    """Deposits are reduced first, then credit notes; only the rest is due again."""
    payable = min(payable, paid)
    balance = Balance(
        **(INVOICED | {"total_minor": 10**9}),
        paid_minor=paid,
        deposit_minor=deposit,
        credited_minor=payable,
        payable_minor=payable,
        refunded_minor=min(refunded, payable),
    )
    split = split_reversal(balance, amount)
    assert split.deposit_minor + split.payable_minor + split.due_again_minor == amount
    assert min(split.deposit_minor, split.payable_minor, split.due_again_minor) >= 0
    if split.due_again_minor:
        assert split.deposit_minor + split.payable_minor == balance.owed_minor
    if split.payable_minor:
        assert split.deposit_minor == deposit

"""Refunds: the way money comes and goes back, and how an amount is split over payments."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from models.ledger import Account
from models.money import round_half_up


class PaidBy(StrEnum):
    """The way money comes and goes: through the payment provider, the till or our bank account."""

    PROVIDER = "provider"
    CASH = "cash"
    TRANSFER = "transfer"

    @property
    def account(self) -> Account:
        """The account that holds the money of this way."""
        return {
            PaidBy.PROVIDER: Account.CASH_CLEARING,
            PaidBy.CASH: Account.TILL,
            PaidBy.TRANSFER: Account.BANK,
        }[self]

    @property
    def by_hand(self) -> bool:
        """Whether an operator pays it, and no partner can be asked to."""
        return self is not PaidBy.PROVIDER

    def __str__(self) -> str:
        return {
            PaidBy.PROVIDER: "by the payment provider",
            PaidBy.CASH: "in cash",
            PaidBy.TRANSFER: "by bank transfer",
        }[self]


_METHODS = {"cash": PaidBy.CASH} | dict.fromkeys(
    (
        *("transfer", "bank transfer", "banktransfer", "credit transfer", "wire", "wire transfer"),
        *("sepa transfer", "sepa credit transfer"),
    ),
    PaidBy.TRANSFER,
)
"""The methods that are not the provider's. SEPA alone may be a direct debit, which it collects."""


def paid_by(method: str) -> PaidBy:
    """Return the way of a payment's method: all but cash and transfer are the provider's.

    Upper case is lower case, hyphens and underscores are spaces.
    """
    name = " ".join(method.lower().replace("_", " ").replace("-", " ").split())
    return _METHODS.get(name, PaidBy.PROVIDER)


class RefundState(StrEnum):
    """The life of a refund."""

    ASKED = "asked"
    """Reserved; the provider, or an operator, is asked to pay it."""
    HELD = "held"
    """Reserved; waits for an operator, as its payment was reversed before it was paid."""
    REFUNDED = "refunded"
    WITHDRAWN = "withdrawn"
    """Not paid: its amount is owed to the customer again, as if it had never been asked for."""


class Refundable(NamedTuple):
    """A payment, and what it brought that has not gone back yet."""

    payment_id: str
    left_minor: int


def split_over_payments(amount_minor: int, payments: Sequence[Refundable]) -> list[tuple[str, int]]:
    """Split a refund over payments, in their order; each gets at most what is left of it.

    The shares add up to the amount, or to all that is left.
    """
    shares = []
    for payment in payments:
        share_minor = min(amount_minor, max(0, payment.left_minor))
        if share_minor:
            shares.append((payment.payment_id, share_minor))
        amount_minor -= share_minor
    return shares


def draw(amount_minor: int, balances: Mapping[str, int]) -> dict[str, int]:
    """Take an amount out of balances, in their order. Raises ValueError for more than they have."""
    shares = dict(
        split_over_payments(amount_minor, [Refundable(*item) for item in balances.items()])
    )
    if sum(shares.values()) != amount_minor:
        raise ValueError(f"{amount_minor} of {dict(balances)} can't be drawn")
    return shares


class RefundPart(NamedTuple):
    """One refund of several: the amounts that it takes out of the order's money.

    `payable_minor`: from credit notes; `deposit_minor`: from deposits; the rest was paid and not
    invoiced. `taxed_minor`: the tax in what is not from credit notes.
    """

    payment_id: str
    amount_minor: int
    payable_minor: int
    deposit_minor: int
    taxed_minor: int


def refund_parts(
    shares: Sequence[tuple[str, int]],
    *,
    payable_minor: int,
    deposit_minor: int,
    free_minor: int,
    taxed_minor: int,
) -> list[RefundPart]:
    """Build the refunds of an order by payment: credit notes first, then deposits.

    `free_minor`: all that is owed and not from credit notes; it has `taxed_minor` of tax, of which
    each refund has its cumulated share.
    """
    parts, taken_minor, taxed_until_minor = [], 0, 0
    for payment_id, amount_minor in shares:
        from_notes_minor = min(amount_minor, payable_minor)
        payable_minor -= from_notes_minor
        others_minor = amount_minor - from_notes_minor
        from_deposits_minor = min(others_minor, deposit_minor)
        deposit_minor -= from_deposits_minor
        taken_minor += others_minor
        until_minor = round_half_up(taxed_minor * taken_minor, free_minor or 1)
        part = RefundPart(
            payment_id=payment_id,
            amount_minor=amount_minor,
            payable_minor=from_notes_minor,
            deposit_minor=from_deposits_minor,
            taxed_minor=until_minor - taxed_until_minor,
        )
        taxed_until_minor = until_minor
        parts.append(part)
    return parts

"""The balance of an order: what is due from and owed to its customer, in Python and in SQL."""

from collections.abc import Sequence

from sqlalchemy import String, bindparam, case, func
from sqlmodel import Session, col, select

from activities.database.kept import read_once
from models.billing import Balance, issue_order
from models.money import Money
from models.progress import Cancellation
from models.refunds import RefundState
from models.tables.billing import InvoiceRow, Refund
from models.tables.orders import Order

INVOICE_NUMBERS = "invoice numbers"
"""The name under which a transaction keeps the numbers of an order's invoices."""
ALL_NUMBERS = func.aggregate_strings(col(InvoiceRow.number), " ")
"""The numbers of an order's invoices in one value, in any order: see `split_numbers`."""
_INVOICE_NUMBERS = select(ALL_NUMBERS).where(
    col(InvoiceRow.order_id) == bindparam("order_id", type_=String)
)


def balance_of(order: Order) -> Balance:
    """Return the balance of an order, as its row has it."""
    return Balance(
        **order.model_dump(include=set(Balance.model_fields)),
        tax_minor=order.total_minor - order.net_minor,
        cancelled=order.cancellation is not Cancellation.NONE,
    )


_UNPAID_CHARGES_MINOR = (
    col(Order.fees_minor)
    + col(Order.reclaimed_minor)
    - col(Order.credited_minor)
    + col(Order.payable_minor)
    - col(Order.forgiven_minor)
    - col(Order.paid_minor)
)
_UNPAID_MINOR = col(Order.total_minor) + _UNPAID_CHARGES_MINOR
DUE_MINOR = case((_UNPAID_MINOR > 0, _UNPAID_MINOR), else_=0)
"""`Balance.due_minor` in SQL, over the columns of `Order`.

tests/unit/billing/test_balance.py compares both.
"""
RECEIVABLE_MINOR = col(Order.invoiced_minor) + _UNPAID_CHARGES_MINOR
"""`Balance.receivable_minor` of an invoiced order in SQL; below zero with payments on account."""


def invoice_numbers(session: Session, order_id: str) -> tuple[str, ...]:
    """Read the numbers of the order's invoices, also of credited ones, in the order of issue.

    Read once in a transaction, as an order is invoiced while it is locked.
    """
    bound = {"order_id": order_id}
    return read_once(
        *(session, INVOICE_NUMBERS, order_id),
        lambda: split_numbers(session.exec(_INVOICE_NUMBERS, params=bound).one_or_none()),
    )


def split_numbers(numbers: str | None) -> tuple[str, ...]:
    """Split `ALL_NUMBERS` of an order into the numbers, in the order of issue."""
    return tuple(sorted((numbers or "").split(), key=issue_order))


def requested_refunds(session: Session, order: Order) -> Sequence[Refund]:
    """Read the refunds requested from the payment provider and not yet confirmed."""
    asked = select(Refund).where(
        Refund.order_id == order.order_id, Refund.state == RefundState.ASKED
    )
    return session.exec(asked.order_by(col(Refund.asked_at), col(Refund.refund_key))).all()


def money_of(order: Order, amount_minor: int) -> Money:
    """Return an amount in the order's currency."""
    return Money(amount_minor=amount_minor, currency=order.currency)

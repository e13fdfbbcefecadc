"""The balance of an order: what is due from and owed to its customer, in Python and in SQL."""

from collections.abc import Sequence

from sqlalchemy import String, bindparam, case
from sqlmodel import Session, col, select

from activities.database.kept import read_once
from models.billing import Balance
from models.money import Money
from models.progress import Cancellation
from models.refunds import RefundState
from models.tables.billing import InvoiceRow, Refund
from models.tables.orders import Order

INVOICE_NUMBER = "invoice number"
"""The name under which a transaction keeps the number of an order's invoice."""
_INVOICE_NUMBER = select(InvoiceRow.number).where(
    col(InvoiceRow.order_id) == bindparam("order_id", type_=String)
)


def balance_of_row(order: Order, *, invoiced: bool) -> Balance:
    """Read the balance from the order's row; `invoiced`: the order has an invoice."""
    return Balance(
        **order.model_dump(include=set(Balance.model_fields)),
        tax_minor=order.total_minor - order.net_minor,
        invoiced=invoiced,
        cancelled=order.cancellation is not Cancellation.NONE,
    )


def balance_of(session: Session, order: Order) -> Balance:
    """Read the balance from the order's row and whether it has an invoice."""
    return balance_of_row(order, invoiced=invoice_number(session, order.order_id) is not None)


_UNPAID_MINOR = (
    col(Order.total_minor)
    + col(Order.fees_minor)
    + col(Order.reclaimed_minor)
    - col(Order.credited_minor)
    + col(Order.payable_minor)
    - col(Order.forgiven_minor)
    - col(Order.paid_minor)
)
DUE_MINOR = case((_UNPAID_MINOR > 0, _UNPAID_MINOR), else_=0)
"""`Balance.due_minor` in SQL, over the columns of `Order`.

tests/unit/billing/test_balance.py compares both.
"""


def invoice_number(session: Session, order_id: str) -> str | None:
    """Read the number of the order's invoice, also of a credited one; None before it is issued.

    Read once in a transaction, as an order is invoiced while it is locked.
    """
    bound = {"order_id": order_id}
    return read_once(
        *(session, INVOICE_NUMBER, order_id),
        lambda: session.exec(_INVOICE_NUMBER, params=bound).one_or_none(),
    )


def requested_refunds(session: Session, order: Order) -> Sequence[Refund]:
    """Read the refunds requested from the payment provider and not yet confirmed."""
    asked = select(Refund).where(
        Refund.order_id == order.order_id, Refund.state == RefundState.ASKED
    )
    return session.exec(asked.order_by(col(Refund.asked_at), col(Refund.refund_key))).all()


def money_of(order: Order, amount_minor: int) -> Money:
    """Return an amount in the order's currency."""
    return Money(amount_minor=amount_minor, currency=order.currency)

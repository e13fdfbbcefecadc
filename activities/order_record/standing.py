"""The standing of an order's customer: blocked or not, and the credit that is left.

It is judged when an order is recorded, and again whenever goods are to leave or an invoice on
credit is issued later: an import may have changed it, and payments may have been reversed.
"""

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.kept import keep, kept
from activities.order_record.balance import DUE_MINOR, balance_of, money_of
from models.customers import CustomerStatus
from models.errors import Refused
from models.messages.attention import Attention
from models.orders import Terms
from models.progress import Cancellation
from models.tables.billing import PaymentReversal
from models.tables.masterdata import Customer
from models.tables.orders import Order

JUDGED = "standing is judged"
"""The name under which a transaction keeps that it has judged the customer of an order."""
WAY_OUT = "then retry; or cancel the order"


def exposure(session: Session, customer_id: str, without_order: str = "") -> int:
    """Sum up what a customer owes or is going to owe, in minor units, except for `without_order`.

    This is the amount due of every accepted order on credit (net30) until it is cancelled, invoiced
    or not, and the receivable of other orders of which a payment was reversed.
    """
    counted = (col(Order.customer_id) == customer_id) & (col(Order.order_id) != without_order)
    on_credit = (
        (col(Order.terms) == Terms.NET30)
        & col(Order.credit_accepted).is_(True)
        & (col(Order.cancellation) != Cancellation.DONE)
    )
    reversed_ids = select(PaymentReversal.order_id).where(
        col(PaymentReversal.order_id).is_not(None)
    )
    was_reversed = counted & ~on_credit & col(Order.order_id).in_(reversed_ids)
    due_minor, has_reversed = session.exec(
        select(
            select(func.sum(DUE_MINOR)).where(counted, on_credit).scalar_subquery(),
            select(Order.order_id).where(was_reversed).exists(),
        )
    ).one()
    reversed_orders = session.exec(select(Order).where(was_reversed)) if has_reversed else ()
    receivable_minor = sum(balance_of(order).receivable_minor for order in reversed_orders)
    return int(due_minor or 0) + receivable_minor


def judge_customer(session: Session, order: Order, customer: Customer) -> Attention | None:
    """Return why an order may not go on: its customer is blocked, or has no credit for it.

    Without a reason, the transaction doesn't judge it again.
    """
    attention = block_of(customer) or _exceeded_credit(session, order, customer)
    if attention is None:
        keep(session, JUDGED, order.order_id, True)
    return attention


def check_standing(session: Session, order: Order) -> None:
    """Check that goods of an order may leave, or an invoice on credit be issued. Raises Refused."""
    if kept(session, JUDGED, order.order_id):
        return
    customer = session.get_one(Customer, order.customer_id)
    attention = judge_customer(session, order, customer)
    if attention is not None:
        raise Refused(attention.code, attention.message)


def block_of(customer: Customer) -> Attention | None:
    """Return the attention of a blocked customer."""
    if customer.status is not CustomerStatus.BLOCKED:
        return None
    message = f"customer {customer.customer_id} is blocked: import it as active, {WAY_OUT}"
    return Attention(code="customer_blocked", message=message)


def _exceeded_credit(session: Session, order: Order, customer: Customer) -> Attention | None:
    due_minor = balance_of(order).due_minor
    if not order.terms.on_credit or not due_minor:
        return None
    total_minor = exposure(session, order.customer_id, order.order_id) + due_minor
    if total_minor <= customer.credit_limit_minor:
        return None
    limit, exposed = money_of(order, customer.credit_limit_minor), money_of(order, total_minor)
    return Attention(
        code="credit_limit_exceeded",
        message=f"with this order customer {order.customer_id} would owe {exposed}, the limit is "
        f"{limit}: wait for payments or raise the limit, {WAY_OUT}",
    )

"""Payment requests: amounts that the provider is asked to collect, or to have authorised."""

from datetime import datetime, timedelta

from sqlmodel import Session

from activities.billing.cards import authorisations
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import recorded_request
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of
from activities.order_record.progress import lock_order
from models.billing import AuthorisationState, due_date
from models.messages.partners import PaymentDemand
from models.money import format_amount, parse_amount
from models.orders import Capture
from models.tables.billing import PaymentRequest
from models.tables.orders import Order


def request_call(order_id: str, number: int) -> str:
    """Return the key of the partner call of an order's n-th payment request."""
    return f"{order_id}/request-payment/{number}"


def next_request(
    session: Session, order_id: str, now: datetime, deadline_s: float
) -> tuple[int, PaymentDemand | None]:
    """Return the number of an order's current request, and its demand if it is not made yet.

    There is one request, and another after each lapsed authorisation. Without credit terms the
    payment is due within `deadline_s`.
    """
    order = session.get_one(Order, order_id)
    due_minor = balance_of(session, order).due_minor
    made = session.get(PaymentRequest, order_id)
    number = 1 + len(authorisations(session, order_id, AuthorisationState.EXPIRED))
    if due_minor <= 0 or (made is not None and made.number >= number):
        return number, None
    deadline = now + timedelta(seconds=deadline_s)
    return number, PaymentDemand(
        order_id=order.order_id,
        amount=format_amount(due_minor, order.currency),
        currency=order.currency,
        due_date=due_date(order.terms, now.date()) or deadline.date(),
        capture=order.capture,
    )


def record_request(work: UnitOfWork, demand: PaymentDemand, number: int, request_id: str) -> None:
    """Record a payment request once."""
    order = lock_order(work, demand.order_id)
    made = work.session.get(PaymentRequest, order.order_id)
    if made is not None and made.number >= number:
        return
    work.session.merge(
        PaymentRequest(
            order_id=order.order_id,
            amount_minor=parse_amount(demand.amount, demand.currency),
            currency=demand.currency,
            due_date=demand.due_date,
            request_id=request_id,
            requested_at=work.now,
            number=number,
        )
    )
    detail = f"{demand.amount} {demand.currency} until {demand.due_date}"
    if order.capture is Capture.AT_DISPATCH:
        detail += ", to be authorised"
    record_event(work, order.order_id, "payment_requested", detail)


def requested_minor(session: Session, order_id: str) -> int:
    """Return the amount of an order's first request in minor units, answered or not."""
    _, demand = recorded_request(session, request_call(order_id, 1), PaymentDemand)
    return parse_amount(demand.amount, demand.currency) if demand else 0

"""Payment requests: amounts that the provider is asked to collect, or to have authorised."""

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from activities.billing.cards import authorisations
from activities.database.company import timezone_of_company
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import (
    PreparedCall,
    Record,
    is_refused,
    record_first_request,
    record_refusal,
    record_request,
    recorded_request,
)
from activities.gateways.payments import Payments
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of
from models.billing import AuthorisationState, due_date
from models.days import end_of_period
from models.messages.partners import PaymentDemand
from models.money import format_amount, parse_amount
from models.orders import Capture
from models.tables.billing import PaymentRequest
from models.tables.orders import Order


def request_call(order_id: str, number: int) -> str:
    """Return the key of the partner call of an order's n-th payment request."""
    return f"{order_id}/request-payment/{number}"


def prepare_first_try(
    work: UnitOfWork, order: Order, payments: Payments, *, is_new: bool
) -> PreparedCall | None:
    """As `prepare_request`; None also for a refused request, which waits for an operator.

    `is_new`: the order is being recorded, so no request is known yet.
    """
    number = 1 if is_new else _next_number(work.session, order)
    if number is None:
        return None
    if not is_new and is_refused(work.session, request_call(order.order_id, number)):
        return None
    return _prepare(work, order, payments, number, is_new=is_new)


def prepare_request(work: UnitOfWork, order: Order, payments: Payments) -> PreparedCall | None:
    """Prepare the request of the amount due; None if nothing is due or it is requested already.

    There is one request, and another after each lapsed authorisation.
    """
    number = _next_number(work.session, order)
    return None if number is None else _prepare(work, order, payments, number)


def _prepare(
    work: UnitOfWork, order: Order, payments: Payments, number: int, *, is_new: bool = False
) -> PreparedCall | None:
    """Prepare an order's n-th request and write it down; None if nothing is due."""
    due_minor = balance_of(work.session, order).due_minor
    if due_minor <= 0:
        return None
    pay_by = end_of_period(
        timezone_of_company(work.session),
        work.now,
        timedelta(seconds=work.rules.policy.payment_deadline),
    )
    demand = PaymentDemand(
        order_id=order.order_id,
        amount=format_amount(due_minor, order.currency),
        currency=order.currency,
        due_date=due_date(order.terms, work.today) or work.day_of(pay_by),
        capture=order.capture,
    )
    call = request_call(order.order_id, number)
    write_down = record_first_request if is_new else record_request
    attempt, asked = write_down(work, call, demand)
    if asked == demand and not order.terms.on_credit:
        order.pay_by = pay_by

    async def send() -> Record:
        request_id = await payments.request(asked, f"{call}/{attempt}")
        return lambda work, _: _record_answer(work, asked, number, request_id)

    return PreparedCall(
        step="request_payment",
        partner="payments",
        send=send,
        refuse=lambda work, _: record_refusal(work, call, attempt),
    )


def _next_number(session: Session, order: Order) -> int | None:
    """Return the number of an order's next request; None if its current one is made."""
    number = 1
    if order.capture is Capture.AT_DISPATCH:
        number += len(authorisations(session, order.order_id, AuthorisationState.EXPIRED))
    made = session.get(PaymentRequest, order.order_id)
    return None if made is not None and made.number >= number else number


def _record_answer(work: UnitOfWork, demand: PaymentDemand, number: int, request_id: str) -> None:
    """Record a payment request once."""
    columns: dict[str, Any] = {
        "order_id": demand.order_id,
        "amount_minor": parse_amount(demand.amount, demand.currency),
        "currency": demand.currency,
        "due_date": demand.due_date,
        "request_id": request_id,
        "requested_at": work.now,
        "number": number,
    }
    if not work.insert_new(PaymentRequest, **columns):
        made = work.session.get_one(PaymentRequest, demand.order_id, with_for_update=True)
        if made.number >= number:
            return
        work.session.merge(PaymentRequest(**columns))
    detail = f"{demand.amount} {demand.currency} until {demand.due_date}"
    if demand.capture is Capture.AT_DISPATCH:
        detail += ", to be authorised"
    record_event(work, demand.order_id, "payment_requested", detail)


def requested_minor(session: Session, order_id: str) -> int:
    """Return the amount of an order's first request in minor units, answered or not."""
    _, demand = recorded_request(session, request_call(order_id, 1), PaymentDemand)
    return parse_amount(demand.amount, demand.currency) if demand else 0

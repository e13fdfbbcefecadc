"""Payment requests: amounts that the provider is asked to collect, or to have authorised."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

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
from activities.order_record.balance import balance_of, invoice_numbers
from activities.order_record.open_invoices import open_by_invoice
from models.billing import AuthorisationState, due_date
from models.days import end_of_period
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.partners import PaymentDemand
from models.money import Money, format_amount, parse_amount
from models.orders import Capture
from models.tables.billing import InvoiceRow, PaymentRequest
from models.tables.orders import Order

_BY_HAND = "by hand: "
"""Begins the id of a request that an operator made, before their reference."""


def request_call(order_id: str, number: int) -> str:
    """Return the key of the partner call of an order's n-th payment request."""
    return f"{order_id}/request-payment/{number}"


class _Next(NamedTuple):
    """The next request of an order: its number, the amount, and the due date of its invoice."""

    number: int
    amount_minor: int
    due_on: date | None = None


def prepare_first_try(
    work: UnitOfWork, order: Order, payments: Payments, *, is_new: bool
) -> PreparedCall | None:
    """As `prepare_request`; None also for a refused request, which waits for an operator.

    `is_new`: no request of the order is known yet.
    """
    request = _next_request(work, order, is_new=is_new)
    if request is None:
        return None
    call = request_call(order.order_id, request.number)
    if not is_new and is_refused(work.session, call):
        return None
    return _prepare(work, order, payments, request, is_new=is_new)


def prepare_request(work: UnitOfWork, order: Order, payments: Payments) -> PreparedCall | None:
    """Prepare the request of the amount due; None if nothing is due or it is requested already.

    There is one request, and another after each lapsed authorisation. Of an order that is invoiced
    by delivery there is one for each invoice, of its open amount.
    """
    request = _next_request(work, order)
    return None if request is None else _prepare(work, order, payments, request)


def _prepare(
    work: UnitOfWork, order: Order, payments: Payments, request: _Next, *, is_new: bool = False
) -> PreparedCall:
    """Prepare a request of an order and write it down."""
    number, call = request.number, request_call(order.order_id, request.number)
    pay_by = (order.pay_by if order.amendments else None) or _pay_by(work)
    made = work.session.get(PaymentRequest, order.order_id) if order.amendments else None
    demand = PaymentDemand(
        order_id=order.order_id,
        amount=format_amount(request.amount_minor, order.currency),
        currency=order.currency,
        due_date=request.due_on or work.day_of(pay_by),
        capture=order.capture,
        replaces=None if made is None else _replaced(work.session, order, call, made),
    )
    write_down = record_first_request if is_new else record_request
    attempt, asked = write_down(work, call, demand)
    if asked == demand and not order.terms.on_credit:
        order.pay_by = pay_by

    async def send() -> Record:
        request_id = await payments.request(asked, f"{call}/{attempt}")
        return lambda work, _: _record_answer(work, asked, number, request_id)

    return PreparedCall(
        step=f"request_payment/{number}" if order.invoiced_by_delivery else "request_payment",
        partner="payments",
        send=send,
        refuse=lambda work, _: record_refusal(work, call, attempt),
    )


def _replaced(session: Session, order: Order, call: str, made: PaymentRequest) -> str | None:
    """Return the id of the request that the next one replaces; None if there is nothing to replace.

    After a refusal and a payment the earlier request is paid: the next one asks for the rest.
    """
    is_paid = is_refused(session, call) and order.paid_minor + order.deposit_minor > 0
    return None if is_paid or _is_by_hand(made) else made.request_id


def _is_by_hand(made: PaymentRequest) -> bool:
    """Return whether an operator made a request: the provider doesn't know its reference."""
    return made.request_id.startswith(_BY_HAND)


def renew_request(session: Session, order: Order) -> bool:
    """Let another request follow the current one of an amended order; return whether it has one.

    Refuses while the current one is sent and unanswered: nothing could say what the next replaces.
    """
    number = _number(session, order)
    made = session.get(PaymentRequest, order.order_id)
    _, asked = recorded_request(session, request_call(order.order_id, number), PaymentDemand)
    if asked is None and (made is None or made.number < number):
        return False
    if made is None or made.number < number:
        reason = (
            f"the payment provider has not answered the payment request of {order.order_id} yet: "
            "amend it again later, or record the request (`resolve payment-request`)"
        )
        refuse("order_id", reason, ORDER_REFUSED)
    order.amendments += 1
    return True


def _number(session: Session, order: Order) -> int:
    """Return the number of the current request of an order that is billed as a whole."""
    number = 1 + order.amendments
    if order.capture is Capture.AT_DISPATCH:
        number += len(authorisations(session, order.order_id, AuthorisationState.EXPIRED))
    return number


def record_request_by_hand(work: UnitOfWork, order: Order, reference: str) -> Money | None:
    """Record the next request of an order as made by an operator; None if none is due."""
    request = _next_request(work, order)
    if request is None:
        return None
    pay_by = _pay_by(work)
    columns: dict[str, Any] = {
        "order_id": order.order_id,
        "amount_minor": request.amount_minor,
        "currency": order.currency,
        "due_date": request.due_on or work.day_of(pay_by),
        "request_id": f"{_BY_HAND}{reference}",
        "requested_at": work.now,
        "number": request.number,
    }
    work.session.merge(PaymentRequest(**columns))
    if not order.terms.on_credit:
        order.pay_by = pay_by
    return Money(amount_minor=request.amount_minor, currency=order.currency)


def _pay_by(work: UnitOfWork) -> datetime:
    """Return until when a request that is made now is to be paid."""
    return end_of_period(
        timezone_of_company(work.session),
        work.now,
        timedelta(seconds=work.rules.policy.payment_deadline),
    )


def _next_request(work: UnitOfWork, order: Order, *, is_new: bool = False) -> _Next | None:
    """Return an order's next request; None if nothing is due, or its current one is made."""
    session = work.session
    made = None if is_new else session.get(PaymentRequest, order.order_id)
    done = made.number if made is not None else 0
    if order.invoiced_by_delivery:
        return _next_of_invoices(session, order, done)
    number = 1 if is_new else _number(session, order)
    due_minor = balance_of(order).due_minor
    if done >= number or not due_minor:
        return None
    return _Next(number, due_minor, due_date(order.terms, work.today))


def _next_of_invoices(session: Session, order: Order, done: int) -> _Next | None:
    """Return the request for the first open invoice of an order whose request is not made."""
    numbers = invoice_numbers(session, order.order_id)
    if len(numbers) == 1:  # its open amount is not read
        open_minor = {numbers[0]: balance_of(order).receivable_minor}
    else:
        open_minor = open_by_invoice(session, order)
    for number, invoice in enumerate(numbers, start=1):
        if number > done and open_minor[invoice]:
            due_on = session.get_one(InvoiceRow, invoice).due_on
            return _Next(number, open_minor[invoice], due_on)
    return None


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


def requested_minor(session: Session, order: Order) -> int:
    """Return the smallest amount that an order was asked for in minor units, answered or not.

    A request that an amendment replaced may be the one that was paid.
    """
    calls = (request_call(order.order_id, number) for number in range(1, 2 + order.amendments))
    demands = [recorded_request(session, call, PaymentDemand)[1] for call in calls]
    amounts = [parse_amount(asked.amount, asked.currency) for asked in demands if asked]
    return min(amounts, default=0)

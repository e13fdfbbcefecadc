"""The payment provider: asks customers for money, takes it, gives it back."""

from datetime import date, timedelta
from typing import Literal

from simulators import clock
from simulators.books import Books
from simulators.contract import (
    Amount,
    Body,
    BusinessId,
    Callback,
    Currency,
    Data,
    Outcome,
    Text,
    problem,
)
from simulators.desk import Operation

AUTHORISED_FOR = timedelta(days=7)
"""How long a card's authorisation lasts, commonly."""


class PaymentRequest(Body):
    """Ask for the payment of an order."""

    order_id: BusinessId
    amount: Amount
    currency: Currency
    due_date: date
    capture: Literal["at_once", "at_dispatch"] = "at_once"


class CaptureRequest(Body):
    """Turn an authorisation into money."""

    order_id: BusinessId
    authorisation_id: BusinessId
    amount: Amount
    currency: Currency


class VoidRequest(Body):
    """Stop asking."""

    order_id: BusinessId


class RefundRequest(Body):
    """Give money back."""

    order_id: BusinessId
    amount: Amount
    currency: Currency
    reason: Text


def request_payment(books: Books, body: PaymentRequest) -> Outcome:
    """Ask for the payment; it is paid (or a card authorised for it) in full one delay later. Not
    where it was voided before: a request may be on its way longer than its undo."""
    if books.states("payments", "void", body.order_id):
        return Outcome(409, problem("voided", f"the request of {body.order_id} was voided before"))
    suffix = _numbered(body.order_id, books.states("payments", "request", body.order_id))
    answer: Data = {"request_id": f"req-{suffix}", "state": "requested"}
    if body.capture == "at_dispatch":
        return Outcome(201, answer, "requested", (_authorised(body, suffix),))
    payment_id = f"pay-{suffix}"
    paid = Callback(
        "payment.received",
        payment_id,
        {
            "payment_id": payment_id,
            "order_id": body.order_id,
            "amount": body.amount,
            "currency": body.currency,
            "method": "card",
        },
        time_field="received_at",
    )
    return Outcome(201, answer, "requested", (paid,))


def _authorised(body: PaymentRequest, suffix: str) -> Callback:
    authorisation_id = f"auth-{suffix.replace('#', '-')}"
    return Callback(
        "payment.authorised",
        authorisation_id,
        {
            "authorisation_id": authorisation_id,
            "order_id": body.order_id,
            "amount": body.amount,
            "currency": body.currency,
            "expires_at": clock.stamp(clock.now() + AUTHORISED_FOR),
        },
    )


def capture(books: Books, body: CaptureRequest) -> Outcome:
    """Charge the card at once; an authorisation that was released, or used, stands for nothing."""
    if books.states("payments", "void", body.order_id):
        return Outcome(409, problem("authorisation_lapsed", "the authorisation was released"))
    if books.states("payments", "capture", body.authorisation_id):
        return Outcome(409, problem("authorisation_lapsed", "the authorisation is used up"))
    answer: Data = {"payment_id": f"pay-{body.authorisation_id}", "state": "captured"}
    return Outcome(201, answer, "captured")


def void(books: Books, body: VoidRequest) -> Outcome:
    """Stop asking; `paid` when the money came before, `unknown` when nothing was asked."""
    books.call_off("payments", "request", body.order_id, "requested", "voided")
    states = books.states("payments", "request", body.order_id)
    state = "paid" if "paid" in states else "voided" if states else "unknown"
    return Outcome(200, {"state": state}, "done")


def refund(books: Books, body: RefundRequest) -> Outcome:
    """Give the money back at once."""
    suffix = _numbered(body.order_id, books.states("payments", "refund", body.order_id))
    return Outcome(201, {"refund_id": f"rf-{suffix}", "state": "refunded"}, "refunded")


def _numbered(order_id: str, earlier: list[str]) -> str:
    """The order's id, numbered from the second use on."""
    return f"{order_id}#{len(earlier) + 1}" if earlier else order_id


OPERATIONS = (
    Operation(
        "payments", "request", "/payments/requests",
        PaymentRequest, lambda body: body.order_id, request_payment,
    ),
    Operation(
        "payments", "capture", "/payments/captures",
        CaptureRequest, lambda body: body.authorisation_id, capture,
    ),
    Operation(
        "payments", "void", "/payments/requests/void",
        VoidRequest, lambda body: body.order_id, void,
    ),
    Operation(
        "payments", "refund", "/payments/refunds",
        RefundRequest, lambda body: body.order_id, refund,
    ),
)  # fmt: skip

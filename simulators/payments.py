"""Simulate the payment provider: request, authorise, capture, void and refund payments."""

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
    conflict,
)
from simulators.desk import Operation
from simulators.faults import Faults

AUTHORISED_FOR = timedelta(days=7)
"""The usual lifetime of a card authorisation."""


class PaymentRequest(Body):
    """A request that the customer pay an order."""

    order_id: BusinessId
    amount: Amount
    currency: Currency
    due_date: date
    capture: Literal["at_once", "at_dispatch"] = "at_once"
    replaces: str | None = None


class CaptureRequest(Body):
    """A request to charge an authorised card."""

    order_id: BusinessId
    authorisation_id: BusinessId
    amount: Amount
    currency: Currency


class VoidRequest(Body):
    """A request to withdraw an order's payment request."""

    order_id: BusinessId


class RefundRequest(Body):
    """A request to refund a customer, to the payment that it names."""

    order_id: BusinessId
    payment_id: BusinessId
    amount: Amount
    currency: Currency
    reason: Text


def request_payment(books: Books, body: PaymentRequest) -> Outcome:
    """Request a payment; it is paid, or a card authorised, in full after one delay.

    Reject a request voided before: a delayed request may arrive after its void. Reject one that
    replaces a paid one: its payment is reported.
    """
    if books.states("payments", "void", body.order_id):
        return conflict("voided", f"the payment request of {body.order_id} was voided before")
    states = books.states("payments", "request", body.order_id)
    if body.replaces is not None:
        if body.replaces in _paid(body.order_id, states):
            return conflict("already_paid", f"{body.replaces} is paid: it can't be replaced")
        books.cancel_requests("payments", "request", body.order_id, "requested", "replaced")
    suffix = _numbered(body.order_id, states)
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


def _paid(order_id: str, states: list[str]) -> set[str]:
    """Return the ids of an order's requests that are paid."""
    return {
        f"req-{_numbered(order_id, states[:number])}"
        for number, state in enumerate(states)
        if state == "paid"
    }


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
    """Charge the card at once; reject an authorisation already released or used."""
    if books.states("payments", "void", body.order_id):
        return conflict("authorisation_lapsed", "the authorisation was released")
    if books.states("payments", "capture", body.authorisation_id):
        return conflict("authorisation_lapsed", "the authorisation was already used")
    answer: Data = {"payment_id": f"pay-{body.authorisation_id}", "state": "captured"}
    return Outcome(201, answer, "captured")


def void(books: Books, body: VoidRequest) -> Outcome:
    """Void a payment request; answer `paid` if it was paid before, `unknown` if there was none."""
    books.cancel_requests("payments", "request", body.order_id, "requested", "voided")
    states = books.states("payments", "request", body.order_id)
    state = "paid" if "paid" in states else "voided" if states else "unknown"
    return Outcome(200, {"state": state}, "done")


def refund(books: Books, body: RefundRequest) -> Outcome:
    """Refund at once."""
    suffix = _numbered(body.order_id, books.states("payments", "refund", body.order_id))
    return Outcome(201, {"refund_id": f"rf-{suffix}", "state": "refunded"}, "refunded")


def _refund_reports(faults: Faults, body: RefundRequest, answer: Data) -> tuple[Callback, ...]:
    """Report the refund as made, or as failed, where that is pending."""
    refund_id = str(answer["refund_id"])
    given: Data = {"refund_id": refund_id, "payment_id": body.payment_id}
    reports: list[Callback] = []
    if faults.take("payments", "refund_report", "report"):
        made = given | {"amount": body.amount, "currency": body.currency}
        reports.append(Callback("payment.refunded", f"{refund_id}-made", made))
    if faults.take("payments", "refund_report", "fail"):
        failed = given | {"reason": "account closed"}
        reports.append(Callback("payment.refund_failed", f"{refund_id}-failed", failed, delays=2))
    return tuple(reports)


def _numbered(order_id: str, states: list[str]) -> str:
    """Return the order's id, numbered from its second request on."""
    return f"{order_id}#{len(states) + 1}" if states else order_id


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
        RefundRequest, lambda body: body.order_id, refund, _refund_reports,
    ),
)  # fmt: skip

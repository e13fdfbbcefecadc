"""Cards: authorisations, their capture, lapse and release."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from activities.billing.payments import record_payment
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import recorded_request
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import lock_order, save_progress
from activities.order_record.standing import check_standing
from models import billing
from models.billing import AuthorisationState, amount_problem
from models.errors import Refused
from models.messages.facts import PaymentAuthorised, PaymentReceived
from models.messages.partners import CaptureDemand
from models.money import format_amount, parse_amount
from models.orders import Capture
from models.progress import Cancellation
from models.tables.billing import Authorisation, Payment
from models.tables.orders import Order

DEFAULT_VALIDITY = timedelta(days=7)
"""The validity of an authorisation whose provider gives none, as is common among card issuers."""


def authorisations(
    session: Session, order_id: str, state: AuthorisationState
) -> list[Authorisation]:
    """Return an order's authorisations in a state, the longest valid first."""
    query = select(Authorisation).where(
        Authorisation.order_id == order_id, Authorisation.state == state
    )
    return list(session.exec(query.order_by(col(Authorisation.expires_at).desc())))


def authorisation_problem(order: Order, fact: PaymentAuthorised) -> str | None:
    """Check a reported authorisation against its order; None: it is valid.

    One below the amount due is valid: a payment may still come, or have come, for the rest.
    """
    if problem := amount_problem(fact.amount, fact.currency, "amount", least=1):
        return problem
    if fact.currency != order.currency:
        return f"currency: the order is in {order.currency}"
    if order.capture is not Capture.AT_DISPATCH:
        return "the order is not paid by a later capture"
    return None


def record_authorisation(work: UnitOfWork, order: Order, fact: PaymentAuthorised) -> None:
    """Record a valid authorisation once; it posts nothing."""
    if work.session.get(Authorisation, fact.authorisation_id) is not None:
        return
    expires_at = fact.expires_at or work.now + DEFAULT_VALIDITY
    state = AuthorisationState.LIVE if expires_at > work.now else AuthorisationState.EXPIRED
    if order.cancellation is not Cancellation.NONE:
        state = AuthorisationState.VOIDED
    work.session.add(
        Authorisation(
            authorisation_id=fact.authorisation_id,
            order_id=order.order_id,
            amount_minor=parse_amount(fact.amount or "", order.currency),
            currency=order.currency,
            state=state,
            authorised_at=work.now,
            expires_at=expires_at,
        )
    )
    amount = money_of(order, parse_amount(fact.amount or "", order.currency))
    detail = f"{amount} until {expires_at:%Y-%m-%d %H:%M} UTC"
    due_minor = balance_of(order).due_minor
    if amount.amount_minor < due_minor:
        detail += f", below the {money_of(order, due_minor)} due"
    record_event(work, order.order_id, "payment_authorised", detail)


def lapse_authorisations(work: UnitOfWork, order: Order) -> bool:
    """Expire an order's authorisations that are past their validity, except captures in doubt.

    Returns whether there were any.
    """
    lapsed = [
        row
        for row in authorisations(work.session, order.order_id, AuthorisationState.LIVE)
        if row.expires_at <= work.now and _capture_in_doubt(work.session, row) is None
    ]
    for row in lapsed:
        row.state = AuthorisationState.EXPIRED
        record_event(work, order.order_id, "authorisation_lapsed", row.authorisation_id)
    return bool(lapsed)


def release_authorisations(work: UnitOfWork, order: Order) -> None:
    """Void an order's live authorisations."""
    for row in authorisations(work.session, order.order_id, AuthorisationState.LIVE):
        row.state = AuthorisationState.VOIDED
        record_event(work, order.order_id, "authorisation_released", row.authorisation_id)
    work.session.flush()


def capture_call(order_id: str, authorisation_id: str) -> str:
    """Return the key of the partner call of a capture."""
    return f"{order_id}/capture/{authorisation_id}"


def capture_demand(session: Session, order_id: str, now: datetime) -> CaptureDemand | None:
    """Return the capture that pays an order; None if nothing is due.

    A capture in doubt comes first, as it may have been charged. Raises Refused with the code
    AUTHORISATION_LAPSED if no live authorisation covers the amount due, and for a blocked customer.
    """
    order = session.get_one(Order, order_id)
    due_minor = balance_of(order).due_minor
    if not due_minor or order.cancellation is not Cancellation.NONE:
        return None
    if in_doubt := captures_in_doubt(session, order_id):
        return in_doubt[0]
    check_standing(session, order)
    for row in authorisations(session, order_id, AuthorisationState.LIVE):
        if row.amount_minor >= due_minor and row.expires_at > now:
            return CaptureDemand(
                order_id=order_id,
                authorisation_id=row.authorisation_id,
                amount=format_amount(due_minor, order.currency),
                currency=order.currency,
            )
    raise Refused(billing.AUTHORISATION_LAPSED, "the card's authorisation has lapsed")


def captures_in_doubt(session: Session, order_id: str) -> list[CaptureDemand]:
    """Return the captures that were requested and whose answer is not recorded."""
    found = (
        _capture_in_doubt(session, row)
        for state in (AuthorisationState.LIVE, AuthorisationState.EXPIRED)
        for row in authorisations(session, order_id, state)
    )
    return [demand for demand in found if demand is not None]


def _capture_in_doubt(session: Session, row: Authorisation) -> CaptureDemand | None:
    call = capture_call(row.order_id, row.authorisation_id)
    return recorded_request(session, call, CaptureDemand)[1]


def record_capture(work: UnitOfWork, demand: CaptureDemand, payment_id: str) -> None:
    """Record a capture as a payment once."""
    order = lock_order(work, demand.order_id)
    row = work.session.get_one(Authorisation, demand.authorisation_id, with_for_update=True)
    row.state = AuthorisationState.CAPTURED
    if work.session.get(Payment, payment_id) is None:
        fact = PaymentReceived(
            payment_id=payment_id,
            order_id=order.order_id,
            amount=demand.amount,
            currency=demand.currency,
            method="card",
            received_at=work.now,
        )
        record_payment(work, order, fact)
    save_progress(work, order)

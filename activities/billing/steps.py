"""Billing: the payment request, the invoice, payments, and giving money back."""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlmodel import Session, col, select
from temporalio import activity

from activities.billing.exchanges import settle_cancelled
from activities.billing.invoicing import credit, invoice_of, issue, left_minor
from activities.billing.payments import (
    in_another_currency,
    record_payment,
    record_unmatched,
    resume_order,
    reverse_payment,
    unusable,
)
from activities.billing.refunds import demand_of, given_back, next_refund
from activities.database.engine import Database
from activities.database.inbox import mark_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import asked_before, call_idempotently
from activities.gateways.payments import Payments
from activities.ledger.posting import post
from activities.order_record.audit import record_event, reject_fact
from activities.order_record.balance import balance_of, invoice_number, money_of
from activities.order_record.progress import find_order, lock_order, read_progress, save_progress
from models import billing, ledger
from models.billing import AuthorisationState
from models.errors import PartnerRefused, Refused
from models.messages.facts import PaymentAuthorised, PaymentReceived, PaymentReversed, PayoutPaid
from models.messages.partners import CaptureDemand, PaymentDemand, RefundDemand
from models.messages.steps import (
    AuthorisationStep,
    OrderStep,
    PaymentStep,
    RefundStep,
    ReversalStep,
)
from models.money import Money, format_amount, parse_amount
from models.orders import Capture
from models.progress import Cancellation, Progress
from models.tables.billing import (
    Authorisation,
    Payment,
    PaymentRequest,
    PaymentReversal,
    Payout,
    Refund,
)
from models.tables.operations import PartnerCall
from models.tables.orders import Order

A_WEEK = timedelta(days=7)
"""How long a card's authorisation commonly lasts, where the provider doesn't say."""


@step
def issue_invoice(work: UnitOfWork, step: OrderStep) -> Progress:
    """Number and post the order's invoice, once."""
    order = lock_order(work, step.order_id)
    if order.cancellation is not Cancellation.NONE or not issue(work, order):
        return read_progress(work.session, order)
    return save_progress(work, order)


@step
def apply_authorisation(work: UnitOfWork, step: AuthorisationStep) -> Progress:
    """Record a card's authorisation, once; it posts nothing."""
    fact = step.fact
    order = lock_order(work, step.order_id)
    mark_applied(work, fact)
    known = work.session.get(Authorisation, fact.authorisation_id)
    if fact.order_id not in (None, order.order_id):
        reason = f"order_id: it says {fact.order_id} and reached {order.order_id}"
        reject_fact(work, order.order_id, fact, reason)
    elif problem := billing.not_an_amount(fact.amount, fact.currency, "amount", least=1):
        reject_fact(work, order.order_id, fact, problem)
    elif fact.currency != order.currency:
        reason = f"currency: the order is in {order.currency}"
        reject_fact(work, order.order_id, fact, reason)
    elif order.capture is not Capture.AT_DISPATCH:
        reject_fact(work, order.order_id, fact, "the order wants the money at once")
    elif known is None and (problem := _too_little(work.session, order, fact)):
        reject_fact(work, order.order_id, fact, problem)
    elif known is None:
        assert fact.amount is not None
        expires_at = fact.expires_at or work.now + A_WEEK
        work.session.add(
            Authorisation(
                authorisation_id=fact.authorisation_id,
                order_id=order.order_id,
                amount_minor=parse_amount(fact.amount, order.currency),
                currency=order.currency,
                state=_state_at(order, expires_at, work.now),
                authorised_at=work.now,
                expires_at=expires_at,
            )
        )
        detail = f"{fact.amount} {fact.currency} until {expires_at:%Y-%m-%d %H:%M} UTC"
        record_event(work, order.order_id, "payment_authorised", detail)
    return save_progress(work, order)


@step
def lapse_authorisation(work: UnitOfWork, step: OrderStep) -> Progress:
    """Count no longer on an authorisation whose time is over."""
    order = lock_order(work, step.order_id)
    over = [
        row
        for row in _authorisations(work.session, step.order_id, AuthorisationState.LIVE)
        if row.expires_at <= work.now and _asked_capture(work.session, row) is None
    ]
    for row in over:
        row.state = AuthorisationState.EXPIRED
        record_event(work, step.order_id, "authorisation_lapsed", row.authorisation_id)
    return save_progress(work, order) if over else read_progress(work.session, order)


@step
def apply_payment(work: UnitOfWork, step: PaymentStep) -> Progress:
    """Record a payment, once: applied to its order, and the invoice issued when it is full."""
    return _apply_to_order(work, step.order_id, step.fact)


@step
def record_unmatched_payment(work: UnitOfWork, payment: PaymentReceived) -> None:
    """Record money for which there is no order: posted as unapplied, and listed."""
    mark_applied(work, payment)
    known = work.session.get(Payment, payment.payment_id)
    if known is not None:
        _note_difference(work, payment.order_id or "", known, payment)
        return
    if find_order(work, payment.order_id or "") is not None:  # placed a moment ago
        _apply_to_order(work, payment.order_id or "", payment)
        return
    if problem := unusable(payment, payment.currency or ""):
        reject_fact(work, payment.order_id or "", payment, problem)
        return
    record_unmatched(work, payment, None, "no such order")


@step
def apply_reversal(work: UnitOfWork, step: ReversalStep) -> Progress | None:
    """Record money that the payer's bank took back, once; with its order, if it has one. Where
    its payment isn't known yet, it waits for it."""
    fact = step.fact
    order = find_order(work, step.order_id or "")
    mark_applied(work, fact)
    known = work.session.get(PaymentReversal, fact.reversal_id)
    payment = work.session.get(Payment, fact.payment_id or "", with_for_update=True)
    problem = _not_a_reversal(fact, payment, order)
    if known is not None:
        if _content(known) != _content_told(fact, known):
            reason = "reversal_id: known with other content"
            reject_fact(work, step.order_id or "", fact, reason)
    elif problem:
        reject_fact(work, step.order_id or "", fact, problem)
    else:
        reversal = _reversal(fact, payment, work.now)
        work.session.add(reversal)
        if payment is not None:
            reverse_payment(work, reversal, payment)
    return save_progress(work, order) if order is not None else None


@step
def record_payout(work: UnitOfWork, fact: PayoutPaid) -> None:
    """Record what the provider paid out, and its fee; once."""
    mark_applied(work, fact)
    problem = billing.not_an_amount(fact.amount, fact.currency, "amount", least=None)
    problem = problem or billing.not_an_amount(fact.fee, fact.currency, "fee", least=0)
    if problem:
        reject_fact(work, fact.payout_id, fact, problem)
        return
    assert fact.amount is not None
    assert fact.currency is not None
    amount_minor = parse_amount(fact.amount, fact.currency)
    fee_minor = parse_amount(fact.fee, fact.currency)
    known = work.session.get(Payout, fact.payout_id)
    if known is not None:
        told = (amount_minor, fee_minor, fact.currency)
        if (known.amount_minor, known.fee_minor, known.currency) != told:
            reason = "payout_id: known with other content"
            reject_fact(work, fact.payout_id, fact, reason)
        return
    work.session.add(
        Payout(
            payout_id=fact.payout_id,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            currency=fact.currency,
            recorded_at=work.now,
        )
    )
    entry = ledger.payout_entry(
        fact.payout_id, fact.currency, amount_minor=amount_minor, fee_minor=fee_minor
    )
    post(work, entry, fact.occurred_at.date() if fact.occurred_at else None)


@step
def credit_invoice(work: UnitOfWork, step: OrderStep) -> Progress:
    """Undo of the invoice: a credit note, before any goods left. Of an exchange it is that of
    the order which was paid, for what won't be sent."""
    order = lock_order(work, step.order_id)
    invoice = invoice_of(work.session, order.order_id)
    credited = settle_cancelled(work, order)
    if invoice is not None and left_minor(work.session, invoice):
        credit(work, order, order.cancel_reason)
        credited = True
    return save_progress(work, order) if credited else read_progress(work.session, order)


def _next_refund(work: UnitOfWork, order_id: str) -> tuple[str, RefundDemand] | None:
    order = lock_order(work, order_id)
    if order.cancellation is Cancellation.NONE:
        return None
    refund = next_refund(work, order)
    return (refund.refund_key, demand_of(work.session, refund)) if refund else None


def _requested(work: UnitOfWork, demand: PaymentDemand, number: int, request_id: str) -> None:
    order = lock_order(work, demand.order_id)
    known = work.session.get(PaymentRequest, order.order_id)
    if known is not None and known.number >= number:
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


def _captured(work: UnitOfWork, demand: CaptureDemand, payment_id: str) -> None:
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


def _voided(work: UnitOfWork, order_id: str, collected: bool) -> int:
    order = lock_order(work, order_id)
    for row in _authorisations(work.session, order_id, AuthorisationState.LIVE):
        row.state = AuthorisationState.VOIDED
        record_event(work, order_id, "authorisation_released", row.authorisation_id)
    work.session.flush()
    if not collected or order.capture is Capture.AT_DISPATCH:
        return 0
    return _asked_minor(work.session, order_id)


def _apply_to_order(work: UnitOfWork, order_id: str, fact: PaymentReceived) -> Progress:
    order = lock_order(work, order_id)
    mark_applied(work, fact)
    known = work.session.get(Payment, fact.payment_id)
    problem = unusable(fact, order.currency)
    if fact.order_id not in (None, order_id):
        reason = f"order_id: it says {fact.order_id} and reached {order_id}"
        reject_fact(work, order_id, fact, reason)
    elif known is not None:
        _note_difference(work, order_id, known, fact)
    elif problem:
        reject_fact(work, order_id, fact, problem)
    elif fact.currency != order.currency:
        reason = in_another_currency(order)
        record_unmatched(work, fact, order_id, reason)
        record_event(work, order_id, "payment_unmatched", f"{fact.payment_id}: {reason}")
    else:
        owed_minor = balance_of(work.session, order).owed_minor
        record_payment(work, order, fact)
        if order.cancellation is Cancellation.DONE:
            _decide_late_money(work, order, owed_minor)
    return save_progress(work, order)


def _decide_late_money(
    work: UnitOfWork,
    order: Order,
    owed_minor: int,
) -> None:
    """Money for an order that is cancelled is a deposit, which waits for being given back;
    or the order is taken up again."""
    in_hand_minor = balance_of(work.session, order).owed_minor
    use = billing.late_money(
        work.rules.policy.late_money,
        expired=order.expired,
        invoiced=invoice_number(work.session, order.order_id) is not None,
        owed_minor=owed_minor,
        reclaimed_minor=order.reclaimed_minor,
        received_minor=in_hand_minor - owed_minor,
        total_minor=order.total_minor,
    )
    if use is billing.LateMoney.REALLOCATE:
        resume_order(work, order)
        return
    in_hand = money_of(order, in_hand_minor)
    detail = f"{in_hand}: the order is cancelled, it is given back"
    record_event(work, order.order_id, "late_money", detail)


class Billing:
    """The steps of the bill phase, and their undoing."""

    def __init__(self, database: Database, payments: Payments) -> None:
        self._database = database
        self._payments = payments

    @activity.defn
    async def request_payment(self, step: OrderStep) -> Progress:
        """Ask the provider to collect what is due (or to have it authorised), once per order; again
        where an authorisation has lapsed."""
        number, demand = await self._database.read_async(lambda s: self._demand(s, step))
        if demand is not None:
            asked, request_id = await call_idempotently(
                self._database,
                f"{step.order_id}/request-payment/{number}",
                demand,
                self._payments.request,
            )
            await self._database.transaction_async(
                lambda work: _requested(work, asked, number, request_id),
            )
        return await self._look(step.order_id)

    @activity.defn
    async def capture_payment(self, step: OrderStep) -> Progress:
        """Turn the authorisation into money, which brings the invoice; once per authorisation."""
        demand = await self._database.read_async(lambda s: self._capture_demand(s, step.order_id))
        if demand is not None:
            await self._capture(demand)
        return await self._look(step.order_id)

    @activity.defn
    async def void_payment_request(self, step: OrderStep) -> int:
        """Undo of `request_payment`: also where the request may or may not have been made.

        Returns what the provider has collected all the same, in minor units: that money comes. A
        card that was being charged when the order was cancelled is asked for after the void, under
        the same key: what was charged is answered as before, what wasn't is refused.
        """
        _, collected = await call_idempotently(
            self._database,
            f"{step.order_id}/void-payment-request/1",
            step,
            lambda asked, key: self._payments.void(asked.order_id, key),
        )
        await self._settle_captures(step.order_id)
        return await self._database.transaction_async(
            lambda work: _voided(work, step.order_id, collected),
        )

    async def _settle_captures(self, order_id: str) -> None:
        demands = await self._database.read_async(
            lambda session: _asked_captures(session, order_id)
        )
        for demand in demands:
            with suppress(PartnerRefused):  # then it wasn't charged
                await self._capture(demand)

    async def _capture(self, demand: CaptureDemand) -> None:
        call = _capture_call(demand.order_id, demand.authorisation_id)
        asked, payment_id = await call_idempotently(
            self._database, call, demand, self._payments.capture
        )
        await self._database.transaction_async(lambda work: _captured(work, asked, payment_id))

    @activity.defn
    async def refund_payment(self, step: OrderStep) -> Progress:
        """Give back what a cancelled order's customer has paid: one refund at a time."""
        found = await self._database.transaction_async(
            lambda work: _next_refund(work, step.order_id)
        )
        if found is not None:
            await self._give_back(*found)
        return await self._look(step.order_id)

    @activity.defn
    async def pay_refund(self, step: RefundStep) -> None:
        """Give back what a person's command has set aside."""
        demand = await self._database.read_async(
            lambda s: demand_of(s, s.get_one(Refund, step.refund_key)),
        )
        await self._give_back(step.refund_key, demand)

    async def _give_back(self, refund_key: str, demand: RefundDemand) -> None:
        _, refund_id = await call_idempotently(
            self._database, refund_key, demand, self._payments.refund
        )
        await self._database.transaction_async(
            lambda work: given_back(work, refund_key, refund_id),
        )

    async def _look(self, order_id: str) -> Progress:
        return await self._database.read_async(
            lambda s: read_progress(s, s.get_one(Order, order_id))
        )

    def _demand(self, session: Session, step: OrderStep) -> tuple[int, PaymentDemand | None]:
        order = session.get_one(Order, step.order_id)
        due_minor = balance_of(session, order).due_minor
        known = session.get(PaymentRequest, step.order_id)
        lapsed = len(_authorisations(session, order.order_id, AuthorisationState.EXPIRED))
        number = 1 + lapsed
        if due_minor <= 0 or (known is not None and known.number >= number):
            return number, None
        today = self._database.clock().date()
        deadline = (
            self._database.clock() + timedelta(seconds=self._database.rules.policy.payment_deadline)
        ).date()
        return number, PaymentDemand(
            order_id=order.order_id,
            amount=format_amount(due_minor, order.currency),
            currency=order.currency,
            due_date=billing.due_date(order.terms, today) or deadline,
            capture=order.capture,
        )

    def _capture_demand(self, session: Session, order_id: str) -> CaptureDemand | None:
        order, now = session.get_one(Order, order_id), self._database.clock()
        due_minor = balance_of(session, order).due_minor
        if not due_minor or order.cancellation is not Cancellation.NONE:
            return None
        if in_doubt := _asked_captures(session, order_id):
            return in_doubt[0]  # it may have been charged: nothing else is
        for row in _authorisations(session, order_id, AuthorisationState.LIVE):
            if row.amount_minor >= due_minor and row.expires_at > now:
                return CaptureDemand(
                    order_id=order_id,
                    authorisation_id=row.authorisation_id,
                    amount=format_amount(due_minor, order.currency),
                    currency=order.currency,
                )
        raise Refused(billing.AUTHORISATION_LAPSED, "the card's authorisation has lapsed")


def _authorisations(
    session: Session, order_id: str, state: AuthorisationState
) -> list[Authorisation]:
    query = select(Authorisation).where(
        Authorisation.order_id == order_id, Authorisation.state == state
    )
    return list(session.exec(query.order_by(col(Authorisation.expires_at).desc())))


def _too_little(session: Session, order: Order, fact: PaymentAuthorised) -> str | None:
    """Why a card doesn't stand for what is due; None: it does."""
    amount_minor = parse_amount(fact.amount or "", order.currency)
    due_minor = balance_of(session, order).due_minor
    if amount_minor >= due_minor:
        return None
    amount, due = money_of(order, amount_minor), money_of(order, due_minor)
    return f"amount: {amount} are authorised, {due} are due"


def _state_at(order: Order, expires_at: datetime, now: datetime) -> AuthorisationState:
    if order.cancellation is not Cancellation.NONE:
        return AuthorisationState.VOIDED
    return AuthorisationState.LIVE if expires_at > now else AuthorisationState.EXPIRED


def _asked_captures(session: Session, order_id: str) -> list[CaptureDemand]:
    """Charges of cards that the provider was asked for, and whose answer isn't recorded: however
    long ago the card stood for them."""
    demands = []
    for state in (AuthorisationState.LIVE, AuthorisationState.EXPIRED):
        for row in _authorisations(session, order_id, state):
            demand = _asked_capture(session, row)
            if demand is not None:
                demands.append(demand)
    return demands


def _asked_capture(session: Session, row: Authorisation) -> CaptureDemand | None:
    """As `_asked_captures`, of one authorisation that isn't captured."""
    call = _capture_call(row.order_id, row.authorisation_id)
    return asked_before(session, call, CaptureDemand)[1]


def _capture_call(order_id: str, authorisation_id: str) -> str:
    return f"{order_id}/capture/{authorisation_id}"


def _asked_minor(session: Session, order_id: str) -> int:
    """What the provider was asked to collect, whether or not it has answered."""
    call = session.get(PartnerCall, f"{order_id}/request-payment/1")
    if call is None or call.asked is None:
        return 0
    demand = PaymentDemand.model_validate(call.asked)
    return parse_amount(demand.amount, demand.currency)


def _note_difference(
    work: UnitOfWork,
    order_id: str,
    known: Payment,
    fact: PaymentReceived,
) -> None:
    """The same payment again is nothing; with other content it is odd."""
    if fact.amount is None:
        return
    same = (
        order_id in (known.order_id, known.claimed_order_id)
        and fact.currency == known.currency
        and unusable(fact, known.currency) is None
        and parse_amount(fact.amount, known.currency) == known.amount_minor
    )
    if not same:
        reject_fact(work, order_id, fact, "payment_id: known with other content")


def _not_a_reversal(
    fact: PaymentReversed, payment: Payment | None, order: Order | None
) -> str | None:
    """What of it can't be; None: it may be. One that comes before its payment must say all."""
    if not fact.payment_id:
        return "payment_id: missing"
    if order is not None and payment is not None and payment.order_id != order.order_id:
        return f"payment_id: {fact.payment_id} isn't a payment of {order.order_id}"
    currency = fact.currency or (payment.currency if payment else None)
    if payment is not None and currency != payment.currency:
        return f"currency: the payment was in {payment.currency}"
    if fact.amount is None and payment is None:
        return "amount: missing, and the payment isn't known yet"
    problem = billing.not_an_amount(fact.fee, currency, "fee", least=0)
    if fact.amount is not None:
        problem = problem or billing.not_an_amount(fact.amount, currency, "amount", least=1)
    if problem or payment is None or currency is None:
        return problem
    left_minor = payment.amount_minor - payment.reversed_minor
    if not left_minor or (fact.amount and parse_amount(fact.amount, currency) > left_minor):
        left = Money(amount_minor=left_minor, currency=currency)
        return f"amount: {left} of the payment are left"
    return None


def _reversal(fact: PaymentReversed, payment: Payment | None, now: datetime) -> PaymentReversal:
    currency = fact.currency or (payment.currency if payment else "")
    left_minor = payment.amount_minor - payment.reversed_minor if payment else 0
    return PaymentReversal(
        reversal_id=fact.reversal_id,
        payment_id=fact.payment_id or "",
        order_id=fact.order_id,
        amount_minor=parse_amount(fact.amount, currency) if fact.amount else left_minor,
        fee_minor=parse_amount(fact.fee, currency),
        currency=currency,
        reason=fact.reason,
        recorded_at=fact.occurred_at or now,
    )


def _content(known: PaymentReversal) -> tuple[object, ...]:
    return known.payment_id, known.amount_minor, known.currency


def _content_told(fact: PaymentReversed, known: PaymentReversal) -> tuple[object, ...]:
    """What it leaves out is as it was."""
    currency = fact.currency or known.currency
    if fact.amount is None:
        return fact.payment_id or known.payment_id, known.amount_minor, currency
    problem = billing.not_an_amount(fact.amount, currency, "amount", least=1)
    amount_minor = None if problem else parse_amount(fact.amount, currency)
    return fact.payment_id or known.payment_id, amount_minor, currency

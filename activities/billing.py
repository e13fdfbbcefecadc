"""Billing: the payment request, the invoice, payments, and giving money back."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.door import mark_applied
from activities.database.engine import Clock, Database
from activities.gateways.calls import once
from activities.gateways.payments import Payments
from activities.ledger import draw_number, post
from activities.progress import (
    credit_note_of,
    find_order,
    invoice_number,
    lock_order,
    look,
    note,
    note_odd_fact,
    refund_due,
    touch,
)
from models import billing, ledger
from models.customers import Address
from models.messages import (
    OrderStep,
    PaymentDemand,
    PaymentReceived,
    PaymentStep,
    Policy,
    RefundDemand,
)
from models.money import MAX_AMOUNT_MINOR, Money, decimals, format_amount, parse_amount
from models.orders import Cancellation, PricedLine, Progress, total
from models.promises import PromisePolicy, promised_date
from models.tables import (
    Company,
    CreditNote,
    Customer,
    InvoiceRow,
    Order,
    OrderLineRow,
    PartnerCall,
    Payment,
    PaymentRequest,
    Refund,
)

MORE_THAN_DUE = "more than was due"


class Billing:
    """The steps of the bill phase, and their undoing."""

    def __init__(
        self, database: Database, clock: Clock, payments: Payments, policy: Policy
    ) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments
        self._policy = policy

    @activity.defn
    def issue_invoice(self, step: OrderStep) -> Progress:
        """Number and post the order's invoice, once."""

        def work(session: Session) -> Progress:
            order, now = lock_order(session, step.order_id), self._clock()
            if order.cancellation is not Cancellation.NONE or not issue(session, order, now):
                return look(session, order)
            return touch(session, order, now)

        return self._database.transaction(work)

    @activity.defn
    async def request_payment(self, step: OrderStep) -> Progress:
        """Ask the provider to collect what is due, once per order."""
        demand = await asyncio.to_thread(self._database.read, lambda s: self._demand(s, step))
        if demand is not None:
            asked, request_id = await once(
                self._database,
                f"{step.order_id}/request-payment/1",
                demand,
                self._payments.request,
            )
            await asyncio.to_thread(
                self._database.transaction, lambda s: self._requested(s, asked, request_id)
            )
        return await asyncio.to_thread(
            self._database.read, lambda s: look(s, s.get_one(Order, step.order_id))
        )

    @activity.defn
    def apply_payment(self, step: PaymentStep) -> Progress:
        """Record a payment, once: applied to its order, and the invoice issued when it is full."""
        return self._database.transaction(
            lambda session: self._apply_to_order(session, step.order_id, step.fact)
        )

    @activity.defn
    def keep_unmatched_payment(self, payment: PaymentReceived) -> None:
        """Record money for which there is no order: posted as unapplied, and listed."""
        self._database.transaction(lambda session: self._keep_unmatched(session, payment))

    @activity.defn
    async def void_payment_request(self, step: OrderStep) -> int:
        """Undo of `request_payment`: also where the request may or may not have been made.

        Returns what the provider has collected all the same, in minor units: that money comes.
        """
        _, collected = await once(
            self._database,
            f"{step.order_id}/void-payment-request/1",
            step,
            lambda asked, key: self._payments.void(asked.order_id, key),
        )
        if not collected:
            return 0
        return await asyncio.to_thread(
            self._database.read, lambda session: _asked_minor(session, step.order_id)
        )

    @activity.defn
    def credit_invoice(self, step: OrderStep) -> Progress:
        """Undo of the invoice: a credit note, before any goods left."""

        def work(session: Session) -> Progress:
            order, now = lock_order(session, step.order_id), self._clock()
            if not _credit(session, order, now):
                return look(session, order)
            return touch(session, order, now)

        return self._database.transaction(work)

    @activity.defn
    async def refund_payment(self, step: OrderStep) -> Progress:
        """Give back what a cancelled order's customer has paid."""
        number, demand = await asyncio.to_thread(
            self._database.read, lambda s: self._refund_demand(s, step.order_id)
        )
        if demand is not None:
            asked, refund_id = await once(
                self._database,
                f"{step.order_id}/refund/{number}",
                demand,
                self._payments.refund,
            )
            await asyncio.to_thread(
                self._database.transaction, lambda s: self._refunded(s, asked, refund_id)
            )
        return await asyncio.to_thread(
            self._database.read, lambda s: look(s, s.get_one(Order, step.order_id))
        )

    def _demand(self, session: Session, step: OrderStep) -> PaymentDemand | None:
        order = session.get_one(Order, step.order_id)
        due_minor = order.total_minor - order.paid_minor
        if session.get(PaymentRequest, step.order_id) is not None or due_minor <= 0:
            return None
        today = self._clock().date()
        deadline = (self._clock() + timedelta(seconds=self._policy.payment_deadline)).date()
        return PaymentDemand(
            order_id=order.order_id,
            amount=format_amount(due_minor, order.currency),
            currency=order.currency,
            due_date=billing.due_date(order.terms, today) or deadline,
        )

    def _requested(self, session: Session, demand: PaymentDemand, request_id: str) -> None:
        order, now = lock_order(session, demand.order_id), self._clock()
        if session.get(PaymentRequest, order.order_id) is not None:
            return
        amount_minor = parse_amount(demand.amount, demand.currency)
        session.add(
            PaymentRequest(
                order_id=order.order_id,
                amount_minor=amount_minor,
                currency=demand.currency,
                due_date=demand.due_date,
                request_id=request_id,
                requested_at=now,
            )
        )
        detail = f"{demand.amount} {demand.currency} until {demand.due_date}"
        note(session, order.order_id, "payment_requested", detail, now)

    def _apply_to_order(self, session: Session, order_id: str, fact: PaymentReceived) -> Progress:
        order, now = lock_order(session, order_id), self._clock()
        mark_applied(session, fact, now)
        known = session.get(Payment, fact.payment_id)
        problem = _unusable(fact, order.currency)
        if fact.order_id not in (None, order_id):
            reason = f"order_id: it says {fact.order_id} and reached {order_id}"
            note_odd_fact(session, order_id, fact, reason, now)
        elif known is not None:
            _note_difference(session, order_id, known, fact, now)
        elif problem:
            note_odd_fact(session, order_id, fact, problem, now)
        elif fact.currency != order.currency:
            reason = f"the order is in {order.currency}"
            _keep(session, fact, order_id, reason, now)
            note(session, order_id, "payment_unmatched", f"{fact.payment_id}: {reason}", now)
        else:
            owed_minor = refund_due(order)
            _settle(session, order, fact, now)
            if order.cancellation is Cancellation.DONE:
                self._decide_late_money(session, order, owed_minor, now)
        return touch(session, order, now)

    def _decide_late_money(
        self, session: Session, order: Order, owed_minor: int, now: datetime
    ) -> None:
        """Money for an order that is cancelled is a deposit, which waits for being given back;
        or the order is taken up again."""
        use = billing.late_money(
            self._policy.late_money,
            expired=order.expired,
            invoiced=invoice_number(session, order.order_id) is not None,
            kept=order.document is not None,
            owed_minor=owed_minor,
            received_minor=refund_due(order) - owed_minor,
            total_minor=order.total_minor,
        )
        if use is billing.LateMoney.REALLOCATE:
            _take_up_again(session, order, self._policy.promises, now)
            return
        detail = f"{_money(order, refund_due(order))}: the order is cancelled, it is given back"
        note(session, order.order_id, "late_money", detail, now)

    def _keep_unmatched(self, session: Session, fact: PaymentReceived) -> None:
        now = self._clock()
        mark_applied(session, fact, now)
        known = session.get(Payment, fact.payment_id)
        if known is not None:
            _note_difference(session, fact.order_id or "", known, fact, now)
            return
        if find_order(session, fact.order_id or "") is not None:  # placed a moment ago
            self._apply_to_order(session, fact.order_id or "", fact)
            return
        if problem := _unusable(fact, fact.currency or ""):
            note_odd_fact(session, fact.order_id or "", fact, problem, now)
            return
        _keep(session, fact, None, "no such order", now)

    def _refund_demand(self, session: Session, order_id: str) -> tuple[int, RefundDemand | None]:
        order = session.get_one(Order, order_id)
        due_minor = refund_due(order)
        count = select(func.count()).select_from(Refund).where(col(Refund.order_id) == order_id)
        number = session.exec(count).one() + 1
        if due_minor <= 0:
            return number, None
        demand = RefundDemand(
            order_id=order_id,
            amount=format_amount(due_minor, order.currency),
            currency=order.currency,
            reason=order.cancel_reason or "cancelled",
        )
        return number, demand

    def _refunded(self, session: Session, demand: RefundDemand, refund_id: str) -> None:
        order, now = lock_order(session, demand.order_id), self._clock()
        if session.get(Refund, refund_id) is not None:
            return
        amount_minor = parse_amount(demand.amount, demand.currency)
        credited = credit_note_of(session, order.order_id) is not None
        payable_minor = order.paid_minor if credited and not order.refunded_minor else 0
        session.add(
            Refund(
                refund_id=refund_id,
                order_id=order.order_id,
                amount_minor=amount_minor,
                currency=order.currency,
                refunded_at=now,
            )
        )
        order.refunded_minor += amount_minor
        if not refund_due(order):
            _all_has_a_use(session, order)
        entry = ledger.refund_entry(
            refund_id,
            order.order_id,
            order.currency,
            payable_minor=payable_minor,
            deposit_minor=amount_minor - payable_minor,
        )
        post(session, entry, now)
        note(session, order.order_id, "refunded", f"{demand.amount} {demand.currency}", now)
        touch(session, order, now)


def issue(session: Session, order: Order, now: datetime) -> bool:
    """Number, store and post the order's invoice; False where it has one."""
    if invoice_number(session, order.order_id) is not None:
        return False
    number = billing.invoice_number(now.year, draw_number(session, f"INV-{now.year}"))
    invoice = _compose(session, order, number, now)
    session.add(
        InvoiceRow(
            number=number,
            order_id=order.order_id,
            customer_id=order.customer_id,
            currency=order.currency,
            net_minor=invoice.net_minor,
            total_minor=invoice.total_minor,
            issued_on=invoice.issued_on,
            due_on=invoice.due_on,
            content=invoice.model_dump(mode="json"),
        )
    )
    entry = ledger.invoice_entry(
        number,
        order.order_id,
        order.currency,
        net_minor=invoice.net_minor,
        tax_minor=invoice.tax_minor,
        deposit_minor=order.paid_minor,
    )
    post(session, entry, now)
    note(session, order.order_id, "invoiced", f"{number}, {_money(order, order.total_minor)}", now)
    return True


def _compose(session: Session, order: Order, number: str, now: datetime) -> billing.Invoice:
    company = session.exec(select(Company)).one()
    customer = session.get_one(Customer, order.customer_id)
    lines = _lines(session, order.order_id)
    totals = total(lines)
    return billing.Invoice(
        number=number,
        order_id=order.order_id,
        issued_on=now.date(),
        due_on=billing.due_date(order.terms, now.date()),
        seller=billing.Seller.model_validate(company.model_dump()),
        customer_id=customer.customer_id,
        customer_name=customer.name,
        customer_vat_id=customer.vat_id,
        bill_to=Address.model_validate(order.bill_to),
        ship_to=Address.model_validate(order.ship_to),
        language=customer.language,
        terms=order.terms,
        tax_treatment=order.tax_treatment,
        currency=order.currency,
        lines=tuple(lines),
        taxes=totals.taxes,
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        paid_minor=order.paid_minor,
    )


def _lines(session: Session, order_id: str) -> Sequence[PricedLine]:
    rows = session.exec(
        select(OrderLineRow)
        .where(OrderLineRow.order_id == order_id)
        .order_by(col(OrderLineRow.line_no))
    )
    return [PricedLine.model_validate(row.model_dump()) for row in rows]


def _settle(session: Session, order: Order, fact: PaymentReceived, now: datetime) -> None:
    """Money for an order that wants it: what is due first, the rest is a deposit."""
    assert fact.amount is not None
    amount_minor = parse_amount(fact.amount, order.currency)
    due_minor = order.total_minor - order.paid_minor
    if order.cancellation is not Cancellation.NONE:
        due_minor = 0  # it will be given back
    split = billing.split_payment(amount_minor, due_minor)
    invoiced = invoice_number(session, order.order_id) is not None
    session.add(
        Payment(
            payment_id=fact.payment_id,
            order_id=order.order_id,
            claimed_order_id=fact.order_id,
            amount_minor=amount_minor,
            currency=order.currency,
            method=fact.method,
            applied_minor=split.applied_minor,
            unmatched_reason=_unmatched(order) if split.deposit_minor else None,
            received_at=fact.received_at or now,
        )
    )
    order.paid_minor += split.applied_minor
    order.deposit_minor += split.deposit_minor
    receivable_minor = split.applied_minor if invoiced else 0
    entry = ledger.payment_entry(
        fact.payment_id,
        order.currency,
        receivable_minor=receivable_minor,
        deposit_minor=amount_minor - receivable_minor,
        unapplied_minor=0,
        order_id=order.order_id,
    )
    post(session, entry, now)
    detail = f"{_money(order, amount_minor)} by {fact.method} ({fact.payment_id})"
    note(session, order.order_id, "payment_received", detail, now)
    if order.paid_minor >= order.total_minor and order.cancellation is Cancellation.NONE:
        issue(session, order, now)


def _asked_minor(session: Session, order_id: str) -> int:
    """What the provider was asked to collect, whether or not it has answered."""
    call = session.get(PartnerCall, f"{order_id}/request-payment/1")
    if call is None or call.asked is None:
        return 0
    demand = PaymentDemand.model_validate(call.asked)
    return parse_amount(demand.amount, demand.currency)


def _unmatched(order: Order) -> str:
    cancelled = order.cancellation is Cancellation.DONE
    return "the order is cancelled" if cancelled else MORE_THAN_DUE


def _take_up_again(session: Session, order: Order, promises: PromisePolicy, now: datetime) -> None:
    """An order that wasn't paid in time is paid now: as if it had just been placed. What was given
    back before is no money of its own any more."""
    in_hand_minor = refund_due(order)
    order.cancellation, order.cancel_reason, order.expired = Cancellation.NONE, "", False
    order.allocated = False
    order.paid_minor, order.deposit_minor, order.refunded_minor = 0, in_hand_minor, 0
    order.promised_date = promised_date(now.date(), order.requested_delivery_date, promises)
    order.told_date, order.consent_by, order.delay_notices = None, None, 0
    detail = f"{_money(order, in_hand_minor)} came after all: the order is taken up again"
    note(session, order.order_id, "late_money", detail, now)
    use_deposit(session, order, now)


def use_deposit(session: Session, order: Order, now: datetime) -> None:
    """Money that came while the order was being cancelled, or after, settles it after all."""
    used_minor = min(order.deposit_minor, order.total_minor - order.paid_minor)
    if used_minor <= 0:
        return
    order.deposit_minor -= used_minor
    order.paid_minor += used_minor
    rest_minor = used_minor
    waiting = select(Payment).where(
        Payment.order_id == order.order_id,
        Payment.currency == order.currency,
        col(Payment.unmatched_reason).is_not(None),
    )
    for payment in session.exec(
        waiting.order_by(col(Payment.received_at), col(Payment.payment_id))
    ):
        part_minor = min(rest_minor, payment.amount_minor - payment.applied_minor)
        payment.applied_minor += part_minor
        rest_minor -= part_minor
        settled = payment.applied_minor == payment.amount_minor
        payment.unmatched_reason = None if settled else MORE_THAN_DUE
    if invoice_number(session, order.order_id) is not None:
        key = f"{order.order_id}:{order.version}"
        post(session, ledger.deposit_entry(key, order.order_id, order.currency, used_minor), now)
    note(session, order.order_id, "deposit_used", f"{_money(order, used_minor)}", now)
    if order.paid_minor >= order.total_minor:
        issue(session, order, now)


def _all_has_a_use(session: Session, order: Order) -> None:
    """Whatever was more than was due has been given back."""
    given_back = select(Payment).where(
        Payment.order_id == order.order_id, Payment.currency == order.currency
    )
    for payment in session.exec(given_back):
        payment.unmatched_reason = None


def use_waiting_money(session: Session, order: Order, now: datetime) -> None:
    """Money that named this order before it was placed is its own; there is no invoice yet."""
    waiting = select(Payment).where(
        Payment.claimed_order_id == order.order_id,
        col(Payment.order_id).is_(None),
        Payment.currency == order.currency,
    )
    for payment in session.exec(waiting.order_by(col(Payment.payment_id)).with_for_update()):
        due_minor = order.total_minor - order.paid_minor
        split = billing.split_payment(payment.amount_minor, due_minor)
        payment.order_id = order.order_id
        payment.applied_minor = split.applied_minor
        payment.unmatched_reason = MORE_THAN_DUE if split.deposit_minor else None
        order.paid_minor += split.applied_minor
        order.deposit_minor += split.deposit_minor
        entry = ledger.matched_entry(
            payment.payment_id, order.order_id, order.currency, payment.amount_minor
        )
        post(session, entry, now)
        detail = f"{_money(order, payment.amount_minor)}, before the order ({payment.payment_id})"
        note(session, order.order_id, "payment_received", detail, now)
        if order.paid_minor >= order.total_minor:
            issue(session, order, now)


def _keep(
    session: Session, fact: PaymentReceived, order_id: str | None, reason: str, now: datetime
) -> None:
    assert fact.amount is not None
    assert fact.currency is not None
    amount_minor = parse_amount(fact.amount, fact.currency)
    session.add(
        Payment(
            payment_id=fact.payment_id,
            order_id=order_id,
            claimed_order_id=fact.order_id,
            amount_minor=amount_minor,
            currency=fact.currency,
            method=fact.method,
            applied_minor=0,
            unmatched_reason=reason,
            received_at=fact.received_at or now,
        )
    )
    entry = ledger.payment_entry(
        fact.payment_id,
        fact.currency,
        receivable_minor=0,
        deposit_minor=0,
        unapplied_minor=amount_minor,
        order_id=order_id,
    )
    post(session, entry, now)


def _unusable(fact: PaymentReceived, currency: str) -> str | None:
    """Why the fact isn't a payment: what is missing or wrong. None: it is one."""
    if fact.amount is None:
        return "amount: missing"
    try:
        decimals(fact.currency or currency)
        amount_minor = parse_amount(fact.amount, fact.currency or currency)
    except ValueError as error:
        return f"amount: {error}"
    if fact.currency is None:
        return "currency: missing"
    return None if 0 < amount_minor <= MAX_AMOUNT_MINOR else "amount: not above zero"


def _note_difference(
    session: Session, order_id: str, known: Payment, fact: PaymentReceived, now: datetime
) -> None:
    """The same payment again is nothing; with other content it is odd."""
    if fact.amount is None:
        return
    same = (
        order_id in (known.order_id, known.claimed_order_id)
        and fact.currency == known.currency
        and _unusable(fact, known.currency) is None
        and parse_amount(fact.amount, known.currency) == known.amount_minor
    )
    if not same:
        note_odd_fact(session, order_id, fact, "payment_id: known with other content", now)


def _credit(session: Session, order: Order, now: datetime) -> bool:
    """Reverse the invoice; False where there is nothing (left) to reverse."""
    number = invoice_number(session, order.order_id)
    if number is None or credit_note_of(session, order.order_id) is not None:
        return False
    credit_number = billing.credit_note_number(now.year, draw_number(session, f"CN-{now.year}"))
    session.add(
        CreditNote(
            number=credit_number,
            invoice_number=number,
            order_id=order.order_id,
            currency=order.currency,
            net_minor=order.net_minor,
            total_minor=order.total_minor,
            reason=order.cancel_reason,
            issued_on=now.date(),
        )
    )
    entry = ledger.credit_note_entry(
        credit_number,
        order.order_id,
        order.currency,
        net_minor=order.net_minor,
        tax_minor=order.total_minor - order.net_minor,
        refund_minor=order.paid_minor,
    )
    post(session, entry, now)
    note(session, order.order_id, "credited", f"{credit_number} reverses {number}", now)
    return True


def _money(order: Order, amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency=order.currency)

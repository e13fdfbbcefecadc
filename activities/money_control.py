"""Money control: a person's commands on payments, invoices and the ledger."""

from datetime import timedelta

from sqlmodel import Session

from activities.commanding import amount_of, order_of
from activities.database.engine import Clock
from activities.invoicing import credit, goods_left, invoice_of, left_minor
from activities.ledger import THE_LEDGER
from activities.progress import FOR_CHANGE, balance_of, money_of, note, touch
from activities.refunds import ask_back, ask_payment_back
from activities.settling import use_for, write_off
from models.billing import BEING_GIVEN_BACK, BillingRules
from models.commands import (
    MONEY_REFUSED,
    UNKNOWN,
    AssignPayment,
    ClosePeriod,
    Commanded,
    CreditInvoice,
    FollowUp,
    GiveRefund,
    MoneyCommand,
    ResendBill,
    WriteOff,
    refuse,
)
from models.ledger import Account
from models.messages import BillStep, Echo
from models.money import Money
from models.orders import Cancellation
from models.tables import CreditNoteRow, InvoiceRow, OpenPeriod, Order, Payment, Refund


class MoneyControl:
    """What people command on money."""

    def __init__(self, clock: Clock, rules: BillingRules) -> None:
        self._clock = clock
        self._rules = rules

    def do(self, session: Session, command: MoneyCommand) -> Commanded:
        """Do it, in the caller's transaction. Raises NoChange."""
        match command:
            case AssignPayment():
                return self._assign(session, command)
            case GiveRefund(payment_id=None):
                return self._refund(session, command)
            case GiveRefund():
                return self._refund_payment(session, command)
            case CreditInvoice():
                return self._credit(session, command)
            case WriteOff():
                return self._write_off(session, command)
            case ClosePeriod():
                return self._close_period(session, command)
            case ResendBill():
                return self._resend(session, command)

    def _assign(self, session: Session, command: AssignPayment) -> Commanded:
        order, now = order_of(session, command.order_id), self._clock()
        payment = _unused(session, command.payment_id)
        if payment.currency != order.currency:
            refuse(
                "order_id",
                f"the payment is in {payment.currency}, {order.order_id} in {order.currency}",
                MONEY_REFUSED,
            )
        if order.cancellation is not Cancellation.NONE:
            reason = f"{order.order_id} is cancelled: give the payment back instead"
            refuse("order_id", reason, MONEY_REFUSED)
        use_for(session, order, payment, self._rules, now, f"assigned by {command.actor}")
        touch(session, order, now)
        free_minor = payment.amount_minor - payment.reversed_minor
        amount = Money(amount_minor=free_minor, currency=payment.currency)
        message = f"{amount} of {payment.payment_id} are {order.order_id}'s now"
        return _done(command, message, order)

    def _refund(self, session: Session, command: GiveRefund) -> Commanded:
        order, now = order_of(session, command.order_id or ""), self._clock()
        if order.cancellation is not Cancellation.NONE:
            reason = f"{order.order_id} is (being) cancelled: its money is given back by itself"
            refuse("order_id", reason, MONEY_REFUSED)
        amount_minor = _amount(command.amount, order.currency)
        try:
            refund = ask_back(session, order, command.reason, now, amount_minor)
        except ValueError as error:
            refuse("amount", str(error), MONEY_REFUSED)
        if refund is None:
            reason = f"we owe the customer of {order.order_id} nothing"
            refuse("order_id", reason, MONEY_REFUSED)
        money = money_of(order, refund.amount_minor)
        note(session, order.order_id, "refund_asked", f"{money} by {command.actor}", now)
        touch(session, order, now)
        follow_up = FollowUp(order_id=order.order_id, refund_key=refund.refund_key)
        return _done(command, f"{money} are being given back", order, follow_up)

    def _refund_payment(self, session: Session, command: GiveRefund) -> Commanded:
        payment = _unused(session, command.payment_id or "")
        refund = ask_payment_back(session, payment, command.reason, self._clock())
        money = Money(amount_minor=refund.amount_minor, currency=payment.currency)
        order = session.get(Order, payment.order_id or "", with_for_update=FOR_CHANGE)
        if order is not None:
            touch(session, order, self._clock())
        follow_up = FollowUp(order_id=payment.order_id, refund_key=refund.refund_key)
        message = f"{money} of {payment.payment_id} are being given back"
        return _done(command, message, order, follow_up)

    def _credit(self, session: Session, command: CreditInvoice) -> Commanded:
        row = session.get(InvoiceRow, command.invoice_number)
        if row is None:
            reason = f"there is no invoice {command.invoice_number!r}"
            refuse("invoice_number", reason, UNKNOWN)
        order, now = order_of(session, row.order_id), self._clock()
        if order.cancellation is not Cancellation.NONE:
            refuse("invoice_number", f"{row.number} is credited already", MONEY_REFUSED)
        if not goods_left(session, order.order_id):
            reason = f"the goods of {order.order_id} haven't left: cancel the order instead"
            refuse("invoice_number", reason, MONEY_REFUSED)
        amount_minor = self._creditable(session, command, order)
        keep = not command.refund
        credit_note = credit(session, order, command.reason, now, amount_minor, keep=keep)
        refund: Refund | None = None
        owed_minor = balance_of(session, order).owed_payable_minor
        if command.refund and owed_minor:
            refund = ask_back(session, order, command.reason, now, owed_minor)
        touch(session, order, now)
        money = money_of(order, credit_note.total_minor)
        message = f"{credit_note.number} credits {money} of {row.number}"
        if refund is not None:
            back = money_of(order, refund.amount_minor)
            message += f"; {back} are being given back"
        follow_up = FollowUp(
            order_id=order.order_id,
            refund_key=refund.refund_key if refund else None,
            bill=BillStep(number=credit_note.number),
        )
        return _done(command, message, order, follow_up)

    def _creditable(self, session: Session, command: CreditInvoice, order: Order) -> int:
        invoice = invoice_of(session, order.order_id)
        rest_minor = left_minor(session, invoice) if invoice else 0
        amount_minor = _amount(command.amount, order.currency) or rest_minor
        if not rest_minor or amount_minor > rest_minor:
            rest = money_of(order, rest_minor)
            reason = f"{rest} of {command.invoice_number} are left to credit"
            refuse("amount", reason, MONEY_REFUSED)
        return amount_minor

    def _write_off(self, session: Session, command: WriteOff) -> Commanded:
        order, now = order_of(session, command.order_id), self._clock()
        balance = balance_of(session, order)
        lost_minor = balance.receivable_minor
        if not lost_minor:
            reason = f"nothing is receivable of {order.order_id}"
            if balance.due_minor and not balance.cancelled:
                reason += ": it has no invoice yet; cancel it instead"
            refuse("order_id", reason, MONEY_REFUSED)
        write_off(session, order, Account.BAD_DEBTS, lost_minor, self._rules, now)
        money = money_of(order, lost_minor)
        detail = f"{money} by {command.actor}: {command.reason}"
        note(session, order.order_id, "written_off", detail, now)
        touch(session, order, now)
        return _done(command, f"{money} of {order.order_id} are written off", order)

    def _close_period(self, session: Session, command: ClosePeriod) -> Commanded:
        row = session.get_one(OpenPeriod, THE_LEDGER, with_for_update=True)
        if command.through >= self._clock().date():
            reason = f"{command.through} isn't over yet: what happens then must be posted"
            refuse("through", reason, MONEY_REFUSED)
        if command.through < row.open_from:
            closed = row.open_from - timedelta(days=1)
            refuse("through", f"the ledger is closed through {closed} already", MONEY_REFUSED)
        row.open_from = command.through + timedelta(days=1)
        message = f"closed through {command.through}; what comes later is posted from then on"
        return _done(command, message)

    def _resend(self, session: Session, command: ResendBill) -> Commanded:
        row = session.get(InvoiceRow, command.number) or session.get(CreditNoteRow, command.number)
        if row is None:
            reason = f"there is no invoice or credit note {command.number!r}"
            refuse("number", reason, UNKNOWN)
        bill = BillStep(number=command.number, again=command.command_id)
        follow_up = FollowUp(order_id=row.order_id, bill=bill)
        return _done(command, f"{command.number} is being mailed again", None, follow_up)


def _done(
    command: MoneyCommand,
    message: str,
    order: Order | None = None,
    follow_up: FollowUp | None = None,
) -> Commanded:
    orders = (order.order_id,) if order is not None else ()
    echo = Echo(cause=f"{command.kind}:{command.command_id}", orders=orders)
    return Commanded(command=command, message=message, echo=echo, follow_up=follow_up)


def _unused(session: Session, payment_id: str) -> Payment:
    """A payment that is posted as unapplied: of no order, or in another currency than its own."""
    payment = session.get(Payment, payment_id, with_for_update=True)
    if payment is None:
        refuse("payment_id", f"there is no payment {payment_id!r}", UNKNOWN)
    order = session.get(Order, payment.order_id) if payment.order_id else None
    applied = order is not None and order.currency == payment.currency
    if applied or payment.unmatched_reason is None:
        reason = f"{payment_id} has its use" + (f" at {order.order_id}" if order else "")
        if applied and payment.unmatched_reason:
            reason += f": what is too much of it, `refund {payment.order_id}` gives back"
        refuse("payment_id", reason, MONEY_REFUSED)
    if payment.unmatched_reason == BEING_GIVEN_BACK:
        refuse("payment_id", f"{payment_id} is being given back already", MONEY_REFUSED)
    return payment


def _amount(text: str | None, currency: str) -> int | None:
    return None if text is None else amount_of(text, currency, "amount", MONEY_REFUSED)

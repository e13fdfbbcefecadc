"""Money control: a person's commands on payments, invoices and the ledger."""

from datetime import timedelta

from sqlmodel import Session

from activities.billing.invoicing import credit, goods_left, invoice_of, left_minor
from activities.billing.payments import apply_payment_to, write_off_receivable
from activities.billing.refunds import ask_back, ask_payment_back
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import THE_LEDGER
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import FOR_CHANGE, save_progress
from activities.order_record.targets import amount_of, order_of
from models.billing import BEING_GIVEN_BACK
from models.ledger import Account
from models.messages.commands import (
    MONEY_REFUSED,
    UNKNOWN,
    AssignPayment,
    ClosePeriod,
    CommandResult,
    CreditInvoice,
    FollowUp,
    GiveRefund,
    MoneyCommand,
    ResendBill,
    WriteOff,
    refuse,
)
from models.messages.steps import BillStep, Notification
from models.money import Money
from models.progress import Cancellation
from models.tables.billing import CreditNoteRow, InvoiceRow, Payment, Refund
from models.tables.ledger import OpenPeriod
from models.tables.orders import Order


@executes(AssignPayment)
def assign_payment(work: UnitOfWork, command: AssignPayment) -> CommandResult:
    order = order_of(work, command.order_id)
    payment = _unused(work.session, command.payment_id)
    if payment.currency != order.currency:
        refuse(
            "order_id",
            f"the payment is in {payment.currency}, {order.order_id} in {order.currency}",
            MONEY_REFUSED,
        )
    if order.cancellation is not Cancellation.NONE:
        reason = f"{order.order_id} is cancelled: give the payment back instead"
        refuse("order_id", reason, MONEY_REFUSED)
    apply_payment_to(work, order, payment, f"assigned by {command.actor}")
    save_progress(work, order)
    free_minor = payment.amount_minor - payment.reversed_minor
    amount = Money(amount_minor=free_minor, currency=payment.currency)
    message = f"{amount} of {payment.payment_id} are {order.order_id}'s now"
    return _done(command, message, order)


@executes(CreditInvoice)
def credit_invoice(work: UnitOfWork, command: CreditInvoice) -> CommandResult:
    row = work.session.get(InvoiceRow, command.invoice_number)
    if row is None:
        reason = f"there is no invoice {command.invoice_number!r}"
        refuse("invoice_number", reason, UNKNOWN)
    order = order_of(work, row.order_id)
    if order.cancellation is not Cancellation.NONE:
        refuse("invoice_number", f"{row.number} is credited already", MONEY_REFUSED)
    if not goods_left(work.session, order.order_id):
        reason = f"the goods of {order.order_id} haven't left: cancel the order instead"
        refuse("invoice_number", reason, MONEY_REFUSED)
    amount_minor = _creditable(work.session, command, order)
    keep = not command.refund
    credit_note = credit(work, order, command.reason, amount_minor, keep=keep)
    refund: Refund | None = None
    owed_minor = balance_of(work.session, order).owed_payable_minor
    if command.refund and owed_minor:
        refund = ask_back(work, order, command.reason, owed_minor)
    save_progress(work, order)
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


@executes(WriteOff)
def write_off(work: UnitOfWork, command: WriteOff) -> CommandResult:
    order = order_of(work, command.order_id)
    balance = balance_of(work.session, order)
    lost_minor = balance.receivable_minor
    if not lost_minor:
        reason = f"nothing is receivable of {order.order_id}"
        if balance.due_minor and not balance.cancelled:
            reason += ": it has no invoice yet; cancel it instead"
        refuse("order_id", reason, MONEY_REFUSED)
    write_off_receivable(work, order, Account.BAD_DEBTS, lost_minor)
    money = money_of(order, lost_minor)
    detail = f"{money} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "written_off", detail)
    save_progress(work, order)
    return _done(command, f"{money} of {order.order_id} are written off", order)


@executes(ClosePeriod)
def close_period(work: UnitOfWork, command: ClosePeriod) -> CommandResult:
    row = work.session.get_one(OpenPeriod, THE_LEDGER, with_for_update=True)
    if command.through >= work.now.date():
        reason = f"{command.through} isn't over yet: what happens then must be posted"
        refuse("through", reason, MONEY_REFUSED)
    if command.through < row.open_from:
        closed = row.open_from - timedelta(days=1)
        refuse("through", f"the ledger is closed through {closed} already", MONEY_REFUSED)
    row.open_from = command.through + timedelta(days=1)
    message = f"closed through {command.through}; what comes later is posted from then on"
    return _done(command, message)


@executes(ResendBill)
def resend_bill(work: UnitOfWork, command: ResendBill) -> CommandResult:
    number = command.number
    row = work.session.get(InvoiceRow, number) or work.session.get(CreditNoteRow, number)
    if row is None:
        reason = f"there is no invoice or credit note {command.number!r}"
        refuse("number", reason, UNKNOWN)
    bill = BillStep(number=command.number, again=command.command_id)
    follow_up = FollowUp(order_id=row.order_id, bill=bill)
    return _done(command, f"{command.number} is being mailed again", None, follow_up)


@executes(GiveRefund)
def give_refund(work: UnitOfWork, command: GiveRefund) -> CommandResult:
    """Refund what an order's customer is owed, or a payment without an order."""
    if command.payment_id is not None:
        return _refund_payment(work, command)
    return _refund_order(work, command)


def _refund_order(work: UnitOfWork, command: GiveRefund) -> CommandResult:
    order = order_of(work, command.order_id or "")
    if order.cancellation is not Cancellation.NONE:
        reason = f"{order.order_id} is (being) cancelled: its money is given back by itself"
        refuse("order_id", reason, MONEY_REFUSED)
    amount_minor = _amount(command.amount, order.currency)
    try:
        refund = ask_back(work, order, command.reason, amount_minor)
    except ValueError as error:
        refuse("amount", str(error), MONEY_REFUSED)
    if refund is None:
        reason = f"we owe the customer of {order.order_id} nothing"
        refuse("order_id", reason, MONEY_REFUSED)
    money = money_of(order, refund.amount_minor)
    record_event(work, order.order_id, "refund_asked", f"{money} by {command.actor}")
    save_progress(work, order)
    follow_up = FollowUp(order_id=order.order_id, refund_key=refund.refund_key)
    return _done(command, f"{money} are being given back", order, follow_up)


def _refund_payment(work: UnitOfWork, command: GiveRefund) -> CommandResult:
    payment = _unused(work.session, command.payment_id or "")
    refund = ask_payment_back(work, payment, command.reason)
    money = Money(amount_minor=refund.amount_minor, currency=payment.currency)
    order = work.session.get(Order, payment.order_id or "", with_for_update=FOR_CHANGE)
    if order is not None:
        save_progress(work, order)
    follow_up = FollowUp(order_id=payment.order_id, refund_key=refund.refund_key)
    message = f"{money} of {payment.payment_id} are being given back"
    return _done(command, message, order, follow_up)


def _creditable(session: Session, command: CreditInvoice, order: Order) -> int:
    invoice = invoice_of(session, order.order_id)
    rest_minor = left_minor(session, invoice) if invoice else 0
    amount_minor = _amount(command.amount, order.currency) or rest_minor
    if not rest_minor or amount_minor > rest_minor:
        rest = money_of(order, rest_minor)
        reason = f"{rest} of {command.invoice_number} are left to credit"
        refuse("amount", reason, MONEY_REFUSED)
    return amount_minor


def _done(
    command: MoneyCommand,
    message: str,
    order: Order | None = None,
    follow_up: FollowUp | None = None,
) -> CommandResult:
    orders = (order.order_id,) if order is not None else ()
    notification = Notification(cause=f"{command.kind}:{command.command_id}", orders=orders)
    return CommandResult(
        command=command, message=message, notification=notification, follow_up=follow_up
    )


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

"""Commands of billing: operators' commands on payments, invoices and the ledger."""

from datetime import timedelta

from sqlmodel import Session

from activities.billing.invoicing import credit_amount, goods_issued, invoice_of, uncredited_minor
from activities.billing.payments import match_payment
from activities.billing.receivables import write_off_receivable
from activities.billing.refunds import request_payment_refund, request_refund
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import THE_LEDGER
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import FOR_CHANGE, save_progress
from activities.order_record.targets import target_amount, target_order
from models.billing import BEING_REFUNDED
from models.ledger import Account
from models.messages.commands.base import MONEY_REFUSED, UNKNOWN, refuse
from models.messages.commands.billing import (
    AssignPayment,
    CreditInvoice,
    IssueRefund,
    ResendBill,
    WriteOff,
)
from models.messages.commands.ledger import ClosePeriod
from models.messages.commands.results import CommandResult, FollowUp
from models.messages.steps import BillStep
from models.money import Money
from models.progress import Cancellation
from models.tables.billing import CreditNoteRow, InvoiceRow, Payment
from models.tables.ledger import OpenPeriod
from models.tables.orders import Order


@executes(AssignPayment)
def assign_payment(work: UnitOfWork, command: AssignPayment) -> CommandResult:
    """Assign an unapplied payment to an order in its currency, and apply it."""
    order = target_order(work, command.order_id)
    payment = _unapplied_payment(work.session, command.payment_id)
    if payment.currency != order.currency:
        reason = f"the payment is in {payment.currency}, {order.order_id} in {order.currency}"
        refuse("order_id", reason, MONEY_REFUSED)
    if order.cancellation is not Cancellation.NONE:
        reason = f"{order.order_id} is cancelled: refund the payment instead"
        refuse("order_id", reason, MONEY_REFUSED)
    match_payment(work, order, payment, f"assigned by {command.actor}")
    save_progress(work, order)
    amount = money_of(order, payment.amount_minor - payment.reversed_minor)
    message = f"{amount} of {payment.payment_id} are assigned to {order.order_id}"
    return CommandResult.done(command, message, orders=[order.order_id])


@executes(CreditInvoice)
def credit_invoice(work: UnitOfWork, command: CreditInvoice) -> CommandResult:
    """Credit an amount of an invoice after goods issue, and refund its paid part on request."""
    row = work.session.get(InvoiceRow, command.invoice_number)
    if row is None:
        reason = f"there is no invoice {command.invoice_number!r}"
        refuse("invoice_number", reason, UNKNOWN)
    order = target_order(work, row.order_id)
    if order.cancellation is not Cancellation.NONE:
        refuse("invoice_number", f"{row.number} is credited already", MONEY_REFUSED)
    if not goods_issued(work.session, order.order_id):
        reason = f"the goods of {order.order_id} are not dispatched: cancel the order instead"
        refuse("invoice_number", reason, MONEY_REFUSED)
    amount_minor = _amount_to_credit(work.session, command, order)
    credit_note = credit_amount(work, order, command.reason, amount_minor, refund=command.refund)
    message = f"{credit_note.number} credits {money_of(order, amount_minor)} of {row.number}"
    refund = None
    if command.refund:
        owed_minor = balance_of(work.session, order).owed_payable_minor
        refund = request_refund(work, order, command.reason, owed_minor)
    if refund is not None:
        message += f"; {money_of(order, refund.amount_minor)} are being refunded"
    save_progress(work, order)
    follow_up = FollowUp(
        order_id=order.order_id,
        refund_key=refund.refund_key if refund else None,
        bill=BillStep(number=credit_note.number),
    )
    return CommandResult.done(command, message, orders=[order.order_id], follow_up=follow_up)


def _amount_to_credit(session: Session, command: CreditInvoice, order: Order) -> int:
    invoice = invoice_of(session, order.order_id)
    left_minor = uncredited_minor(session, invoice) if invoice else 0
    amount_minor = left_minor
    if command.amount is not None:
        amount_minor = target_amount(command.amount, order.currency, "amount", MONEY_REFUSED)
    if not left_minor or amount_minor > left_minor:
        left = money_of(order, left_minor)
        reason = f"only {left} of {command.invoice_number} can be credited"
        refuse("amount", reason, MONEY_REFUSED)
    return amount_minor


@executes(WriteOff)
def write_off(work: UnitOfWork, command: WriteOff) -> CommandResult:
    """Write off an order's receivable as a bad debt."""
    order = target_order(work, command.order_id)
    balance = balance_of(work.session, order)
    lost_minor = balance.receivable_minor
    if not lost_minor:
        reason = f"{order.order_id} has no open receivable"
        if balance.due_minor and not balance.cancelled:
            reason += ", as it has no invoice yet: cancel it instead"
        refuse("order_id", reason, MONEY_REFUSED)
    write_off_receivable(work, order, Account.BAD_DEBTS, lost_minor)
    lost = money_of(order, lost_minor)
    detail = f"{lost} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "written_off", detail)
    save_progress(work, order)
    message = f"{lost} of {order.order_id} are written off"
    return CommandResult.done(command, message, orders=[order.order_id])


@executes(ClosePeriod)
def close_period(work: UnitOfWork, command: ClosePeriod) -> CommandResult:
    """Close the ledger through a past day."""
    row = work.session.get_one(OpenPeriod, THE_LEDGER, with_for_update=True)
    if command.through >= work.today:
        reason = f"{command.through} is not over yet: only past days can be closed"
        refuse("through", reason, MONEY_REFUSED)
    if command.through < row.open_from:
        closed = row.open_from - timedelta(days=1)
        refuse("through", f"the ledger is closed through {closed} already", MONEY_REFUSED)
    row.open_from = command.through + timedelta(days=1)
    message = f"the ledger is closed through {command.through}; later entries get later dates"
    return CommandResult.done(command, message)


@executes(ResendBill)
def resend_bill(work: UnitOfWork, command: ResendBill) -> CommandResult:
    """Mail an invoice or credit note again."""
    number = command.number
    row = work.session.get(InvoiceRow, number) or work.session.get(CreditNoteRow, number)
    if row is None:
        refuse("number", f"there is no invoice or credit note {number!r}", UNKNOWN)
    bill = BillStep(number=number, again=command.command_id)
    follow_up = FollowUp(order_id=row.order_id, bill=bill)
    return CommandResult.done(command, f"{number} is being mailed again", follow_up=follow_up)


@executes(IssueRefund)
def issue_refund(work: UnitOfWork, command: IssueRefund) -> CommandResult:
    """Refund the amount owed to an order's customer, or a payment without an order."""
    if command.payment_id is not None:
        return _refund_payment(work, command, command.payment_id)
    return _refund_order(work, command)


def _refund_order(work: UnitOfWork, command: IssueRefund) -> CommandResult:
    order = target_order(work, command.order_id or "")
    if order.cancellation is not Cancellation.NONE:
        reason = f"{order.order_id} is (being) cancelled: its payments are refunded automatically"
        refuse("order_id", reason, MONEY_REFUSED)
    amount_minor = None
    if command.amount is not None:
        amount_minor = target_amount(command.amount, order.currency, "amount", MONEY_REFUSED)
    try:
        refund = request_refund(work, order, command.reason, amount_minor)
    except ValueError as error:
        refuse("amount", str(error), MONEY_REFUSED)
    if refund is None:
        reason = f"nothing is owed to the customer of {order.order_id}"
        refuse("order_id", reason, MONEY_REFUSED)
    money = money_of(order, refund.amount_minor)
    record_event(work, order.order_id, "refund_asked", f"{money} by {command.actor}")
    save_progress(work, order)
    follow_up = FollowUp(order_id=order.order_id, refund_key=refund.refund_key)
    message = f"{money} are being refunded"
    return CommandResult.done(command, message, orders=[order.order_id], follow_up=follow_up)


def _refund_payment(work: UnitOfWork, command: IssueRefund, payment_id: str) -> CommandResult:
    payment = _unapplied_payment(work.session, payment_id)
    refund = request_payment_refund(work, payment, command.reason)
    money = Money(amount_minor=refund.amount_minor, currency=payment.currency)
    order = work.session.get(Order, payment.order_id or "", with_for_update=FOR_CHANGE)
    if order is not None:
        save_progress(work, order)
    follow_up = FollowUp(order_id=payment.order_id, refund_key=refund.refund_key)
    message = f"{money} of {payment.payment_id} are being refunded"
    orders = [order.order_id] if order is not None else []
    return CommandResult.done(command, message, orders=orders, follow_up=follow_up)


def _unapplied_payment(session: Session, payment_id: str) -> Payment:
    """Lock a payment without an order, or in another currency than its order.

    Raises CommandRefused for any other payment, and for one that is (being) refunded.
    """
    payment = session.get(Payment, payment_id, with_for_update=True)
    if payment is None:
        refuse("payment_id", f"there is no payment {payment_id!r}", UNKNOWN)
    order = session.get(Order, payment.order_id) if payment.order_id else None
    applied = order is not None and order.currency == payment.currency
    if applied or payment.unmatched_reason is None:
        reason = f"{payment_id} is used already" + (f" for {order.order_id}" if order else "")
        if applied and payment.unmatched_reason:
            reason += f": `refund {payment.order_id}` refunds the excess"
        refuse("payment_id", reason, MONEY_REFUSED)
    if payment.unmatched_reason == BEING_REFUNDED:
        refuse("payment_id", f"{payment_id} is being refunded already", MONEY_REFUSED)
    return payment

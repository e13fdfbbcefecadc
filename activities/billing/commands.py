"""Commands of billing: operators' commands on payments, invoices and the ledger."""

from datetime import timedelta

from sqlmodel import Session

from activities.billing.invoicing import (
    credit_amount,
    goods_issued,
    gross_minor,
    uncredited_taxes,
)
from activities.billing.partial_credits import credit_line
from activities.billing.payments import match_payment
from activities.billing.receivables import write_off_receivable
from activities.billing.refund_commands import unapplied_payment
from activities.billing.refunds import request_credit_refund
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import THE_LEDGER
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import save_progress
from activities.order_record.targets import target_amount, target_order
from models.billing import Invoice
from models.ledger import Account
from models.messages.commands.base import MONEY_REFUSED, UNKNOWN, refuse
from models.messages.commands.billing import (
    AssignPayment,
    CreditInvoice,
    ResendBill,
    WriteOff,
)
from models.messages.commands.ledger import ClosePeriod
from models.messages.commands.results import CommandResult, FollowUp
from models.messages.steps import BillStep
from models.money import format_percent, parse_percent
from models.progress import Cancellation
from models.tables.billing import CreditNoteRow, InvoiceRow, Refund
from models.tables.ledger import OpenPeriod
from models.tables.masterdata import Customer
from models.tables.orders import Order


@executes(AssignPayment)
def assign_payment(work: UnitOfWork, command: AssignPayment) -> CommandResult:
    """Assign an unapplied payment to an order in its currency, and apply it."""
    order = target_order(work, command.order_id)
    payment = unapplied_payment(work.session, command.payment_id)
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
    """Credit a part of an invoice after goods issue, and refund its paid part on request."""
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
    invoice = Invoice.model_validate(row.content)
    if command.line_no is not None:
        credit_note = credit_line(work, order, invoice, command, command.line_no)
    else:
        rate_ppm = _rate_to_credit(command, invoice)
        credit_note = credit_amount(
            *(work, order, invoice, command.reason),
            _amount_to_credit(work.session, command, order, invoice, rate_ppm),
            rate_ppm=rate_ppm,
            refund=command.refund,
        )
    refunds: list[Refund] = []
    message = f"{credit_note.number} credits {money_of(order, credit_note.total_minor)}"
    if command.refund:
        refunds, message = request_credit_refund(work, order, credit_note, command.reason)
    save_progress(work, order)
    follow_up = FollowUp(
        order_id=order.order_id,
        refund_keys=tuple(refund.refund_key for refund in refunds),
        bills=(BillStep(number=credit_note.number),),
    )
    return CommandResult.done(command, message, orders=[order.order_id], follow_up=follow_up)


def _rate_to_credit(command: CreditInvoice, invoice: Invoice) -> int | None:
    if command.rate_percent is None:
        return None
    rate_ppm = parse_percent(command.rate_percent)
    rates = [tax.rate_ppm for tax in invoice.taxes]
    if rate_ppm not in rates:
        known = ", ".join(format_percent(rate) for rate in rates)
        reason = f"{invoice.number} has no tax rate of {format_percent(rate_ppm)}: it has {known}"
        refuse("rate_percent", reason, MONEY_REFUSED)
    return rate_ppm


def _amount_to_credit(
    session: Session, command: CreditInvoice, order: Order, invoice: Invoice, rate_ppm: int | None
) -> int:
    left_minor = gross_minor(uncredited_taxes(session, invoice, rate_ppm))
    amount_minor = left_minor
    if command.amount is not None:
        amount_minor = target_amount(command.amount, order.currency, "amount", MONEY_REFUSED)
    if not left_minor or amount_minor > left_minor:
        left = money_of(order, left_minor)
        of_rate = "" if rate_ppm is None else f" at {format_percent(rate_ppm)} %"
        reason = f"only {left} of {command.invoice_number}{of_rate} can be credited"
        refuse("amount", reason, MONEY_REFUSED)
    return amount_minor


@executes(WriteOff)
def write_off(work: UnitOfWork, command: WriteOff) -> CommandResult:
    """Write off an order's receivable as a bad debt."""
    order = target_order(work, command.order_id)
    balance = balance_of(order)
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
    order = work.session.get_one(Order, row.order_id)
    if not work.session.get_one(Customer, order.customer_id).email:
        reason = f"customer {order.customer_id} has no email address: import one, or print the PDF"
        refuse("number", reason, MONEY_REFUSED)
    bill = BillStep(number=number, again=command.command_id)
    follow_up = FollowUp(order_id=row.order_id, bills=(bill,))
    return CommandResult.done(command, f"{number} is being mailed again", follow_up=follow_up)

"""Drafts of mails, read from the tables. A draft is None if its mail is not needed (any more)."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.database.company import day_of, get_company
from activities.documents.rendering import MailedDocument
from activities.gateways.smtp import OutgoingMail
from activities.mail.bills import (
    ConfirmedOrder,
    ReminderAmounts,
    confirmation_mail,
    credit_note_mail,
    invoice_mail,
    refund_mail,
    reminder_mail,
)
from activities.mail.goods import (
    CollectableGoods,
    DatedGoods,
    DispatchedGoods,
    collection_mail,
    dispatch_mail,
    letter_mail,
)
from activities.mail.layout import Addressee, Envelope, MailedLine
from activities.mail.returns import MailedReturn, return_mail
from activities.order_record.lines import order_lines, reservations_of
from activities.order_record.open_invoices import open_by_invoice
from activities.returns.reading import return_details, return_paper
from models.billing import CreditNote, Invoice
from models.days import day_at
from models.messages.steps import (
    BillStep,
    CollectionStep,
    LetterStep,
    RefundStep,
    ReminderStep,
    ReturnStep,
    ShipmentStep,
)
from models.orders import Capture
from models.progress import Cancellation, ShipmentState
from models.refunds import RefundState
from models.returns import ReturnState
from models.stock import ShortageState
from models.tables.billing import CreditNoteRow, InvoiceRow, Refund, Reminder
from models.tables.masterdata import Customer, Location
from models.tables.orders import Order
from models.tables.returns import ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Shortage


class Draft(NamedTuple):
    """A mail to send once: `kind` and `key` identify it and make its Message-ID."""

    kind: str
    key: str
    order_id: str
    recipient: str
    document: MailedDocument | None
    """The document to render and attach."""
    compose: Callable[[bytes, Envelope], OutgoingMail]
    """Takes the PDF of the document; empty without one."""


def draft_confirmation(session: Session, order_id: str) -> Draft | None:
    """Draft the confirmation of an order, unless it was cancelled."""
    order = session.get_one(Order, order_id)
    if order.cancellation is not Cancellation.NONE:
        return None
    rows = order_lines(session, order_id)
    confirmed = ConfirmedOrder(
        order_id=order_id,
        terms=order.terms,
        captured_later=order.capture is Capture.AT_DISPATCH,
        total_minor=order.total_minor,
        promised=order.promised_date,
        lines=tuple(MailedLine(sku=row.sku, name=row.name, quantity=row.quantity) for row in rows),
    )
    return _draft(
        session, order_id, "confirmation", order_id, partial(confirmation_mail, confirmed)
    )


def draft_bill(session: Session, step: BillStep) -> Draft:
    """Draft an invoice or a credit note as issued; each command to resend it is another mail."""
    key = f"{step.number}-{step.again}" if step.again else step.number
    row = session.get(InvoiceRow, step.number)
    if row is None:
        return _draft_credit_note(session, step.number, key)
    invoice = Invoice.model_validate(row.content)
    return _draft_with(
        invoice,
        lambda _, pdf, envelope: invoice_mail(invoice, pdf, envelope),
        *(session, row.order_id, "invoice", key),
    )


def _draft_credit_note(session: Session, number: str, key: str) -> Draft:
    row = session.get_one(CreditNoteRow, number)
    note = CreditNote.model_validate(row.content)
    return _draft_with(
        note,
        lambda _, pdf, envelope: credit_note_mail(note, pdf, envelope),
        *(session, row.order_id, "credit_note", key),
    )


def draft_reminder(session: Session, step: ReminderStep) -> Draft | None:
    """Draft a reminder of an invoice, unless nothing of it is due."""
    order, number = session.get_one(Order, step.order_id), step.invoice_number
    due_minor = open_by_invoice(session, order)[number]
    if not due_minor:
        return None
    invoice = Invoice.model_validate(session.get_one(InvoiceRow, number).content)
    fees = select(Reminder).where(Reminder.invoice_number == number)
    fee_by_level = {row.level: row.fee_minor for row in session.exec(fees)}
    amounts = ReminderAmounts(
        level=step.level,
        fee_minor=fee_by_level[step.level],
        fees_minor=sum(fee_by_level.values()),
        due_minor=due_minor,
    )
    return _draft_with(
        invoice,
        lambda _, pdf, envelope: reminder_mail(invoice, amounts, pdf, envelope),
        *(session, step.order_id, "reminder", f"{number}-{step.level}"),
    )


def draft_refund(session: Session, step: RefundStep) -> Draft | None:
    """Draft the announcement of a refund, unless it is not paid or belongs to no order."""
    refund = session.get_one(Refund, step.refund_key)
    if refund.order_id is None or refund.state is not RefundState.REFUNDED:
        return None
    mail = partial(refund_mail, refund.order_id, refund.amount_minor, refund.paid_by)
    return _draft(session, refund.order_id, "refund", step.refund_key.replace("/", "-"), mail)


def draft_dispatch(session: Session, step: ShipmentStep) -> Draft:
    """Draft the announcement of a dispatched shipment."""
    shipment = session.get_one(Shipment, step.shipment_id)
    dispatched = DispatchedGoods(
        order_id=shipment.order_id,
        lines=_shipped_lines(session, step),
        carrier=shipment.carrier or "",
        tracking_number=shipment.tracking_number or "",
    )
    mail = partial(dispatch_mail, dispatched)
    return _draft(session, shipment.order_id, "dispatch", step.shipment_id, mail)


def draft_collection(session: Session, step: CollectionStep) -> Draft | None:
    """Draft the announcement of goods ready for collection, unless they are no longer waiting."""
    order = session.get_one(Order, step.order_id)
    shipment = session.get_one(Shipment, step.shipment_id)
    is_cancelled = order.cancellation is not Cancellation.NONE
    if is_cancelled or shipment.state is not ShipmentState.PLANNED:
        return None
    location = session.get_one(Location, shipment.location)
    collectable = CollectableGoods(
        order_id=step.order_id,
        lines=_shipped_lines(session, step),
        location=", ".join(location.address_lines),
        collect_by=day_at(location.timezone, step.collect_by),
    )
    mail = partial(collection_mail, collectable)
    return _draft(session, step.order_id, "collection", step.shipment_id, mail)


def draft_letter(session: Session, step: LetterStep) -> Draft | None:
    """Draft the letter about the expected date of an order's open shortages, if it has any."""
    letter = step.letter
    order = session.get_one(Order, step.order_id)
    lines = _short_lines(session, step.order_id)
    if order.cancellation is not Cancellation.NONE or not lines:
        return None
    dated = DatedGoods(order_id=step.order_id, lines=lines, letter=letter)
    key = f"{step.order_id}-{letter.number}-{letter.expected or 'unknown'}"
    return _draft(session, step.order_id, letter.kind, key, partial(letter_mail, dated))


def draft_return(session: Session, step: ReturnStep) -> Draft | None:
    """Draft the decision on a return; each state that customers are notified of is another mail."""
    row = session.get_one(ReturnRow, step.return_id)
    details = return_details(session, row.return_id)
    if details is None or not row.state.is_mailed:
        return None
    mailed = MailedReturn(
        return_id=row.return_id,
        order_id=row.order_id,
        state=row.state,
        until=day_of(session, row.expires_at) if row.expires_at else None,
        note=row.note,
        lines=tuple(
            MailedLine(sku=line.sku, name=line.name, quantity=line.quantity)
            for line in details.lines
        ),
    )
    authorised = row.state is ReturnState.AUTHORISED
    paper = return_paper(session, row.return_id) if authorised else None
    return _draft_with(
        paper,
        lambda addressee, pdf, envelope: return_mail(mailed, pdf or None, addressee, envelope),
        *(session, row.order_id, "return", f"{row.return_id}-{row.state}"),
    )


def _draft(
    session: Session,
    order_id: str,
    kind: str,
    key: str,
    compose: Callable[[Addressee, Envelope], OutgoingMail],
) -> Draft:
    """Address a mail without a document to the customer of an order."""
    return _draft_with(
        None,
        lambda addressee, _, envelope: compose(addressee, envelope),
        *(session, order_id, kind, key),
    )


def _draft_with(
    document: MailedDocument | None,
    compose: Callable[[Addressee, bytes, Envelope], OutgoingMail],
    session: Session,
    order_id: str,
    kind: str,
    key: str,
) -> Draft:
    """Address a mail with a document to the customer of an order."""
    order = session.get_one(Order, order_id)
    customer = session.get_one(Customer, order.customer_id)
    addressee = Addressee(
        name=customer.name,
        language=customer.language,
        currency=order.currency,
        seller=get_company(session).name,
    )
    return Draft(kind, key, order_id, customer.email, document, partial(compose, addressee))


def _short_lines(session: Session, order_id: str) -> tuple[MailedLine, ...]:
    rows = session.exec(
        select(Shortage)
        .where(Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.line_no))
    )
    units = ((row.line_no, row.quantity - row.filled) for row in rows)
    return _mailed_lines(session, order_id, units)


def _shipped_lines(session: Session, step: ShipmentStep) -> tuple[MailedLine, ...]:
    rows = reservations_of(session, step.order_id)
    units = ((row.line_no, row.quantity) for row in rows if row.shipment_id == step.shipment_id)
    return _mailed_lines(session, step.order_id, units)


def _mailed_lines(
    session: Session, order_id: str, units: Iterable[tuple[int, int]]
) -> tuple[MailedLine, ...]:
    """Name the lines of an order; each of `units` is a line's number and its units."""
    lines = {line.line_no: line for line in order_lines(session, order_id)}
    return tuple(
        MailedLine(sku=lines[number].sku, name=lines[number].name, quantity=quantity)
        for number, quantity in units
    )

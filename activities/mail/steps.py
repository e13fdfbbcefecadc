"""Mail to customers: one Message-ID per fact; a refused address is recorded and stops nothing."""

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select
from temporalio import activity

from activities.billing.invoicing import invoice_of
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.documents.bills import render_credit_note, render_invoice
from activities.documents.papers.return_label import return_label_pdf
from activities.gateways.smtp import Mailer
from activities.mail.bills import (
    Confirmed,
    Envelope,
    Reader,
    Reminded,
    confirmation_mail,
    credit_note_mail,
    invoice_mail,
    refund_mail,
    reminder_mail,
)
from activities.mail.goods import collection_mail, dispatch_mail, letter_mail
from activities.mail.layout import MailedLine, message_id
from activities.mail.returns import ReturnNews, return_mail
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, invoice_number
from activities.returns.reading import return_details, return_paper
from models.billing import CreditNote, Invoice, RefundState
from models.errors import PartnerRefused
from models.messages.steps import (
    BillStep,
    CollectionStep,
    LetterStep,
    OrderStep,
    RefundStep,
    ReminderStep,
    ReturnStep,
    ShipmentStep,
)
from models.orders import Capture
from models.papers import ReturnPaper
from models.progress import Cancellation, ShipmentState
from models.returns import ReturnState
from models.stock import ShortageState
from models.tables.billing import CreditNoteRow, InvoiceRow, Refund, Reminder
from models.tables.masterdata import Company, Customer, Location
from models.tables.operations import Mail
from models.tables.orders import Order, OrderLineRow
from models.tables.returns import ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage


def _sent(
    work: UnitOfWork, order_id: str, kind: str, mail: EmailMessage, refused: str | None
) -> None:
    mail_id = str(mail["Message-ID"])
    if work.session.get(Mail, mail_id) is not None:
        return
    recipient = str(mail["To"])
    work.session.add(
        Mail(
            message_id=mail_id,
            order_id=order_id,
            kind=kind,
            recipient=recipient,
            refused=refused,
            recorded_at=work.now,
        )
    )
    event = "mail_refused" if refused else "mailed"
    record_event(work, order_id, event, f"{kind} to {recipient} {refused or ''}".strip())


class CustomerMail:
    """The mail steps."""

    def __init__(self, database: Database, mailer: Mailer, sender: str) -> None:
        self._database = database
        self._mailer = mailer
        self._sender = sender

    @activity.defn
    async def mail_confirmation(self, step: OrderStep) -> None:
        """Tell the customer that the order has been received."""
        mail = await self._composed(lambda s: self._confirmation(s, step))
        if mail is not None:
            await self._send(step.order_id, "confirmation", mail)

    @activity.defn
    async def mail_invoice(self, step: OrderStep) -> None:
        """Send the order's invoice as PDF."""
        number = await self._database.read_async(lambda s: invoice_number(s, step.order_id))
        assert number is not None, f"{step.order_id} has no invoice yet"
        await self.mail_bill(BillStep(number=number))

    @activity.defn
    async def mail_bill(self, step: BillStep) -> None:
        """Send an invoice or a credit note as PDF; once, and once more for each command to."""
        found = await self._database.read_async(lambda s: self._bill(s, step))
        if found is None:
            return
        bill, envelope = found
        if isinstance(bill, CreditNote):
            pdf = await asyncio.to_thread(render_credit_note, bill)
            await self._send(bill.order_id, "credit_note", credit_note_mail(bill, pdf, envelope))
        else:
            pdf = await asyncio.to_thread(render_invoice, bill)
            await self._send(bill.order_id, "invoice", invoice_mail(bill, pdf, envelope))

    @activity.defn
    async def mail_reminder(self, step: ReminderStep) -> None:
        """Remind the customer of an invoice that is overdue; nothing, if it was paid meanwhile."""
        found = await self._database.read_async(lambda s: self._reminder(s, step))
        if found is None:
            return
        invoice, reminder, envelope = found
        pdf = await asyncio.to_thread(render_invoice, invoice)
        mail = reminder_mail(invoice, reminder, pdf, envelope)
        await self._send(step.order_id, "reminder", mail)

    @activity.defn
    async def mail_refund(self, step: RefundStep) -> None:
        """Tell the customer what was given back; nobody, where money had no order."""
        order_id = await self._database.read_async(
            lambda s: s.get_one(Refund, step.refund_key).order_id
        )
        mail = await self._composed(lambda s: self._refund(s, step))
        if mail is not None and order_id is not None:
            await self._send(order_id, "refund", mail)

    @activity.defn
    async def mail_settlement(self, step: OrderStep) -> None:
        """Send a cancelled order's customer what isn't sent yet: credit notes, and what was given
        back."""
        numbers, refunds = await self._database.read_async(lambda s: _settled_by(s, step.order_id))
        for number in numbers:
            await self.mail_bill(BillStep(number=number))
        for refund_key in refunds:
            await self.mail_refund(RefundStep(refund_key=refund_key))

    @activity.defn
    async def mail_dispatch(self, step: ShipmentStep) -> None:
        """Tell the customer that a shipment is on its way."""
        mail = await self._composed(lambda s: self._dispatch(s, step))
        if mail is not None:
            await self._send(step.order_id, "dispatch", mail)

    @activity.defn
    async def mail_collection(self, step: CollectionStep) -> None:
        """Tell the customer that goods wait to be collected; nothing, if they wait no more."""
        mail = await self._composed(lambda s: self._collection(s, step))
        if mail is not None:
            await self._send(step.order_id, "collection", mail)

    @activity.defn
    async def mail_letter(self, step: LetterStep) -> None:
        """Tell the customer when the goods that are short come; nothing, if they are short no
        more."""
        mail = await self._composed(lambda s: self._letter(s, step))
        if mail is not None:
            await self._send(step.order_id, step.letter.kind, mail)

    @activity.defn
    async def mail_return(self, step: ReturnStep) -> None:
        """Tell the customer that goods may come back, with their label, or may not."""
        found = await self._database.read_async(lambda s: self._return(s, step))
        if found is None:
            return
        news, paper, reader, envelope = found
        label = await asyncio.to_thread(return_label_pdf, paper) if paper else None
        await self._send(news.order_id, "return", return_mail(news, label, reader, envelope))

    async def _composed(
        self, compose: Callable[[Session], EmailMessage | None]
    ) -> EmailMessage | None:
        """A mail from what the tables say; None where it was sent, or needn't be any more."""
        return await self._database.read_async(compose)

    async def _send(self, order_id: str, kind: str, mail: EmailMessage) -> None:
        """Send, then record. A crash in between repeats the same Message-ID and no other."""
        refused: str | None = None
        try:
            await self._mailer.send(mail)
        except PartnerRefused as refusal:
            refused = refusal.message
        await self._database.transaction_async(
            lambda work: _sent(work, order_id, kind, mail, refused)
        )

    def _envelope(
        self, session: Session, kind: str, key: str, customer: Customer
    ) -> Envelope | None:
        """None where a mail of this kind and key has left already."""
        mail_id = message_id(kind, key, self._sender)
        if session.get(Mail, mail_id) is not None:
            return None
        return Envelope(sender=self._sender, recipient=customer.email, message_id=mail_id)

    def _confirmation(self, session: Session, step: OrderStep) -> EmailMessage | None:
        order, customer = _of(session, step.order_id)
        envelope = self._envelope(session, "confirmation", order.order_id, customer)
        if envelope is None or order.cancellation is not Cancellation.NONE:
            return None
        rows = session.exec(
            select(OrderLineRow)
            .where(OrderLineRow.order_id == order.order_id)
            .order_by(col(OrderLineRow.line_no))
        )
        confirmed = Confirmed(
            order_id=order.order_id,
            terms=order.terms,
            captured_later=order.capture is Capture.AT_DISPATCH,
            total_minor=order.total_minor,
            promised=order.promised_date,
            lines=tuple(
                MailedLine(sku=row.sku, name=row.name, quantity=row.quantity) for row in rows
            ),
        )
        return confirmation_mail(confirmed, _reader(session, order, customer), envelope)

    def _bill(
        self, session: Session, step: BillStep
    ) -> tuple[Invoice | CreditNote, Envelope] | None:
        """The bill as issued; None where it was sent."""
        invoice = session.get(InvoiceRow, step.number)
        row = invoice or session.get_one(CreditNoteRow, step.number)
        _, customer = _of(session, row.order_id)
        kind = "invoice" if invoice else "credit_note"
        key = f"{step.number}-{step.again}" if step.again else step.number
        envelope = self._envelope(session, kind, key, customer)
        if envelope is None:
            return None
        model = Invoice if invoice else CreditNote
        return model.model_validate(row.content), envelope

    def _reminder(
        self, session: Session, step: ReminderStep
    ) -> tuple[Invoice, Reminded, Envelope] | None:
        order, customer = _of(session, step.order_id)
        row = session.get_one(Reminder, (step.order_id, step.level))
        invoice = invoice_of(session, step.order_id)
        key = f"{step.order_id}-{step.level}"
        envelope = self._envelope(session, "reminder", key, customer)
        due_minor = balance_of(session, order).due_minor
        if envelope is None or invoice is None or not due_minor:
            return None
        reminder = Reminded(
            level=step.level,
            fee_minor=row.fee_minor,
            fees_minor=order.fees_minor,
            due_minor=due_minor,
        )
        return invoice, reminder, envelope

    def _refund(self, session: Session, step: RefundStep) -> EmailMessage | None:
        refund = session.get_one(Refund, step.refund_key)
        if refund.order_id is None:
            return None
        order, customer = _of(session, refund.order_id)
        key = step.refund_key.replace("/", "-")
        envelope = self._envelope(session, "refund", key, customer)
        if envelope is None:
            return None
        reader = _reader(session, order, customer)
        return refund_mail(order.order_id, refund.amount_minor, reader, envelope)

    def _return(
        self, session: Session, step: ReturnStep
    ) -> tuple[ReturnNews, ReturnPaper | None, Reader, Envelope] | None:
        row = session.get_one(ReturnRow, step.return_id)
        order, customer = _of(session, row.order_id)
        key = f"{row.return_id}-{row.state}"
        envelope = self._envelope(session, "return", key, customer)
        details = return_details(session, row.return_id)
        if envelope is None or details is None or not row.state.is_told:
            return None
        news = ReturnNews(
            return_id=row.return_id,
            order_id=row.order_id,
            state=row.state,
            until=row.expires_at.date() if row.expires_at else None,
            note=row.note,
            lines=tuple(
                MailedLine(sku=line.sku, name=line.name, quantity=line.quantity)
                for line in details.lines
            ),
        )
        authorised = row.state is ReturnState.AUTHORISED
        paper = return_paper(session, row.return_id) if authorised else None
        return news, paper, _reader(session, order, customer), envelope

    def _dispatch(self, session: Session, step: ShipmentStep) -> EmailMessage | None:
        mail_id = message_id("dispatch", step.shipment_id, self._sender)
        if session.get(Mail, mail_id) is not None:
            return None
        shipment = session.get_one(Shipment, step.shipment_id)
        order = session.get_one(Order, shipment.order_id)
        customer = session.get_one(Customer, order.customer_id)
        return dispatch_mail(
            order_id=order.order_id,
            customer_name=customer.name,
            language=customer.language,
            lines=_lines(session, shipment.shipment_id),
            carrier=shipment.carrier or "",
            tracking_number=shipment.tracking_number or "",
            sender=self._sender,
            recipient=customer.email,
            message_id=mail_id,
        )

    def _collection(self, session: Session, step: CollectionStep) -> EmailMessage | None:
        order, customer = _of(session, step.order_id)
        envelope = self._envelope(session, "collection", step.shipment_id, customer)
        shipment = session.get_one(Shipment, step.shipment_id)
        is_over = order.cancellation is not Cancellation.NONE
        if envelope is None or is_over or shipment.state is not ShipmentState.PLANNED:
            return None
        location = session.get_one(Location, shipment.location)
        return collection_mail(
            order_id=order.order_id,
            currency=order.currency,
            customer_name=customer.name,
            language=customer.language,
            lines=_lines(session, shipment.shipment_id),
            where=", ".join(location.address_lines),
            collect_by=step.collect_by.astimezone(ZoneInfo(location.timezone)).date(),
            sender=envelope.sender,
            recipient=envelope.recipient,
            message_id=envelope.message_id,
        )

    def _letter(self, session: Session, step: LetterStep) -> EmailMessage | None:
        letter = step.letter
        key = f"{step.order_id}-{letter.number}-{letter.expected or 'unknown'}"
        mail_id = message_id(letter.kind, key, self._sender)
        order = session.get_one(Order, step.order_id)
        lines = _short_lines(session, step.order_id)
        is_over = order.cancellation is not Cancellation.NONE
        if session.get(Mail, mail_id) is not None or is_over or not lines:
            return None
        customer = session.get_one(Customer, order.customer_id)
        return letter_mail(
            order_id=order.order_id,
            currency=order.currency,
            customer_name=customer.name,
            language=customer.language,
            letter=letter,
            lines=lines,
            sender=self._sender,
            recipient=customer.email,
            message_id=mail_id,
        )


def _of(session: Session, order_id: str) -> tuple[Order, Customer]:
    order = session.get_one(Order, order_id)
    return order, session.get_one(Customer, order.customer_id)


def _settled_by(session: Session, order_id: str) -> tuple[list[str], list[str]]:
    """The numbers of an order's credit notes, and the keys of its refunds."""
    numbers = select(CreditNoteRow.number).where(CreditNoteRow.order_id == order_id)
    refunds = select(Refund.refund_key).where(
        Refund.order_id == order_id, Refund.state == RefundState.REFUNDED
    )
    return list(session.exec(numbers)), list(session.exec(refunds))


def _reader(session: Session, order: Order, customer: Customer) -> Reader:
    return Reader(
        name=customer.name,
        language=customer.language,
        currency=order.currency,
        seller=session.exec(select(Company.name)).one(),
    )


def _short_lines(session: Session, order_id: str) -> list[MailedLine]:
    rows = session.exec(
        select(Shortage)
        .where(Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.line_no))
    )
    return [
        MailedLine(
            sku=row.sku,
            name=session.get_one(OrderLineRow, (order_id, row.line_no)).name,
            quantity=row.quantity - row.filled,
        )
        for row in rows
    ]


def _lines(session: Session, shipment_id: str) -> list[MailedLine]:
    rows = session.exec(
        select(Reservation)
        .where(Reservation.shipment_id == shipment_id)
        .order_by(col(Reservation.line_no))
    )
    return [
        MailedLine(
            sku=row.sku,
            name=session.get_one(OrderLineRow, (row.order_id, row.line_no)).name,
            quantity=row.quantity,
        )
        for row in rows
    ]

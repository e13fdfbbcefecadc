"""Mail to customers: one Message-ID per fact; a refused address is recorded and stops nothing."""

import asyncio
from email.message import EmailMessage

from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Clock, Database
from activities.documents import render_invoice
from activities.gateways.smtp import Mailer
from activities.mail_texts import MailedLine, dispatch_mail, invoice_mail, letter_mail, message_id
from activities.progress import note
from models.billing import Invoice
from models.errors import PartnerRefused
from models.messages import LetterStep, OrderStep, ShipmentStep
from models.orders import Cancellation
from models.stock import ShortageState
from models.tables import (
    Customer,
    InvoiceRow,
    Mail,
    Order,
    OrderLineRow,
    Reservation,
    Shipment,
    Shortage,
)


class CustomerMail:
    """The mail steps."""

    def __init__(self, database: Database, clock: Clock, mailer: Mailer, sender: str) -> None:
        self._database = database
        self._clock = clock
        self._mailer = mailer
        self._sender = sender

    @activity.defn
    async def mail_invoice(self, step: OrderStep) -> None:
        """Send the order's invoice as PDF."""
        found = await asyncio.to_thread(self._database.read, lambda s: self._invoice(s, step))
        if found is None:
            return
        invoice, recipient, mail_id = found
        pdf = await asyncio.to_thread(render_invoice, invoice)
        mail = invoice_mail(invoice, pdf, self._sender, recipient, mail_id)
        await self._send(step.order_id, "invoice", mail)

    @activity.defn
    async def mail_dispatch(self, step: ShipmentStep) -> None:
        """Tell the customer that a shipment is on its way."""
        mail = await asyncio.to_thread(self._database.read, lambda s: self._dispatch(s, step))
        if mail is not None:
            await self._send(step.order_id, "dispatch", mail)

    @activity.defn
    async def mail_letter(self, step: LetterStep) -> None:
        """Tell the customer when the goods that are short come; nothing, if they are short no
        more."""
        mail = await asyncio.to_thread(self._database.read, lambda s: self._letter(s, step))
        if mail is not None:
            await self._send(step.order_id, step.letter.kind, mail)

    async def _send(self, order_id: str, kind: str, mail: EmailMessage) -> None:
        """Send, then record. A crash in between repeats the same Message-ID and no other."""
        refused: str | None = None
        try:
            await self._mailer.send(mail)
        except PartnerRefused as refusal:
            refused = refusal.message
        await asyncio.to_thread(
            self._database.transaction, lambda s: self._sent(s, order_id, kind, mail, refused)
        )

    def _sent(
        self, session: Session, order_id: str, kind: str, mail: EmailMessage, refused: str | None
    ) -> None:
        now, mail_id = self._clock(), str(mail["Message-ID"])
        if session.get(Mail, mail_id) is not None:
            return
        recipient = str(mail["To"])
        session.add(
            Mail(
                message_id=mail_id,
                order_id=order_id,
                kind=kind,
                recipient=recipient,
                refused=refused,
                recorded_at=now,
            )
        )
        event = "mail_refused" if refused else "mailed"
        note(session, order_id, event, f"{kind} to {recipient} {refused or ''}".strip(), now)

    def _invoice(self, session: Session, step: OrderStep) -> tuple[Invoice, str, str] | None:
        """Invoice, recipient and Message-ID; None where it was sent."""
        row = session.exec(select(InvoiceRow).where(InvoiceRow.order_id == step.order_id)).one()
        mail_id = message_id("invoice", row.number, self._sender)
        if session.get(Mail, mail_id) is not None:
            return None
        invoice = Invoice.model_validate(row.content)
        recipient = session.get_one(Customer, row.customer_id).email
        return invoice, recipient, mail_id

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

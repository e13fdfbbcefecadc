"""Mails to customers, each sent once.

1. A mail is identified by its kind and a key, for an invoice its number. Both make its Message-ID:
   a retried step gets the same ID again, and each command to resend an invoice another.
2. The table `mails` has a row for every Message-ID sent. A step sends nothing if the row exists.
3. Otherwise it sends the mail and then writes the row.

A customer may get a mail twice, with the same Message-ID, if sending succeeded but was not
recorded: the worker died, the step timed out, or the mail server's answer was lost. The same holds
if two steps send one mail at the same time.

An address refused by the mail server is recorded in the row and in the order's audit trail, and so
is a customer without one. It is not tried again and blocks nothing.
"""

import asyncio
from collections.abc import Callable, Sequence

from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.documents.rendering import MailedDocument, name_of, render
from activities.gateways.calls import PreparedCall, Record
from activities.gateways.smtp import Mailer, OutgoingMail
from activities.mail.drafts import (
    Draft,
    draft_bill,
    draft_collection,
    draft_confirmation,
    draft_dispatch,
    draft_letter,
    draft_refund,
    draft_reminder,
    draft_return,
)
from activities.mail.layout import Envelope, message_id
from activities.order_record.audit import record_event
from activities.order_record.balance import invoice_numbers
from activities.order_record.findings import record_findings
from activities.order_record.mails import informed_by_hand
from models.documents import DocumentRules
from models.errors import PartnerRefused
from models.findings import Difference, unprintable_difference
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
from models.refunds import RefundState
from models.tables.billing import CreditNoteRow, Refund
from models.tables.operations import Mail

NO_ADDRESS = "the customer has no email address"
"""Why a mail to a customer who bought at the counter is not sent."""


class CustomerMail:
    """The mail steps. `sender`: the sender's address; its domain is part of every Message-ID.

    All of them raise PartnerUnavailable if the mail server does not answer or answers 4xx. Those
    that attach a document raise TemplateBroken; a retry reads the mended template.
    """

    def __init__(self, database: Database, mailer: Mailer, sender: str) -> None:
        self._database = database
        self._mailer = mailer
        self._sender = sender

    @activity.defn
    async def mail_confirmation(self, step: OrderStep) -> None:
        """Confirm receipt of the order; nothing if it was cancelled."""
        await self._send_once(lambda session: draft_confirmation(session, step.order_id))

    @activity.defn
    async def mail_invoice(self, step: OrderStep) -> None:
        """Mail the invoice of a whole order as PDF, once."""
        [number] = await self._database.read_async(lambda s: invoice_numbers(s, step.order_id))
        await self.mail_bill(BillStep(number=number))

    @activity.defn
    async def mail_bill(self, step: BillStep) -> None:
        """Mail an invoice or a credit note as PDF: once, and once for each command to resend it."""
        await self._send_once(lambda session: draft_bill(session, step))

    @activity.defn
    async def mail_reminder(self, step: ReminderStep) -> None:
        """Mail a reminder of the overdue invoice; nothing if it was paid in the meantime."""
        await self._send_once(lambda session: draft_reminder(session, step))

    @activity.defn
    async def mail_refund(self, step: RefundStep) -> None:
        """Announce a refund; nothing if it belongs to no order."""
        await self._send_once(lambda session: draft_refund(session, step))

    @activity.defn
    async def mail_settlement(self, step: OrderStep) -> None:
        """Mail the credit notes and refunds of a cancelled order."""
        notes, refunds = await self._database.read_async(lambda s: _settled(s, step.order_id))
        for number in notes:
            await self.mail_bill(BillStep(number=number))
        for refund_key in refunds:
            await self.mail_refund(RefundStep(refund_key=refund_key))

    @activity.defn
    async def mail_dispatch(self, step: ShipmentStep) -> None:
        """Announce a dispatched shipment."""
        await self._send_once(lambda session: draft_dispatch(session, step))

    @activity.defn
    async def mail_collection(self, step: CollectionStep) -> None:
        """Announce goods ready for collection; nothing if they were collected or cancelled."""
        await self._send_once(lambda session: draft_collection(session, step))

    @activity.defn
    async def mail_letter(self, step: LetterStep) -> None:
        """Announce the expected date of goods out of stock; nothing if no shortage is open."""
        await self._send_once(lambda session: draft_letter(session, step))

    @activity.defn
    async def mail_return(self, step: ReturnStep) -> None:
        """Announce that a return is authorised, with its label, or rejected or expired."""
        await self._send_once(lambda session: draft_return(session, step))

    async def _send_once(self, read_draft: Callable[[Session], Draft | None]) -> None:
        """Send a mail and record it, unless its Message-ID is recorded or it is not needed."""
        draft = await self._database.read_async(lambda session: self._unsent(session, read_draft))
        if draft is not None:
            documents = self._database.rules.documents
            record = await mail_call(draft, self._mailer, self._sender, documents).send()
            await self._database.transaction_async(lambda work: record(work, None))

    def _unsent(
        self, session: Session, read_draft: Callable[[Session], Draft | None]
    ) -> Draft | None:
        draft = read_draft(session)
        if draft is None:
            return None
        ids = (self._message_id(draft), informed_by_hand(draft.kind, draft.key))
        sent = select(Mail.message_id).where(col(Mail.message_id).in_(ids))
        return draft if session.exec(sent).first() is None else None

    def _message_id(self, draft: Draft) -> str:
        return message_id(draft.kind, draft.key, self._sender)


def mail_call(
    draft: Draft, mailer: Mailer, sender: str, documents: DocumentRules, step: str = ""
) -> PreparedCall:
    """Prepare the sending of a drafted mail by a step; its document is rendered then."""
    envelope = Envelope(
        sender=sender,
        recipient=draft.recipient,
        message_id=message_id(draft.kind, draft.key, sender),
    )

    async def send() -> Record:
        if not draft.recipient:
            return lambda work, _: _record_mail(work, draft, envelope, NO_ADDRESS, ())
        mail, findings = await _composed(draft, envelope, documents)
        refused: str | None = None
        try:
            await mailer.send(mail)
        except PartnerRefused as refusal:
            refused = refusal.message
        return lambda work, _: _record_mail(work, draft, envelope, refused, findings)

    return PreparedCall(step=step, partner="mail", send=send)


async def _composed(
    draft: Draft, envelope: Envelope, documents: DocumentRules
) -> tuple[OutgoingMail, tuple[Difference, ...]]:
    """Compose a mail; its document, if any, in a background thread."""
    if draft.document is None:
        return draft.compose(b"", envelope), ()
    return await asyncio.to_thread(_compose, draft, draft.document, envelope, documents)


def _compose(
    draft: Draft, document: MailedDocument, envelope: Envelope, documents: DocumentRules
) -> tuple[OutgoingMail, tuple[Difference, ...]]:
    """Compose a mail with its document; return findings about characters that no font has."""
    printed = render(document, documents)
    texts = printed.unprintable
    findings = (unprintable_difference(name_of(document), texts),) if texts else ()
    return draft.compose(printed.pdf, envelope), findings


def _record_mail(
    work: UnitOfWork,
    draft: Draft,
    envelope: Envelope,
    refused: str | None,
    findings: Sequence[Difference],
) -> None:
    """Record a mail once, as sent or as refused by the mail server, and findings about it."""
    record_findings(work, findings, work.now)
    is_new = work.insert_new(
        Mail,
        message_id=envelope.message_id,
        order_id=draft.order_id,
        kind=draft.kind,
        recipient=draft.recipient,
        refused=refused,
        recorded_at=work.now,
    )
    if not is_new:
        return
    event = "mail_refused" if refused else "mailed"
    recipient = f" to {draft.recipient}" if draft.recipient else ","
    record_event(work, draft.order_id, event, f"{draft.kind}{recipient} {refused or ''}".strip())


def _settled(session: Session, order_id: str) -> tuple[list[str], list[str]]:
    """List the numbers of an order's credit notes and the keys of its refunds."""
    notes = select(CreditNoteRow.number).where(CreditNoteRow.order_id == order_id)
    refunds = select(Refund.refund_key).where(
        Refund.order_id == order_id, Refund.state == RefundState.REFUNDED
    )
    return list(session.exec(notes)), list(session.exec(refunds))

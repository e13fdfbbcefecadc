"""The command that records what a customer was informed by hand, instead of by mail."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.mails import informed_by_hand
from activities.order_record.targets import target_order
from models.messages.commands.base import ORDER_REFUSED, UNKNOWN, refuse
from models.messages.commands.resolutions import ResolveMail
from models.messages.commands.results import CommandResult
from models.orders import Fulfilment
from models.tables.billing import CreditNoteRow, InvoiceRow
from models.tables.operations import Mail
from models.tables.orders import Order
from models.tables.shipping import Shipment


class _MailOf(NamedTuple):
    """A mail: its order, its kind and its key."""

    order_id: str
    kind: str
    key: str


@executes(ResolveMail)
def resolve_mail(work: UnitOfWork, command: ResolveMail) -> CommandResult:
    """Record a mail as informed by hand."""
    mail = _find(work.session, command.about)
    if mail is None:
        reason = f"there is no invoice, credit note, shipment or order {command.about!r}"
        refuse("about", reason, UNKNOWN)
    order = target_order(work, mail.order_id)
    what = f"{mail.kind.replace('_', ' ')} {mail.key}"
    by_hand = informed_by_hand(mail.kind, mail.key)
    is_its = col(Mail.message_id).contains(f".{mail.key}@", autoescape=True)
    sent = select(Mail.message_id).where(
        Mail.order_id == order.order_id,
        Mail.kind == mail.kind,
        is_its | (col(Mail.message_id) == by_hand),
        col(Mail.refused).is_(None),
    )
    if work.session.exec(sent).first() is not None:
        refuse("about", f"the mail about {what} was sent, or informed by hand", ORDER_REFUSED)
    work.session.add(
        Mail(
            message_id=by_hand,
            order_id=order.order_id,
            kind=mail.kind,
            recipient=f"informed by {command.actor}",
            recorded_at=work.now,
        )
    )
    detail = f"{what} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "informed_by_hand", detail)
    message = f"the customer knows about {what}: it isn't mailed"
    return CommandResult.done(command, message, orders=(order.order_id,))


def _find(session: Session, about: str) -> _MailOf | None:
    """Find the mail about an invoice, a credit note, a shipment or an order."""
    if invoice := session.get(InvoiceRow, about):
        return _MailOf(invoice.order_id, "invoice", about)
    if note := session.get(CreditNoteRow, about):
        return _MailOf(note.order_id, "credit_note", about)
    if shipment := session.get(Shipment, about):
        order = session.get_one(Order, shipment.order_id)
        collected = order.fulfilment is Fulfilment.PICK_UP
        if not collected and not shipment.state.has_left:
            refuse("about", f"{about} has not left: nothing is mailed about it yet", ORDER_REFUSED)
        return _MailOf(order.order_id, "collection" if collected else "dispatch", about)
    return _MailOf(about, "confirmation", about) if session.get(Order, about) else None

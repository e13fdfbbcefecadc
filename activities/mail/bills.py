"""Mails about an order's money: confirmation, invoice, credit note, reminder and refund."""

from datetime import date
from typing import NamedTuple

from activities.documents.notation import grouped_iban
from activities.gateways.smtp import OutgoingMail
from activities.mail.layout import (
    Addressee,
    Envelope,
    MailedLine,
    MailText,
    attached,
    compose,
    goods,
)
from models.base import Payload
from models.billing import CreditNote, Invoice
from models.orders import Terms
from models.refunds import PaidBy


class _Words(NamedTuple):
    order: str
    total: str
    due: str
    due_date: str
    account_holder: str
    reference: str
    confirmation_subject: str
    confirmation_intro: str
    how_to_pay: dict[Terms, str]
    card_is_charged: str
    ships_by: str
    invoice: str
    invoice_subject: str
    invoice_intro: str
    invoice_due: str
    invoice_paid: str
    credit_note: str
    credit_subject: str
    credit_intro: str
    credited: str
    refunded: str
    credit_refund: str
    kept: str
    credit_kept: str
    reminder_subject: tuple[str, ...]
    """By level, from 1; the last for all further levels."""
    reminder_intro: str
    reminder_fee: str
    reminder_fees: str
    reminder_outro: str
    refund_subject: str
    refund_intro: str
    refund_outro: dict[PaidBy, str]


_WORDS = {
    "en": _Words(
        order="Order",
        total="Total",
        due="Amount due",
        due_date="Due date",
        account_holder="Account holder",
        reference="Reference",
        confirmation_subject="We have received your order {order}",
        confirmation_intro="Thank you for your order. We have received order {order} for the "
        "following goods:",
        how_to_pay={
            Terms.PREPAID: "You will receive a request for payment. We will process your order as "
            "soon as it is paid.",
            Terms.CASH: "Please pay at the till.",
            Terms.NET30: "You will receive an invoice, payable within 30 days.",
        },
        card_is_charged="Your card will be charged when your goods are ready for dispatch.",
        ships_by="Dispatch by",
        invoice="Invoice",
        invoice_subject="Invoice {number} for your order {order}",
        invoice_intro="Thank you for your order. Your invoice {number} is attached as a PDF.",
        invoice_due="Please transfer {amount} by {day}, quoting {number} as the reference.",
        invoice_paid="The invoice is paid in full. You do not need to do anything.",
        credit_note="Credit note",
        credit_subject="Credit note {number} for invoice {invoice}",
        credit_intro="We have issued credit note {number} for your invoice {invoice}. It is "
        "attached as a PDF.",
        credited="Credited",
        refunded="Refunded to you",
        credit_refund="We refund the part that you have already paid. The rest is no longer due.",
        kept="Credit on your account",
        credit_kept="The part that you have already paid remains on your account as a credit. The "
        "rest is no longer due.",
        reminder_subject=(
            "Invoice {number}: payment reminder",
            "Invoice {number} is overdue: second reminder",
            "Invoice {number} is overdue: final reminder",
        ),
        reminder_intro="Our invoice {number} of {issued} was due on {day}. We have not yet "
        "received the full amount.",
        reminder_fee="Fee for this reminder",
        reminder_fees="Total reminder fees",
        reminder_outro="Please transfer {amount} without delay, quoting {number} as the reference. "
        "If you have already paid, please disregard this email.",
        refund_subject="Refund for your order {order}",
        refund_intro="We have refunded {amount} for your order {order}.",
        refund_outro={
            PaidBy.PROVIDER: "The amount is returned to the payment method that you used. It may "
            "take a few days to arrive.",
            PaidBy.CASH: "You have received the amount in cash.",
            PaidBy.TRANSFER: "We have transferred the amount to your bank account. It may take a "
            "few days to arrive.",
        },
    ),
    "de": _Words(
        order="Bestellung",
        total="Gesamtbetrag",
        due="Offener Betrag",
        due_date="Zahlbar bis",
        account_holder="Kontoinhaber",
        reference="Verwendungszweck",
        confirmation_subject="Ihre Bestellung {order} ist bei uns eingegangen",
        confirmation_intro="vielen Dank für Ihre Bestellung {order}. Sie ist mit folgenden "
        "Artikeln bei uns eingegangen:",
        how_to_pay={
            Terms.PREPAID: "Sie erhalten eine Zahlungsaufforderung. Sobald Ihre Zahlung "
            "eingegangen ist, bearbeiten wir Ihre Bestellung.",
            Terms.CASH: "Bitte zahlen Sie an der Kasse.",
            Terms.NET30: "Sie erhalten eine Rechnung, zahlbar innerhalb von 30 Tagen.",
        },
        card_is_charged="Ihre Karte wird belastet, sobald Ihre Ware versandbereit ist.",
        ships_by="Versand bis",
        invoice="Rechnung",
        invoice_subject="Rechnung {number} zu Ihrer Bestellung {order}",
        invoice_intro="vielen Dank für Ihre Bestellung. Ihre Rechnung {number} finden Sie als PDF "
        "im Anhang.",
        invoice_due="Bitte überweisen Sie {amount} bis zum {day} und geben Sie als "
        "Verwendungszweck {number} an.",
        invoice_paid="Die Rechnung ist vollständig bezahlt. Sie brauchen nichts weiter zu tun.",
        credit_note="Rechnungskorrektur",
        credit_subject="Rechnungskorrektur {number} zur Rechnung {invoice}",
        credit_intro="wir haben Ihre Rechnung {invoice} korrigiert. Die Rechnungskorrektur "
        "{number} finden Sie als PDF im Anhang.",
        credited="Korrekturbetrag",
        refunded="Erstattung",
        credit_refund="Den Teil, den Sie bereits bezahlt haben, erstatten wir Ihnen. Der Rest ist "
        "nicht mehr zu zahlen.",
        kept="Guthaben auf Ihrem Kundenkonto",
        credit_kept="Der Teil, den Sie bereits bezahlt haben, bleibt als Guthaben auf Ihrem "
        "Kundenkonto. Der Rest ist nicht mehr zu zahlen.",
        reminder_subject=(
            "Rechnung {number}: Zahlungserinnerung",
            "Rechnung {number} ist überfällig: Mahnung",
            "Rechnung {number} ist überfällig: letzte Mahnung",
        ),
        reminder_intro="unsere Rechnung {number} vom {issued} war am {day} fällig. Der Betrag ist "
        "bisher nicht vollständig bei uns eingegangen.",
        reminder_fee="Gebühr für diese Mahnung",
        reminder_fees="Mahngebühren insgesamt",
        reminder_outro="Bitte überweisen Sie {amount} umgehend und geben Sie als Verwendungszweck "
        "{number} an. Falls Sie inzwischen bezahlt haben, betrachten Sie diese E-Mail bitte als "
        "gegenstandslos.",
        refund_subject="Erstattung zu Ihrer Bestellung {order}",
        refund_intro="wir haben Ihnen {amount} zu Ihrer Bestellung {order} erstattet.",
        refund_outro={
            PaidBy.PROVIDER: "Sie erhalten den Betrag auf dem Weg zurück, auf dem Sie bezahlt "
            "haben. Bis zum Eingang können einige Tage vergehen.",
            PaidBy.CASH: "Sie haben den Betrag bar erhalten.",
            PaidBy.TRANSFER: "Wir haben den Betrag auf Ihr Bankkonto überwiesen. Bis zum Eingang "
            "können einige Tage vergehen.",
        },
    ),
}


class ConfirmedOrder(Payload):
    """The order that a confirmation describes. `captured_later`: at dispatch, from a card."""

    order_id: str
    terms: Terms
    captured_later: bool
    total_minor: int
    promised: date | None
    lines: tuple[MailedLine, ...]


def confirmation_mail(
    order: ConfirmedOrder, addressee: Addressee, envelope: Envelope
) -> OutgoingMail:
    """Confirm receipt of an order, with its goods, total and way of payment."""
    notation = addressee.notation
    words = _WORDS[notation.language]
    facts = [(words.order, order.order_id), (words.total, notation.money(order.total_minor))]
    if order.promised is not None:
        facts.append((words.ships_by, notation.day(order.promised)))
    payment = words.card_is_charged if order.captured_later else words.how_to_pay[order.terms]
    text = MailText(
        subject=words.confirmation_subject.format(order=order.order_id),
        intro=words.confirmation_intro.format(order=order.order_id),
        tables=[goods(order.lines), facts],
        outro=[payment],
    )
    return compose(text, addressee, envelope)


def invoice_mail(invoice: Invoice, pdf: bytes, envelope: Envelope) -> OutgoingMail:
    """Send an invoice, attached as `<number>.pdf`, with the amount due and how to pay it."""
    addressee = _addressee(invoice)
    notation = addressee.notation
    words = _WORDS[notation.language]
    facts = [
        (words.invoice, invoice.number),
        (words.order, invoice.order_id),
        (words.total, notation.money(invoice.total_minor)),
        (words.due, notation.money(invoice.due_minor)),
    ]
    outro = words.invoice_paid
    if invoice.due_minor:
        day = notation.day(invoice.due_on or invoice.issued_on)
        facts.append((words.due_date, day))
        facts += _account(words, invoice)
        outro = words.invoice_due.format(
            amount=notation.money(invoice.due_minor), day=day, number=invoice.number
        )
    text = MailText(
        subject=words.invoice_subject.format(number=invoice.number, order=invoice.order_id),
        intro=words.invoice_intro.format(number=invoice.number),
        tables=[facts],
        outro=[outro],
    )
    return compose(text, addressee, envelope, attached(invoice.number, pdf))


def credit_note_mail(note: CreditNote, pdf: bytes, envelope: Envelope) -> OutgoingMail:
    """Send a credit note, attached as `<number>.pdf`, with the amount refunded or kept."""
    addressee = _addressee(note)
    notation = addressee.notation
    words = _WORDS[notation.language]
    values = {"number": note.number, "invoice": note.invoice_number}
    is_kept, paid_minor = note.kept_minor > 0, note.refund_minor + note.kept_minor
    facts = [
        (words.credit_note, note.number),
        (words.invoice, note.invoice_number),
        (words.credited, notation.money(note.total_minor)),
        (words.kept if is_kept else words.refunded, notation.money(paid_minor)),
    ]
    text = MailText(
        subject=words.credit_subject.format(**values),
        intro=words.credit_intro.format(**values),
        tables=[facts],
        outro=[words.credit_kept if is_kept else words.credit_refund],
    )
    return compose(text, addressee, envelope, attached(note.number, pdf))


class ReminderAmounts(Payload):
    """The amounts of a reminder. `due_minor` includes `fees_minor`, the fees of all reminders
    so far; `fee_minor` is the fee of this one."""

    level: int
    fee_minor: int
    fees_minor: int
    due_minor: int


def reminder_mail(
    invoice: Invoice, reminder: ReminderAmounts, pdf: bytes, envelope: Envelope
) -> OutgoingMail:
    """Remind of an overdue invoice, attached again as `<number>.pdf`."""
    addressee = _addressee(invoice)
    notation = addressee.notation
    words = _WORDS[notation.language]
    values = {
        "number": invoice.number,
        "issued": notation.day(invoice.issued_on),
        "day": notation.day(invoice.due_on or invoice.issued_on),
        "amount": notation.money(reminder.due_minor),
    }
    facts = [
        (words.invoice, invoice.number),
        (words.order, invoice.order_id),
        (words.total, notation.money(invoice.total_minor)),
    ]
    if reminder.fee_minor:
        facts.append((words.reminder_fee, notation.money(reminder.fee_minor)))
    if reminder.fees_minor != reminder.fee_minor:
        facts.append((words.reminder_fees, notation.money(reminder.fees_minor)))
    facts.append((words.due, notation.money(reminder.due_minor)))
    facts += _account(words, invoice)
    subjects = words.reminder_subject
    text = MailText(
        subject=subjects[min(reminder.level, len(subjects)) - 1].format(**values),
        intro=words.reminder_intro.format(**values),
        tables=[facts],
        outro=[words.reminder_outro.format(**values)],
    )
    return compose(text, addressee, envelope, attached(invoice.number, pdf))


def refund_mail(
    order_id: str, amount_minor: int, by: PaidBy, addressee: Addressee, envelope: Envelope
) -> OutgoingMail:
    """Announce a refund."""
    notation = addressee.notation
    words = _WORDS[notation.language]
    values = {"order": order_id, "amount": notation.money(amount_minor)}
    text = MailText(
        subject=words.refund_subject.format(**values),
        intro=words.refund_intro.format(**values),
        tables=[],
        outro=[words.refund_outro[by]],
    )
    return compose(text, addressee, envelope)


def _addressee(bill: Invoice | CreditNote) -> Addressee:
    return Addressee(
        name=bill.customer_name,
        language=bill.language,
        currency=bill.currency,
        seller=bill.seller.name,
    )


def _account(words: _Words, invoice: Invoice) -> list[tuple[str, str]]:
    """List the account to transfer to and the reference; nothing if the seller has no IBAN."""
    if not invoice.seller.iban:
        return []
    return [
        (words.account_holder, invoice.seller.name),
        ("IBAN", grouped_iban(invoice.seller.iban)),
        (words.reference, invoice.number),
    ]

"""Mails about an order's money: its confirmation, invoice and credit note, reminders, refunds;
English and German."""

from collections.abc import Sequence
from datetime import date
from email.message import EmailMessage
from typing import NamedTuple

from activities.documents.notation import Notation, grouped_iban, written_language
from activities.mail.layout import Letter, MailedLine, goods, message, one_line
from models.base import Payload
from models.billing import CreditNote, Invoice
from models.orders import Terms


class Envelope(Payload):
    """Who writes to whom; `message_id`: one for each fact."""

    sender: str
    recipient: str
    message_id: str


class Reader(Payload):
    """Whom a mail addresses, and in whose name it is signed."""

    name: str
    language: str
    currency: str
    seller: str


class _Words(NamedTuple):
    greeting: str
    closing: str
    order: str
    total: str
    due: str
    due_date: str
    account_holder: str
    iban: str
    reference: str
    confirmation_subject: str
    confirmation_intro: str
    to_pay: dict[Terms, str]
    on_card: str
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
    reminder_intro: str
    reminder_fee: str
    reminder_fees: str
    reminder_outro: str
    refund_subject: str
    refund_intro: str
    refund_outro: str


_WORDS = {
    "en": _Words(
        greeting="Hello {name},",
        closing="Kind regards",
        order="Order",
        total="Total",
        due="Amount due",
        due_date="Due date",
        account_holder="Account holder",
        iban="IBAN",
        reference="Reference",
        confirmation_subject="Your order {order}",
        confirmation_intro="thank you for your order {order}. We have received it:",
        to_pay={
            Terms.PREPAID: "You will be asked to pay; your order is on its way to you once it is "
            "paid.",
            Terms.CASH: "You pay at the till.",
            Terms.NET30: "You will receive an invoice that is due within 30 days.",
        },
        on_card="Your card is charged when your goods are about to leave.",
        ships_by="To leave us by",
        invoice="Invoice",
        invoice_subject="Invoice {number} for your order {order}",
        invoice_intro="thank you for your order. Your invoice {number} is attached as a PDF.",
        invoice_due="Please transfer {amount} by {day}, stating {number} as the reference.",
        invoice_paid="It is paid in full; there is nothing left for you to do.",
        credit_note="Credit note",
        credit_subject="Credit note {number} for invoice {invoice}",
        credit_intro="we have credited your invoice {invoice}. The credit note {number} is "
        "attached as a PDF.",
        credited="Credited",
        refunded="Refunded to you",
        credit_refund="What you had paid of it is refunded to you; the rest is due no longer.",
        kept="Kept as your credit",
        credit_kept="What you had paid of it is kept for you as your credit; the rest is due no "
        "longer.",
        reminder_subject=(
            "Invoice {number}: have you overlooked it?",
            "Invoice {number} is overdue: second reminder",
            "Invoice {number} is overdue: last reminder",
        ),
        reminder_intro="our invoice {number} of {issued} was due on {day}, and we have not "
        "received all of it yet.",
        reminder_fee="Fee for this reminder",
        reminder_fees="Reminder fees in all",
        reminder_outro="Please transfer {amount} at once, stating {number} as the reference. "
        "Should you have paid meanwhile, please ignore this mail.",
        refund_subject="Refund for your order {order}",
        refund_intro="we have given back {amount} for your order {order}.",
        refund_outro="It reaches you the way you paid; your bank may need a few days.",
    ),
    "de": _Words(
        greeting="Guten Tag {name},",
        closing="Mit freundlichen Grüßen",
        order="Bestellung",
        total="Gesamtbetrag",
        due="Offener Betrag",
        due_date="Zahlbar bis",
        account_holder="Kontoinhaber",
        iban="IBAN",
        reference="Verwendungszweck",
        confirmation_subject="Ihre Bestellung {order}",
        confirmation_intro="vielen Dank für Ihre Bestellung {order}. Sie ist bei uns eingegangen:",
        to_pay={
            Terms.PREPAID: "Sie erhalten eine Zahlungsaufforderung; nach Zahlungseingang geht Ihre "
            "Bestellung auf den Weg.",
            Terms.CASH: "Sie zahlen an der Kasse.",
            Terms.NET30: "Sie erhalten eine Rechnung, zahlbar innerhalb von 30 Tagen.",
        },
        on_card="Ihre Karte wird belastet, wenn Ihre Ware das Lager verlässt.",
        ships_by="Versand bis",
        invoice="Rechnung",
        invoice_subject="Rechnung {number} zu Ihrer Bestellung {order}",
        invoice_intro="vielen Dank für Ihre Bestellung. Ihre Rechnung {number} finden Sie als PDF "
        "im Anhang.",
        invoice_due="Bitte überweisen Sie {amount} bis zum {day} mit dem "
        "Verwendungszweck {number}.",
        invoice_paid="Sie ist vollständig bezahlt; Sie brauchen nichts weiter zu tun.",
        credit_note="Rechnungskorrektur",
        credit_subject="Rechnungskorrektur {number} zur Rechnung {invoice}",
        credit_intro="wir haben Ihre Rechnung {invoice} korrigiert. Die Rechnungskorrektur "
        "{number} finden Sie als PDF im Anhang.",
        credited="Gutgeschrieben",
        refunded="Erstattet",
        credit_refund="Was Sie davon bezahlt hatten, erstatten wir Ihnen; der Rest ist nicht mehr "
        "zu zahlen.",
        kept="Bleibt als Guthaben",
        credit_kept="Was Sie davon bezahlt hatten, bleibt bei uns als Ihr Guthaben; der Rest ist "
        "nicht mehr zu zahlen.",
        reminder_subject=(
            "Rechnung {number}: haben Sie sie übersehen?",
            "Rechnung {number} ist überfällig: zweite Mahnung",
            "Rechnung {number} ist überfällig: letzte Mahnung",
        ),
        reminder_intro="unsere Rechnung {number} vom {issued} war am {day} fällig und ist noch "
        "nicht vollständig bezahlt.",
        reminder_fee="Gebühr dieser Mahnung",
        reminder_fees="Mahngebühren insgesamt",
        reminder_outro="Bitte überweisen Sie {amount} umgehend mit dem Verwendungszweck {number}. "
        "Haben Sie inzwischen bezahlt, betrachten Sie diese E-Mail bitte als gegenstandslos.",
        refund_subject="Erstattung zu Ihrer Bestellung {order}",
        refund_intro="wir haben Ihnen {amount} zu Ihrer Bestellung {order} erstattet.",
        refund_outro="Das Geld kommt auf dem Weg zurück, auf dem Sie bezahlt haben; Ihre Bank "
        "braucht womöglich einige Tage.",
    ),
}


class Confirmed(Payload):
    """What a confirmation says of an order."""

    order_id: str
    terms: Terms
    captured_later: bool
    total_minor: int
    promised: date | None
    lines: tuple[MailedLine, ...]


def confirmation_mail(order: Confirmed, reader: Reader, envelope: Envelope) -> EmailMessage:
    """An order has been received: what was ordered, what it comes to, and how it is paid."""
    language = written_language(reader.language)
    words, notation = _WORDS[language], Notation(language, reader.currency)
    facts = [(words.order, order.order_id), (words.total, notation.money(order.total_minor))]
    if order.promised is not None:
        facts.append((words.ships_by, notation.day(order.promised)))
    how = words.on_card if order.captured_later else words.to_pay[order.terms]
    said = {"order": order.order_id}
    return _mail(
        words,
        reader,
        envelope,
        words.confirmation_subject.format(**said),
        words.confirmation_intro.format(**said),
        [goods(order.lines), facts],
        [how],
    )


def invoice_mail(invoice: Invoice, pdf: bytes, envelope: Envelope) -> EmailMessage:
    """The invoice with its PDF attached as `<number>.pdf`."""
    language = written_language(invoice.language)
    words, notation = _WORDS[language], Notation(language, invoice.currency)
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
    mail = _mail(
        words,
        _reader(invoice),
        envelope,
        words.invoice_subject.format(number=invoice.number, order=invoice.order_id),
        words.invoice_intro.format(number=invoice.number),
        [facts],
        [outro],
    )
    return _with_pdf(mail, invoice.number, pdf)


def credit_note_mail(note: CreditNote, pdf: bytes, envelope: Envelope) -> EmailMessage:
    """The credit note with its PDF attached as `<number>.pdf`."""
    language = written_language(note.language)
    words, notation = _WORDS[language], Notation(language, note.currency)
    said = {"number": note.number, "invoice": note.invoice_number}
    kept, back_minor = note.kept_minor > 0, note.refund_minor + note.kept_minor
    facts = [
        (words.credit_note, note.number),
        (words.invoice, note.invoice_number),
        (words.credited, notation.money(note.total_minor)),
        (words.kept if kept else words.refunded, notation.money(back_minor)),
    ]
    mail = _mail(
        words,
        _reader(note),
        envelope,
        words.credit_subject.format(**said),
        words.credit_intro.format(**said),
        [facts],
        [words.credit_kept if kept else words.credit_refund],
    )
    return _with_pdf(mail, note.number, pdf)


class Reminded(Payload):
    """What a reminder says: `due_minor` with the fees of it and of those before."""

    level: int
    fee_minor: int
    fees_minor: int
    due_minor: int


def reminder_mail(
    invoice: Invoice, reminder: Reminded, pdf: bytes, envelope: Envelope
) -> EmailMessage:
    """An invoice is overdue; it is attached again."""
    language = written_language(invoice.language)
    words, notation = _WORDS[language], Notation(language, invoice.currency)
    said = {
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
    mail = _mail(
        words,
        _reader(invoice),
        envelope,
        subjects[min(reminder.level, len(subjects)) - 1].format(**said),
        words.reminder_intro.format(**said),
        [facts],
        [words.reminder_outro.format(**said)],
    )
    return _with_pdf(mail, invoice.number, pdf)


def refund_mail(
    order_id: str, amount_minor: int, reader: Reader, envelope: Envelope
) -> EmailMessage:
    """Money was given back."""
    language = written_language(reader.language)
    words, notation = _WORDS[language], Notation(language, reader.currency)
    said = {"order": order_id, "amount": notation.money(amount_minor)}
    return _mail(
        words,
        reader,
        envelope,
        words.refund_subject.format(**said),
        words.refund_intro.format(**said),
        [],
        [words.refund_outro],
    )


def _mail(
    words: _Words,
    reader: Reader,
    envelope: Envelope,
    subject: str,
    intro: str,
    tables: Sequence[Sequence[tuple[str, str]]],
    outro: Sequence[str],
) -> EmailMessage:
    letter = Letter(
        language=written_language(reader.language),
        subject=subject,
        greeting=words.greeting.format(name=reader.name),
        intro=intro,
        tables=tables,
        outro=outro,
        closing=words.closing,
        signature=reader.seller,
    )
    return message(letter, envelope.sender, envelope.recipient, envelope.message_id)


def _reader(bill: Invoice | CreditNote) -> Reader:
    return Reader(
        name=bill.customer_name,
        language=bill.language,
        currency=bill.currency,
        seller=bill.seller.name,
    )


def _account(words: _Words, invoice: Invoice) -> list[tuple[str, str]]:
    """Where to transfer money to, and what to state."""
    if not invoice.seller.iban:
        return []
    return [
        (words.account_holder, invoice.seller.name),
        (words.iban, grouped_iban(invoice.seller.iban)),
        (words.reference, invoice.number),
    ]


def _with_pdf(mail: EmailMessage, number: str, pdf: bytes) -> EmailMessage:
    name = f"{one_line(number)}.pdf"
    mail.add_attachment(pdf, maintype="application", subtype="pdf", filename=name)
    return mail

"""The mails we write: invoice, dispatch, and when goods come that are short; as text and HTML,
English and German."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from activities.documents import Notation, grouped_iban, written_language
from models.base import Payload
from models.billing import Invoice
from models.promises import Letter, LetterKind, Told


class MailedLine(Payload):
    """What left, or is short: `quantity` units of one SKU."""

    sku: str
    name: str
    quantity: int


class _Words(NamedTuple):
    greeting: str
    invoice_subject: str
    invoice_intro: str
    invoice_due: str
    invoice_paid: str
    invoice_reference: str
    order: str
    total: str
    due: str
    due_date: str
    iban: str
    dispatch_subject: str
    dispatch_intro: str
    carrier: str
    tracking: str
    backorder_subject: str
    backorder_intro: str
    backorder_outro: str
    delay_subject: str
    delay_intro: str
    delay_unknown_intro: str
    expected: str
    not_known: str
    answer_by: str
    told: dict[Told, str]
    closing: str


_WORDS = {
    "en": _Words(
        greeting="Hello {name},",
        invoice_subject="Invoice {number} for your order {order}",
        invoice_intro="thank you for your order. Your invoice {number} is attached as a PDF.",
        invoice_due="Please transfer {amount} by {day}, stating {number} as the reference.",
        invoice_paid="It is paid in full; there is nothing left for you to do.",
        invoice_reference="Invoice",
        order="Order",
        total="Total",
        due="Amount due",
        due_date="Due date",
        iban="IBAN",
        dispatch_subject="Your order {order} is on its way",
        dispatch_intro="these goods of your order {order} have left our warehouse:",
        carrier="Carrier",
        tracking="Tracking number",
        backorder_subject="Your order {order}: goods expected on {day}",
        backorder_intro="these goods of your order {order} are not in stock. We expect them on "
        "{day} and will ship your order then:",
        backorder_outro="There is nothing for you to do: we will write again should the date "
        "change. Until the goods leave you may cancel your order.",
        delay_subject="Your order {order} is delayed",
        delay_intro="we are sorry: these goods of your order {order} come later than we promised. "
        "We had promised to ship by {promised}, and now expect to ship by {day}.",
        delay_unknown_intro="we are sorry: we can't say at present when these goods of your order "
        "{order} will come. We had promised to ship by {promised}.",
        expected="Expected to ship",
        not_known="not known yet",
        answer_by="Please answer by",
        told={
            Told.MAY_CANCEL: "You may cancel your order now; simply answer this mail. What you "
            "have paid is refunded promptly.",
            Told.SILENCE_CONSENTS: "If you agree to the new date, there is nothing for you to do: "
            "unless we hear from you, we will ship your order by then.",
            Told.SILENCE_CANCELS: "If you want to wait, please say so by answering this mail by "
            "{answer_by}. Unless we hear from you, or can ship before, we will then cancel your "
            "order and refund what you have paid.",
            Told.MAY_CANCEL_UNTIL_SHIPPED: "If you agree to wait without a date, you may still "
            "cancel at any time until the goods leave.",
        },
        closing="Kind regards",
    ),
    "de": _Words(
        greeting="Guten Tag {name},",
        invoice_subject="Rechnung {number} zu Ihrer Bestellung {order}",
        invoice_intro="vielen Dank für Ihre Bestellung. Ihre Rechnung {number} finden Sie als PDF "
        "im Anhang.",
        invoice_due="Bitte überweisen Sie {amount} bis zum {day} mit dem "
        "Verwendungszweck {number}.",
        invoice_paid="Sie ist vollständig bezahlt; Sie brauchen nichts weiter zu tun.",
        invoice_reference="Rechnung",
        order="Bestellung",
        total="Gesamtbetrag",
        due="Offener Betrag",
        due_date="Zahlbar bis",
        iban="IBAN",
        dispatch_subject="Ihre Bestellung {order} ist unterwegs",
        dispatch_intro="diese Waren Ihrer Bestellung {order} haben unser Lager verlassen:",
        carrier="Versand durch",
        tracking="Sendungsnummer",
        backorder_subject="Ihre Bestellung {order}: Ware erwartet am {day}",
        backorder_intro="diese Waren Ihrer Bestellung {order} sind nicht auf Lager. Wir erwarten "
        "sie am {day} und versenden Ihre Bestellung dann:",
        backorder_outro="Sie brauchen nichts zu tun: Falls sich der Termin ändert, schreiben wir "
        "Ihnen wieder. Bis zum Versand können Sie Ihre Bestellung stornieren.",
        delay_subject="Ihre Bestellung {order} verzögert sich",
        delay_intro="es tut uns leid: Diese Waren Ihrer Bestellung {order} kommen später als "
        "zugesagt. Zugesagt war der Versand bis zum {promised}, wir rechnen jetzt mit dem {day}.",
        delay_unknown_intro="es tut uns leid: Wann diese Waren Ihrer Bestellung {order} kommen, "
        "können wir zurzeit nicht sagen. Zugesagt war der Versand bis zum {promised}.",
        expected="Voraussichtlicher Versand",
        not_known="noch nicht bekannt",
        answer_by="Antwort erbeten bis",
        told={
            Told.MAY_CANCEL: "Sie können Ihre Bestellung jetzt stornieren; antworten Sie einfach "
            "auf diese E-Mail. Was Sie bezahlt haben, erstatten wir umgehend.",
            Told.SILENCE_CONSENTS: "Wenn Sie mit dem neuen Termin einverstanden sind, brauchen Sie "
            "nichts zu tun: Hören wir nichts von Ihnen, versenden wir bis dahin.",
            Told.SILENCE_CANCELS: "Wenn Sie warten möchten, antworten Sie bitte bis zum "
            "{answer_by} auf diese E-Mail. Hören wir nichts von Ihnen und können wir nicht vorher "
            "versenden, stornieren wir Ihre Bestellung danach und erstatten, was Sie bezahlt "
            "haben.",
            Told.MAY_CANCEL_UNTIL_SHIPPED: "Auch wenn Sie ohne Termin warten möchten, können Sie "
            "bis zum Versand jederzeit stornieren.",
        },
        closing="Mit freundlichen Grüßen",
    ),
}


_Table = Sequence[tuple[str, str]]
"""Rows of a label and a value."""


class _Letter(NamedTuple):
    """A mail's content, before it is put as text or as HTML."""

    language: str
    subject: str
    greeting: str
    intro: str
    tables: Sequence[_Table]
    outro: Sequence[str]
    """Paragraphs."""
    closing: str
    signature: str


def message_id(kind: str, key: str, sender: str) -> str:
    """`<kind.key@domain>`: one per fact, so that a mail sent twice is recognised as one.

    What RFC 5322 doesn't allow in an id is percent-encoded; different facts give different ids.
    Raises ValueError where `sender` has no domain.
    """
    local, _, domain = parseaddr(sender)[1].rpartition("@")
    if not local or not domain:
        raise ValueError(f"{sender!r} is not a mail address")
    return f"<{_atom(kind)}.{_atom(key)}@{domain.encode('idna').decode()}>"


def _atom(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")


def invoice_mail(
    invoice: Invoice, pdf: bytes, sender: str, recipient: str, message_id: str
) -> EmailMessage:
    """The invoice with its PDF attached as `<number>.pdf`."""
    language = written_language(invoice.language)
    words, notation = _WORDS[language], Notation(language, invoice.currency)
    due_minor = max(0, invoice.total_minor - invoice.paid_minor)
    facts = [
        (words.invoice_reference, invoice.number),
        (words.order, invoice.order_id),
        (words.total, notation.money(invoice.total_minor)),
        (words.due, notation.money(due_minor)),
    ]
    outro = words.invoice_paid
    if due_minor:
        day = notation.day(invoice.due_on or invoice.issued_on)
        facts += [(words.due_date, day), (words.iban, grouped_iban(invoice.seller.iban))]
        outro = words.invoice_due.format(
            amount=notation.money(due_minor), day=day, number=invoice.number
        )
    letter = _Letter(
        language=language,
        subject=words.invoice_subject.format(number=invoice.number, order=invoice.order_id),
        greeting=words.greeting.format(name=invoice.customer_name),
        intro=words.invoice_intro.format(number=invoice.number),
        tables=[facts],
        outro=[outro],
        closing=words.closing,
        signature=invoice.seller.name,
    )
    message = _message(letter, sender, recipient, message_id)
    message.add_attachment(
        pdf, maintype="application", subtype="pdf", filename=f"{_one_line(invoice.number)}.pdf"
    )
    return message


def dispatch_mail(
    *,
    order_id: str,
    customer_name: str,
    language: str,
    lines: Sequence[MailedLine],
    carrier: str,
    tracking_number: str,
    sender: str,
    recipient: str,
    message_id: str,
) -> EmailMessage:
    """Tells the customer what left, with whom, and how to follow it."""
    language = written_language(language)
    words = _WORDS[language]
    letter = _Letter(
        language=language,
        subject=words.dispatch_subject.format(order=order_id),
        greeting=words.greeting.format(name=customer_name),
        intro=words.dispatch_intro.format(order=order_id),
        tables=[_goods(lines), [(words.carrier, carrier), (words.tracking, tracking_number)]],
        outro=[],
        closing=words.closing,
        signature=parseaddr(sender)[0],
    )
    return _message(letter, sender, recipient, message_id)


def letter_mail(
    *,
    order_id: str,
    currency: str,
    customer_name: str,
    language: str,
    letter: Letter,
    lines: Sequence[MailedLine],
    sender: str,
    recipient: str,
    message_id: str,
) -> EmailMessage:
    """Tells the customer when the goods that are short come, and of a delay what may be done."""
    language = written_language(language)
    words, notation = _WORDS[language], Notation(language, currency)
    said = {
        "order": order_id,
        "day": notation.day(letter.expected) if letter.expected else words.not_known,
        "promised": notation.day(letter.promised) if letter.promised else "",
        "answer_by": notation.day(letter.answer_by) if letter.answer_by else "",
    }
    facts = [(words.expected, said["day"])]
    if letter.kind is LetterKind.BACKORDER:
        subject, intro = words.backorder_subject, words.backorder_intro
        outro = [words.backorder_outro]
    else:
        subject = words.delay_subject
        intro = words.delay_intro if letter.expected else words.delay_unknown_intro
        outro = [words.told[what] for what in letter.says if what in words.told]
        if letter.answer_by:
            facts.append((words.answer_by, said["answer_by"]))
    content = _Letter(
        language=language,
        subject=subject.format(**said),
        greeting=words.greeting.format(name=customer_name),
        intro=intro.format(**said),
        tables=[_goods(lines), facts],
        outro=[paragraph.format(**said) for paragraph in outro],
        closing=words.closing,
        signature=parseaddr(sender)[0],
    )
    return _message(content, sender, recipient, message_id)


def _goods(lines: Sequence[MailedLine]) -> _Table:
    return [(f"{line.quantity}\N{MULTIPLICATION SIGN} {line.sku}", line.name) for line in lines]


def _message(letter: _Letter, sender: str, recipient: str, message_id: str) -> EmailMessage:
    """Headers, text and HTML. Raises ValueError for a line break in an address or the id."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _one_line(letter.subject)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = letter.language
    message.set_content(_text(letter))
    message.add_alternative(_html(letter), subtype="html")
    return message


def _one_line(text: str) -> str:
    """Without line breaks and control characters: safe in a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(letter: _Letter) -> str:
    blocks = [
        _one_line(letter.greeting),
        _one_line(letter.intro),
        *map(_text_table, letter.tables),
        *map(_one_line, letter.outro),
        "\n".join(filter(None, (letter.closing, _one_line(letter.signature)))),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _text_table(table: _Table) -> str:
    width = max((len(_one_line(label)) for label, _ in table), default=0)
    return "\n".join(f"  {_one_line(label):<{width}}  {_one_line(value)}" for label, value in table)


_PAGE = (
    '<!DOCTYPE html>\n<html lang="{language}">\n<body style="margin:0;background:#eef3f6">\n'
    '<div style="max-width:34em;margin:0 auto;padding:2em;background:#fff;color:#212529;'
    'font:16px/1.5 system-ui,sans-serif">\n{content}\n</div>\n</body>\n</html>\n'
)
_LABEL_STYLE = (
    "padding:.25em 1.5em .25em 0;color:#6c757d;text-align:left;vertical-align:top;"
    "font-weight:normal"
)


def _html(letter: _Letter) -> str:
    closing = (_escaped(part) for part in (letter.closing, letter.signature))
    content = [
        f"<p>{_escaped(letter.greeting)}</p>",
        f"<p>{_escaped(letter.intro)}</p>",
        *map(_html_table, letter.tables),
        *(f"<p>{_escaped(paragraph)}</p>" for paragraph in letter.outro),
        f"<p>{'<br>'.join(filter(None, closing))}</p>",
    ]
    return _PAGE.format(language=letter.language, content="\n".join(filter(None, content)))


def _html_table(table: _Table) -> str:
    rows = "\n".join(
        f'<tr><th scope="row" style="{_LABEL_STYLE}">{_escaped(label)}</th>'
        f"<td>{_escaped(value)}</td></tr>"
        for label, value in table
    )
    return f'<table style="border-collapse:collapse;margin:1em 0">\n{rows}\n</table>'


def _escaped(text: str) -> str:
    return escape(_one_line(text))

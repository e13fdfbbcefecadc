"""Mails about goods: when they come that are short, and that they are on their way or wait to be
collected; English and German."""

from collections.abc import Sequence
from datetime import date
from email.message import EmailMessage
from email.utils import parseaddr
from typing import NamedTuple

from activities.documents.notation import Notation, written_language
from activities.mail.layout import Letter, MailedLine, goods, message
from models import promises
from models.promises import LetterKind, Told


class _Words(NamedTuple):
    greeting: str
    dispatch_subject: str
    dispatch_intro: str
    carrier: str
    tracking: str
    collection_subject: str
    collection_intro: str
    collection_outro: str
    collect_at: str
    collect_by: str
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
        dispatch_subject="Your order {order} is on its way",
        dispatch_intro="these goods of your order {order} have left our warehouse:",
        carrier="Carrier",
        tracking="Tracking number",
        collection_subject="Your order {order} is ready for collection",
        collection_intro="these goods of your order {order} are ready for you:",
        collection_outro="Please bring this mail with you.",
        collect_at="Collect at",
        collect_by="Until",
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
        dispatch_subject="Ihre Bestellung {order} ist unterwegs",
        dispatch_intro="diese Waren Ihrer Bestellung {order} haben unser Lager verlassen:",
        carrier="Versand durch",
        tracking="Sendungsnummer",
        collection_subject="Ihre Bestellung {order} liegt zur Abholung bereit",
        collection_intro="diese Waren Ihrer Bestellung {order} liegen für Sie bereit:",
        collection_outro="Bitte bringen Sie diese E-Mail mit.",
        collect_at="Abholung bei",
        collect_by="Bis zum",
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
    letter = Letter(
        language=language,
        subject=words.dispatch_subject.format(order=order_id),
        greeting=words.greeting.format(name=customer_name),
        intro=words.dispatch_intro.format(order=order_id),
        tables=[goods(lines), [(words.carrier, carrier), (words.tracking, tracking_number)]],
        outro=[],
        closing=words.closing,
        signature=parseaddr(sender)[0],
    )
    return message(letter, sender, recipient, message_id)


def collection_mail(
    *,
    order_id: str,
    currency: str,
    customer_name: str,
    language: str,
    lines: Sequence[MailedLine],
    where: str,
    collect_by: date,
    sender: str,
    recipient: str,
    message_id: str,
) -> EmailMessage:
    """Tells the customer what waits for them, where, and until when."""
    language = written_language(language)
    words, notation = _WORDS[language], Notation(language, currency)
    letter = Letter(
        language=language,
        subject=words.collection_subject.format(order=order_id),
        greeting=words.greeting.format(name=customer_name),
        intro=words.collection_intro.format(order=order_id),
        tables=[
            goods(lines),
            [(words.collect_at, where), (words.collect_by, notation.day(collect_by))],
        ],
        outro=[words.collection_outro],
        closing=words.closing,
        signature=parseaddr(sender)[0],
    )
    return message(letter, sender, recipient, message_id)


def letter_mail(
    *,
    order_id: str,
    currency: str,
    customer_name: str,
    language: str,
    letter: promises.Letter,
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
    content = Letter(
        language=language,
        subject=subject.format(**said),
        greeting=words.greeting.format(name=customer_name),
        intro=intro.format(**said),
        tables=[goods(lines), facts],
        outro=[paragraph.format(**said) for paragraph in outro],
        closing=words.closing,
        signature=parseaddr(sender)[0],
    )
    return message(content, sender, recipient, message_id)

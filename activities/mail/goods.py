"""Mails about goods: expected dates of goods out of stock, dispatch, and readiness for collection.

A notice of delay states what 16 CFR 435.2 requires: see `models.promises`.
"""

from datetime import date
from typing import NamedTuple

from activities.gateways.smtp import OutgoingMail
from activities.mail.layout import Addressee, Envelope, MailedLine, MailText, compose, goods
from models.base import Payload
from models.promises import Letter, LetterKind, Statement


class _Words(NamedTuple):
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
    notices: dict[Statement, str]
    """The paragraphs of a notice of delay; the introduction states the date."""


_WORDS = {
    "en": _Words(
        dispatch_subject="Your order {order} is on its way",
        dispatch_intro="The following goods from your order {order} have left our warehouse:",
        carrier="Carrier",
        tracking="Tracking number",
        collection_subject="Your order {order} is ready for collection",
        collection_intro="The following goods from your order {order} are ready for you:",
        collection_outro="Please bring this email with you.",
        collect_at="Collect from",
        collect_by="Collect by",
        backorder_subject="Your order {order}: goods expected on {day}",
        backorder_intro="The following goods from your order {order} are currently not in stock. "
        "We expect them on {day} and will then ship your order:",
        backorder_outro="You do not need to do anything. If the date changes, we will write to you "
        "again. You may cancel your order at any time before the goods are shipped.",
        delay_subject="Your order {order} is delayed",
        delay_intro="We are sorry that the following goods from your order {order} are delayed. "
        "We had promised to ship them by {promised} and now expect to ship them by {day}.",
        delay_unknown_intro="We are sorry that the following goods from your order {order} are "
        "delayed. We had promised to ship them by {promised}. At present we cannot say how long "
        "the delay will last.",
        expected="Expected dispatch",
        not_known="not known yet",
        answer_by="Please reply by",
        notices={
            Statement.MAY_CANCEL: "You may cancel your order now by replying to this email. We "
            "will promptly refund what you have paid.",
            Statement.SILENCE_CONSENTS: "If you agree to the new date, you do not need to do "
            "anything: unless we hear from you, we will ship your order by then.",
            Statement.SILENCE_CANCELS: "If you would like to wait, please let us know by replying "
            "to this email by {answer_by}. If we do not hear from you and cannot ship before "
            "then, we will cancel your order and refund what you have paid.",
            Statement.MAY_CANCEL_UNTIL_SHIPPED: "If you agree to wait without a new date, you may "
            "still cancel at any time before the goods are shipped.",
        },
    ),
    "de": _Words(
        dispatch_subject="Ihre Bestellung {order} ist unterwegs",
        dispatch_intro="folgende Artikel Ihrer Bestellung {order} haben unser Lager verlassen:",
        carrier="Versand durch",
        tracking="Sendungsnummer",
        collection_subject="Ihre Bestellung {order} liegt zur Abholung bereit",
        collection_intro="folgende Artikel Ihrer Bestellung {order} liegen für Sie bereit:",
        collection_outro="Bitte bringen Sie diese E-Mail zur Abholung mit.",
        collect_at="Abholort",
        collect_by="Abholung bis",
        backorder_subject="Ihre Bestellung {order}: Ware voraussichtlich am {day} verfügbar",
        backorder_intro="folgende Artikel Ihrer Bestellung {order} sind derzeit nicht auf Lager. "
        "Wir erwarten sie am {day} und versenden dann Ihre Bestellung:",
        backorder_outro="Sie brauchen nichts zu tun. Falls sich der Termin ändert, informieren wir "
        "Sie erneut. Bis zum Versand können Sie Ihre Bestellung jederzeit stornieren.",
        delay_subject="Ihre Bestellung {order} verzögert sich",
        delay_intro="leider verzögert sich der Versand folgender Artikel Ihrer Bestellung {order}. "
        "Zugesagt war der Versand bis zum {promised}; wir rechnen nun mit dem {day}.",
        delay_unknown_intro="leider verzögert sich der Versand folgender Artikel Ihrer Bestellung "
        "{order}. Zugesagt war der Versand bis zum {promised}. Wie lange die Verzögerung dauert, "
        "können wir derzeit nicht sagen.",
        expected="Voraussichtlicher Versand",
        not_known="noch nicht bekannt",
        answer_by="Antwort bitte bis",
        notices={
            Statement.MAY_CANCEL: "Sie können Ihre Bestellung jetzt stornieren, indem Sie auf "
            "diese E-Mail antworten. Bereits geleistete Zahlungen erstatten wir Ihnen umgehend.",
            Statement.SILENCE_CONSENTS: "Wenn Sie mit dem neuen Termin einverstanden sind, "
            "brauchen Sie nichts zu tun: Ohne Ihre Rückmeldung versenden wir Ihre Bestellung "
            "bis dahin.",
            Statement.SILENCE_CANCELS: "Wenn Sie warten möchten, antworten Sie bitte bis zum "
            "{answer_by} auf diese E-Mail. Hören wir bis dahin nichts von Ihnen und können wir "
            "nicht vorher versenden, stornieren wir Ihre Bestellung und erstatten Ihnen bereits "
            "geleistete Zahlungen.",
            Statement.MAY_CANCEL_UNTIL_SHIPPED: "Auch wenn Sie ohne neuen Termin warten möchten, "
            "können Sie bis zum Versand jederzeit stornieren.",
        },
    ),
}


class DispatchedGoods(Payload):
    """The goods of a shipment on its way; `carrier` and `tracking_number` are empty if unknown."""

    order_id: str
    lines: tuple[MailedLine, ...]
    carrier: str
    tracking_number: str


def dispatch_mail(
    dispatched: DispatchedGoods, addressee: Addressee, envelope: Envelope
) -> OutgoingMail:
    """Announce a shipment with its goods, carrier and tracking number."""
    words, order_id = _WORDS[addressee.notation.language], dispatched.order_id
    tracking = [(words.carrier, dispatched.carrier), (words.tracking, dispatched.tracking_number)]
    text = MailText(
        subject=words.dispatch_subject.format(order=order_id),
        intro=words.dispatch_intro.format(order=order_id),
        tables=[goods(dispatched.lines), tracking],
        outro=[],
    )
    return compose(text, addressee, envelope)


class CollectableGoods(Payload):
    """Goods ready for collection. `location`: its address in one line."""

    order_id: str
    lines: tuple[MailedLine, ...]
    location: str
    collect_by: date


def collection_mail(
    collectable: CollectableGoods, addressee: Addressee, envelope: Envelope
) -> OutgoingMail:
    """Announce goods ready for collection, with the location and the last day."""
    notation, order_id = addressee.notation, collectable.order_id
    words = _WORDS[notation.language]
    facts = [
        (words.collect_at, collectable.location),
        (words.collect_by, notation.day(collectable.collect_by)),
    ]
    text = MailText(
        subject=words.collection_subject.format(order=order_id),
        intro=words.collection_intro.format(order=order_id),
        tables=[goods(collectable.lines), facts],
        outro=[words.collection_outro],
    )
    return compose(text, addressee, envelope)


class DatedGoods(Payload):
    """Goods out of stock, with the letter about their expected date."""

    order_id: str
    lines: tuple[MailedLine, ...]
    letter: Letter


def letter_mail(dated: DatedGoods, addressee: Addressee, envelope: Envelope) -> OutgoingMail:
    """Announce the expected date of goods out of stock; of a delay with the customer's rights."""
    letter, notation = dated.letter, addressee.notation
    words = _WORDS[notation.language]
    values = {
        "order": dated.order_id,
        "day": notation.day(letter.expected) if letter.expected else words.not_known,
        "promised": notation.day(letter.promised) if letter.promised else "",
        "answer_by": notation.day(letter.answer_by) if letter.answer_by else "",
    }
    facts = [(words.expected, values["day"])]
    if letter.kind is LetterKind.BACKORDER:
        subject, intro = words.backorder_subject, words.backorder_intro
        outro = [words.backorder_outro]
    else:
        subject = words.delay_subject
        intro = words.delay_intro if letter.expected else words.delay_unknown_intro
        outro = [words.notices[s] for s in letter.statements if s in words.notices]
        if letter.answer_by:
            facts.append((words.answer_by, values["answer_by"]))
    text = MailText(
        subject=subject.format(**values),
        intro=intro.format(**values),
        tables=[goods(dated.lines), facts],
        outro=[paragraph.format(**values) for paragraph in outro],
    )
    return compose(text, addressee, envelope)

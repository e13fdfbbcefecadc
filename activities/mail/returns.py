"""Mails about returns: that goods may come back, or may not; English and German."""

from collections.abc import Sequence
from datetime import date
from email.message import EmailMessage
from typing import NamedTuple

from activities.documents.notation import Notation, written_language
from activities.mail.bills import Envelope, Reader
from activities.mail.layout import Letter, MailedLine, goods, message
from models.base import Payload
from models.returns import ReturnState


class ReturnNews(Payload):
    """What a customer is told of a return. `until`: the last day for sending the goods."""

    return_id: str
    order_id: str
    state: ReturnState
    until: date | None
    note: str
    lines: tuple[MailedLine, ...]


class _Words(NamedTuple):
    greeting: str
    closing: str
    number: str
    until: str
    why: str
    subject: dict[ReturnState, str]
    intro: dict[ReturnState, str]
    outro: dict[ReturnState, str]


_WORDS = {
    "en": _Words(
        greeting="Hello {name},",
        closing="Kind regards",
        number="Return",
        until="To be sent by",
        why="Reason",
        subject={
            ReturnState.AUTHORISED: "Your return {return_id}: please send the goods",
            ReturnState.REJECTED: "Your return {return_id} can't be accepted",
            ReturnState.EXPIRED: "Your return {return_id} has expired",
        },
        intro={
            ReturnState.AUTHORISED: "you may send these goods of your order {order} back:",
            ReturnState.REJECTED: "we are sorry: we can't take these goods of your order {order} "
            "back:",
            ReturnState.EXPIRED: "these goods of your order {order} have not reached us in time:",
        },
        outro={
            ReturnState.AUTHORISED: "The label is attached: please stick it on the parcel, and put "
            "the second page inside. When the goods are here, we look at them and give the price "
            "back or send them once more, as you wished.",
            ReturnState.REJECTED: "Please answer this mail if you think that we are wrong.",
            ReturnState.EXPIRED: "If you still want to send them, please write to us first.",
        },
    ),
    "de": _Words(
        greeting="Guten Tag {name},",
        closing="Mit freundlichen Grüßen",
        number="Retoure",
        until="Einzusenden bis",
        why="Grund",
        subject={
            ReturnState.AUTHORISED: "Ihre Retoure {return_id}: bitte senden Sie die Ware",
            ReturnState.REJECTED: "Ihre Retoure {return_id} können wir nicht annehmen",
            ReturnState.EXPIRED: "Ihre Retoure {return_id} ist abgelaufen",
        },
        intro={
            ReturnState.AUTHORISED: "diese Waren Ihrer Bestellung {order} können Sie zurücksenden:",
            ReturnState.REJECTED: "es tut uns leid: Diese Waren Ihrer Bestellung {order} können "
            "wir nicht zurücknehmen:",
            ReturnState.EXPIRED: "diese Waren Ihrer Bestellung {order} sind nicht rechtzeitig bei "
            "uns eingetroffen:",
        },
        outro={
            ReturnState.AUTHORISED: "Das Etikett ist angehängt: Bitte kleben Sie es auf das Paket "
            "und legen Sie die zweite Seite hinein. Wenn die Ware hier ist, sehen wir sie uns an "
            "und erstatten den Preis oder senden sie noch einmal, wie Sie es wünschen.",
            ReturnState.REJECTED: "Bitte antworten Sie auf diese E-Mail, wenn wir uns irren.",
            ReturnState.EXPIRED: "Wenn Sie sie noch senden möchten, schreiben Sie uns bitte.",
        },
    ),
}


def return_mail(
    news: ReturnNews, label: bytes | None, reader: Reader, envelope: Envelope
) -> EmailMessage:
    """What has become of a customer's wish to send goods back; `label` as PDF, where they may."""
    language = written_language(reader.language)
    words, notation = _WORDS[language], Notation(language, reader.currency)
    said = {"order": news.order_id, "return_id": news.return_id, "name": reader.name}
    facts: list[tuple[str, str]] = [(words.number, news.return_id)]
    if news.until is not None and news.state is ReturnState.AUTHORISED:
        facts.append((words.until, notation.day(news.until)))
    if news.state is ReturnState.REJECTED:
        facts.append((words.why, news.note))
    tables: Sequence[Sequence[tuple[str, str]]] = [goods(news.lines), facts]
    letter = Letter(
        language=language,
        subject=words.subject[news.state].format(**said),
        greeting=words.greeting.format(**said),
        intro=words.intro[news.state].format(**said),
        tables=tables,
        outro=[words.outro[news.state]],
        closing=words.closing,
        signature=reader.seller,
    )
    mail = message(letter, envelope.sender, envelope.recipient, envelope.message_id)
    if label is not None:
        name = f"{news.return_id}.pdf"
        mail.add_attachment(label, maintype="application", subtype="pdf", filename=name)
    return mail

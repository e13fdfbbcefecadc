"""Mails about returns: authorised, rejected or expired."""

from datetime import date
from typing import NamedTuple

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
from models.returns import ReturnState


class MailedReturn(Payload):
    """A return as a mail describes it. `until`: the last day for sending the goods. `note`: the
    reason of a rejection."""

    return_id: str
    order_id: str
    state: ReturnState
    until: date | None
    note: str
    lines: tuple[MailedLine, ...]


class _Words(NamedTuple):
    number: str
    until: str
    reason: str
    subject: dict[ReturnState, str]
    intro: dict[ReturnState, str]
    outro: dict[ReturnState, str]


_WORDS = {
    "en": _Words(
        number="Return number",
        until="Please send by",
        reason="Reason",
        subject={
            ReturnState.AUTHORISED: "Your return {return_id}: please send us the goods",
            ReturnState.REJECTED: "We cannot accept your return {return_id}",
            ReturnState.EXPIRED: "Your return {return_id} has expired",
        },
        intro={
            ReturnState.AUTHORISED: "You may return the following goods from your order {order}:",
            ReturnState.REJECTED: "We are sorry that we cannot take back the following goods from "
            "your order {order}:",
            ReturnState.EXPIRED: "The following goods from your order {order} did not reach us in "
            "time:",
        },
        outro={
            ReturnState.AUTHORISED: "The return label is attached. Please stick it on the parcel "
            "and put the second page inside. Once we have received and inspected the goods, we "
            "will issue your refund or send a replacement, as you requested.",
            ReturnState.REJECTED: "If you disagree, please reply to this email.",
            ReturnState.EXPIRED: "If you still want to return the goods, please contact us first.",
        },
    ),
    "de": _Words(
        number="Retourennummer",
        until="Bitte einsenden bis",
        reason="Grund",
        subject={
            ReturnState.AUTHORISED: "Ihre Retoure {return_id}: Bitte senden Sie uns die Ware",
            ReturnState.REJECTED: "Ihre Retoure {return_id} können wir leider nicht annehmen",
            ReturnState.EXPIRED: "Ihre Retoure {return_id} ist abgelaufen",
        },
        intro={
            ReturnState.AUTHORISED: "folgende Artikel Ihrer Bestellung {order} können Sie "
            "zurücksenden:",
            ReturnState.REJECTED: "leider können wir folgende Artikel Ihrer Bestellung {order} "
            "nicht zurücknehmen:",
            ReturnState.EXPIRED: "folgende Artikel Ihrer Bestellung {order} sind nicht rechtzeitig "
            "bei uns eingetroffen:",
        },
        outro={
            ReturnState.AUTHORISED: "Das Rücksendeetikett finden Sie im Anhang. Bitte kleben Sie "
            "es auf das Paket und legen Sie die zweite Seite hinein. Sobald die Ware bei uns "
            "eingetroffen und geprüft ist, veranlassen wir wie gewünscht die Erstattung oder "
            "senden Ihnen Ersatz.",
            ReturnState.REJECTED: "Wenn Sie damit nicht einverstanden sind, antworten Sie bitte "
            "auf diese E-Mail.",
            ReturnState.EXPIRED: "Wenn Sie die Ware noch zurücksenden möchten, wenden Sie sich "
            "bitte vorher an uns.",
        },
    ),
}


def return_mail(
    mailed: MailedReturn, label: bytes | None, addressee: Addressee, envelope: Envelope
) -> OutgoingMail:
    """Announce the decision on a return; an authorised one with its label, attached as PDF."""
    notation, state = addressee.notation, mailed.state
    words = _WORDS[notation.language]
    values = {"order": mailed.order_id, "return_id": mailed.return_id}
    facts = [(words.number, mailed.return_id)]
    if mailed.until is not None and state is ReturnState.AUTHORISED:
        facts.append((words.until, notation.day(mailed.until)))
    if state is ReturnState.REJECTED:
        facts.append((words.reason, mailed.note))
    text = MailText(
        subject=words.subject[state].format(**values),
        intro=words.intro[state].format(**values),
        tables=[goods(mailed.lines), facts],
        outro=[words.outro[state]],
    )
    attachment = None if label is None else attached(mailed.return_id, label)
    return compose(text, addressee, envelope, attachment)

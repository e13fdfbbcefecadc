"""Mails are complete and correct, in the customer's language, as text and as HTML."""

from datetime import date
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.gateways.smtp import OutgoingMail
from activities.mail.bills import (
    ConfirmedOrder,
    ReminderAmounts,
    confirmation_mail,
    credit_note_mail,
    invoice_mail,
    refund_mail,
    reminder_mail,
)
from activities.mail.goods import (
    CollectableGoods,
    DatedGoods,
    DispatchedGoods,
    collection_mail,
    dispatch_mail,
    letter_mail,
)
from activities.mail.layout import Addressee, Envelope, MailedLine, message_id
from models.billing import Invoice
from models.orders import Terms
from models.promises import Letter, Promise, PromisePolicy, review
from models.refunds import PaidBy
from simulators.mail import parse
from tests.support.documents.bills import ISSUED_ON, credit_note_of, invoice_of

SENDER = "Northwind Tools <orders@northwind.example>"
DRILLS = (MailedLine(sku="DRILL-18V", name="Drill <18 V>", quantity=3),)


def envelope(key: str = "<1@b.example>") -> Envelope:
    """Address a mail to the buyer."""
    return Envelope(sender=SENDER, recipient="buyer@acme.example", message_id=key)


def addressee(language: str = "en", name: str = "Acme Ltd") -> Addressee:
    """Name the buyer."""
    return Addressee(name=name, language=language, currency="EUR", seller="Northwind Tools")


def received(mail: OutgoingMail) -> EmailMessage:
    """Read a mail as its recipient does; it must have no defect."""
    message = parse(mail.content)
    for part in message.walk():
        assert not part.defects
        assert not [value for value in part.values() if value.defects]
    return message


def parts_of(message: EmailMessage) -> tuple[str, str]:
    """Read the text and the HTML."""
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def mail_of(invoice: Invoice) -> EmailMessage:
    """Compose the mail of an invoice."""
    key = message_id("invoice", invoice.number, SENDER)
    return received(invoice_mail(invoice, b"%PDF-1.7", envelope(key)))


def test_invoice_mail_has_text_html_and_pdf() -> None:
    """Both bodies state the amount, and the file is named after the invoice's number."""
    message = mail_of(invoice_of())
    for body in parts_of(message):
        assert "INV-2026-000042" in body
        assert "2,938.25 EUR by August 5, 2026" in body
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "INV-2026-000042.pdf"
    assert attachment.get_content_type() == "application/pdf"
    assert message["Message-ID"] == "<invoice.INV-2026-000042@northwind.example>"


def test_paid_invoice_mail_asks_for_no_transfer() -> None:
    text, html = parts_of(mail_of(invoice_of(terms=Terms.PREPAID, language="de")))
    assert "vollständig bezahlt" in text
    assert "überweisen" not in text + html


def test_invoice_mail_asks_for_no_waived_amount() -> None:
    invoice = invoice_of(terms=Terms.PREPAID)
    waived = {"paid_minor": invoice.total_minor - 2, "waived_minor": 2}
    text, html = parts_of(mail_of(invoice.model_copy(update=waived)))
    for body in (text, html):
        assert "paid in full" in body
        assert "0.02" not in body
        assert "transfer" not in body


def dispatch_of(customer_name: str = "Acme Ltd", language: str = "en") -> EmailMessage:
    """Compose the mail about one shipment."""
    dispatched = DispatchedGoods(
        order_id="ORD-0815", lines=DRILLS, carrier="Swift Freight", tracking_number="SW123"
    )
    key = message_id("dispatch", "ORD-0815-1", SENDER)
    mail = dispatch_mail(dispatched, addressee(language, customer_name), envelope(key))
    return received(mail)


def test_dispatch_mail_states_goods_carrier_and_tracking_number() -> None:
    """In the customer's language; markup in names is text."""
    text, html = parts_of(dispatch_of())
    assert "3\N{MULTIPLICATION SIGN} DRILL-18V  Drill <18 V>" in text
    assert "Drill &lt;18 V&gt;" in html
    assert "SW123" in text
    assert "Swift Freight" in html
    assert dispatch_of(language="de")["Subject"] == "Ihre Bestellung ORD-0815 ist unterwegs"


def test_collection_mail_states_goods_location_and_last_day() -> None:
    """In the customer's language; markup in names is text."""
    collectable = CollectableGoods(
        order_id="ORD-0815",
        lines=DRILLS,
        location="Berlin, Kantstr. 1, 10623 Berlin",
        collect_by=date(2026, 8, 1),
    )
    for language, expected in (
        ("en", ["ready for you", "Collect from", "August 1, 2026"]),
        ("de", ["liegen für Sie bereit", "Abholort", "1. August 2026"]),
    ):
        key = message_id("collection", "SH-ORD-0815-1", SENDER)
        mail = received(collection_mail(collectable, addressee(language), envelope(key)))
        assert "ORD-0815" in str(mail["Subject"])
        text, html = parts_of(mail)
        for words in (*expected, "Berlin, Kantstr. 1, 10623 Berlin", "DRILL-18V"):
            assert words in text
            assert words in html
        assert "Drill &lt;18 V&gt;" in html


PROMISE = Promise(promised=date(2026, 7, 1))


def letter_of(letter: Letter, language: str) -> EmailMessage:
    """Compose the mail about the expected date of goods out of stock."""
    dated = DatedGoods(order_id="ORD-0815", lines=DRILLS, letter=letter)
    key = message_id("delay", "ORD-0815-1", SENDER)
    return received(letter_mail(dated, addressee(language), envelope(key)))


@pytest.mark.parametrize(
    ("expected", "english", "german"),
    [
        (date(2026, 6, 20), ["June 20, 2026", "not in stock"], ["20. Juni 2026"]),
        (
            date(2026, 7, 20),
            ["unless we hear from you, we will ship"],
            ["versenden wir Ihre Bestellung bis dahin"],
        ),
        (
            date(2026, 9, 20),
            ["September 20, 2026", "replying to this email by July 31, 2026", "refund"],
            ["20. September 2026", "bis zum 31. Juli 2026"],
        ),
        (None, ["not known yet", "at any time"], ["noch nicht bekannt", "jederzeit stornieren"]),
    ],
)
def test_letter_states_date_right_to_cancel_and_meaning_of_silence(
    expected: date | None, english: list[str], german: list[str]
) -> None:
    """In text and HTML, in both languages."""
    letter = review(PROMISE, expected, PROMISE.promised or ISSUED_ON, PromisePolicy())
    assert letter.promise.letter is not None
    for language, words in (("en", [*english, "cancel"]), ("de", [*german, "stornieren"])):
        mail = letter_of(letter.promise.letter, language)
        text, html = parts_of(mail)
        for word in words:
            assert word in text
            assert word in html
        assert "{" not in text + str(mail["Subject"])
        assert "Drill &lt;18 V&gt;" in html


def test_names_and_ids_add_no_header() -> None:
    """Line breaks in a customer's name, or in an order's id, stay text."""
    name = "Eve\r\nBcc: all@acme.example\r\n\r\n<script>"
    invoice = invoice_of(customer_name=name).model_copy(
        update={"order_id": "O-1\nBcc: a@b.c", "number": 'N-1"\r\nBcc: a@b.c'}
    )
    for message in (mail_of(invoice), dispatch_of(name)):
        assert not [part for part in message.walk() if "Bcc" in part]
        assert message.keys() == mail_of(invoice_of()).keys()
        assert "<script>" not in parts_of(message)[1]


def test_address_with_line_break_is_rejected() -> None:
    """API, CLI and import check addresses; this is the last check."""
    with pytest.raises(ValueError, match="linefeed"):
        invoice_mail(
            invoice_of(),
            b"",
            Envelope(
                sender=SENDER, recipient="a@b.example\nBcc: c@d.example", message_id="<1@b.example>"
            ),
        )


@given(st.text(max_size=40), st.text(max_size=40))
def test_each_key_has_its_own_message_id(one: str, other: str) -> None:
    """The same key gives the same ID, another key another; always a plain RFC 5322 ID."""
    first, second = (message_id("invoice", key, SENDER) for key in (one, other))
    assert (first == second) == (one == other)
    assert first.isascii()
    assert not set(first[1:-1]) & set(' \t\r\n<>()[],;:\\"')
    assert first.count("@") == 1


def test_sender_without_domain_is_rejected() -> None:
    """A configuration error is reported at once."""
    with pytest.raises(ValueError, match="not a mail address"):
        message_id("invoice", "INV-1", "orders")


@pytest.mark.parametrize(
    ("terms", "later", "english", "german"),
    [
        (Terms.PREPAID, False, "request for payment", "Zahlungsaufforderung"),
        (Terms.PREPAID, True, "Your card will be charged when", "Ihre Karte wird belastet"),
        (Terms.CASH, False, "at the till", "an der Kasse"),
        (Terms.NET30, False, "within 30 days", "innerhalb von 30 Tagen"),
    ],
)
def test_confirmation_states_goods_total_and_way_of_payment(
    terms: Terms, later: bool, english: str, german: str
) -> None:
    confirmed = ConfirmedOrder(
        order_id="ORD-0815",
        terms=terms,
        captured_later=later,
        total_minor=123_456,
        promised=date(2026, 8, 1),
        lines=DRILLS,
    )
    for language, words in (
        ("en", (english, "1,234.56", "August 1, 2026")),
        ("de", (german, "1.234,56", "1. August 2026")),
    ):
        mail = received(confirmation_mail(confirmed, addressee(language), envelope()))
        assert "ORD-0815" in str(mail["Subject"])
        text, html = parts_of(mail)
        for word in (*words, "DRILL-18V"):
            assert word in text
            assert word in html


@pytest.mark.parametrize("language", ["en", "de"])
def test_reminder_states_amount_due_with_fees(language: str) -> None:
    """Each level has its own subject, the last one for all further levels."""
    invoice = invoice_of(language=language)
    subjects = []
    for level in (1, 2, 3, 4):
        amounts = ReminderAmounts(
            level=level, fee_minor=500, fees_minor=500 * level, due_minor=99_000
        )
        key = f"<{level}@b.example>"
        mail = received(reminder_mail(invoice, amounts, b"%PDF", envelope(key)))
        subjects.append(str(mail["Subject"]))
        text, html = parts_of(mail)
        for part in (text, html):
            assert "990" in part
            assert invoice.number in part
        [attached] = mail.iter_attachments()
        assert attached.get_filename() == f"{invoice.number}.pdf"
    assert len(set(subjects)) == 3
    assert subjects[2] == subjects[3]


@pytest.mark.parametrize("language", ["en", "de"])
def test_credit_note_and_refund_mails_state_document_and_amount(language: str) -> None:
    note = credit_note_of(invoice_of(language=language))
    mail = received(credit_note_mail(note, b"%PDF", envelope()))
    text, html = parts_of(mail)
    for part in (text, html):
        assert note.number in part
        assert note.invoice_number in part
    [attached] = mail.iter_attachments()
    assert attached.get_filename() == f"{note.number}.pdf"
    refund = refund_mail("ORD-0815", 1_999, PaidBy.PROVIDER, addressee(language), envelope())
    text, html = parts_of(received(refund))
    for part in (text, html):
        assert "ORD-0815" in part
        assert ("19.99" if language == "en" else "19,99") in part


def test_credit_note_mail_promises_no_refund_of_kept_credit() -> None:
    for language, expected, promise in (
        ("en", "remains on your account as a credit", "efund"),
        ("de", "bleibt als Guthaben auf Ihrem Kundenkonto", "rstatte"),
    ):
        note = credit_note_of(invoice_of(language=language), kept_minor=1_000)
        mail = credit_note_mail(note, b"%PDF", envelope())
        for part in parts_of(received(mail)):
            assert expected in part
            assert ("10.00" if language == "en" else "10,00") in part
            assert promise not in part

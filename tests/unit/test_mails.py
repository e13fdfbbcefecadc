"""Mails say what they are to say, in the customer's language, as text and as HTML."""

from datetime import date
from email import message_from_bytes
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.mail.bills import (
    Confirmed,
    Envelope,
    Reader,
    Reminded,
    confirmation_mail,
    credit_note_mail,
    invoice_mail,
    refund_mail,
    reminder_mail,
)
from activities.mail.goods import collection_mail, dispatch_mail, letter_mail
from activities.mail.layout import MailedLine, message_id
from models.billing import Invoice
from models.orders import Terms
from models.promises import Letter, Promise, PromisePolicy, review
from tests.support.bills import ISSUED_ON, credit_note_of, invoice_of

SENDER = "Northwind Tools <orders@northwind.example>"


def envelope(key: str) -> Envelope:
    """From us to the buyer."""
    return Envelope(sender=SENDER, recipient="buyer@acme.example", message_id=key)


def parts_of(message: EmailMessage) -> tuple[str, str]:
    """The text and the HTML."""
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def mail_of(invoice: Invoice) -> EmailMessage:
    """The mail with `invoice`."""
    key = message_id("invoice", invoice.number, SENDER)
    return invoice_mail(invoice, b"%PDF-1.7", envelope(key))


def test_an_invoice_mail_has_text_html_and_the_file() -> None:
    """Both bodies name the amount, and the file is named for its number."""
    message = mail_of(invoice_of())
    for body in parts_of(message):
        assert "INV-2026-000042" in body
        assert "2,938.25 EUR by August 5, 2026" in body
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "INV-2026-000042.pdf"
    assert attachment.get_content_type() == "application/pdf"
    assert message["Message-ID"] == "<invoice.INV-2026-000042@northwind.example>"


def test_a_paid_invoice_mail_is_calm() -> None:
    """It asks for nothing."""
    text, html = parts_of(mail_of(invoice_of(terms=Terms.PREPAID, language="de")))
    assert "vollständig bezahlt" in text
    assert "überweisen" not in text + html


def test_a_mail_asks_for_nothing_that_is_waived() -> None:
    """Two cents are too little to ask for."""
    invoice = invoice_of(terms=Terms.PREPAID)
    waived = {"paid_minor": invoice.total_minor - 2, "waived_minor": 2}
    text, html = parts_of(mail_of(invoice.model_copy(update=waived)))
    for body in (text, html):
        assert "paid in full" in body
        assert "0.02" not in body
        assert "transfer" not in body


def dispatch_of(customer_name: str = "Acme Ltd", language: str = "en") -> EmailMessage:
    """The notice of one shipment."""
    return dispatch_mail(
        order_id="ORD-0815",
        customer_name=customer_name,
        language=language,
        lines=[MailedLine(sku="DRILL-18V", name="Drill <18 V>", quantity=3)],
        carrier="Swift Freight",
        tracking_number="SW123",
        sender=SENDER,
        recipient="buyer@acme.example",
        message_id=message_id("dispatch", "ORD-0815-1", SENDER),
    )


def test_a_dispatch_mail_says_what_left_and_how_to_follow_it() -> None:
    """In the customer's language; markup in names is text."""
    text, html = parts_of(dispatch_of())
    assert "3\N{MULTIPLICATION SIGN} DRILL-18V  Drill <18 V>" in text
    assert "Drill &lt;18 V&gt;" in html
    assert "SW123" in text
    assert "Swift Freight" in html
    assert dispatch_of(language="de")["Subject"] == "Ihre Bestellung ORD-0815 ist unterwegs"


def test_a_mail_about_collecting_says_what_where_and_until_when() -> None:
    """In the customer's language; markup in names is text."""
    for language, said in (
        ("en", ["ready for you", "Collect at", "August 1, 2026"]),
        ("de", ["liegen für Sie bereit", "Abholung bei", "1. August 2026"]),
    ):
        mail = collection_mail(
            order_id="ORD-0815",
            currency="EUR",
            customer_name="Acme Ltd",
            language=language,
            lines=[MailedLine(sku="DRILL-18V", name="Drill <18 V>", quantity=3)],
            where="Berlin, Kantstr. 1, 10623 Berlin",
            collect_by=date(2026, 8, 1),
            sender=SENDER,
            recipient="buyer@acme.example",
            message_id=message_id("collection", "SH-ORD-0815-1", SENDER),
        )
        assert "ORD-0815" in str(mail["Subject"])
        text, html = parts_of(mail)
        for words in (*said, "Berlin, Kantstr. 1, 10623 Berlin", "DRILL-18V"):
            assert words in text
            assert words in html
        assert "Drill &lt;18 V&gt;" in html


def letter_of(letter: Letter, language: str = "en", name: str = "Acme Ltd") -> EmailMessage:
    """A mail about the date of goods that are short."""
    return letter_mail(
        order_id="ORD-0815",
        currency="EUR",
        customer_name=name,
        language=language,
        letter=letter,
        lines=[MailedLine(sku="DRILL-18V", name="Drill <18 V>", quantity=3)],
        sender=SENDER,
        recipient="buyer@acme.example",
        message_id=message_id("delay", "ORD-0815-1", SENDER),
    )


PROMISE = Promise(promised=date(2026, 7, 1))


@pytest.mark.parametrize(
    ("expected", "said", "gesagt"),
    [
        (date(2026, 6, 20), ["June 20, 2026", "not in stock"], ["20. Juni 2026"]),
        (date(2026, 7, 20), ["unless we hear from you, we will ship"], ["versenden wir bis dahin"]),
        (
            date(2026, 9, 20),
            ["September 20, 2026", "answering this mail by July 31, 2026", "refund"],
            ["20. September 2026", "bis zum 31. Juli 2026"],
        ),
        (None, ["not known yet", "at any time"], ["noch nicht bekannt", "jederzeit stornieren"]),
    ],
)
def test_a_mail_about_the_date_says_what_one_may_do(
    expected: date | None, said: list[str], gesagt: list[str]
) -> None:
    """In text and HTML, in both languages: the date, the right to cancel, what silence means."""
    letter = review(PROMISE, expected, PROMISE.promised or ISSUED_ON, PromisePolicy())
    assert letter.promise.letter is not None
    for language, words in (("en", [*said, "cancel"]), ("de", [*gesagt, "stornieren"])):
        mail = letter_of(letter.promise.letter, language)
        text, html = parts_of(mail)
        for word in words:
            assert word in text
            assert word in html
        assert "{" not in text + str(mail["Subject"])
        assert "Drill &lt;18 V&gt;" in html


def test_a_name_adds_no_header() -> None:
    """Line breaks in what people call themselves, or in an order's id, stay text."""
    name = "Eve\r\nBcc: all@acme.example\r\n\r\n<script>"
    invoice = invoice_of(customer_name=name).model_copy(
        update={"order_id": "O-1\nBcc: a@b.c", "number": 'N-1"\r\nBcc: a@b.c'}
    )
    for message in (mail_of(invoice), dispatch_of(name)):
        received = message_from_bytes(message.as_bytes())
        assert not [part for part in received.walk() if "Bcc" in part]
        assert received.keys() == message.keys()
        assert "<script>" not in parts_of(message)[1]


def test_an_address_with_a_line_break_is_refused() -> None:
    """Addresses are checked at the door; here is the last one."""
    with pytest.raises(ValueError, match="linefeed"):
        invoice_mail(
            invoice_of(),
            b"",
            Envelope(
                sender=SENDER, recipient="a@b.example\nBcc: c@d.example", message_id="<1@b.example>"
            ),
        )


@given(st.text(max_size=40), st.text(max_size=40))
def test_each_fact_has_a_message_id_of_its_own(one: str, other: str) -> None:
    """The same for the same, another for another; always a plain RFC 5322 id."""
    first, second = (message_id("invoice", key, SENDER) for key in (one, other))
    assert (first == second) == (one == other)
    assert first.isascii()
    assert not set(first[1:-1]) & set(' \t\r\n<>()[],;:\\"')
    assert first.count("@") == 1


def test_a_sender_without_a_domain_has_no_ids() -> None:
    """A configuration error is told at once."""
    with pytest.raises(ValueError, match="not a mail address"):
        message_id("invoice", "INV-1", "orders")


def reader(language: str) -> Reader:
    """Who reads a mail that isn't about a bill."""
    return Reader(name="Acme Ltd", language=language, currency="EUR", seller="Northwind Tools")


@pytest.mark.parametrize(
    ("terms", "later", "said", "gesagt"),
    [
        (Terms.PREPAID, False, "asked to pay", "Zahlungsaufforderung"),
        (Terms.PREPAID, True, "Your card is charged when", "Ihre Karte wird belastet"),
        (Terms.CASH, False, "at the till", "an der Kasse"),
        (Terms.NET30, False, "within 30 days", "innerhalb von 30 Tagen"),
    ],
)
def test_a_confirmation_says_what_was_ordered_and_how_it_is_paid(
    terms: Terms, later: bool, said: str, gesagt: str
) -> None:
    confirmed = Confirmed(
        order_id="ORD-0815",
        terms=terms,
        captured_later=later,
        total_minor=123_456,
        promised=date(2026, 8, 1),
        lines=(MailedLine(sku="DRILL-18V", name="Drill <18 V>", quantity=3),),
    )
    for language, words in (
        ("en", (said, "1,234.56", "August 1, 2026")),
        ("de", (gesagt, "1.234,56", "1. August 2026")),
    ):
        mail = confirmation_mail(confirmed, reader(language), envelope("<1@b.example>"))
        assert "ORD-0815" in str(mail["Subject"])
        text, html = parts_of(mail)
        for word in (*words, "DRILL-18V"):
            assert word in text
            assert word in html


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_reminder_names_what_is_due_with_its_fees(language: str) -> None:
    """Each level has a subject of its own, the last one for all that follow."""
    invoice = invoice_of(language=language)
    subjects = []
    for level in (1, 2, 3, 4):
        reminded = Reminded(level=level, fee_minor=500, fees_minor=500 * level, due_minor=99_000)
        mail = reminder_mail(invoice, reminded, b"%PDF", envelope(f"<{level}@b.example>"))
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
def test_credit_note_and_refund_say_what_comes_back(language: str) -> None:
    note = credit_note_of(invoice_of(language=language))
    mail = credit_note_mail(note, b"%PDF", envelope("<1@b.example>"))
    text, html = parts_of(mail)
    for part in (text, html):
        assert note.number in part
        assert note.invoice_number in part
    [attached] = mail.iter_attachments()
    assert attached.get_filename() == f"{note.number}.pdf"
    text, html = parts_of(
        refund_mail("ORD-0815", 1_999, reader(language), envelope("<2@b.example>"))
    )
    for part in (text, html):
        assert "ORD-0815" in part
        assert ("19.99" if language == "en" else "19,99") in part


def test_a_mail_promises_no_refund_of_what_is_kept() -> None:
    """It is the customer's credit."""
    for language, said, promise in (
        ("en", "kept for you as your credit", "efund"),
        ("de", "bleibt bei uns als Ihr Guthaben", "rstatte"),
    ):
        note = credit_note_of(invoice_of(language=language), kept_minor=1_000)
        for part in parts_of(credit_note_mail(note, b"%PDF", envelope("<1@b.example>"))):
            assert said in part
            assert ("10.00" if language == "en" else "10,00") in part
            assert promise not in part

"""Invoices and mails say what the invoice says, in the customer's language."""

import io
import logging
from collections.abc import Iterable
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from activities.documents import Notation, render_invoice
from activities.mail_texts import (
    MailedLine,
    dispatch_mail,
    invoice_mail,
    letter_mail,
    message_id,
)
from models.billing import Invoice, Seller, due_date
from models.customers import Address, TaxTreatment
from models.orders import OrderLine, PricedLine, ProductPrice, Terms, price_line, total
from models.promises import Letter, Promise, PromisePolicy, review

ISSUED_ON = date(2026, 7, 6)
SELLER = Seller(
    legal_entity="northwind",
    name="Northwind Tools GmbH",
    street="Hafenstraße 12",
    city="Hamburg",
    postal_code="20457",
    country="DE",
    vat_id="DE123456788",
    iban="DE89370400440532013000",
)
OFFICE = Address(
    name="Acme Ltd", street="1 High Street", city="London", postal_code="EC1A 1BB", country="GB"
)
DOCK = OFFICE.model_copy(update={"name": "Acme Warehouse", "street": "Unit 7, Dock Road"})
SENDER = "Northwind Tools <orders@northwind.example>"


def priced(
    line_no: int = 1,
    *,
    name: str = "Cordless drill",
    unit_price_minor: int = 123_456,
    quantity: int = 2,
    rate_ppm: int = 190_000,
    discount: str | None = None,
    tax: TaxTreatment = TaxTreatment.STANDARD,
) -> PricedLine:
    """A line of an invoice."""
    product = ProductPrice(
        sku=f"SKU-{line_no}",
        name=name,
        unit_price_minor=unit_price_minor,
        tax_rate_ppm=rate_ppm,
    )
    line = OrderLine(sku=product.sku, quantity=quantity, discount_percent=discount)
    return price_line(line_no, line, product, "EUR", tax)


def invoice_of(
    lines: Iterable[PricedLine] = (priced(),),
    *,
    currency: str = "EUR",
    language: str = "en",
    terms: Terms = Terms.NET30,
    tax: TaxTreatment = TaxTreatment.STANDARD,
    customer_name: str = "Acme Ltd",
    ship_to: Address = OFFICE,
) -> Invoice:
    """An invoice: unpaid on credit terms, else paid in full."""
    lines = tuple(lines)
    totals = total(lines)
    return Invoice(
        number="INV-2026-000042",
        order_id="ORD-0815",
        issued_on=ISSUED_ON,
        due_on=due_date(terms, ISSUED_ON),
        seller=SELLER,
        customer_id="C-1001",
        customer_name=customer_name,
        customer_vat_id="GB999999973",
        bill_to=OFFICE,
        ship_to=ship_to,
        language=language,
        terms=terms,
        tax_treatment=tax,
        currency=currency,
        lines=lines,
        taxes=totals.taxes,
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        paid_minor=0 if terms.on_credit else totals.total_minor,
    )


def pages_of(invoice: Invoice) -> list[str]:
    """The text of each page, with single spaces."""
    reader = PdfReader(io.BytesIO(render_invoice(invoice)))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def text_of(invoice: Invoice) -> str:
    """The text of all pages."""
    return " ".join(pages_of(invoice))


def test_an_invoice_names_what_the_law_wants() -> None:
    """Number, dates, parties, VAT ids, goods, and amounts per rate are all on the page."""
    invoice = invoice_of([priced(discount="12.5"), priced(2, rate_ppm=70_000)], ship_to=DOCK)
    text = text_of(invoice)
    for said in (
        "Invoice INV-2026-000042",
        "Invoice date July 6, 2026",
        "Due date August 5, 2026",
        "Order ORD-0815",
        "Customer C-1001",
        "Northwind Tools GmbH",
        "Acme Ltd 1 High Street EC1A 1BB London United Kingdom",
        "Ship to: Acme Warehouse, Unit 7, Dock Road",
        "Your VAT ID GB999999973",
        "VAT ID DE123456788",
        "1 SKU-1 Cordless drill 2 1,234.56 12.5 19 2,160.48",
        "2 SKU-2 Cordless drill 2 1,234.56 7 2,469.12",
        "Net total 4,629.60 EUR",
        "VAT 7% on 2,469.12 172.84 EUR",
        "VAT 19% on 2,160.48 410.49 EUR",
        "Total 5,212.93 EUR",
        "Amount due 5,212.93 EUR",
        "IBAN DE89 3704 0044 0532 0130 00",
        "Page 1 of 1",
    ):
        assert said in text


def test_a_paid_invoice_asks_for_nothing() -> None:
    """It says that it's paid and gives no instructions."""
    text = text_of(invoice_of(terms=Terms.PREPAID))
    assert "Payment Paid" in text
    assert "Amount due 0.00 EUR" in text
    assert "Paid in full" in text
    assert "Please transfer" not in text


def test_what_is_partly_paid_asks_for_the_rest() -> None:
    """The amount to transfer is the amount due."""
    invoice = invoice_of().model_copy(update={"paid_minor": 100_000})
    assert "Please transfer 1,938.25 EUR by August 5, 2026." in text_of(invoice)


def test_german_customers_read_german() -> None:
    """Labels, dates, numbers and countries."""
    text = text_of(invoice_of([priced(discount="2.5")], language="de"))
    for said in (
        "Rechnung INV-2026-000042",
        "Rechnungsdatum 6. Juli 2026",
        "Vereinigtes Königreich",
        "1.234,56 2,5 19 2.407,39",
        "USt. 19 % auf 2.407,39",
        "bis zum 5. August 2026",
        "Seite 1 von 1",
    ):
        assert said in text


def test_a_language_we_do_not_speak_reads_english() -> None:
    """Words and numbers go together."""
    assert "Invoice date July 6, 2026" in text_of(invoice_of(language="fr"))


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", "Total 293,825 JPY"), ("KWD", "Total 293.825 KWD")]
)
def test_each_currency_has_its_decimals(currency: str, amount: str) -> None:
    """ISO 4217: yen have none, dinars have three."""
    assert amount in text_of(invoice_of(currency=currency))


@pytest.mark.parametrize(
    ("tax", "note"),
    [
        (TaxTreatment.EXEMPT, "Exempt from VAT"),
        (TaxTreatment.REVERSE_CHARGE, "Reverse charge: the recipient of the supply is liable"),
    ],
)
def test_an_invoice_without_tax_says_why(tax: TaxTreatment, note: str) -> None:
    """2006/112/EC art. 226."""
    assert note in text_of(invoice_of([priced(tax=tax)], tax=tax))
    assert note not in text_of(invoice_of())


def test_each_page_repeats_the_head_and_is_numbered() -> None:
    """No line is lost, none is printed twice."""
    pages = pages_of(invoice_of(priced(number) for number in range(1, 81)))
    assert len(pages) == 3
    for number, page in enumerate(pages, start=1):
        assert "# SKU Description Qty Unit price Disc. % VAT % Net" in page
        assert f"Page {number} of 3" in page
        assert "INV-2026-000042" in page
    text = " ".join(pages)
    assert all(text.count(f"SKU-{number} ") == 1 for number in range(1, 81))


def test_long_and_unshowable_names_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Wrapped or marked: an invoice is always printed, and quietly."""
    names = ["Drill " * 33, "x" * 200, "株式会社 東京", "{nb} \ue000\ue000\ue000", "a\nb\x00"]
    with caplog.at_level(logging.INFO):
        text = text_of(invoice_of([priced(name=name) for name in names], customer_name="株式会社"))
    assert text.count("Drill") == 33
    assert "{nb}" in text
    assert "Page 1 of " in text
    assert not caplog.records


def test_the_same_invoice_is_the_same_file() -> None:
    """So that a retried activity stores and sends what the first try did; small enough to mail."""
    first, second = render_invoice(invoice_of()), render_invoice(invoice_of())
    assert first == second
    assert len(first) < 150_000


@given(
    st.lists(
        st.builds(
            priced,
            unit_price_minor=st.integers(0, 10**9),
            quantity=st.integers(1, 1000),
            rate_ppm=st.sampled_from([0, 70_000, 190_000, 55_000]),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=15, deadline=None)
def test_the_printed_total_is_the_sum(lines: list[PricedLine]) -> None:
    """Lines and taxes, as printed, add up to the total, as printed."""
    text = text_of(invoice_of(lines))
    notation = Notation("en", "EUR")
    net_minor = sum(line.net_minor for line in lines)
    tax_minor = sum(tax.tax_minor for tax in total(lines).taxes)
    assert all(f" {notation.amount(line.net_minor)} " in text for line in lines)
    assert f"Net total {notation.amount(net_minor)} EUR" in text
    assert f"Total {notation.amount(net_minor + tax_minor)} EUR" in text


def parts_of(message: EmailMessage) -> tuple[str, str]:
    """The text and the HTML."""
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def mail_of(invoice: Invoice) -> EmailMessage:
    """The mail with `invoice`."""
    key = message_id("invoice", invoice.number, SENDER)
    return invoice_mail(invoice, b"%PDF-1.7", SENDER, "buyer@acme.example", key)


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
        invoice_mail(invoice_of(), b"", SENDER, "a@b.example\nBcc: c@d.example", "<1@b.example>")


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

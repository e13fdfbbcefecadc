"""Invoices and credit notes are complete and correct, in the customer's language."""

import io
import logging
from datetime import date
from pathlib import Path

import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from activities.documents.bills import render_bill
from activities.documents.notation import Notation
from activities.documents.transfer import takes_transfer, transfer_code
from models.billing import CreditNote, Invoice
from models.documents import DocumentRules
from models.orders import Terms
from models.pricing import PricedLine, total
from models.tax import TaxCase
from tests.support.documents.bills import (
    DOCK,
    ISSUED_ON,
    SELLER,
    credit_note_of,
    credited_amount,
    invoice_of,
    on_account,
    priced,
)
from tests.support.documents.papers import BLACK, black_bands, black_runs, pixels, zbar

RULES = DocumentRules()


def rendered(bill: Invoice | CreditNote, rules: DocumentRules = RULES) -> PdfReader:
    """Render a bill."""
    return PdfReader(io.BytesIO(render_bill(bill, rules).pdf))


def pages_of(bill: Invoice | CreditNote, rules: DocumentRules = RULES) -> list[str]:
    """Read the text of each page, with single spaces."""
    reader = rendered(bill, rules)
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def text_of(bill: Invoice | CreditNote, rules: DocumentRules = RULES) -> str:
    """Read the text of all pages."""
    return " ".join(pages_of(bill, rules))


def test_invoice_has_all_legally_required_fields() -> None:
    """Number, dates, parties, VAT ids, goods, and amounts per rate (2006/112/EC art. 226)."""
    invoice = invoice_of([priced(discount="12.5"), priced(2, rate_ppm=70_000)], ship_to=DOCK)
    text = text_of(invoice)
    for expected in (
        "Invoice INV-2026-000042",
        "Invoice date July 6, 2026",
        "Due date August 5, 2026",
        "Order ORD-0815",
        "Customer C-1001",
        "Northwind Tools GmbH",
        "Acme Ltd 1 High Street London EC1A 1BB United Kingdom",
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
        assert expected in text


def test_customers_reference_is_printed() -> None:
    """On the invoice, and on the credit note that corrects it."""
    invoice = invoice_of().model_copy(update={"customer_reference": "PO 4711"})
    for bill in (invoice, credit_note_of(invoice)):
        assert "Your reference PO 4711" in text_of(bill)
    assert "Your reference" not in text_of(invoice_of())


def test_invoice_of_a_walk_in_has_the_customers_name_only() -> None:
    invoice = invoice_of(terms=Terms.CASH, customer_name="Walk-in customer")
    text = text_of(invoice.model_copy(update={"bill_to": None}))
    assert "Walk-in customer" in text
    assert "High Street" not in text


def test_paid_invoice_has_no_payment_instructions() -> None:
    text = text_of(invoice_of(terms=Terms.PREPAID))
    assert "Payment Paid" in text
    assert "Amount due 0.00 EUR" in text
    assert "Paid in full" in text
    assert "Please transfer" not in text


def test_waived_amount_has_its_own_line_and_is_not_due() -> None:
    """The sums add up, and there is no code to scan."""
    invoice = invoice_of(terms=Terms.PREPAID)
    waived = invoice.model_copy(
        update={"paid_minor": invoice.total_minor - 2, "waived_minor": 2, "due_on": ISSUED_ON}
    )
    text = text_of(waived)
    for expected in (
        "Payment Paid",
        "Paid -2,938.23 EUR Payment difference waived -0.02 EUR Amount due 0.00 EUR",
        "Paid in full",
    ):
        assert expected in text
    assert "Please transfer" not in text
    assert not takes_transfer(waived)
    german = text_of(waived.model_copy(update={"language": "de"}))
    assert "Zahlungsdifferenz erlassen -0,02 EUR Offener Betrag 0,00 EUR" in german
    part = [on_account(10_000, 1_597)]
    assert (
        "including VAT 15.97 EUR Other payments -2,838.23 EUR Payment difference waived -0.02 EUR"
        in text_of(waived.model_copy(update={"on_account": part}))
    )


def test_partly_paid_invoice_asks_for_the_amount_due() -> None:
    invoice = invoice_of().model_copy(update={"paid_minor": 100_000})
    assert "Please transfer 1,938.25 EUR by August 5, 2026." in text_of(invoice)


def test_german_invoice_is_german_throughout() -> None:
    """Labels, dates, numbers and countries."""
    text = text_of(invoice_of([priced(discount="2.5")], language="de"))
    for expected in (
        "Rechnung INV-2026-000042",
        "Rechnungsdatum 6. Juli 2026",
        "Vereinigtes Königreich",
        "1.234,56 2,5 19 2.407,39",
        "USt. 19 % auf 2.407,39",
        "bis zum 5. August 2026",
        "Seite 1 von 1",
    ):
        assert expected in text


def test_unavailable_language_falls_back_to_english() -> None:
    """For words and numbers alike."""
    assert "Invoice date July 6, 2026" in text_of(invoice_of(language="fr"))


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", "Total 293,825 JPY"), ("KWD", "Total 293.825 KWD")]
)
def test_amounts_have_the_decimals_of_their_currency(currency: str, amount: str) -> None:
    """ISO 4217: yen have no decimals, dinars three."""
    assert amount in text_of(invoice_of(currency=currency))


@pytest.mark.parametrize(
    ("case", "note"),
    [
        (TaxCase.EXEMPT, "Exempt from VAT"),
        (TaxCase.REVERSE_CHARGE, "Reverse charge: the recipient of the supply is liable"),
        (TaxCase.INTRA_COMMUNITY, "Exempt intra-Community supply"),
        (TaxCase.EXPORT, "Tax-free export"),
        (TaxCase.OUTSIDE_SCOPE, "Not subject to VAT"),
    ],
)
def test_untaxed_invoice_states_the_reason(case: TaxCase, note: str) -> None:
    """2006/112/EC art. 226."""
    assert note in text_of(invoice_of([priced(case=case)], case=case))
    assert note not in text_of(invoice_of())


def test_order_discount_is_deducted_between_lines_and_net() -> None:
    """Lines are printed before the discount; tax is computed after it."""
    text = text_of(invoice_of([priced(), priced(2, rate_ppm=70_000)], discount_ppm=50_000))
    for expected in (
        "1 SKU-1 Cordless drill 2 1,234.56 19 2,469.12",
        "2 SKU-2 Cordless drill 2 1,234.56 7 2,469.12",
        "Subtotal 4,938.24 EUR Discount 5% -246.91 EUR Net total 4,691.33 EUR",
        "VAT 7% on 2,345.67 164.20 EUR VAT 19% on 2,345.66 445.68 EUR Total 5,301.21 EUR",
    ):
        assert expected in text
    assert "Subtotal" not in text_of(invoice_of())


def test_payments_on_account_are_deducted_with_their_tax() -> None:
    """2006/112/EC art. 65, 226; other payments follow."""
    payments = [on_account(10_000, 1_597), on_account(20_000, 3_193, date(2026, 7, 1))]
    invoice = invoice_of(on_account=payments)
    total_and_received = (
        "Total 2,938.25 EUR Payment received on June 25, 2026 -100.00 EUR including VAT 15.97 EUR "
        "Payment received on July 1, 2026 -200.00 EUR including VAT 31.93 EUR "
    )
    text = text_of(invoice)
    assert f"{total_and_received}Amount due 2,638.25 EUR" in text
    assert "Please transfer 2,638.25 EUR" in text
    more = text_of(invoice.model_copy(update={"paid_minor": 35_000}))
    assert f"{total_and_received}Other payments -50.00 EUR Amount due 2,588.25 EUR" in more
    german = text_of(invoice.model_copy(update={"language": "de"}))
    assert "Zahlung vom 25. Juni 2026 -100,00 EUR darin enthaltene USt. 15,97 EUR" in german


def test_credit_note_states_invoice_reason_and_refund() -> None:
    """Amounts above zero, titled as credited; a part is refunded, the rest lowers the amount due."""
    invoice = invoice_of([priced(), priced(2)])
    note = credit_note_of(invoice, [priced(quantity=1)], refund_minor=100_000)
    text = text_of(note)
    for expected in (
        "Credit note CN-2026-000007 Corrects invoice INV-2026-000042 of July 6, 2026.",
        "Reason: Goods returned",
        "Date August 12, 2026",
        "Corrected invoice INV-2026-000042",
        "1 SKU-1 Cordless drill 1 1,234.56 19 1,234.56",
        "Net credited 1,234.56 EUR VAT 19% on 1,234.56 234.57 EUR Total credited 1,469.13 EUR",
        "Refunded 1,000.00 EUR Deducted from the amount due 469.13 EUR",
        "We will refund 1,000.00 EUR to you.",
        "The amount due on invoice INV-2026-000042 is reduced by 469.13 EUR.",
    ):
        assert expected in text
    assert "Scan to pay" not in text
    assert "transfer" not in text


def test_credit_note_promises_no_refund_of_kept_credit() -> None:
    """The rest lowers the amount due."""
    note = credit_note_of(invoice_of(), [priced(quantity=1)], kept_minor=100_000)
    text = text_of(note)
    for expected in (
        "Credit on your account 1,000.00 EUR Deducted from the amount due 469.13 EUR",
        "1,000.00 EUR remains on your account as a credit.",
        "The amount due on invoice INV-2026-000042 is reduced by 469.13 EUR.",
    ):
        assert expected in text
    assert "efund" not in text
    german = text_of(note.model_copy(update={"language": "de"}))
    assert "Guthaben auf Ihrem Kundenkonto 1.000,00 EUR" in german
    assert "1.000,00 EUR bleiben als Guthaben auf Ihrem Kundenkonto." in german
    assert "rstatte" not in german


def test_german_credit_note_is_titled_rechnungskorrektur() -> None:
    """A "Gutschrift" is an invoice issued by the buyer (UStG § 14)."""
    invoice = invoice_of(language="de", terms=Terms.PREPAID)
    note = credit_note_of(invoice, [credited_amount(2_500)], refund_minor=2_975)
    text = text_of(note.model_copy(update={"reason": "Nachlass wegen Verspätung"}))
    for expected in (
        "Rechnungskorrektur CN-2026-000007",
        "Berichtigt die Rechnung INV-2026-000042 vom 6. Juli 2026.",
        "Grund: Nachlass wegen Verspätung",
        "1 Allowance 1 25,00 19 25,00",
        "Korrektur gesamt 29,75 EUR Erstattet 29,75 EUR",
        "Wir erstatten Ihnen 29,75 EUR.",
    ):
        assert expected in text
    assert "Gutschrift" not in text
    assert "verringert" not in text


def drawn_modules(bill: Invoice | CreditNote, size: int) -> list[list[bool]]:
    """Read the code as drawn on the first page, row by row; empty without one."""
    rows = pixels(render_bill(bill, DocumentRules()).pdf, 300)
    bands = list(black_bands(rows))
    if not bands:
        return []
    [(top, height)] = bands
    runs = [run for row in rows[top : top + height] for run in black_runs(row)]
    left = min(x for x, _ in runs)
    module = (max(x + width for x, width in runs) - left) / size
    at = [round((index + 0.5) * module) for index in range(size)]
    return [[rows[top + y][left + x] <= BLACK for x in at] for y in at]


def test_amount_due_in_euros_can_be_scanned(tmp_path: Path) -> None:
    """The code follows EPC069-12 and is drawn module by module."""
    invoice = invoice_of(on_account=[on_account(10_000, 1_597)])
    text = (
        "BCD\n002\n1\nSCT\n\nNorthwind Tools GmbH\nDE89370400440532013000\nEUR2838.25\n\n\n"
        "INV-2026-000042"
    )
    code = transfer_code(invoice)
    wanted = segno.make(
        text, error="m", boost_error=False, encoding="utf-8", micro=False, mask=code.mask
    ).matrix
    assert code.matrix == wanted
    drawn = drawn_modules(invoice, len(wanted))
    assert drawn == [[bool(module) for module in row] for row in wanted]
    scanned = zbar(render_bill(invoice, DocumentRules()).pdf, tmp_path, 1)
    assert scanned.strip() == f"QR-Code:{text}"
    assert "Scan to pay" in text_of(invoice)
    assert "Zum Bezahlen scannen" in text_of(invoice.model_copy(update={"language": "de"}))


@pytest.mark.parametrize(
    "invoice",
    [
        invoice_of(terms=Terms.PREPAID),
        invoice_of(currency="USD"),
        invoice_of(seller=SELLER.model_copy(update={"iban": ""})),
        invoice_of([priced(unit_price_minor=10**11, quantity=1, rate_ppm=0)]),
    ],
    ids=["paid", "dollars", "no IBAN", "a billion"],
)
def test_invoice_not_payable_by_sepa_transfer_has_no_code(invoice: Invoice) -> None:
    """Nothing due, another currency, no account, or an amount beyond the limit."""
    assert not takes_transfer(invoice)
    assert not drawn_modules(invoice, 1)
    assert "Scan to pay" not in text_of(invoice)
    with pytest.raises(ValueError, match="SEPA"):
        transfer_code(invoice)


def test_long_seller_name_fits_the_code() -> None:
    """70 characters, of any number of bytes."""
    for name in ("Ä" * 200, "\N{FIRE}" * 200, "Tools " * 33):
        code = transfer_code(invoice_of(seller=SELLER.model_copy(update={"name": name})))
        assert int(code.version) <= 13


def test_long_seller_name_is_complete_in_the_letterhead() -> None:
    """Elsewhere it is cut before it gets too small to read."""
    name = "Norddeutsche Werkzeughandelsgesellschaft " * 4 + "mbH"
    text = text_of(invoice_of(seller=SELLER.model_copy(update={"name": name})))
    assert text.startswith(name)
    assert "\N{HORIZONTAL ELLIPSIS}" in text


def test_seller_without_ids_has_no_labels_for_them() -> None:
    text = text_of(invoice_of(seller=SELLER.model_copy(update={"vat_id": "", "iban": ""})))
    assert "IBAN" not in text
    assert text.count("VAT ID") == 1  # the buyer's


def test_each_page_has_table_head_and_number() -> None:
    """No line is lost or printed twice."""
    pages = pages_of(invoice_of(priced(number) for number in range(1, 81)))
    assert len(pages) == 3
    for number, page in enumerate(pages, start=1):
        assert "# SKU Description Qty Unit price Disc. % VAT % Net" in page
        assert f"Page {number} of 3" in page
        assert "INV-2026-000042" in page
    text = " ".join(pages)
    assert all(text.count(f"SKU-{number} ") == 1 for number in range(1, 81))


def test_long_names_are_wrapped_and_missing_characters_marked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With marks instead of them, an invoice is always printed, without log messages."""
    names = ["Drill " * 33, "x" * 200, "株式会社 東京", "{nb} \ue000\ue000\ue000", "a\nb\x00"]
    with caplog.at_level(logging.INFO):
        bill = invoice_of([priced(name=name) for name in names], customer_name="株式会社")
        text = text_of(bill, DocumentRules(prints_marks=True))
    assert text.count("Drill") == 33
    assert "{nb}" in text
    assert "Page 1 of " in text
    assert not caplog.records


def test_invisible_characters_are_dropped_and_rare_letters_printed() -> None:
    """Directions, joiners and soft hyphens occur in text pasted from web pages."""
    name = "Donau\u00addampf\u200bschiff\u200e \u202eM\u0259mm\u0259dov To\u02bblqin \u1f48"
    text = text_of(invoice_of([priced(name=name)], customer_name="\ufeffA\u2028B"))
    assert "Donaudampfschiff M\u0259mm\u0259dov To\u02bblqin \u1f48" in text
    assert "A B" in text
    assert "\N{REPLACEMENT CHARACTER}" not in text


def test_same_bill_gives_same_bytes() -> None:
    """A retried activity sends the same file; it is small enough for mail."""
    for bill in (invoice_of(), credit_note_of(invoice_of())):
        first, second = (render_bill(bill, DocumentRules()).pdf for _ in range(2))
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
def test_printed_total_is_the_sum_of_lines_and_taxes(lines: list[PricedLine]) -> None:
    text = text_of(invoice_of(lines))
    notation = Notation("en", "EUR")
    net_minor = sum(line.net_minor for line in lines)
    tax_minor = sum(tax.tax_minor for tax in total(lines).taxes)
    assert all(f" {notation.amount(line.net_minor)} " in text for line in lines)
    assert f"Net total {notation.amount(net_minor)} EUR" in text
    assert f"Total {notation.amount(net_minor + tax_minor)} EUR" in text

"""The e-invoice equals the paper and conforms to EN 16931."""

import io
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from drafthorse.utils import validate_xml
from facturx import get_xml_from_pdf, xml_check_xsd
from pypdf import PdfReader
from pypdf.generic import StreamObject

from activities.documents.bills import render_bill
from activities.documents.einvoice import einvoice_xml
from activities.documents.notation import Notation
from activities.documents.wording import wording_of
from models.billing import CreditNote, Invoice
from models.documents import DocumentRules
from models.money import decimals
from tests.support.documents.bills import DOCK, SELLER
from tests.support.documents.kinds_of_bills import BILLS, COMPANY, DISCOUNTED, PLAIN_BILLS

EVERY_BILL = BILLS | PLAIN_BILLS


def pdf_of(bill: Invoice | CreditNote) -> bytes:
    """Render a bill."""
    return render_bill(bill, DocumentRules()).pdf


def xml_of(bill: Invoice | CreditNote) -> bytes:
    """Write the e-invoice of a bill."""
    return einvoice_xml(wording_of(bill, DocumentRules()))


def text_of(bill: Invoice | CreditNote) -> str:
    """Read the printed text, with single spaces."""
    pages = PdfReader(io.BytesIO(pdf_of(bill))).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


class Cii:
    """An e-invoice, read by element names."""

    def __init__(self, xml: bytes) -> None:
        self._root = ElementTree.fromstring(xml)

    def texts(self, path: str) -> list[str]:
        """Read all elements at `path`, such as "BuyerTradeParty/Name", at any depth."""
        steps = "/".join(f"{{*}}{name}" for name in path.split("/"))
        return [element.text or "" for element in self._root.iterfind(f".//{steps}")]

    def text(self, path: str) -> str:
        """Read the only element at `path`."""
        (text,) = self.texts(path)
        return text

    def minor(self, path: str, currency: str) -> int:
        """Read an amount of `currency` in minor units."""
        return minor(self.text(path), currency)

    def total(self, name: str, currency: str) -> int:
        """Read a total of the document in minor units."""
        return self.minor(f"SpecifiedTradeSettlementHeaderMonetarySummation/{name}", currency)


def minor(text: str, currency: str) -> int:
    """Convert an amount to minor units, exactly."""
    scaled = Decimal(text).scaleb(decimals(currency))
    assert scaled == int(scaled)
    return int(scaled)


@pytest.mark.parametrize("bill", EVERY_BILL.values(), ids=EVERY_BILL)
def test_every_bill_conforms_to_the_schema(bill: Invoice | CreditNote) -> None:
    """That of Factur-X 1.0.7 and the newest."""
    xml = xml_of(bill)
    validate_xml(xml, "FACTUR-X_EN16931")
    xml_check_xsd(xml, flavor="factur-x", level="en16931")


@pytest.mark.parametrize("bill", EVERY_BILL.values(), ids=EVERY_BILL)
def test_sums_add_up_and_equal_the_paper(bill: Invoice | CreditNote) -> None:
    """Lines less discount are the net; net plus taxes are the total."""
    cii, text, currency = Cii(xml_of(bill)), text_of(bill), bill.currency
    notation = Notation(bill.language, currency)
    totals = {
        name: cii.total(f"{name}Amount", currency)
        for name in ("LineTotal", "AllowanceTotal", "TaxBasisTotal", "TaxTotal", "GrandTotal")
    }
    lines = cii.texts("SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount")
    taxes = cii.texts("ApplicableHeaderTradeSettlement/ApplicableTradeTax/CalculatedAmount")
    bases = cii.texts("ApplicableHeaderTradeSettlement/ApplicableTradeTax/BasisAmount")
    off = cii.texts("ApplicableHeaderTradeSettlement/SpecifiedTradeAllowanceCharge/ActualAmount")
    assert sum(minor(line, currency) for line in lines) == totals["LineTotal"]
    assert sum(minor(amount, currency) for amount in off) == totals["AllowanceTotal"]
    assert totals["LineTotal"] - totals["AllowanceTotal"] == totals["TaxBasisTotal"]
    assert sum(minor(base, currency) for base in bases) == totals["TaxBasisTotal"]
    assert sum(minor(tax, currency) for tax in taxes) == totals["TaxTotal"]
    assert totals["TaxBasisTotal"] + totals["TaxTotal"] == totals["GrandTotal"]
    for base, tax in zip(bases, taxes, strict=True):
        base_minor, tax_minor = minor(base, currency), minor(tax, currency)
        assert (
            f" {notation.amount(base_minor)} {notation.money(tax_minor)}".replace(
                "\N{NO-BREAK SPACE}", " "
            )
            in text
        )
    printed = [notation.money(totals[name]) for name in ("TaxBasisTotal", "GrandTotal")]
    if totals["AllowanceTotal"]:
        printed += [notation.money(totals["LineTotal"]), notation.money(-totals["AllowanceTotal"])]
    if isinstance(bill, Invoice):
        due_minor = cii.total("DuePayableAmount", currency)
        paid_minor = cii.total("TotalPrepaidAmount", currency)
        rounding_minor = -bill.waived_minor
        assert totals["GrandTotal"] - paid_minor + rounding_minor == due_minor
        printed.append(notation.money(due_minor))
    for amount in printed:
        assert amount.replace("\N{NO-BREAK SPACE}", " ") in text


@pytest.mark.parametrize(
    ("name", "lines", "net", "total"),
    [
        ("a thousand cents", "0.01", "Net total 10.00 EUR", "Total 10.86 EUR"),
        ("yen", "216,048", "Net total 615,737 JPY", "Total 669,101 JPY"),
        ("dinars", "216.048", "Net total 615.737 KWD", "Total 669.101 KWD"),
    ],
)
def test_rounding_follows_the_currency(name: str, lines: str, net: str, total: str) -> None:
    """Once per rate over all lines, not once per line: a thousand cents at 19, 7 and 0 %."""
    text = text_of(EVERY_BILL[name])
    for expected in (lines, net, total):
        assert expected in text


@pytest.mark.parametrize(
    "name", ["discounted", "credit note", "special characters", "prices with tax"]
)
def test_pdf_embeds_the_e_invoice(name: str) -> None:
    """By Factur-X: one attachment with a fixed name, described in the metadata."""
    bill = EVERY_BILL[name]
    pdf = pdf_of(bill)
    reader = PdfReader(io.BytesIO(pdf))
    assert dict(reader.attachments) == {"factur-x.xml": [xml_of(bill)]}
    assert get_xml_from_pdf(pdf, check_xsd=True, check_schematron=False) == (
        "factur-x.xml",
        xml_of(bill),
    )
    stream = reader.root_object["/Metadata"]
    assert isinstance(stream, StreamObject)
    metadata = stream.get_data()
    ElementTree.fromstring(metadata)
    for expected in (
        b"<pdfaid:part>3<",
        b"<pdfaid:conformance>B<",
        b"<fx:DocumentType>INVOICE<",
        b"<fx:DocumentFileName>factur-x.xml<",
        b"<fx:Version>1.0<",
        b"<fx:ConformanceLevel>EN 16931<",
    ):
        assert expected in metadata


def test_invoice_demands_transfer_of_the_amount_due() -> None:
    """BT-9, BT-20, BT-81, BT-83, BT-84."""
    cii = Cii(xml_of(BILLS["on account"]))
    means = "SpecifiedTradeSettlementPaymentMeans"
    assert cii.text("ExchangedDocument/TypeCode") == "380"
    assert cii.text(f"{means}/TypeCode") == "58"
    assert cii.text(f"{means}/PayeePartyCreditorFinancialAccount/IBANID") == SELLER.iban
    assert cii.text("PaymentReference") == "INV-2026-000042"
    assert cii.text("DueDateDateTime/DateTimeString") == "20260805"
    assert "by August 5, 2026" in cii.text("SpecifiedTradePaymentTerms/Description")
    assert cii.texts("IncludedNote/Content") == [
        "Payment received on June 25, 2026: -100.00 EUR, including VAT 10.00 EUR."
    ]
    assert cii.total("TotalPrepaidAmount", "EUR") == 10_000


@pytest.mark.parametrize(
    ("name", "code"),
    [("paid", "1"), ("paid at the till", "10"), ("yen", "30"), ("no account", "1")],
)
def test_other_means_of_payment_have_their_codes(name: str, code: str) -> None:
    """UNTDID 4461: not defined, cash, credit transfer outside SEPA."""
    assert Cii(xml_of(BILLS[name])).text("SpecifiedTradeSettlementPaymentMeans/TypeCode") == code


def test_waived_amount_is_rounding() -> None:
    """BT-114: neither paid (BT-113) nor due (BT-115); a note names it."""
    cii, total_minor = Cii(xml_of(BILLS["waived"])), DISCOUNTED.total_minor
    assert cii.total("TotalPrepaidAmount", "EUR") == total_minor - 3
    assert cii.total("RoundingAmount", "EUR") == -3
    assert cii.total("DuePayableAmount", "EUR") == 0
    assert cii.texts("IncludedNote/Content") == ["Payment difference waived: -0.03 EUR."]
    assert cii.text("SpecifiedTradePaymentTerms/Description").startswith("Paid in full.")
    assert not cii.texts("IBANID")
    none = Cii(xml_of(BILLS["paid"]))
    assert not none.texts("RoundingAmount")


def test_credit_note_names_invoice_reason_and_refund() -> None:
    """Type 381, BG-3, BT-20, BT-22."""
    cii = Cii(xml_of(BILLS["credit note"]))
    assert cii.text("ExchangedDocument/TypeCode") == "381"
    assert cii.text("InvoiceReferencedDocument/IssuerAssignedID") == "INV-2026-000042"
    assert cii.text("InvoiceReferencedDocument/FormattedIssueDateTime/DateTimeString") == "20260706"
    assert "We will refund 10.00 EUR to you." in cii.text("SpecifiedTradePaymentTerms/Description")
    assert "Reason: Goods returned." in cii.text("IncludedNote/Content")


@pytest.mark.parametrize(
    ("name", "categories"),
    [
        ("three rates", ["Z", "S", "S"]),
        ("exempt", ["E"]),
        ("reverse_charge", ["AE"]),
        ("intra_community", ["K"]),
        ("export", ["G"]),
        ("outside_scope", ["O"]),
    ],
)
def test_each_tax_has_its_category(name: str, categories: list[str]) -> None:
    """UNTDID 5305; the reason for no tax is the one on paper."""
    bill = BILLS[name]
    cii = Cii(xml_of(bill))
    taxes = "ApplicableHeaderTradeSettlement/ApplicableTradeTax"
    assert cii.texts(f"{taxes}/CategoryCode") == categories
    for reason in cii.texts(f"{taxes}/ExemptionReason"):
        assert reason in text_of(bill)
    assert bool(cii.texts(f"{taxes}/ExemptionReason")) == (not bill.tax_case.is_taxed)


def test_discounts_are_allowances() -> None:
    """Per line for line discounts, per tax rate for the order's discount."""
    cii = Cii(xml_of(DISCOUNTED))
    of_lines = "SpecifiedLineTradeSettlement/SpecifiedTradeAllowanceCharge"
    of_order = "ApplicableHeaderTradeSettlement/SpecifiedTradeAllowanceCharge"
    assert cii.texts(f"{of_lines}/Reason") == ["Discount 12.5%"] * 3
    assert cii.texts(f"{of_lines}/ActualAmount") == ["308.64"] * 3
    assert cii.texts(f"{of_order}/Reason") == ["Discount 3.3333%"] * 3
    assert cii.texts(f"{of_order}/CategoryTradeTax/RateApplicablePercent") == ["0", "7", "19"]
    assert sum(minor(off, "EUR") for off in cii.texts(f"{of_order}/ActualAmount")) == (
        DISCOUNTED.discount_minor
    )


def test_parties_order_and_ship_to_are_complete() -> None:
    """Names, VAT ids, customer number, order and ship-to address."""
    cii = Cii(xml_of(DISCOUNTED))
    assert cii.text("SellerTradeParty/Name") == SELLER.name
    assert cii.text("SellerTradeParty/SpecifiedTaxRegistration/ID") == SELLER.vat_id
    assert cii.text("BuyerTradeParty/ID") == "C-1001"
    assert cii.text("BuyerTradeParty/SpecifiedTaxRegistration/ID") == "GB999999973"
    assert cii.text("SellerOrderReferencedDocument/IssuerAssignedID") == "ORD-0815"
    assert cii.text("ShipToTradeParty/PostalTradeAddress/LineOne") == DOCK.street
    other = Cii(xml_of(BILLS["other VAT ids"]))
    assert other.texts("BuyerTradeParty/SpecifiedTaxRegistration/ID") == []
    assert other.text("BuyerTradeParty/SpecifiedLegalOrganization/ID") == "123-45"


def test_company_and_second_lines_of_addresses_are_in_paper_and_e_invoice() -> None:
    """The company is the buyer (BT-44), with the name as its contact (BT-56)."""
    xml = Cii(xml_of(COMPANY))
    assert xml.text("BuyerTradeParty/Name") == "Acme Ltd"
    assert xml.text("BuyerTradeParty/DefinedTradeContact/PersonName") == "Ada Byron"
    assert xml.text("ShipToTradeParty/Name") == "Acme Ltd"
    lines = {
        party: [
            xml.texts(f"{party}/PostalTradeAddress/{line}") for line in ("LineTwo", "LineThree")
        ]
        for party in ("SellerTradeParty", "BuyerTradeParty", "ShipToTradeParty")
    }
    assert lines == {
        "SellerTradeParty": [["Halle 3"], []],
        "BuyerTradeParty": [["Floor 4"], ["Accounts payable"]],
        "ShipToTradeParty": [["Gate 2"], ["Acme Warehouse"]],
    }
    printed = text_of(COMPANY)
    assert "Acme Ltd Ada Byron Accounts payable 1 High Street Floor 4" in printed
    assert "Acme Ltd, Acme Warehouse, Unit 7, Dock Road, Gate 2" in printed
    assert "Halle 3" in printed

"""Every kind of bill conforms to every published set of rules."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from pypdf.generic import StreamObject

from activities.documents.bills import render_bill
from activities.documents.einvoice import einvoice_xml
from activities.documents.wording import wording_of
from models.billing import CreditNote, Invoice
from models.documents import DocumentRules
from models.einvoice import why_no_einvoice
from models.pricing import PricedLine
from tests.support.documents.bills import credit_note_of, invoice_of, priced
from tests.support.documents.einvoice_rules import RULE_SETS, broken_rules
from tests.support.documents.kinds_of_bills import BILLS, PLAIN_BILLS, RATES, WALK_IN, with_seller


def broken(bill: Invoice | CreditNote, rules: str) -> list[str]:
    """List the rules of a set that a bill breaks."""
    return broken_rules(einvoice_xml(wording_of(bill, DocumentRules())), rules)


@pytest.mark.parametrize("rules", RULE_SETS)
@pytest.mark.parametrize("bill", BILLS.values(), ids=BILLS)
def test_every_bill_conforms_to_every_published_rule(
    bill: Invoice | CreditNote, rules: str
) -> None:
    """Sums, tax categories, codes and required fields."""
    assert broken(bill, rules) == []
    assert why_no_einvoice(bill) == ""


@pytest.mark.parametrize("bill", PLAIN_BILLS.values(), ids=PLAIN_BILLS)
def test_bill_that_breaks_a_rule_is_a_plain_pdf_with_a_reason(bill: Invoice | CreditNote) -> None:
    """It neither has an attachment nor claims to be Factur-X."""
    assert broken(bill, "EN 16931")
    assert why_no_einvoice(bill)
    reader = PdfReader(io.BytesIO(render_bill(bill, DocumentRules()).pdf))
    assert not reader.attachments
    metadata = reader.root_object["/Metadata"]
    assert isinstance(metadata, StreamObject)
    assert b"urn:factur-x" not in metadata.get_data()


@pytest.mark.parametrize(
    ("name", "rules", "expected"),
    [
        *(("seller without VAT id", rules, "BR-S-02") for rules in ("Factur-X", "EN 16931")),
        *(("dinars", rules, "BR-DEC-14") for rules in ("Factur-X", "EN 16931")),
        ("seller without VAT id", "XRechnung", "BR-DE-16"),
    ],
)
def test_rule_check_finds_broken_rules(name: str, rules: str, expected: str) -> None:
    """So an empty result is meaningful."""
    assert any(expected in rule for rule in broken(PLAIN_BILLS[name], rules))


def test_national_rules_demand_a_contact_and_mail_addresses() -> None:
    """`contact_name`, `contact_phone` and `contact_email` of company.csv."""
    without = with_seller(invoice_of(), contact_name="", contact_phone="", contact_email="")
    assert any("BR-DE-2" in rule for rule in broken(without, "XRechnung"))
    assert any("R020" in rule for rule in broken(without, "Peppol"))
    assert broken(without, "EN 16931") == broken(without, "Factur-X") == []


def test_bill_of_a_walk_in_conforms_to_the_standard() -> None:
    """National rules demand an address; those are for business customers."""
    assert broken(WALK_IN, "EN 16931") == broken(WALK_IN, "Factur-X") == []


@given(
    st.lists(
        st.builds(
            priced,
            line_no=st.integers(1, 9),
            unit_price_minor=st.integers(0, 10**7),
            quantity=st.integers(1, 1000),
            rate_ppm=st.sampled_from([*RATES, 55_000]),
            discount=st.sampled_from([None, "0", "0.0001", "33.3333", "100"]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 1_000_000),
)
@settings(max_examples=8, deadline=None)
def test_any_prices_and_discounts_conform_to_the_rules(lines: list[PricedLine], ppm: int) -> None:
    numbered = [line.model_copy(update={"line_no": n}) for n, line in enumerate(lines, start=1)]
    invoice = invoice_of(numbered, discount_ppm=ppm)
    for rules in RULE_SETS:
        assert broken(invoice, rules) == []
        assert broken(credit_note_of(invoice), rules) == []


@given(
    st.lists(
        st.builds(
            priced,
            unit_price_minor=st.integers(0, 10**6),
            quantity=st.sampled_from([1, 2, 3, 7, 100, 9_999, 1_000_000]),
            rate_ppm=st.sampled_from([*RATES, 55_000, 250_000]),
            discount=st.sampled_from([None, "0", "0.0001", "33.3333", "100"]),
            includes_tax=st.just(True),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 1_000_000),
)
@settings(max_examples=8, deadline=None)
def test_any_prices_with_tax_conform_to_the_rules(lines: list[PricedLine], ppm: int) -> None:
    numbered = [line.model_copy(update={"line_no": n}) for n, line in enumerate(lines, start=1)]
    invoice = invoice_of(numbered, discount_ppm=ppm)
    for rules in RULE_SETS:
        assert broken(invoice, rules) == []
        assert broken(credit_note_of(invoice), rules) == []


@pytest.mark.parametrize("rules", RULE_SETS)
def test_trading_name_of_the_seller_is_in_the_bill(rules: str) -> None:
    """`trading_name` of company.csv (BT-28)."""
    bill = with_seller(invoice_of(), trading_name="Krüger & Söhne am Hafen")
    xml = einvoice_xml(wording_of(bill, DocumentRules())).decode()
    assert "<ram:TradingBusinessName>Krüger &amp; Söhne am Hafen</ram:TradingBusinessName>" in xml
    assert broken(bill, rules) == []

"""The e-invoice: a bill by EN 16931 in the syntax of UN/CEFACT (CII), as embedded by Factur-X.

BT and BG in comments are the business terms and groups of the standard. The order of the elements
is that of the schema.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

import pycountry

from activities.documents.wording import AnyBill, Wording
from models.addresses import Postal, tidy_postal_code
from models.billing import CreditNote, Invoice, Seller
from models.customers import Address
from models.einvoice import exemption_code, tax_category
from models.money import decimals, round_half_up
from models.orders import Terms
from models.pricing import PricedLine, without_tax

_PROFILE = "urn:cen.eu:en16931:2017"
_PROCESS = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_UNECE = "urn:un:unece:uncefact:data:standard"
_NAMESPACES = {
    "rsm": f"{_UNECE}:CrossIndustryInvoice:100",
    "ram": f"{_UNECE}:ReusableAggregateBusinessInformationEntity:100",
    "udt": f"{_UNECE}:UnqualifiedDataType:100",
    "qdt": f"{_UNECE}:QualifiedDataType:100",
}
_INVOICE, _CREDIT_NOTE = "380", "381"  # UNTDID 1001
_PIECE, _SERVICE_UNIT = "C62", "E48"  # UN/ECE Recommendation 20
_MAIL = "EM"  # Electronic Address Scheme
_PRICE_DECIMALS = 8
"""Decimals of a minor unit in unit prices, so that even a million units are exact to the cent."""
_DISCOUNT = "95"  # UNTDID 5189
_UNKNOWN, _CASH, _TRANSFER, _SEPA_TRANSFER = "1", "10", "30", "58"  # UNTDID 4461
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTRY_CODES = {"XK": "1A"}
"""Codes of EN 16931 that differ from those of addresses: Kosovo's."""
_VAT_PREFIXES = frozenset({*(c.alpha_2 for c in pycountry.countries), "EL", "XI", "1A"})
"""ISO 3166, and the prefixes that VAT ids use for Greece, Northern Ireland and Kosovo."""


def einvoice_xml(wording: Wording) -> bytes:
    """Write a bill as CII, profile EN 16931; the same bill gives the same bytes.

    It is always valid by the schema, and by the rules of the standard unless `why_no_einvoice`
    names a reason.
    """
    bill = wording.bill
    process = _group("BusinessProcessSpecifiedDocumentContextParameter", _text("ID", _PROCESS))
    guideline = _group("GuidelineSpecifiedDocumentContextParameter", _text("ID", _PROFILE))  # BT-24
    trade = _group(
        "rsm:SupplyChainTradeTransaction",
        *(_line(wording, line) for line in bill.lines),
        _agreement(bill),
        _group("ApplicableHeaderTradeDelivery", _ship_to(bill.ship_to), _supplied_on(bill)),
        _settlement(wording),
    )
    document = _group(
        "rsm:CrossIndustryInvoice",
        _group("rsm:ExchangedDocumentContext", process, guideline),
        _header(wording),
        trade,
        **{f"xmlns:{prefix}": uri for prefix, uri in _NAMESPACES.items()},
    )
    return f"<?xml version='1.0' encoding='utf-8'?>\n{document}\n".encode()


def _header(wording: Wording) -> str:
    bill, exemption = wording.bill, wording.tax_exemption()
    notes = [note for note in wording.notes_on_tax() if note != exemption]
    texts = (*wording.corrections(), *wording.notes_on_sums(), *notes)
    return _group(
        "rsm:ExchangedDocument",
        _text("ID", bill.number),  # BT-1
        _text("TypeCode", _CREDIT_NOTE if isinstance(bill, CreditNote) else _INVOICE),  # BT-3
        _date("IssueDateTime", bill.issued_on),  # BT-2
        _group("IncludedNote", _text("Content", " ".join(map(_sentence, texts)))),  # BT-22
    )


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


# Elements


def _group(name: str, *content: str, **attributes: str) -> str:
    """Write an element around the XML of others; nothing without one.

    Without a prefix its name is one of `ram`.
    """
    inner = "".join(content)
    if not inner:
        return ""
    tag = name if ":" in name else f"ram:{name}"
    start = "".join((tag, *(f' {key}="{value}"' for key, value in attributes.items())))
    return f"<{start}>{inner}</{tag}>"


def _text(name: str, text: str | Decimal | int, **attributes: str) -> str:
    """Write an element with a text; nothing without one."""
    return _group(name, escape(writable(str(text))), **attributes)


def _date(name: str, day: date, prefix: str = "udt") -> str:
    return _group(name, _text(f"{prefix}:DateTimeString", f"{day:%Y%m%d}", format="102"))


def writable(text: str) -> str:
    """Reduce to one line of characters that XML allows."""
    return " ".join(_NOT_IN_XML.sub(" ", text).split())


def _amount(bill: AnyBill, amount_minor: int) -> Decimal:
    return Decimal(amount_minor).scaleb(-decimals(bill.currency))


def _percent(ppm: int) -> Decimal:
    whole = Decimal(ppm).scaleb(-4)
    return whole.quantize(Decimal(1)) if whole == whole.to_integral() else whole.normalize()


# Parties


def _agreement(bill: AnyBill) -> str:
    """Write seller, buyer and order (BG-4, BG-7, BT-14), with the customer's reference (BT-13).

    What the buyer routes the bill by (BT-10) is its own reference, or else the id of its order.
    """
    reference = _text("IssuerAssignedID", bill.customer_reference)
    return _group(
        "ApplicableHeaderTradeAgreement",
        _text("BuyerReference", bill.customer_reference or bill.order_id),
        _seller(bill),
        _buyer(bill),
        _group("SellerOrderReferencedDocument", _text("IssuerAssignedID", bill.order_id)),
        _group("BuyerOrderReferencedDocument", reference),
    )


def _seller(bill: AnyBill) -> str:
    seller = bill.seller
    vat_id = seller.vat_id if _is_vat_id(seller.vat_id) and not _outside_scope(bill) else ""
    tax_number = seller.tax_number or ("" if _is_vat_id(seller.vat_id) else seller.vat_id)
    return _group(
        "SellerTradeParty",
        _text("ID", seller.legal_entity),  # BT-29
        _text("Name", seller.name),  # BT-27
        _group(
            "SpecifiedLegalOrganization",
            _text("TradingBusinessName", seller.trading_name),  # BT-28
        ),
        _contact(seller),
        _address(seller),
        _mail_address(seller.contact_email),  # BT-34
        _registration("FC", tax_number),  # BT-32
        _registration("VA", vat_id),  # BT-31
    )


def _contact(seller: Seller) -> str:
    """Write the contact (BG-6)."""
    phone, email = seller.contact_phone, seller.contact_email
    return _group(
        "DefinedTradeContact",
        _text("PersonName", seller.contact_name),  # BT-41
        _group("TelephoneUniversalCommunication", _text("CompleteNumber", phone)),  # BT-42
        _group("EmailURIUniversalCommunication", _text("URIID", email)),  # BT-43
    )


def _mail_address(email: str) -> str:
    return _group("URIUniversalCommunication", _text("URIID", email, schemeID=_MAIL))


def _buyer(bill: AnyBill) -> str:
    address, number = bill.bill_to, bill.customer_vat_id
    has_vat_id = _is_vat_id(number) and not _outside_scope(bill)
    vat_id, other_id = (number, "") if has_vat_id else ("", number)
    known = {bill.buyer_name, bill.customer_name}
    recipient = [name for name in address.names if name not in known] if address else []
    contact = bill.customer_name if bill.customer_company else ""
    return _group(
        "BuyerTradeParty",
        _text("ID", bill.customer_id),  # BT-46
        _text("Name", bill.buyer_name),  # BT-44
        _group("SpecifiedLegalOrganization", _text("ID", other_id)),  # BT-47
        _group("DefinedTradeContact", _text("PersonName", contact)),  # BT-56
        _address(address, *recipient) if address else _country(bill.ship_to),  # BG-8
        _mail_address(bill.customer_email),  # BT-49
        _registration("VA", vat_id),  # BT-48
    )


def _ship_to(address: Address) -> str:
    name, *others = address.names
    return _group("ShipToTradeParty", _text("Name", name), _address(address, *others))  # BG-13


def _supplied_on(bill: AnyBill) -> str:
    """Write the day of the supply (BT-72)."""
    day = bill.supplied_on
    return _group("ActualDeliverySupplyChainEvent", _date("OccurrenceDateTime", day) if day else "")


def _supply_period(bill: AnyBill) -> str:
    """Write the period in which goods are supplied after the bill (BG-14)."""
    begin, end = bill.ordered_on, bill.supply_by
    if bill.supplied_on is not None or begin is None:
        return ""
    return _group(
        "BillingSpecifiedPeriod",
        _date("StartDateTime", begin),
        _date("EndDateTime", max(begin, end)) if end else "",
    )


def _outside_scope(bill: AnyBill) -> bool:
    """Return whether VAT ids are left out, as nothing is subject to VAT (BR-O-02)."""
    return any(tax_category(bill, tax.rate_ppm) == "O" for tax in bill.taxes)


def _is_vat_id(number: str) -> bool:
    """Check for the country prefix that EN 16931 requires (BR-CO-09)."""
    return number[:2] in _VAT_PREFIXES


def _registration(scheme: str, number: str) -> str:
    return _group("SpecifiedTaxRegistration", _text("ID", number, schemeID=scheme))


def _country_id(country: str) -> str:
    return _text("CountryID", _COUNTRY_CODES.get(country, country))


def _country(of: Address) -> str:
    """Write the address of a customer who has given none: the country of the counter (BR-11)."""
    return _group("PostalTradeAddress", _country_id(of.country))


def _address(of: Postal, *names: str) -> str:
    """Write an address; further names of the recipient follow its own lines."""
    second, third, *_ = (*filter(None, (of.line2, ", ".join(names))), "", "")
    return _group(
        "PostalTradeAddress",
        _text("PostcodeCode", tidy_postal_code(of.country, of.postal_code)),
        _text("LineOne", of.street),  # BT-35, BT-50, BT-75
        _text("LineTwo", second),  # BT-36, BT-51, BT-76
        _text("LineThree", third),  # BT-162, BT-163, BT-165
        _text("CityName", of.city or ""),
        _country_id(of.country),
        _text("CountrySubDivisionName", of.region or ""),
    )


# Lines


def _line(wording: Wording, line: PricedLine) -> str:
    """Write a line (BG-25); its net is the printed one, before the discount of the whole order."""
    bill = wording.bill
    price = _text("ChargeAmount", _unit_price(bill, line))
    net = _text("LineTotalAmount", _amount(bill, line.before_order_discount_minor))
    discount_minor = _undiscounted(line) - line.before_order_discount_minor
    return _group(
        "IncludedSupplyChainTradeLineItem",
        _group("AssociatedDocumentLineDocument", _text("LineID", line.line_no)),
        _group(
            "SpecifiedTradeProduct",
            _text("SellerAssignedID", line.sku),
            _text("Name", writable(line.name) or "-"),
        ),
        _group("SpecifiedLineTradeAgreement", _group("NetPriceProductTradePrice", price)),
        _group(
            "SpecifiedLineTradeDelivery",
            _text("BilledQuantity", line.quantity, unitCode=_unit_code(line)),
        ),
        _group(
            "SpecifiedLineTradeSettlement",
            _group("ApplicableTradeTax", *_tax(bill, line.tax_rate_ppm)),
            _allowance(wording, discount_minor, line.discount_ppm) if discount_minor else "",
            _group("SpecifiedTradeSettlementLineMonetarySummation", net),
        ),
    )


def _unit_code(line: PricedLine) -> str:
    return _PIECE if line.is_goods else _SERVICE_UNIT


def _undiscounted(line: PricedLine) -> int:
    """Return the net amount of a line before its discount.

    Where prices include tax, that of a line without discount is its part in the net of the whole,
    which may differ from quantity times net price by the rounding of the whole.
    """
    amount_minor = line.quantity * line.unit_price_minor
    if line.gross_minor is None:
        return amount_minor
    if line.shown_minor == amount_minor:
        return line.before_order_discount_minor
    return without_tax(amount_minor, line.tax_rate_ppm)


def _unit_price(bill: AnyBill, line: PricedLine) -> Decimal:
    """Return the unit price without tax (BT-146), with more decimals where prices include tax, so
    that quantity times price is the amount before the discount."""
    if line.gross_minor is None:
        return _amount(bill, line.unit_price_minor)
    scaled = round_half_up(_undiscounted(line) * 10**_PRICE_DECIMALS, line.quantity)
    price = Decimal(scaled).scaleb(-_PRICE_DECIMALS - decimals(bill.currency))
    return Decimal(f"{price.normalize():f}")


def _allowance(wording: Wording, amount_minor: int, ppm: int, *tax: str) -> str:
    """Write a discount (BG-20, BG-27); below zero it is a charge (BG-21, BG-28)."""
    is_charge = _text("udt:Indicator", "true" if amount_minor < 0 else "false")
    return _group(
        "SpecifiedTradeAllowanceCharge",
        _group("ChargeIndicator", is_charge),
        _text("ActualAmount", _amount(wording.bill, abs(amount_minor))),
        _text("ReasonCode", _DISCOUNT if amount_minor > 0 else ""),
        _text("Reason", wording.discount_name(ppm)),
        _group("CategoryTradeTax", *tax),
    )


# Tax


def _tax(bill: AnyBill, rate_ppm: int) -> Iterable[str]:
    """Write the tax of a line or an allowance: its type, category and rate."""
    category = tax_category(bill, rate_ppm)
    yield _text("TypeCode", "VAT")
    yield _text("CategoryCode", category)
    yield "" if category == "O" else _text("RateApplicablePercent", _percent(rate_ppm))


def _taxes(wording: Wording) -> Iterable[str]:
    """Write the VAT breakdown (BG-23)."""
    bill = wording.bill
    for rate in bill.taxes:
        category = tax_category(bill, rate.rate_ppm)
        yield _group(
            "ApplicableTradeTax",
            _text("CalculatedAmount", _amount(bill, rate.tax_minor)),
            _text("TypeCode", "VAT"),
            _text("ExemptionReason", wording.tax_exemption()),
            _text("BasisAmount", _amount(bill, rate.taxable_minor)),
            _text("CategoryCode", category),
            _text("ExemptionReasonCode", exemption_code(bill, category)),
            _text("RateApplicablePercent", _percent(rate.rate_ppm)),
        )


def _discounts(wording: Wording) -> Iterable[str]:
    """Write the discount of the whole order, by tax rate (BG-20)."""
    bill = wording.bill
    per_rate: dict[int, int] = defaultdict(int)
    for line in bill.lines:
        per_rate[line.tax_rate_ppm] += line.order_discount_minor
    for rate_ppm, discount_minor in sorted(per_rate.items()):
        if discount_minor:
            yield _allowance(wording, discount_minor, bill.discount_ppm, *_tax(bill, rate_ppm))


# Money


def _settlement(wording: Wording) -> str:
    """Write means and terms of payment, taxes, period, totals, and the corrected invoice."""
    bill = wording.bill
    return _group(
        "ApplicableHeaderTradeSettlement",
        _text("PaymentReference", bill.number),  # BT-83
        _text("InvoiceCurrencyCode", bill.currency),  # BT-5
        _means(bill),
        *_taxes(wording),
        _supply_period(bill),
        *_discounts(wording),
        _terms(wording),
        _totals(bill),
        _corrected(bill) if isinstance(bill, CreditNote) else "",
    )


def _means(bill: AnyBill) -> str:
    """Write the means of payment (BG-16): of the amount due, or of a paid bill as far as known."""
    account, code = "", _UNKNOWN
    if not isinstance(bill, Invoice) or not bill.due_minor:
        code = _CASH if isinstance(bill, Invoice) and bill.terms is Terms.CASH else _UNKNOWN
    elif bill.seller.iban:
        code = _SEPA_TRANSFER if bill.currency == "EUR" else _TRANSFER
        account = _group(
            "PayeePartyCreditorFinancialAccount",
            _text("IBANID", "".join(bill.seller.iban.split())),  # BT-84
            _text("AccountName", bill.seller.name),  # BT-85
        )
    return _group("SpecifiedTradeSettlementPaymentMeans", _text("TypeCode", code), account)


def _terms(wording: Wording) -> str:
    bill = wording.bill
    due_on = bill.due_on if isinstance(bill, Invoice) and bill.due_minor else None
    return _group(
        "SpecifiedTradePaymentTerms",
        _text("Description", " ".join(wording.settlement())),  # BT-20
        _date("DueDateDateTime", due_on) if due_on else "",  # BT-9
    )


def _corrected(note: CreditNote) -> str:
    return _group(
        "InvoiceReferencedDocument",  # BG-3
        _text("IssuerAssignedID", note.invoice_number),
        _date("FormattedIssueDateTime", note.invoice_issued_on, "qdt"),
    )


def _totals(bill: AnyBill) -> str:
    """Write the totals (BG-22). A waived amount counts as rounding: neither paid nor due
    (BR-CO-16)."""
    due = bill.due_minor if isinstance(bill, Invoice) else bill.total_minor
    waived = bill.waived_minor if isinstance(bill, Invoice) else 0

    def total(name: str, amount_minor: int, **attributes: str) -> str:
        return _text(f"{name}Amount", _amount(bill, amount_minor), **attributes)

    return _group(
        "SpecifiedTradeSettlementHeaderMonetarySummation",
        total("LineTotal", bill.net_minor + bill.discount_minor),  # BT-106
        total("ChargeTotal", 0),  # BT-108
        total("AllowanceTotal", bill.discount_minor),  # BT-107
        total("TaxBasisTotal", bill.net_minor),  # BT-109
        total("TaxTotal", bill.tax_minor, currencyID=bill.currency),  # BT-110
        total("Rounding", -waived) if waived else "",  # BT-114
        total("GrandTotal", bill.total_minor),  # BT-112
        total("TotalPrepaid", bill.total_minor - due - waived),  # BT-113
        total("DuePayable", due),  # BT-115
    )

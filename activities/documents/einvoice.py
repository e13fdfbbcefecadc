"""The e-invoice: a bill by EN 16931 in the syntax of UN/CEFACT (CII), as embedded by Factur-X.

BT and BG in comments are the business terms and groups of the standard.
"""

import re
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pycountry
from drafthorse.models.accounting import ApplicableTradeTax, CategoryTradeTax, TradeAllowanceCharge
from drafthorse.models.document import Document
from drafthorse.models.note import IncludedNote
from drafthorse.models.party import TaxRegistration, TradeParty
from drafthorse.models.payment import PaymentMeans, PaymentTerms
from drafthorse.models.references import ReferencedDocument
from drafthorse.models.trade import TradeSettlement
from drafthorse.models.tradelines import LineItem

from activities.documents.wording import (
    AnyBill,
    corrections,
    discount_name,
    notes_on_sums,
    settlement,
    tax_exemption,
)
from models.billing import CreditNote, Invoice, Seller
from models.customers import Address, TaxTreatment
from models.money import decimals
from models.orders import Terms
from models.pricing import PricedLine

_PROFILE = "urn:cen.eu:en16931:2017"
_INVOICE, _CREDIT_NOTE = "380", "381"  # UNTDID 1001
_PIECE = "C62"  # UN/ECE Recommendation 20
_DISCOUNT = "95"  # UNTDID 5189
_UNKNOWN, _CASH, _TRANSFER, _SEPA_TRANSFER = "1", "10", "30", "58"  # UNTDID 4461
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_VAT_PREFIXES = frozenset({*(c.alpha_2 for c in pycountry.countries), "EL", "XI", "1A"})
"""ISO 3166, and the prefixes that VAT ids use for Greece, Northern Ireland and Kosovo."""


def einvoice_xml(bill: AnyBill) -> bytes:
    """Write a bill as CII, profile EN 16931; the same bill gives the same bytes.

    It is always valid by the schema. The rules of the standard demand more: a VAT id of the seller
    and at most two decimals.
    """
    document = Document()
    document.context.guideline_parameter.id = _PROFILE  # BT-24
    header = document.header
    header.id = writable(bill.number)  # BT-1
    header.type_code = _CREDIT_NOTE if isinstance(bill, CreditNote) else _INVOICE  # BT-3
    header.issue_date_time = bill.issued_on  # BT-2
    for text in (*corrections(bill), *notes_on_sums(bill)):
        note = IncludedNote()
        note.content = writable(text)  # BT-22
        header.notes.add(note)
    for line in bill.lines:
        document.trade.items.add(_line(bill, line))
    _agreement(document, bill)
    _settlement(document.trade.settlement, bill)
    return bytes(document.serialize(schema=None))


# Formats


def writable(text: str) -> str:
    """Reduce to one line of characters that XML allows."""
    return " ".join(_NOT_IN_XML.sub(" ", text).split())


def _amount(bill: AnyBill, amount_minor: int) -> Decimal:
    return Decimal(amount_minor).scaleb(-decimals(bill.currency))


def _percent(ppm: int) -> Decimal:
    whole = Decimal(ppm).scaleb(-4)
    return whole.quantize(Decimal(1)) if whole == whole.to_integral() else whole.normalize()


def _refer(document: ReferencedDocument, number: str, issued_on: date | None = None) -> None:
    document.issuer_assigned_id = writable(number)
    if issued_on:
        document.issue_date_time = issued_on
    else:
        del document.issue_date_time  # drafthorse writes it empty


# Parties


def _agreement(document: Document, bill: AnyBill) -> None:
    """Write seller, buyer, order and ship-to address (BG-4, BG-7, BT-14, BG-13)."""
    agreement, delivery = document.trade.agreement, document.trade.delivery
    _seller(agreement.seller, bill.seller)
    _buyer(agreement.buyer, bill)
    _refer(agreement.seller_order, bill.order_id)
    delivery.ship_to.name = writable(bill.ship_to.name)
    _address(delivery.ship_to, bill.ship_to)


def _seller(party: TradeParty, seller: Seller) -> None:
    party.name = writable(seller.name)  # BT-27
    _address(party, _address_of(seller))
    if seller.vat_id:
        # BT-31, or the tax number (BT-32)
        _register(party, "VA" if _is_vat_id(seller.vat_id) else "FC", seller.vat_id)


def _address_of(seller: Seller) -> Address:
    return Address.model_construct(
        name=seller.name,
        street=seller.street,
        city=seller.city,
        postal_code=seller.postal_code,
        country=seller.country,
    )


def _buyer(party: TradeParty, bill: AnyBill) -> None:
    party.id = writable(bill.customer_id)  # BT-46
    party.name = writable(bill.customer_name)  # BT-44
    _address(party, bill.bill_to)
    if bill.bill_to.name != bill.customer_name:
        party.address.line_two = writable(bill.bill_to.name)  # BT-51
    if _is_vat_id(bill.customer_vat_id):
        _register(party, "VA", bill.customer_vat_id)  # BT-48
    elif bill.customer_vat_id:
        party.legal_organization.id = writable(bill.customer_vat_id)  # BT-47


def _is_vat_id(number: str) -> bool:
    """Check for the country prefix that EN 16931 requires (BR-CO-09)."""
    return number[:2] in _VAT_PREFIXES


def _register(party: TradeParty, scheme: str, number: str) -> None:
    registration = TaxRegistration()
    registration.id = (scheme, writable(number))
    party.tax_registrations.add(registration)


def _address(party: TradeParty, address: Address) -> None:
    party.address.line_one = writable(address.street)
    party.address.city_name = writable(address.city)
    party.address.postcode = writable(address.postal_code)
    party.address.country_id = address.country
    if address.region:
        party.address.country_subdivision = writable(address.region)


# Lines


def _line(bill: AnyBill, line: PricedLine) -> LineItem:
    """Make a line (BG-25); its net is the printed one, before the discount of the whole order."""
    item = LineItem()
    item.document.line_id = str(line.line_no)
    item.product.name = writable(line.name) or "-"
    if line.sku:
        item.product.seller_assigned_id = writable(line.sku)
    item.agreement.net.amount = _amount(bill, line.unit_price_minor)
    item.delivery.billed_quantity = (Decimal(line.quantity), _PIECE)
    tax = item.settlement.trade_tax
    tax.type_code = "VAT"
    tax.category_code = _category(bill, line.tax_rate_ppm)
    tax.rate_applicable_percent = _percent(line.tax_rate_ppm)
    discount_minor = line.quantity * line.unit_price_minor - line.before_order_discount_minor
    if discount_minor:
        item.settlement.allowance_charge.add(_line_discount(bill, line, discount_minor))
    net = _amount(bill, line.before_order_discount_minor)
    item.settlement.monetary_summation.total_amount = net
    return item


def _line_discount(bill: AnyBill, line: PricedLine, amount_minor: int) -> TradeAllowanceCharge:
    """Make the discount of a line (BG-27); below zero it is a charge (BG-28)."""
    allowance = _allowance(bill, amount_minor)
    allowance.reason = discount_name(bill, line.discount_ppm)
    return allowance


def _allowance(bill: AnyBill, amount_minor: int) -> TradeAllowanceCharge:
    allowance = TradeAllowanceCharge()
    allowance.indicator = amount_minor < 0
    allowance.actual_amount = _amount(bill, abs(amount_minor))
    if amount_minor > 0:
        allowance.reason_code = _DISCOUNT
    return allowance


# Tax


def _category(bill: AnyBill, rate_ppm: int) -> str:
    """Choose the code of UNTDID 5305: standard rate, zero rate, exempt, reverse charge."""
    if bill.tax_treatment is TaxTreatment.EXEMPT:
        return "E"
    if bill.tax_treatment is TaxTreatment.REVERSE_CHARGE:
        return "AE"
    return "S" if rate_ppm else "Z"


def _taxes(to: TradeSettlement, bill: AnyBill) -> None:
    """Write the VAT breakdown (BG-23) and the order's discount per rate (BG-20)."""
    for rate in bill.taxes:
        tax = ApplicableTradeTax()
        tax.calculated_amount = _amount(bill, rate.tax_minor)
        tax.type_code = "VAT"
        tax.basis_amount = _amount(bill, rate.taxable_minor)
        tax.category_code = _category(bill, rate.rate_ppm)
        tax.rate_applicable_percent = _percent(rate.rate_ppm)
        if reason := tax_exemption(bill):
            tax.exemption_reason = reason
        if bill.tax_treatment is TaxTreatment.REVERSE_CHARGE:
            tax.exemption_reason_code = "VATEX-EU-AE"
        to.trade_tax.add(tax)
    for rate_ppm, discount_minor in _discounts(bill).items():
        allowance = _allowance(bill, discount_minor)
        allowance.reason = discount_name(bill, bill.discount_ppm)
        tax = CategoryTradeTax()
        tax.type_code = "VAT"
        tax.category_code = _category(bill, rate_ppm)
        tax.rate_applicable_percent = _percent(rate_ppm)
        allowance.trade_tax.add(tax)
        to.allowance_charge.add(allowance)


def _discounts(bill: AnyBill) -> dict[int, int]:
    """Sum the discount of the whole order by tax rate (ppm)."""
    per_rate: dict[int, int] = defaultdict(int)
    for line in bill.lines:
        per_rate[line.tax_rate_ppm] += line.order_discount_minor
    return {rate: discount for rate, discount in sorted(per_rate.items()) if discount}


# Money


def _settlement(to: TradeSettlement, bill: AnyBill) -> None:
    """Write taxes, means and terms of payment, and totals (BG-22)."""
    to.payment_reference = writable(bill.number)  # BT-83
    to.currency_code = bill.currency  # BT-5
    _taxes(to, bill)
    if isinstance(bill, Invoice):
        to.payment_means.add(_means(bill))
    else:
        _refer(to.invoice_referenced_document, bill.invoice_number, bill.invoice_issued_on)  # BG-3
    terms = PaymentTerms()
    terms.description = writable(" ".join(settlement(bill)))  # BT-20
    if isinstance(bill, Invoice) and bill.due_on and bill.due_minor:
        terms.due = bill.due_on  # BT-9
    to.terms.add(terms)
    _totals(to, bill)


def _means(invoice: Invoice) -> PaymentMeans:
    """Make the means of payment (BG-16): of the amount due, or of a paid bill as far as known."""
    means = PaymentMeans()
    if not invoice.due_minor:
        means.type_code = _CASH if invoice.terms is Terms.CASH else _UNKNOWN
    elif not invoice.seller.iban:
        means.type_code = _UNKNOWN
    else:
        means.type_code = _SEPA_TRANSFER if invoice.currency == "EUR" else _TRANSFER
        means.payee_account.iban = "".join(invoice.seller.iban.split())  # BT-84
        means.payee_account.account_name = writable(invoice.seller.name)  # BT-85
    return means


def _totals(to: TradeSettlement, bill: AnyBill) -> None:
    """Write the totals. A waived amount counts as rounding: neither paid nor due (BR-CO-16)."""
    due = bill.due_minor if isinstance(bill, Invoice) else bill.total_minor
    waived = bill.waived_minor if isinstance(bill, Invoice) else 0
    totals = to.monetary_summation
    totals.line_total = _amount(bill, bill.net_minor + bill.discount_minor)  # BT-106
    totals.charge_total = _amount(bill, 0)  # BT-108
    totals.allowance_total = _amount(bill, bill.discount_minor)  # BT-107
    totals.tax_basis_total = _amount(bill, bill.net_minor)  # BT-109
    totals.tax_total = (_amount(bill, bill.tax_minor), bill.currency)  # BT-110
    if waived:
        totals.rounding_amount = _amount(bill, -waived)  # BT-114
    totals.grand_total = _amount(bill, bill.total_minor)  # BT-112
    totals.prepaid_total = _amount(bill, bill.total_minor - due - waived)  # BT-113
    totals.due_amount = _amount(bill, due)  # BT-115

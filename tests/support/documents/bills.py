"""Builders of invoices and credit notes to print, with values that are easy to recognise."""

from collections.abc import Iterable, Sequence
from datetime import date

from models.billing import CreditNote, Invoice, OnAccount, Seller, due_date
from models.customers import Address
from models.orders import OrderLine, Terms
from models.pricing import (
    PricedLine,
    PriceTerms,
    ProductPrice,
    discount_order,
    price_line,
    total,
)
from models.tax import ProductKind, TaxCase

ISSUED_ON = date(2026, 7, 6)
ORDERED_ON, SUPPLY_BY = date(2026, 7, 5), date(2026, 7, 20)
SELLER = Seller(
    legal_entity="northwind",
    name="Northwind Tools GmbH",
    street="Hafenstraße 12",
    city="Hamburg",
    postal_code="20457",
    country="DE",
    vat_id="DE123456788",
    iban="DE89370400440532013000",
    contact_name="Ines Krüger",
    contact_phone="+49 40 23125 100",
    contact_email="office@northwind.example",
)
OFFICE = Address(
    name="Acme Ltd", street="1 High Street", city="London", postal_code="EC1A 1BB", country="GB"
)
DOCK = OFFICE.model_copy(update={"name": "Acme Warehouse", "street": "Unit 7, Dock Road"})


def priced(
    line_no: int = 1,
    *,
    name: str = "Cordless drill",
    unit_price_minor: int = 123_456,
    quantity: int = 2,
    rate_ppm: int = 190_000,
    discount: str | None = None,
    case: TaxCase = TaxCase.DOMESTIC,
    includes_tax: bool = False,
    kind: ProductKind = ProductKind.GOODS,
) -> PricedLine:
    """Build a line; `rate_ppm` is the tax rate, `discount` a percentage."""
    terms = PriceTerms(case=case, includes_tax=includes_tax, list_includes_tax=includes_tax)
    product = ProductPrice(
        sku=f"SKU-{line_no}",
        name=name,
        unit_price_minor=unit_price_minor,
        tax_rate_ppm=rate_ppm,
        kind=kind,
    )
    line = OrderLine(sku=product.sku, quantity=quantity, discount_percent=discount)
    return price_line(line_no, line, product, "EUR", terms)


def invoice_of(
    lines: Iterable[PricedLine] = (priced(),),
    *,
    currency: str = "EUR",
    language: str = "en",
    terms: Terms = Terms.NET30,
    case: TaxCase = TaxCase.DOMESTIC,
    customer_name: str = "Acme Ltd",
    ship_to: Address = OFFICE,
    seller: Seller = SELLER,
    discount_ppm: int = 0,
    on_account: Sequence[OnAccount] = (),
) -> Invoice:
    """Build an invoice: paid in full, or on credit terms with the payments on account only."""
    lines = tuple(discount_order(list(lines), discount_ppm))
    totals = total(lines)
    received_minor = sum(payment.amount_minor for payment in on_account)
    return Invoice(
        number="INV-2026-000042",
        order_id="ORD-0815",
        issued_on=ISSUED_ON,
        due_on=due_date(terms, ISSUED_ON),
        seller=seller,
        customer_id="C-1001",
        customer_name=customer_name,
        customer_vat_id="GB999999973",
        customer_email="accounts@acme.example",
        bill_to=OFFICE,
        ship_to=ship_to,
        language=language,
        terms=terms,
        tax_case=case,
        prices_include_tax=any(line.gross_minor is not None for line in lines),
        currency=currency,
        discount_ppm=discount_ppm,
        lines=lines,
        taxes=totals.taxes,
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        paid_minor=received_minor if terms.on_credit else totals.total_minor,
        on_account=tuple(on_account),
        ordered_on=ORDERED_ON,
        supply_by=SUPPLY_BY,
    )


def on_account(amount_minor: int, tax_minor: int, day: date = date(2026, 6, 25)) -> OnAccount:
    """Build a payment received before the invoice."""
    return OnAccount(
        payment_id=f"P-{day}", received_on=day, amount_minor=amount_minor, tax_minor=tax_minor
    )


def credit_note_of(
    invoice: Invoice,
    lines: Iterable[PricedLine] | None = None,
    *,
    refund_minor: int = 0,
    kept_minor: int = 0,
    reason: str = "Goods returned",
) -> CreditNote:
    """Build a credit note for `lines`, or (None) for the whole invoice."""
    lines = invoice.lines if lines is None else tuple(lines)
    totals = total(lines)
    return CreditNote.model_validate(
        invoice.model_dump()
        | {
            "number": "CN-2026-000007",
            "issued_on": date(2026, 8, 12),
            "lines": lines,
            "taxes": totals.taxes,
            "net_minor": totals.net_minor,
            "total_minor": totals.total_minor,
            "invoice_number": invoice.number,
            "invoice_issued_on": invoice.issued_on,
            "reason": reason,
            "refund_minor": refund_minor,
            "kept_minor": kept_minor,
        }
    )


def credited_amount(amount_minor: int, rate_ppm: int = 190_000) -> PricedLine:
    """Build a line that credits an amount instead of goods."""
    line = priced(name="Allowance", unit_price_minor=amount_minor, quantity=1, rate_ppm=rate_ppm)
    return line.model_copy(update={"sku": ""})

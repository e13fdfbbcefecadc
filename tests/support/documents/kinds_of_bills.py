"""A table of every kind of bill that the pipeline writes."""

from datetime import date
from typing import Any

from models.billing import CreditNote, Invoice, credited_percent, credited_units
from models.deliveries import part_of_order
from models.orders import Terms
from models.pricing import PricedLine, follow_goods
from models.tax import ProductKind, TaxCase
from tests.support.documents.bills import (
    DOCK,
    OFFICE,
    SELLER,
    SUPPLY_BY,
    credit_note_of,
    credited_amount,
    invoice_of,
    on_account,
    priced,
)

RATES = (190_000, 70_000, 0)
THREE_RATES = [priced(n, rate_ppm=rate, discount="12.5") for n, rate in enumerate(RATES, start=1)]
CENTS = [priced(n, unit_price_minor=1, quantity=1, rate_ppm=RATES[n % 3]) for n in range(1, 1001)]
DISCOUNTED = invoice_of(THREE_RATES, discount_ppm=33_333, ship_to=DOCK)
WITH_TAX = [
    priced(n, unit_price_minor=999, quantity=n, rate_ppm=rate, includes_tax=True)
    for n, rate in enumerate((190_000, 190_000, 70_000, 0, 190_000), start=1)
]
"""Lines of 1 to 5 units at 9.99 with tax."""
WITH_TAX_LESS = [
    priced(n, unit_price_minor=999, quantity=3, rate_ppm=rate, discount="12.5", includes_tax=True)
    for n, rate in enumerate(RATES, start=1)
]
CENTS_WITH_TAX = [
    priced(n, unit_price_minor=1, quantity=1, rate_ppm=RATES[n % 3], includes_tax=True)
    for n in range(1, 301)
]


def of_case(case: TaxCase, *, includes_tax: bool = False, **changes: Any) -> Invoice:
    """Build an invoice of a tax case."""
    return invoice_of([priced(case=case, includes_tax=includes_tax)], case=case, **changes)


def with_seller(invoice: Invoice, **changes: str) -> Invoice:
    """Change the seller of an invoice."""
    seller = invoice.seller.model_copy(update=changes)
    return invoice.model_copy(update={"seller": seller})


def changed(invoice: Invoice, **changes: Any) -> Invoice:
    """Change fields of an invoice."""
    return invoice.model_copy(update=changes)


def shipped(*, includes_tax: bool = False) -> list[PricedLine]:
    """Build goods at two rates with shipping, which is split over them, and assembly."""
    goods = [
        priced(n, unit_price_minor=3_333, rate_ppm=rate, includes_tax=includes_tax)
        for n, rate in enumerate((190_000, 70_000), start=1)
    ]
    service: dict[str, Any] = {"kind": ProductKind.SERVICE, "includes_tax": includes_tax}
    shipping = priced(3, name="Shipping", unit_price_minor=495, quantity=1, **service)
    assembly = priced(4, name="Assembly", unit_price_minor=5_000, discount="10", **service)
    return follow_goods([*goods, shipping, assembly], {3})


def delivery_of(invoice: Invoice, *, second: bool = False) -> Invoice:
    """Return the invoice of one of two deliveries of an order: of half the units of each line, or
    of all others."""
    half = {line.line_no: -(-line.quantity // 2) for line in invoice.lines}
    rest = {line.line_no: line.quantity - half[line.line_no] for line in invoice.lines}
    part = part_of_order(invoice.lines, *((half, rest) if second else ({}, half)))
    return changed(
        invoice,
        lines=part.lines,
        taxes=part.taxes,
        net_minor=part.net_minor,
        total_minor=part.net_minor + part.tax_minor,
        supplied_on=invoice.issued_on,
    )


GROSS = invoice_of(WITH_TAX)
GROSS_LESS = invoice_of(WITH_TAX_LESS, discount_ppm=33_333)

WALK_IN = changed(
    invoice_of(terms=Terms.CASH, customer_name="Walk-in customer"),
    **{"bill_to": None, "customer_vat_id": "", "customer_email": ""},
)
"""The bill of a sale at the counter to a customer without an address."""

COMPANY = changed(
    with_seller(invoice_of(), line2="Halle 3"),
    customer_name="Ada Byron",
    customer_company="Acme Ltd",
    bill_to=OFFICE.model_copy(
        update={"company": "Acme Ltd", "name": "Accounts payable", "line2": "Floor 4"}
    ),
    ship_to=DOCK.model_copy(update={"company": "Acme Ltd", "line2": "Gate 2"}),
)
"""The bill of a contact in a company."""

BILLS: dict[str, Invoice | CreditNote] = {
    "one line": invoice_of(),
    "paid": invoice_of(terms=Terms.PREPAID),
    "paid at the till": invoice_of(terms=Terms.CASH),
    "due at once": changed(invoice_of(), due_on=None),
    "three rates": invoice_of(THREE_RATES, ship_to=DOCK),
    "discounted": DISCOUNTED,
    "German": changed(DISCOUNTED, language="de"),
    "on account": invoice_of(THREE_RATES, on_account=[on_account(10_000, 1_000)]),
    "waived": changed(DISCOUNTED, paid_minor=DISCOUNTED.total_minor - 3, waived_minor=3),
    **{case.value: of_case(case) for case in TaxCase},
    **{f"{case}, prices with tax": of_case(case, includes_tax=True) for case in TaxCase},
    **{f"credited {case}": credit_note_of(of_case(case)) for case in TaxCase},
    "distance sale without tax": of_case(TaxCase.DISTANCE_SALE, ship_to=DOCK),
    "prices with tax": GROSS,
    "prices with tax, German": changed(GROSS, language="de"),
    "prices with tax less 3.3333 %": GROSS_LESS,
    "prices with tax, on account": invoice_of(
        WITH_TAX, on_account=[on_account(5_000, 500), on_account(999, 160, date(2026, 6, 26))]
    ),
    "prices with tax in yen": invoice_of(WITH_TAX_LESS, currency="JPY", discount_ppm=50_000),
    "300 cents with tax": invoice_of(CENTS_WITH_TAX, discount_ppm=50_000),
    "credited prices with tax": credit_note_of(GROSS_LESS, refund_minor=1_000),
    "one of three credited with tax": credit_note_of(
        GROSS, [credited_units(GROSS.lines[1], 1, 840)]
    ),
    "half credited with tax": credit_note_of(
        GROSS_LESS, [credited_percent(line, 50) for line in GROSS_LESS.lines]
    ),
    "yen": invoice_of(THREE_RATES, currency="JPY", discount_ppm=50_000),
    "a thousand cents": invoice_of(CENTS),
    "a thousand cents less 5 %": invoice_of(CENTS, discount_ppm=50_000),
    "free of charge": invoice_of([priced(unit_price_minor=0)]),
    "free of charge with tax": invoice_of([priced(unit_price_minor=0, includes_tax=True)]),
    "other VAT ids": changed(invoice_of(), customer_vat_id="123-45"),
    "no VAT id": changed(invoice_of(), customer_vat_id=""),
    "no account": invoice_of(seller=SELLER.model_copy(update={"iban": ""})),
    "reference of the customer": changed(invoice_of(), customer_reference="PO 4711/B"),
    "company and second address lines": COMPANY,
    "credited company": credit_note_of(COMPANY),
    "supplied before": changed(invoice_of(), supplied_on=date(2026, 7, 4)),
    "promised before the order": changed(invoice_of(), supply_by=date(2026, 7, 1)),
    "no promised date": changed(invoice_of(), supply_by=None),
    "credited, supplied before": credit_note_of(changed(invoice_of(), supplied_on=SUPPLY_BY)),
    "first delivery": delivery_of(DISCOUNTED),
    "second delivery": delivery_of(DISCOUNTED, second=True),
    "first delivery, prices with tax": delivery_of(GROSS_LESS),
    "second delivery, prices with tax": delivery_of(GROSS_LESS, second=True),
    "tax number": with_seller(invoice_of(), vat_id="", tax_number="27/123/45678"),
    "tax number as VAT id": with_seller(invoice_of(), vat_id="27/123/45678"),
    "VAT id and tax number": with_seller(invoice_of(), tax_number="27/123/45678"),
    "unregistered seller": with_seller(
        invoice_of([priced(rate_ppm=0)], customer_name="Ada"), vat_id=""
    ),
    "unregistered exporter": with_seller(of_case(TaxCase.EXPORT), vat_id=""),
    "credited by an unregistered seller": credit_note_of(
        with_seller(invoice_of([priced(rate_ppm=0)]), vat_id="")
    ),
    "exporter in Switzerland": with_seller(
        of_case(TaxCase.EXPORT), country="CH", vat_id="CHE-123.456.788 MWST"
    ),
    "special characters": invoice_of(
        [priced(name="a\nb\x00<&>\ufffe 株式会社 😀")], customer_name="A]]>"
    ),
    "credit note": credit_note_of(DISCOUNTED, refund_minor=1_000),
    "kept as credit": credit_note_of(DISCOUNTED, kept_minor=1_000),
    "goods with services": invoice_of(shipped()),
    "goods with services less 5 %": invoice_of(shipped(), discount_ppm=50_000),
    "goods with services, prices with tax": invoice_of(shipped(includes_tax=True)),
    "credited goods with services": credit_note_of(invoice_of(shipped())),
    "services alone": invoice_of([priced(kind=ProductKind.SERVICE)]),
    "services to a business abroad": invoice_of(
        [priced(kind=ProductKind.SERVICE, case=TaxCase.REVERSE_CHARGE)],
        case=TaxCase.REVERSE_CHARGE,
    ),
    "credited amount": credit_note_of(DISCOUNTED, [credited_amount(2_500)]),
    "credited yen": credit_note_of(invoice_of(currency="JPY"), refund_minor=293_825),
}
"""Bills that conform to all rules of the standard."""

PLAIN_BILLS: dict[str, Invoice | CreditNote] = {
    "dinars": invoice_of(THREE_RATES, currency="KWD", discount_ppm=50_000),
    "dinars with tax": invoice_of(WITH_TAX_LESS, currency="KWD", discount_ppm=50_000),
    "credited dinars": credit_note_of(invoice_of(THREE_RATES, currency="KWD")),
    "seller without VAT id": with_seller(invoice_of(), vat_id=""),
    "credited by a seller without VAT id": credit_note_of(with_seller(invoice_of(), vat_id="")),
    "exporter without VAT id": with_seller(
        of_case(TaxCase.EXPORT), vat_id="", tax_number="27/123/45678"
    ),
}
"""Bills that conform to the schema only, so that they have no e-invoice."""

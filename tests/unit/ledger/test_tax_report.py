"""The report of tax by country, category and rate equals the ledger, to the cent."""

import csv
import io
from datetime import date, timedelta

import pytest
from sqlmodel import select

from activities.billing.steps import apply_payment, issue_invoice
from activities.ledger import reading as ledger_reading
from models.errors import InvalidInput
from models.ledger_export import tax_csv
from models.messages.facts import PaymentReceived
from models.messages.steps import PaymentStep
from models.orders import Fulfilment, OrderDocument
from models.pricing import TaxAmount
from models.tables.billing import InvoiceRow
from models.tax import TaxCase
from models.tax_report import split_tax, tax_country
from models.views.ledger import TaxReport
from tests.support.billing.machine import Bookkeeper
from tests.support.masterdata import shop

RATES = [
    TaxAmount(rate_ppm=0, taxable_minor=500, tax_minor=0),
    TaxAmount(rate_ppm=70_000, taxable_minor=1_000, tax_minor=70),
    TaxAmount(rate_ppm=190_000, taxable_minor=1_000, tax_minor=190),
]


@pytest.mark.parametrize(
    ("tax", "parts"),
    [
        (260, [(0, 0), (1_000, 70), (1_000, 190)]),
        (130, [(0, 0), (500, 35), (500, 95)]),
        (1, [(0, 0), (0, 0), (5, 1)]),
        (-1, [(0, 0), (0, 0), (-5, -1)]),
        (0, [(0, 0), (0, 0), (0, 0)]),
    ],
)
def test_tax_is_split_over_the_rates_of_its_order(tax: int, parts: list[tuple[int, int]]) -> None:
    assert [(one.taxable_minor, one.tax_minor) for one in split_tax(tax, RATES)] == parts


@pytest.mark.parametrize(
    ("case", "fulfilment", "country"),
    [
        (TaxCase.DOMESTIC, Fulfilment.CARRIER, "DE"),
        (TaxCase.DOMESTIC, Fulfilment.COUNTER, "AT"),
        (TaxCase.DOMESTIC, Fulfilment.PICK_UP, "AT"),
        (TaxCase.DISTANCE_SALE, Fulfilment.CARRIER, "XI"),
        (TaxCase.INTRA_COMMUNITY, Fulfilment.CARRIER, "DE"),
        (TaxCase.EXPORT, Fulfilment.CARRIER, "DE"),
    ],
)
def test_tax_is_declared_in_its_country(
    case: TaxCase, fulfilment: Fulfilment, country: str
) -> None:
    """The OSS return needs the country of consumption."""
    places = {"seller": ("DE", ""), "location": ("AT", ""), "ship_to": ("GB", "BT1 1AA")}
    assert tax_country(case, fulfilment, **places) == country


def report(till: Bookkeeper, from_: date | None = None, to: date | None = None) -> TaxReport:
    """Read the report; it equals the ledger."""
    view = till.database.read(lambda s: ledger_reading.tax(s, from_, to))
    assert view.equals_ledger, view
    return view


def rows(view: TaxReport) -> list[tuple[str, str, str, str]]:
    """Return category, rate, net amount and tax of each row."""
    return [(row.category, row.rate_percent, row.net, row.tax) for row in view.rows]


def test_report_has_invoices_credit_notes_and_payments_on_account(till: Bookkeeper) -> None:
    """Each in its own month; a month with more credits than invoices is below zero."""
    lines = [{"sku": sku, "quantity": units} for sku, units in (("A", 100), ("B", 100), ("C", 1))]
    document = shop.order("", "ADA", order_id="O-1", terms="prepaid", lines=lines)
    till.record(OrderDocument.model_validate(document))
    days = [till.now.date()]
    _pay(till, "P-1", "500.00")
    till.now += timedelta(days=30)
    days.append(till.now.date())
    _pay(till, "P-2", "848.40")
    [invoice] = till.read(select(InvoiceRow))
    assert (invoice.net_minor, invoice.total_minor) == (115_600, 134_840)
    till.issue_goods(pick=0)
    till.now += timedelta(days=30)
    days.append(till.now.date())
    done = till.command(
        "credit", kind="credit", invoice_number=invoice.number, line_no=2, quantity=50
    )
    assert done.refusal is None
    first, second, third = (rows(report(till, day, day)) for day in days)
    assert first == [("S", "7", "13.71", "0.96"), ("S", "19", "370.42", "70.38")]
    assert second == [
        ("S", "7", "23.29", "1.63"), ("S", "19", "628.58", "119.43"), ("Z", "0", "120.00", "0.00"),
    ]  # fmt: skip
    assert third == [("S", "7", "-18.50", "-1.30")]
    whole = report(till, days[0], days[2])
    assert rows(whole) == [
        ("S", "7", "18.50", "1.29"), ("S", "19", "999.00", "189.81"), ("Z", "0", "120.00", "0.00"),
    ]  # fmt: skip
    assert {row.country for row in whole.rows} == {"DE"}
    read = list(csv.DictReader(io.StringIO(tax_csv(whole))))
    assert [row["tax"] for row in read] == ["1.29", "189.81", "0.00"]
    assert read[0]["from"] == str(days[0])


def test_relief_of_bad_debts_is_at_the_rates_of_the_order(till: Bookkeeper) -> None:
    """And its reversal, when the customer pays after all."""
    document = shop.order("A", "ADA", order_id="O-1", terms="net30")
    issue_invoice.run(till.database, till.record(OrderDocument.model_validate(document)))
    till.issue_goods(pick=0)
    assert rows(report(till)) == [("S", "19", "9.99", "1.90")]
    till.command("write off", kind="write_off", order_id="O-1")
    assert rows(report(till)) == []
    _pay(till, "P-1", "11.89")
    assert rows(report(till)) == [("S", "19", "9.99", "1.90")]


def test_period_that_ends_before_it_begins_is_refused(till: Bookkeeper) -> None:
    with pytest.raises(InvalidInput, match="2026-02-02 is after 2026-02-01"):
        report(till, date(2026, 2, 2), date(2026, 2, 1))


def _pay(till: Bookkeeper, payment_id: str, amount: str) -> None:
    fact = PaymentReceived(
        payment_id=payment_id,
        order_id="O-1",
        amount=amount,
        currency="EUR",
        received_at=till.clock(),
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))

"""Days of billing are the company's: the real steps around midnight, month and year ends."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from activities.billing.dunning import review_dunning
from activities.billing.invoicing import invoices_of
from activities.billing.steps import apply_payment, apply_reversal, issue_invoice, record_payout
from activities.ledger import reading as ledger_reading
from activities.masterdata.importing import import_folder
from activities.shipping.steps import apply_dispatch, plan_shipments
from models.billing import Invoice, InvoiceAt
from models.errors import InvalidInput
from models.messages.facts import (
    PaymentReceived,
    PaymentReversed,
    PayoutPaid,
    ShipmentDispatched,
)
from models.messages.steps import DispatchStep, OrderStep, PaymentStep, ReversalStep
from models.orders import OrderDocument
from models.progress import ShipmentState
from models.tables.ledger import JournalEntry
from models.tables.masterdata import Company, Location
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.masterdata.shop import company_row, location_row, order, write_tables

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
MIDNIGHTS = [
    (BERLIN, "2026-10-31T23:30", "2026-11-01"),  # a month begins
    (BERLIN, "2026-07-31T22:30", "2026-08-01"),  # a month begins in summer
    (BERLIN, "2026-12-31T23:30", "2027-01-01"),  # a year begins
    (BERLIN, "2026-03-28T23:30", "2026-03-29"),  # the day on which clocks go forward begins
    (BERLIN, "2026-03-29T22:30", "2026-03-30"),  # and ends
    (BERLIN, "2026-10-24T22:30", "2026-10-25"),  # the day on which clocks go back begins
    (BERLIN, "2026-10-25T22:30", "2026-10-25"),  # has 25 hours
    (BERLIN, "2026-10-25T23:30", "2026-10-26"),  # and ends
    (NEW_YORK, "2027-01-01T04:30", "2026-12-31"),  # a year still lasts
    (NEW_YORK, "2027-01-01T05:30", "2027-01-01"),
]
"""A time zone, a moment in UTC, and its day there."""


def set_company(till: Bookkeeper, folder: Path, **fields: str) -> None:
    """Import the company with a time zone or a country of its own."""
    write_tables(folder, company=[company_row(**fields)])
    import_folder(till.database, folder)


def begin(till: Bookkeeper, folder: Path, timezone: str, moment: str) -> None:
    """Set the company's time zone, and the time to a moment in UTC."""
    set_company(till, folder, timezone=timezone)
    till.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)


def place(till: Bookkeeper, terms: str = "prepaid") -> OrderStep:
    """Record order O-1: ten of A, for 118.88 EUR."""
    document = order("A", "ADA", 10, order_id="O-1", terms=terms)
    return till.record(OrderDocument.model_validate(document))


def pay(till: Bookkeeper, received_at: datetime | None = None) -> None:
    """Record the payment of O-1."""
    fact = PaymentReceived(
        payment_id="P", order_id="O-1", amount="118.88", currency="EUR", received_at=received_at
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))


def invoice(till: Bookkeeper) -> Invoice:
    """Read the invoice of O-1."""
    [found] = till.database.read(lambda session: invoices_of(session, "O-1"))
    return found


def days(till: Bookkeeper) -> set[tuple[date, date]]:
    """Return posting and tax dates of all entries since the opening."""
    rows = till.read(select(JournalEntry))
    dated = (row for row in rows if not row.entry_id.startswith("opening"))
    return {(row.posting_date, row.tax_date) for row in dated}


@pytest.mark.parametrize(("timezone", "moment", "day"), MIDNIGHTS)
def test_sale_counts_for_the_day_at_the_company(
    till: Bookkeeper, tmp_path: Path, timezone: str, moment: str, day: str
) -> None:
    """Payment, invoice and its number, goods issue, promise and ageing."""
    begin(till, tmp_path, timezone, moment)
    expected = date.fromisoformat(day)
    step = place(till)
    pay(till)
    planned = plan_shipments.run(till.database, step).in_state(ShipmentState.PLANNED)
    fact = ShipmentDispatched(event_id="E", order_id="O-1", shipment_id=planned[0])
    apply_dispatch.run(till.database, DispatchStep(order_id="O-1", fact=fact))
    assert days(till) == {(expected, expected)}
    assert invoice(till).issued_on == expected
    assert invoice(till).number == f"INV-{expected.year}-000001"
    [order] = till.read(select(Order))
    within = till.database.rules.policy.promises.ship_within_days
    assert order.promised_date == expected + timedelta(days=within)


@pytest.mark.parametrize(("timezone", "moment", "day"), MIDNIGHTS)
def test_reported_moment_counts_for_its_day_at_the_company(
    till: Bookkeeper, tmp_path: Path, timezone: str, moment: str, day: str
) -> None:
    """Payment, goods issue, reversal and payout are reported two days later."""
    begin(till, tmp_path, timezone, moment)
    happened, expected = till.now, date.fromisoformat(day)
    step = place(till)
    till.now += timedelta(days=2)
    pay(till, happened)
    planned = plan_shipments.run(till.database, step).in_state(ShipmentState.PLANNED)
    left = ShipmentDispatched(
        event_id="E", order_id="O-1", shipment_id=planned[0], occurred_at=happened
    )
    apply_dispatch.run(till.database, DispatchStep(order_id="O-1", fact=left))
    reversal = PaymentReversed(
        reversal_id="V", payment_id="P", order_id="O-1", currency="EUR", occurred_at=happened
    )
    apply_reversal.run(till.database, ReversalStep(order_id="O-1", fact=reversal))
    paid_out = PayoutPaid(
        payout_id="B", amount="10.00", fee="0.00", currency="EUR", occurred_at=happened
    )
    record_payout.run(till.database, paid_out)
    dated = {
        row.entry_id.partition(":")[0]: row.tax_date for row in till.read(select(JournalEntry))
    }
    facts = {"payment", "goods_issue", "reversal", "payout"}
    assert {kind: dated[kind] for kind in facts} == dict.fromkeys(facts, expected)


@pytest.mark.parametrize(("timezone", "moment", "day"), MIDNIGHTS)
def test_due_date_reminders_and_ageing_are_days_at_the_company(
    till: Bookkeeper, tmp_path: Path, timezone: str, moment: str, day: str
) -> None:
    """A reminder waits for the first moment of its day; until then nothing is overdue longer."""
    begin(till, tmp_path, timezone, moment)
    till.invoice_at(InvoiceAt.ACCEPTANCE)
    expected = date.fromisoformat(day)
    step = place(till, "net30")
    issue_invoice.run(till.database, step)
    due = expected + timedelta(days=30)
    assert invoice(till).due_on == due
    review = review_dunning.run(till.database, step)
    assert review.remind is None
    assert review.review_in_s is not None
    till.now += timedelta(seconds=review.review_in_s - 1)

    def overdue() -> int:
        today = till.database.transaction(lambda work: work.today)
        report = till.database.read(lambda s: ledger_reading.ageing(s, today))
        return report.invoices[0].days_overdue

    assert overdue() == 6
    assert review_dunning.run(till.database, step).remind is None
    till.now += timedelta(seconds=1)
    assert overdue() == 7
    assert review_dunning.run(till.database, step).remind == 1


def test_period_closes_through_yesterday_at_the_company(till: Bookkeeper, tmp_path: Path) -> None:
    begin(till, tmp_path, BERLIN, "2026-10-31T22:59")
    october = {"kind": "close_period", "through": date(2026, 10, 31)}
    assert till.command("close", **october).refusal is not None
    till.now += timedelta(minutes=1)
    assert till.command("close", **october).refusal is None


@pytest.mark.parametrize(
    ("country", "timezone", "kept"),
    [("DE", "", BERLIN), ("FR", "", "Europe/Paris"), ("ES", "Atlantic/Canary", "Atlantic/Canary")],
)
def test_time_zone_of_company_and_locations_is_their_country_s(
    till: Bookkeeper, tmp_path: Path, country: str, timezone: str, kept: str
) -> None:
    """A location in a country whose clocks differ has the company's by default."""
    set_company(till, tmp_path, country=country, timezone=timezone)
    rows = [
        location_row("PAR", country="FR", timezone=""),
        location_row("CHI", country="US", timezone=""),
        location_row("LAX", country="US", timezone="America/Los_Angeles"),
    ]
    write_tables(tmp_path, locations=rows)
    import_folder(till.database, tmp_path)
    assert [company.timezone for company in till.read(select(Company))] == [kept]
    zones = {row.location: row.timezone for row in till.read(select(Location))}
    assert zones | {"PAR": "Europe/Paris", "CHI": kept, "LAX": "America/Los_Angeles"} == zones


def test_company_without_time_zone_is_refused_where_clocks_differ(
    till: Bookkeeper, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        set_company(till, tmp_path, country="ES", timezone="")
    [error] = refused.value.fields
    assert error.field == "company.csv line 2, timezone"
    assert "give one of Europe/Madrid, Atlantic/Canary" in error.reason

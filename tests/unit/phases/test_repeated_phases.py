"""Phases that are repeated, or follow one another: each notifies of what it has changed."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.database.engine import Database
from activities.gateways.smtp import OutgoingMail
from activities.masterdata.importing import import_folder
from activities.operations.commands import execute_command
from activities.phases.partners import Partners
from activities.phases.steps import OrderPhases
from models.messages.commands.registry import CommandStep
from models.messages.commands.stock import AdjustStock
from models.messages.facts import (
    Fact,
    PaymentReceived,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentTracked,
    StoredFact,
    type_of,
)
from models.messages.parsing import parse_order
from models.messages.steps import Advanced, FactStep, RecordOrder, StockKey
from models.progress import Progress
from models.returns import RequestedOutcome, ReturnReason, ReturnState
from models.tables.returns import ReturnRow
from tests.conftest import new_database
from tests.support.database.rules import RULES
from tests.support.gateways.partners import Partners as Carriers
from tests.support.gateways.partners import Provider
from tests.support.masterdata.shop import order, write_shop
from tests.support.purchasing.supply import policy

NOW = datetime(2026, 7, 6, 8, tzinfo=UTC)
DRILLS = StockKey(sku="DRILL", location="BER")


class Mailer:
    """A mail server that accepts every mail."""

    async def send(self, mail: OutgoingMail) -> None:
        """See `Mailer`."""


class Phases:
    """The phases of order R for drills, of which one is on hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.phases = OrderPhases(
            database, Partners(Provider(), Carriers(), Mailer(), "shop@example.com")
        )
        self.known: Progress | None = None

    def record(self, quantity: int, **changes: str) -> Advanced:
        """Record the order."""
        document = parse_order(order("DRILL", "C-1", quantity, order_id="R", **changes))
        step = RecordOrder(order=document, digest="", placed_at=NOW, workflow_id="order-R")
        return self._keep(asyncio.run(self.phases.record_and_advance(step)))

    def apply(self, fact: Fact) -> Advanced:
        """Apply a fact to the order as its workflow does, with the progress that it knows."""
        stored = StoredFact(type=type_of(fact), data=fact.model_dump(mode="json"))
        step = FactStep(order_id="R", fact=stored, known=self.known)
        return self._keep(asyncio.run(self.phases.apply_and_advance(step)))

    def _keep(self, advanced: Advanced) -> Advanced:
        self.known = advanced.progress
        return advanced


@pytest.fixture
def phases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Phases]:
    """The phases of an order, on a database of their own."""
    database = Database(new_database("sqlite", request, tmp_path), RULES, lambda: NOW)
    write_shop(tmp_path / "shop", "DRILL", "C-1", 1, credit_limit="5000.00")
    import_folder(database, tmp_path / "shop")
    yield Phases(database)
    database.close()


def low_stock(advanced: Advanced) -> tuple[StockKey, ...]:
    """The stock that a phase found at its reorder point."""
    return advanced.notification.stock_keys if advanced.notification else ()


def tracked(event_id: str) -> ShipmentTracked:
    """A carrier's report on the return."""
    return ShipmentTracked(event_id=event_id, order_id="R", shipment_id="RT-1", status="in_transit")


def returned(phases: Phases) -> None:
    """Authorise a return of the order."""
    row = ReturnRow(
        return_id="RT-1",
        order_id="R",
        state=ReturnState.AUTHORISED,
        reason=ReturnReason.DEFECTIVE,
        wish=RequestedOutcome.REFUND,
        location="BER",
        note="",
        requested_at=NOW,
    )
    phases.database.transaction(lambda work: work.session.add(row))


def deliver(phases: Phases) -> None:
    """Report that the order's first shipment was delivered."""
    phases.apply(ShipmentDispatched(event_id="E-1", order_id="R", shipment_id="SH-R-1"))
    phases.apply(ShipmentDelivered(event_id="E-2", order_id="R", shipment_id="SH-R-1"))


def test_repeated_recording_notifies_of_low_stock_again(phases: Phases) -> None:
    """The first answer may have been lost with its worker."""
    row = policy("DRILL", reorder_point=0, order_quantity=5)
    phases.database.transaction(lambda work: work.session.add(row))
    for _ in range(2):
        assert low_stock(phases.record(1)) == (DRILLS,)


def test_repeated_fact_that_allocated_stock_notifies_of_low_stock_again(phases: Phases) -> None:
    """The workflow doesn't know of the allocation."""
    row = policy("DRILL", reorder_point=0, order_quantity=5)
    phases.database.transaction(lambda work: work.session.add(row))
    phases.record(1)
    payment = PaymentReceived(payment_id="P", order_id="R", amount="119.00", currency="EUR")
    assert phases.known is not None
    earlier = {"allocated": False, "version": phases.known.version - 1}
    phases.known = phases.known.model_copy(update=earlier)
    assert low_stock(phases.apply(payment)) == (DRILLS,)
    assert low_stock(phases.apply(payment)) == ()


def test_later_fact_does_not_notify_of_the_return_again(phases: Phases) -> None:
    """The known progress names it, as the last fact was about it."""
    phases.record(1)
    payment = PaymentReceived(payment_id="P", order_id="R", amount="119.00", currency="EUR")
    phases.apply(payment)
    returned(phases)
    assert phases.apply(tracked("E-0")).progress.reported_returns == ("RT-1",)
    deliver(phases)
    assert phases.known is not None
    assert phases.known.reported_returns == ()


def test_booking_after_a_report_does_not_lose_the_return(phases: Phases) -> None:
    """Other units arrive and are booked in the same phase, and one is still short."""
    phases.record(3, terms="net30", delivery="partial")
    deliver(phases)
    returned(phases)
    gain = AdjustStock(
        command_id="A",
        reason="found",
        actor="Mia",
        sku="DRILL",
        location="BER",
        by=1,
        unit_cost="60.00",
    )
    execute_command.run(phases.database, CommandStep(command=gain))
    advanced = phases.apply(tracked("E-3"))
    assert [one.is_booked for one in advanced.progress.shipments] == [True, True]
    assert advanced.progress.reported_returns == ("RT-1",)

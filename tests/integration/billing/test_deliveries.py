"""Orders on credit that are delivered in parts: each delivery is invoiced with its goods issue."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date

import pytest

from activities.database.engine import Database
from intake import Intake
from models.audit import CLI
from models.messages.commands.returns import InspectReturn
from models.messages.commands.shipping import RefundShipment, Reship
from tests.conftest import DATABASES, new_world
from tests.support.billing.sales import execute
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order
from tests.support.orders.entrances import ENTRANCES, Place, by_api
from tests.support.orders.stages import events, states, until_purchased
from tests.support.pipeline.clock import Hands, in_days, working
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.returns.states import came_back, command, inspected, settled
from tests.support.shipping.shipments import give_up, report

SOLD = {"COST_OF_GOODS_SOLD": 35_000, "INVENTORY": -35_000, "REVENUE": -60_000}
"""Six units, of which two were purchased at 55.00."""


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: each test starts one with its own settings and clock."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


@dataclass(frozen=True)
class Partial:
    """An order of six units on credit, of which four are on hand."""

    world: World
    document: Document
    sku: str
    po_id: str

    @property
    def order_id(self) -> str:
        """The order's id."""
        return str(self.document["order_id"])

    async def invoices(self) -> list[Document]:
        """Read the invoices by API and CLI, which show the same."""
        response = await self.world.api.get(f"/orders/{self.order_id}/invoices")
        assert response.status_code == 200, response.text
        by_cli: list[Document] = await run_json(self.world, "invoice", "list", self.order_id)
        assert by_cli == response.json()
        return by_cli

    async def amounts(self) -> list[tuple[str, str]]:
        """Read total and open amount of each invoice."""
        return [(one["total"], one["open"]) for one in await self.invoices()]

    async def owed_on(self, day: date) -> list[str]:
        """Read by API and CLI what was owed for each delivery at the end of a day."""
        by_cli = await run_json(self.world, "receivables", "ageing", "--as-of", f"{day}")
        response = await self.world.api.get("/receivables/ageing", params={"as_of": f"{day}"})
        assert response.json() == by_cli
        rows = [row for row in by_cli["invoices"] if row["order_id"] == self.order_id]
        return [row["amount"] for row in rows]

    async def dispatch(self, parcel: int) -> None:
        """Dispatch a booked parcel, and wait for its invoice."""
        await self.world.until_order(
            self.order_id, lambda shown: events(shown).count("booked") == parcel
        )
        await self.world.ship(self.order_id, "dispatched", f"SH-{self.order_id}-{parcel}")
        await self.world.until_order(
            self.order_id, lambda shown: events(shown).count("dispatched") == parcel
        )

    async def deliver(self, parcel: int) -> None:
        """Deliver a dispatched parcel."""
        await self.world.ship(self.order_id, "delivered", f"SH-{self.order_id}-{parcel}")
        await self.world.until_order(
            self.order_id, lambda shown: states(shown).count("delivered") >= 1
        )

    async def receive(self) -> None:
        """Receive the two units that are short."""
        await self.world.receive(self.po_id, self.sku, 2)


async def place(world: World, entrance: Place = by_api) -> Partial:
    """Place the order, and wait until its first parcel is booked and the rest is purchased."""
    sku, customer = world.shop(on_hand=4)
    document = order(sku, customer, quantity=6, terms="net30", delivery="partial")
    await entrance(world, document)
    order_id = str(document["order_id"])
    await world.until_event(order_id, "booked")
    return Partial(world, document, sku, await until_purchased(world, order_id))


@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_each_delivery_is_invoiced_with_its_goods_issue_and_due_from_then(
    idle: World, entrance: Place
) -> None:
    """Over two months. Together the invoices are the order; each is mailed and requested once."""
    async with working(idle) as hands:
        placed = await place(idle, entrance)
        before = await idle.order(placed.order_id)
        assert (before["invoice_number"], before["uninvoiced"]) == (None, "714.00")
        await placed.dispatch(1)
        [first] = await placed.invoices()
        assert (first["total"], first["open"]) == ("476.00", "476.00")
        assert first["shipment_id"] == f"SH-{placed.order_id}-1"
        assert (first["issued_on"], first["due_on"]) == (f"{in_days(0)}", f"{in_days(30)}")
        shown = await idle.order(placed.order_id)
        assert (shown["due"], shown["uninvoiced"]) == ("714.00", "238.00")
        await _second_delivery(placed, hands)
        assert await placed.owed_on(in_days(-1)) == []
        assert await placed.owed_on(in_days(0)) == ["476.00", "238.00"]
        await idle.pay(placed.order_id, "500.00")
        await idle.until_order(placed.order_id, lambda o: o["paid"] == "500.00")
        assert await placed.amounts() == [("476.00", "0.00"), ("238.00", "214.00")]
        await idle.pay(placed.order_id, "214.00")
        await idle.until(placed.order_id, "completed")
        await idle.ended(placed.order_id)
    assert accounts_of(idle, placed.order_id) == SOLD | {
        "CASH_CLEARING": 71_400,
        "TAX_PAYABLE": -11_400,
    }
    requests = await idle.requests("payments", "request", placed.order_id)
    assert [row["body"]["amount"] for row in requests] == ["476.00", "238.00"]
    for number in (one["number"] for one in await placed.invoices()):
        sent = {mail["message_id"] for mail in await idle.mails(number)}
        assert [one for one in sent if "invoice." in one] == [f"<invoice.{number}@shop.example>"]


async def _second_delivery(placed: Partial, hands: Hands) -> None:
    """Deliver the rest 40 days later; its invoice has the day of supply and a due date of its
    own."""
    world = placed.world
    hands.begin(in_days(40))
    await placed.receive()
    await placed.dispatch(2)
    for parcel in (1, 2):
        await placed.deliver(parcel)
    await world.until(placed.order_id, "delivered")
    _, second = await placed.invoices()
    assert (second["total"], second["due_on"]) == ("238.00", f"{in_days(70)}")
    bill = (await world.api.get(f"/invoices/{second['number']}")).json()
    assert bill == await run_json(world, "invoice", "show", second["number"])
    assert [line["quantity"] for line in bill["lines"]] == [2]
    assert bill["tax"] == "38.00"
    _, printed, _ = await run(world, "status", placed.order_id)
    assert f"{second['number']}: 238.00" in printed
    assert "0.00 not invoiced yet" in printed


async def test_only_the_overdue_invoice_is_reminded_of(idle: World) -> None:
    """The second is not due yet. A payment that names it leaves the first one overdue."""
    async with working(idle, dunning="7:5.00") as hands:
        placed = await place(idle)
        await placed.dispatch(1)
        hands.begin(in_days(20))
        await placed.receive()
        await placed.dispatch(2)
        first, second = await placed.invoices()
        await idle.pay(second["number"], "238.00")
        await idle.until_order(placed.order_id, lambda o: o["paid"] == "238.00")
        assert await placed.amounts() == [("476.00", "476.00"), ("238.00", "0.00")]
        await idle.order_workflow(placed.order_id).terminate("time goes by")
        hands.begin(in_days(60))
        await _resume(placed)
        await idle.until_event(placed.order_id, "reminded")
        assert await placed.amounts() == [("476.00", "481.00"), ("238.00", "0.00")]
        ageing = (await idle.api.get("/receivables/ageing")).json()
        rows = [r for r in ageing["invoices"] if r["order_id"] == placed.order_id]
        assert [(r["invoice_number"], r["amount"], r["dunning_level"]) for r in rows] == [
            (first["number"], "481.00", 1)
        ]
        mails = await until(lambda: idle.mails("payment reminder"), lambda found: len(found) == 1)
        assert first["number"] in str(mails[0])
        await idle.pay(placed.order_id, "481.00")
        for parcel in (1, 2):
            await placed.deliver(parcel)
        await idle.until(placed.order_id, "completed")


async def _resume(placed: Partial) -> None:
    """Start the order's terminated workflow again, from its tables."""
    response = await placed.world.api.post("/orders", json=placed.document)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_cancelled_rest_lowers_the_total_and_is_never_invoiced(
    pipeline: World, entrance: Place
) -> None:
    """No credit note; what was paid for it is refunded."""
    placed = await place(pipeline, entrance)
    await placed.dispatch(1)
    await pipeline.pay(placed.order_id, "600.00")
    await pipeline.until_order(placed.order_id, lambda o: o["paid"] == "600.00")
    assert await placed.amounts() == [("476.00", "0.00")]
    if entrance is by_api:
        done = await execute(pipeline, f"/orders/{placed.order_id}/rest-cancellation")
    else:
        done = await run_json(pipeline, "cancel-rest", placed.order_id, "--reason", "too late")
    assert "they were not invoiced; 124.00 EUR are being refunded" in done["message"]
    await placed.deliver(1)
    await pipeline.until(placed.order_id, "completed")
    await pipeline.ended(placed.order_id)
    shown = await pipeline.until_order(placed.order_id, lambda o: o["refunded"] == "124.00")
    assert (shown["total"], shown["paid"], shown["uninvoiced"]) == ("476.00", "476.00", "0.00")
    assert "credited" not in events(shown)
    assert accounts_of(pipeline, placed.order_id) == {
        "CASH_CLEARING": 47_600,
        "COST_OF_GOODS_SOLD": 24_000,
        "INVENTORY": -24_000,
        "REVENUE": -40_000,
        "TAX_PAYABLE": -7_600,
    }


async def test_returned_units_are_credited_to_the_invoice_of_their_shipment(
    pipeline: World,
) -> None:
    """Of five units that come back, four were in the first parcel and one in the second."""
    placed = await place(pipeline)
    await placed.dispatch(1)
    await placed.deliver(1)
    await placed.receive()
    await placed.dispatch(2)
    await placed.deliver(2)
    await pipeline.until(placed.order_id, "delivered")
    return_id = await came_back(pipeline, placed.order_id, placed.sku, 5)
    lines = inspected(placed.sku, restock=5)
    await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    [settlement] = (await settled(pipeline, return_id)).settlements
    assert len(settlement.credit_notes) == 2
    assert await placed.amounts() == [("476.00", "0.00"), ("238.00", "119.00")]
    credited = [
        (await pipeline.api.get(f"/invoices/{number}")).json() for number in settlement.credit_notes
    ]
    invoices = [one["number"] for one in await placed.invoices()]
    assert [(note["invoice_number"], note["total"]) for note in credited] == [
        (invoices[0], "476.00"),
        (invoices[1], "119.00"),
    ]
    for note in settlement.credit_notes:
        assert len(await pipeline.mails(note)) == 1
    await pipeline.pay(placed.order_id, "119.00")
    await pipeline.until(placed.order_id, "completed")


async def test_lost_delivery_is_credited_or_sent_again_without_another_invoice(
    pipeline: World,
) -> None:
    """The first parcel is sent again: its goods are on its invoice. The second is given up."""
    placed = await place(pipeline)
    await placed.dispatch(1)
    await placed.receive()
    await placed.dispatch(2)
    for parcel in (1, 2):
        shipment_id = f"SH-{placed.order_id}-{parcel}"
        await report(pipeline, placed.order_id, "lost", shipment_id=shipment_id)
    await pipeline.until_order(placed.order_id, lambda o: o["attention"])
    await give_up(pipeline, RefundShipment, f"SH-{placed.order_id}-2")
    assert await placed.amounts() == [("476.00", "476.00"), ("238.00", "0.00")]
    await execute(
        pipeline, f"/stock/{placed.sku}/counts", location="BER", counted=4, unit_cost="60.00"
    )
    await give_up(pipeline, Reship, f"SH-{placed.order_id}-1")
    await placed.dispatch(3)
    assert await placed.amounts() == [("476.00", "476.00"), ("238.00", "0.00")]
    await placed.deliver(3)
    await pipeline.pay(placed.order_id, "476.00")
    await pipeline.until(placed.order_id, "completed")


async def test_order_keeps_the_rule_of_its_acceptance(pipeline: World) -> None:
    """Accepted with INVOICE_AT=acceptance, it is invoiced whole before its goods leave."""
    settings = pipeline.settings.model_copy(update={"invoice_at": "acceptance"})
    accepting = Database(pipeline.database.url, settings.rules)
    sku, customer = pipeline.shop(on_hand=4)
    document = order(sku, customer, quantity=6, terms="net30", delivery="partial")
    order_id = str(document["order_id"])
    await Intake(pipeline.client, accepting, CLI).place(document)
    accepting.close()
    shown = await pipeline.until_event(order_id, "booked")
    [invoice] = shown["invoices"]
    assert (invoice["total"], invoice["shipment_id"]) == ("714.00", None)
    assert shown["uninvoiced"] == "0.00"
    await pipeline.ship(order_id, "dispatched", f"SH-{order_id}-1")
    shown = await pipeline.until_event(order_id, "dispatched")
    assert events(shown).count("invoiced") == 1
    assert (await execute(pipeline, f"/orders/{order_id}/rest-cancellation"))["message"]
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-1")
    await pipeline.pay(order_id, "476.00")
    shown = await pipeline.until(order_id, "completed")
    assert "credited" in events(shown)

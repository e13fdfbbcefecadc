"""A SKU that two suppliers offer, and the purchase orders that its shortages become."""

from datetime import date
from typing import Any

from models.purchasing import PurchaseOrderState as State
from tests.support.masterdata.shop import order, unique
from tests.support.orders.stages import events
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import (
    Purchase,
    accepted_by_suppliers,
    offer,
    purchase_ledger,
    until_purchases,
)

CHEAP_MINOR, DEAR_MINOR = 5_000, 5_500
"""Unit costs."""
FAR = date(2031, 1, 31)
"""An expected date in the future."""


class Market:
    """A new SKU with a cheap and a dear offer."""

    def __init__(self, world: World, on_hand: int = 0) -> None:
        self.world = world
        self.sku, self.customer = world.shop(on_hand=on_hand, offers=False)
        self.cheap, self.dear = unique("CHEAP"), unique("DEAR")
        offer(world, self.sku, self.cheap, CHEAP_MINOR)
        offer(world, self.sku, self.dear, DEAR_MINOR)

    async def inject_faults(self, supplier_id: str, *faults: str, **options: Any) -> None:
        """Inject faults into a supplier's next fulfilment of a purchase order."""
        for fault in faults:
            await self.world.misbehave(
                partner="suppliers",
                operation="fulfilment",
                fault=fault,
                supplier_id=supplier_id,
                **options,
            )

    async def place(self, quantity: int, **changes: Any) -> str:
        """Place an order for the SKU; returns its id."""
        document = order(self.sku, self.customer, quantity=quantity, **changes)
        await self.world.place(document)
        return str(document["order_id"])

    async def completed(self, order_id: str) -> None:
        """Wait until an order is completed; assert that none of its phases happened twice."""
        await self.world.until(order_id, "completed")
        await self.world.ended(order_id)
        shown = await self.world.order(order_id)
        assert shown["attention"] is None
        for event in ("recorded", "allocated", "invoiced", "booked", "dispatched", "delivered"):
            assert events(shown).count(event) == 1, events(shown)

    async def purchased(self) -> list[tuple[str, int]]:
        """Read the suppliers' purchase orders: C(heap) or D(ear), and units."""
        rows = await accepted_by_suppliers(self.world, self.sku)
        return [(supplier_id[0], units) for supplier_id, units in rows]

    async def until_states(self, *states: State) -> list[Purchase]:
        """Wait until the purchase orders, the earliest first, are in these states."""
        return await until_purchases(
            self.world, self.sku, lambda found: [p.order.state for p in found] == list(states)
        )

    async def until_received(self, units: int) -> Purchase:
        """Wait until so many undamaged units of the first purchase order are received."""
        found = await until_purchases(
            self.world,
            self.sku,
            lambda found: bool(found) and found[0].lines[self.sku].received == units,
        )
        return found[0]

    def assert_payable(self, po_id: str, amount_minor: int) -> None:
        """Assert that goods of this cost are in the inventory and the supplier is to be paid."""
        assert purchase_ledger(self.world, po_id) == {
            "INVENTORY": amount_minor,
            "ACCOUNTS_PAYABLE": -amount_minor,
        }

"""Loads: how many orders of which kind are placed at once."""

import asyncio
from dataclasses import dataclass

from benchmarks.contenders import WORKFLOWS
from benchmarks.contest import CUSTOMER, SHORT_SKU, STOCKED_SKUS, Contest
from tests.support.masterdata.shop import SHIP_TO, Document

ORDER_LIMIT_S = 180


@dataclass(frozen=True)
class Load:
    """A contender, and the orders that it gets."""

    contender: str
    database: str
    at_once: int
    workers: int = 1
    lines: int = 1
    terms: str = "prepaid"
    short: bool = False
    """All orders want one SKU that is not in stock."""

    @property
    def name(self) -> str:
        """The load in a few words."""
        kind = "short, one SKU" if self.short else self.terms
        lines = f", {self.lines} lines" if self.lines != 1 else ""
        workers = f", {self.workers} workers" if self.workers != 1 else ""
        order = "" if self.contender != "ours" else f" {kind}{lines}"
        return f"{self.contender}{order}, {self.at_once} at once{workers}"


async def place(contest: Contest, load: Load) -> str:
    """Start an order, or the contender's workflow, and wait for its end; returns workflow id."""
    order_id = contest.next_id()
    if load.contender != "ours":
        workflow = WORKFLOWS[load.contender]
        workflow_id = f"{load.contender}-{order_id}"
        handle = await contest.client.start_workflow(
            workflow.__name__, order_id, id=workflow_id, task_queue=load.contender
        )
        await handle.signal("paid")
        await handle.signal("delivered")
    else:
        workflow_id = f"order-{order_id}"
        response = await contest.api.post("/orders", json=document(order_id, load))
        response.raise_for_status()
    async with asyncio.timeout(ORDER_LIMIT_S):
        await contest.client.get_workflow_handle(workflow_id).result()
    return workflow_id


def document(order_id: str, load: Load) -> Document:
    """Build the order document of a load."""
    number = int(order_id[1:])
    skus = (
        [SHORT_SKU]
        if load.short
        else [f"S{(number + n) % STOCKED_SKUS}" for n in range(load.lines)]
    )
    return {
        "order_id": order_id,
        "channel": "online",
        "customer": CUSTOMER,
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": load.terms,
        "lines": [{"sku": sku, "quantity": 1} for sku in skus],
    }

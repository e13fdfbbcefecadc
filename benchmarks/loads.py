"""Loads: how many orders of which kind are placed at once."""

import asyncio
from dataclasses import dataclass, replace

from benchmarks.contenders import WORKFLOWS
from benchmarks.contest import CUSTOMER, SHORT_SKU, STOCKED_SKUS, Contest
from tests.support.masterdata.shop import SHIP_TO, Document

ORDER_LIMIT_S = 600
UNAVAILABLE = 503
SEND_AGAIN_S = 0.5


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
    earlier_orders: int = 0
    """Orders that fill the tables; 0: the tables are empty at first."""

    @property
    def name(self) -> str:
        """The load in a few words."""
        kind = "short, one SKU" if self.short else self.terms
        lines = f", {self.lines} lines" if self.lines != 1 else ""
        workers = f", {self.workers} workers" if self.workers != 1 else ""
        order = "" if self.contender != "ours" else f" {kind}{lines}"
        earlier = f", {self.earlier_orders:,} earlier orders" if self.earlier_orders else ""
        return f"{self.contender}{order}, {self.at_once} at once{workers}{earlier}"


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
        await send(contest, document(order_id, load))
    async with asyncio.timeout(ORDER_LIMIT_S):
        await contest.client.get_workflow_handle(workflow_id).result()
    return workflow_id


async def send(contest: Contest, order: Document) -> None:
    """Send an order to the API until it is accepted."""
    while True:
        response = await contest.api.post("/orders", json=order)
        if response.status_code != UNAVAILABLE:
            response.raise_for_status()
            return
        contest.unavailable += 1
        await asyncio.sleep(SEND_AGAIN_S)


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


AT_ONCE = (1, 4, 16, 50, 200)
WORKERS = (1, 2, 4)
LINES = (1, 5, 100)
TERMS = ("prepaid", "net30")
USUAL = 50
"""Orders at once of the loads that are compared."""


def usual_loads(database: str) -> list[Load]:
    """Vary one dimension at a time."""
    ours = Load("ours", database, USUAL)
    return [
        *(Load(name, database, at_once) for name in WORKFLOWS for at_once in (1, USUAL)),
        *(replace(ours, at_once=at_once) for at_once in AT_ONCE),
        replace(ours, workers=2),
        replace(ours, workers=4),
        replace(ours, at_once=16, lines=5),
        replace(ours, at_once=4, lines=100),
        replace(ours, at_once=16, terms="net30"),
        replace(ours, at_once=16, short=True),
    ]


def quick_loads(database: str) -> list[Load]:
    """Only the loads that the goals compare."""
    ours = Load("ours", database, USUAL)
    rivals = [Load(name, database, USUAL) for name in WORKFLOWS]
    return [*rivals, replace(ours, at_once=1), ours, replace(ours, workers=2)]


def all_loads(database: str) -> list[Load]:
    """Vary all dimensions."""
    rivals = [Load(name, database, at_once) for name in WORKFLOWS for at_once in AT_ONCE]
    ours = [
        Load("ours", database, at_once, workers, lines, terms)
        for workers in WORKERS
        for at_once in AT_ONCE
        for lines in LINES
        for terms in TERMS
    ]
    short = [
        Load("ours", database, at_once, workers, short=True)
        for workers in WORKERS
        for at_once in AT_ONCE
    ]
    return [*rivals, *ours, *short]


def loads_on_full_tables(database: str, earlier_orders: int) -> list[Load]:
    """The loads that are compared with those on empty tables."""
    return [
        Load("ours", database, at_once, earlier_orders=earlier_orders) for at_once in (1, USUAL)
    ]

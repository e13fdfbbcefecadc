"""What an order costs, in numbers that don't depend on the machine: they can only go down.

Each order is placed alone, and a fact is sent once all that the last one caused is done, so the
numbers are the same in every run. `python -m benchmarks.profile_order` lists the statements.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from math import ceil

import pytest
from sqlmodel import col, select
from temporalio.client import WorkflowExecutionDescription, WorkflowHistory

from activities.phases import partners
from benchmarks.statements import recorded_transactions
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from tests.conftest import DATABASES, new_world
from tests.support.orders.stages import NewOrder, place_order, scheduled_activities
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


@dataclass(frozen=True)
class Cost:
    """The cost of one order, in all its workflows, in worker and API."""

    events: int
    """Events in the histories of its workflows."""
    activities: int
    """Ordinary activities; local ones don't count."""
    transactions: int
    """Transactions that write or read."""
    statements: int
    """SQL statements, without BEGIN and COMMIT; one for many rows counts once."""
    history_kb: int
    """Size of the histories in kB, rounded up. Identifiers and times vary by a few bytes."""


ALLOWED = {
    "prepaid": Cost(events=32, activities=0, transactions=10, statements=80, history_kb=10),
    "net30": Cost(events=33, activities=0, transactions=10, statements=93, history_kb=13),
    "short": Cost(events=105, activities=5, transactions=26, statements=224, history_kb=26),
    "partial": Cost(events=119, activities=5, transactions=32, statements=316, history_kb=36),
}
"""The cost of each kind of order, on both databases."""
VARYING = {"events", "statements", "history_kb"}
"""Numbers of which ALLOWED has the maximum: two steps that run at the same time may end in one
workflow task, which saves three events, and one that overtakes another reads the progress anew."""

Story = Callable[[World], Awaitable[list[str]]]
"""Plays an order to its end; returns the ids of its workflows."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for partners: on a loaded machine they may answer too late for a phase."""
    monkeypatch.setattr(partners, "ANSWER_WITHIN_S", 5.0)


@pytest.fixture(scope="module", params=DATABASES)
async def alone(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline of its own, in which every transaction counts."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        yield world


def workflow_of(order: NewOrder) -> str:
    """Return the id of an order's workflow."""
    return f"order-{order.order_id}"


async def at_rest(world: World, *workflow_ids: str) -> None:
    """Wait until none of the workflows has anything to do but to wait."""
    for workflow_id in workflow_ids:
        handle = world.client.get_workflow_handle(workflow_id)
        await until(handle.describe, _is_at_rest)


def _is_at_rest(description: WorkflowExecutionDescription) -> bool:
    raw = description.raw_description
    return not raw.pending_activities and not raw.HasField("pending_workflow_task")


async def deliver(world: World, order: NewOrder, parcel: int = 1) -> None:
    """Report dispatch and delivery of a parcel that is booked."""
    for event in ("dispatched", "delivered"):
        await at_rest(world, workflow_of(order))
        await world.ship(order.order_id, event, f"SH-{order.order_id}-{parcel}")


async def pay(world: World, order: NewOrder, amount: str) -> None:
    """Report the payment of all that the order costs."""
    await at_rest(world, workflow_of(order))
    await world.pay(order.order_id, amount)


async def receive_purchase(world: World, order: NewOrder, quantity: int) -> str:
    """Report the receipt of the goods that are purchased for an order; returns the workflow.

    The purchase order collects lines for a moment before it is sent.
    """
    sent = (
        select(PurchaseOrderLine.po_id)
        .join(PurchaseOrder)
        .where(PurchaseOrderLine.sku == order.sku, col(PurchaseOrder.sent_at).is_not(None))
    )
    po_id = await until(lambda: world.database.read(lambda session: session.exec(sent).first()))
    assert po_id
    replenishment = world.replenishment(order.sku).id
    await at_rest(world, replenishment, workflow_of(order))
    await world.receive(po_id, order.sku, quantity)
    await at_rest(world, replenishment, workflow_of(order))
    return replenishment


async def prepaid(world: World) -> list[str]:
    """Paid in advance, sent as one parcel."""
    order = await place_order(world)
    await pay(world, order, "119.00")
    await deliver(world, order)
    return [workflow_of(order)]


async def net30(world: World) -> list[str]:
    """Invoiced with its goods issue, paid after the delivery."""
    order = await place_order(world, terms="net30")
    await deliver(world, order)
    await pay(world, order, "119.00")
    return [workflow_of(order)]


async def short(world: World) -> list[str]:
    """Not in stock: purchased, received, then paid and sent."""
    order = await place_order(world, on_hand=0)
    replenishment = await receive_purchase(world, order, 1)
    await pay(world, order, "119.00")
    await deliver(world, order)
    return [workflow_of(order), replenishment]


async def partial(world: World) -> list[str]:
    """One of two units is sent at once, the other is purchased and follows: each is invoiced,
    mailed and requested with its goods issue."""
    order = await place_order(world, on_hand=1, quantity=2, terms="net30", delivery="partial")
    await deliver(world, order)
    replenishment = await receive_purchase(world, order, 1)
    await deliver(world, order, parcel=2)
    await pay(world, order, "238.00")
    return [workflow_of(order), replenishment]


SMALL_TABLES = {"CONSTANT", "company", "locations", "distances", "open_period", "accounts"}
"""Tables that don't grow with orders, customers and products: they may be read in full.

CONSTANT ROW is a SELECT without a table.
"""


async def cost_of(story: Story, world: World) -> tuple[Cost, set[str]]:
    """Play an order and count what it costs; also returns its statements.

    Without look-ups of tokens: one every few seconds, for all orders.
    """
    with recorded_transactions() as transactions:
        workflow_ids = await story(world)
        handles = [world.client.get_workflow_handle(each) for each in workflow_ids]
        for handle in handles:
            await handle.result()
    database = world.database
    own_pools = (
        database.read(lambda session: session.get_bind().engine.pool),
        database.transaction(lambda work: work.session.get_bind().engine.pool),
    )
    counted = [
        each
        for each in transactions
        if each.pool not in own_pools and not all("api_tokens" in s.sql for s in each.statements)
    ]
    histories = [await handle.fetch_history() for handle in handles]
    cost = Cost(
        events=sum(len(history.events) for history in histories),
        activities=sum(len(scheduled_activities(history)) for history in histories),
        transactions=sum(not each.is_glance for each in counted),
        statements=sum(len(transaction.statements) for transaction in counted),
        history_kb=ceil(sum(map(_size_bytes, histories)) / 1_000),
    )
    return cost, {each.sql for transaction in counted for each in transaction.statements}


def scans(world: World, statements: set[str]) -> list[str]:
    """List the tables that a statement reads in full on SQLite, and the statement."""
    found = []
    with world.database.read(lambda session: session.get_bind().engine).connect() as connection:
        for sql in sorted(statements):
            values = (None,) * sql.count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            steps = [str(row[-1]).split() for row in plan]
            read_in_full = [words[1] for words in steps if words[0] == "SCAN"]
            found += [f"{name}: {sql}" for name in read_in_full if _grows(name)]
    return found


def _grows(name: str) -> bool:
    """Whether a step of a plan reads a table that grows; "(subquery-1)" has its own steps."""
    return name not in SMALL_TABLES and not name.startswith("(")


def _size_bytes(history: WorkflowHistory) -> int:
    """Return the size of a history without the names of processes, which depend on the machine."""
    total = 0
    for event in history.events:
        attributes = getattr(event, str(event.WhichOneof("attributes")))
        for field in ("identity", "sticky_attributes"):
            if field in attributes.DESCRIPTOR.fields_by_name:
                attributes.ClearField(field)
        total += event.ByteSize()
    return total


def differences(counted: Cost, allowed: Cost) -> list[str]:
    """List the numbers that differ from the allowed ones; empty if the order may cost that."""
    own, most = asdict(counted), asdict(allowed)
    differing = {
        name
        for name in own
        if own[name] > most[name] or (own[name] < most[name] and name not in VARYING)
    }
    rows = [f"{name:13} {own[name]} / {most[name]}" for name in own]
    return [row + (" <" if row.split()[0] in differing else "") for row in rows if differing]


@pytest.mark.parametrize("story", [prepaid, net30, short, partial], ids=lambda s: s.__name__)
async def test_order_costs_what_is_allowed(alone: World, story: Story) -> None:
    """Each kind of order, on both databases. Lower the numbers when an order becomes cheaper.

    No statement reads a table in full that grows with the number of orders.
    """
    cost, statements = await cost_of(story, alone)
    unexpected = differences(cost, ALLOWED[story.__name__])
    assert not unexpected, "\n".join(["counted / allowed", *unexpected])
    if alone.database.url.startswith("sqlite"):
        found = scans(alone, statements)
        assert not found, "\n".join(found)

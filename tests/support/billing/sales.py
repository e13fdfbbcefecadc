"""Orders of one unit on hand, operators' commands on their money, and their ledger entries."""

from typing import Any

from sqlmodel import select

from models.ledger import Account
from models.tables.ledger import JournalPosting
from tests.support.masterdata.shop import Document, unique
from tests.support.orders import stages as orders
from tests.support.pipeline.world import World

TOTAL = "119.00"
"""One unit with 19 % tax."""


async def place_order(world: World, **changes: Any) -> str:
    """Place an order of one unit and return its id."""
    return (await orders.place_order(world, on_hand=5, **changes)).order_id


async def deliver(world: World, order_id: str) -> None:
    """Report the delivery of a booked order."""
    await world.until_event(order_id, "booked")
    await world.ship(order_id, "delivered")


async def complete_order(world: World) -> tuple[str, str]:
    """Place, pay and deliver an order; returns its id and that of its payment."""
    order_id = await place_order(world)
    await world.until_event(order_id, "payment_requested")
    payment_id = await world.pay(order_id, TOTAL)
    await deliver(world, order_id)
    await world.until(order_id, "completed")
    await world.ended(order_id)
    return order_id, payment_id


async def execute(world: World, path: str, **fields: Any) -> Document:
    """Execute an operator's command through the API."""
    body = {"command_id": unique("cmd"), "reason": "because", **fields}
    response = await world.api.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: Document = response.json()
    return answer


async def refusal(world: World, path: str, **fields: Any) -> str:
    """Send a command through the API that is refused; returns code and fields."""
    body = {"command_id": unique("cmd"), "reason": "because", **fields}
    response = await world.api.post(path, json=body)
    assert 400 <= response.status_code < 500, response.text
    problem = response.json()
    return f"{problem['code']} {','.join(e['field'] for e in problem.get('errors', []))}".strip()


def postings(world: World, entry_id: str) -> dict[str, int]:
    """Return the postings of an entry by account; empty until it is written."""
    query = select(JournalPosting).where(JournalPosting.entry_id == entry_id)
    rows = world.database.read(lambda session: session.exec(query).all())
    return {Account(row.account).name: row.amount_minor for row in rows}

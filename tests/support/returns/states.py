"""Returns of delivered orders, brought to a state."""

from typing import Any

from activities.returns.reading import return_details
from models.messages.commands.billing import CreditInvoice
from models.messages.commands.returns import (
    AuthoriseReturn,
    MarkReturnSent,
    ReceiveReturn,
    RequestReturn,
    ReturnCommand,
)
from models.views.returns import ReturnDetails
from tests.support.masterdata.shop import Document, unique
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


async def command(world: World, kind: type[ReturnCommand | CreditInvoice], **fields: Any) -> str:
    """Execute a command with `fields`; returns its message."""
    sent = {"command_id": unique("cmd"), "reason": "as agreed"} | fields
    return (await world.intake().command(kind, sent)).message


def details(world: World, return_id: str) -> ReturnDetails:
    """Read a return."""
    found = world.database.read(lambda session: return_details(session, return_id))
    assert found is not None
    return found


async def came_back(world: World, order_id: str, sku: str, quantity: int, **fields: Any) -> str:
    """Request, authorise and receive a return; returns its id."""
    return_id = f"RMA-{order_id}-1"
    lines = [{"sku": sku, "quantity": quantity}]
    await command(world, RequestReturn, order_id=order_id, lines=lines, **fields)
    await command(world, AuthoriseReturn, return_id=return_id)
    await until(lambda: world.mails(return_id))  # the authorisation is mailed only before dispatch
    await command(world, MarkReturnSent, return_id=return_id)
    await command(world, ReceiveReturn, return_id=return_id, lines=lines)
    return return_id


async def settled(world: World, return_id: str) -> ReturnDetails:
    """Wait until a return's workflow has ended."""
    await world.client.get_workflow_handle(f"return-{return_id}").result()
    return details(world, return_id)


def inspected(sku: str, **units: int) -> list[Document]:
    """Build the lines of an inspection: units by disposition."""
    return [{"sku": sku, "quantity": n, "disposition": what} for what, n in units.items()]

"""Orders over HTTP: placing them, looking at them; and whether we are there at all."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request, Response

from activities.database.engine import Database
from activities.masterdata import reading as masterdata_reading
from activities.operations import reading as operations_reading
from activities.orders import reading as orders_reading
from api.bodies import body_of, commanded
from api.problems import PROBLEMS
from intake import Intake
from models.base import MAX_LISTED
from models.json_text import parse_json
from models.messages.commands import Acknowledge, CommandDone
from models.orders import OrderDocument
from models.progress import Stage
from models.views.operations import FindingView, RejectedMessageView
from models.views.orders import CustomerView, OrderDetails, OrderView

Result = TypeVar("Result")
DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "/schemas/order"}}},
    }
}


def order_router(intake: Intake, database: Database) -> APIRouter:
    """Orders, customers, health."""
    router = APIRouter()

    @router.post("/orders", status_code=201, responses=PROBLEMS, openapi_extra=DOCUMENT)
    async def place(request: Request, response: Response) -> OrderView:
        """Place an order. 201: it is new; 200: the same document was placed before."""
        placed = await intake.place(parse_json(await request.body()))
        response.status_code = 201 if placed.created else 200
        response.headers["Location"] = f"/orders/{placed.order.order_id}"
        return placed.order

    @router.get("/orders/{order_id}")
    async def show(order_id: str) -> OrderDetails:
        """One order with its history."""
        return await intake.watch.status(order_id)

    @router.post("/orders/{order_id}/seen-to", **commanded(Acknowledge, "order_id"))
    async def acknowledge(order_id: str, request: Request) -> CommandDone:
        """A person has seen to what happened to its money or goods."""
        return await intake.command(
            Acknowledge, await body_of(request, Acknowledge, order_id=order_id)
        )

    @router.get("/orders")
    async def list_orders(
        stage: Stage | None = None,
        attention: bool = False,
        limit: Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")] = 50,
    ) -> list[OrderView]:
        """Orders, newest first."""
        return await intake.watch.list_orders(stage, attention, limit)

    @router.get("/customers/{customer_id}")
    async def show_customer(customer_id: str) -> CustomerView:
        """A customer with history, volume and preferences."""
        return await database.read_async(lambda s: orders_reading.customer(s, customer_id))

    @router.get("/odd-facts")
    async def list_odd_facts(
        limit: Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")] = 50,
    ) -> list[RejectedMessageView]:
        """Messages that could not be used, with the reason."""
        return await database.read_async(lambda s: operations_reading.odd_facts(s, limit))

    @router.get("/findings")
    async def list_findings(gone: bool = False) -> list[FindingView]:
        """What reconciliation found to differ; `gone`: also what has come right since."""
        return await database.read_async(lambda s: operations_reading.findings(s, gone))

    @router.get("/schemas/order")
    async def order_schema() -> dict[str, Any]:
        """JSON Schema of an order document, made from the model."""
        return OrderDocument.model_json_schema()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: PROBLEMS[503]})
    async def readyz() -> dict[str, str]:
        """Database and engine answer."""
        await database.read_async(masterdata_reading.company_currency)
        await intake.check_engine()
        return {"status": "ready"}

    return router

"""Orders and customers over HTTP."""

from typing import Any

from fastapi import APIRouter, Request, Response

from activities.database.engine import Database
from activities.masterdata import reading as masterdata_reading
from activities.operations import audit as audit_reading
from activities.orders import reading as orders_reading
from api.bodies import Limit, caller_of
from api.order_requests import add_order_requests
from api.problems import PROBLEMS
from intake import Intake
from intake.orders import taken
from models.json_text import parse_json
from models.orders import OrderDocument
from models.progress import Stage
from models.views.audit import AuditTrailView
from models.views.customers import CustomerSummary, DuplicatesView
from models.views.orders import CustomerView, OrderDetails, OrderView
from models.views.why import Explanation

DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "/schemas/order"}}},
    }
}


def orders_router(intake: Intake, database: Database) -> APIRouter:
    """Build the routes of orders and customers."""
    router = APIRouter()
    add_order_requests(router, intake)

    @router.post("/orders", status_code=201, responses=PROBLEMS, openapi_extra=DOCUMENT)
    async def place(request: Request, response: Response) -> OrderView:
        """Place an order. 201: a new order; 200: the same document was placed before."""
        owns = caller_of(request).owns
        placed = await intake.place(parse_json(await request.body()), owns or "")
        order_id = placed.order.order_id
        if owns and not placed.created and await intake.orders.placed_by(order_id) != owns:
            raise taken(order_id)
        response.status_code = 201 if placed.created else 200
        response.headers["Location"] = f"/orders/{order_id}"
        return placed.order

    @router.get("/orders/{order_id}")
    async def show(order_id: str) -> OrderDetails:
        """Show an order with its history."""
        return await intake.orders.status(order_id)

    @router.get("/orders/{order_id}/why")
    async def why(order_id: str) -> Explanation:
        """Explain what an order waits for, who acts next, and what an operator may do."""
        return await intake.why_order(order_id)

    @router.get("/orders/{order_id}/audit")
    async def audit(order_id: str) -> AuditTrailView:
        """Show who did what with an order, when and why. `problems`: entries that were changed."""
        return await database.read_async(lambda s: audit_reading.trail_of(s, order_id))

    @router.get("/orders")
    async def list_orders(
        request: Request,
        stage: Stage | None = None,
        attention: bool = False,
        limit: Limit = 50,
        customer_reference: str | None = None,
        warnings: bool = False,
    ) -> list[OrderView]:
        """List orders, newest first."""
        return await intake.orders.list_orders(
            *(stage, attention, limit, customer_reference, warnings),
            caller_of(request).owns,
        )

    @router.get("/customers")
    async def list_customers(
        email: str | None = None,
        phone: str | None = None,
        vat_id: str | None = None,
        limit: Limit = 50,
    ) -> list[CustomerSummary]:
        """List customers by id, those with equal contact data only."""
        return await database.read_async(
            lambda s: masterdata_reading.find_customers(s, email, phone, vat_id, limit)
        )

    @router.get("/customers/duplicates")
    async def list_duplicates(limit: Limit = 50) -> list[DuplicatesView]:
        """List groups of customers that are likely the same."""
        return await database.read_async(lambda s: masterdata_reading.possible_duplicates(s, limit))

    @router.get("/customers/{customer_id}")
    async def show_customer(customer_id: str) -> CustomerView:
        """Show a customer with history, volume and preferences."""
        return await database.read_async(lambda s: orders_reading.customer(s, customer_id))

    @router.get("/schemas/order")
    async def order_schema() -> dict[str, Any]:
        """Show the JSON Schema of an order document."""
        return OrderDocument.model_json_schema()

    return router

"""Purchasing over HTTP: purchase orders, offers, replenishment."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from activities.database.company import day_of
from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.purchasing import reading as purchasing_reading
from api.bodies import Limit, body_of, described
from api.facts import FactTaken, record_fact
from api.problems import PROBLEMS
from intake import Intake
from models.approvals import ProposalState
from models.base import Document, Identifier, LocationId
from models.errors import invalid_input
from models.messages.facts import Fact, GoodsReceived, SupplierAcknowledged
from models.purchasing import PurchaseOrderState
from models.views.purchasing import (
    OffersView,
    PurchaseOrderDetails,
    PurchaseOrderView,
    PurchaseProposalView,
    require_purchase_order,
)
from models.views.stock import require_sku
from models.views.why import Explanation


class ReplenishmentCheck(Document):
    """A check whether a SKU must be purchased; without `location`, at all that keep it."""

    sku: Identifier
    location: LocationId | None = None


def purchasing_router(intake: Intake, database: Database, clock: Clock) -> APIRouter:
    """Build the routes of purchasing."""
    router = APIRouter()
    purchase_orders = APIRouter(prefix="/purchase-orders", tags=["purchase orders"])

    def fact_route(kind: type[Fact]) -> dict[str, Any]:
        """Describe a route that records a fact. `Any`: FastAPI's own type."""
        extra = described(kind, "po_id")
        return {"status_code": 202, "responses": PROBLEMS, "openapi_extra": extra}

    async def fact_of(request: Request, kind: type[Fact], po_id: str) -> dict[str, Any]:
        return {"occurred_at": clock().isoformat()} | await body_of(request, kind, po_id=po_id)

    @purchase_orders.get("")
    async def list_purchase_orders(
        state: PurchaseOrderState | None = None, limit: Limit = 50
    ) -> list[PurchaseOrderView]:
        """List purchase orders, newest first."""
        return await database.read_async(
            lambda s: purchasing_reading.purchase_orders(s, state, limit)
        )

    @purchase_orders.get("/{po_id}")
    async def show(po_id: str) -> PurchaseOrderDetails:
        """Show a purchase order: compared offers, waiting orders, receipts, invoices."""
        view = await database.read_async(lambda s: purchasing_reading.purchase_order(s, po_id))
        return require_purchase_order(view, po_id)

    @purchase_orders.get("/{po_id}/why")
    async def why(po_id: str) -> Explanation:
        """Explain what a purchase order waits for, and what an operator may do."""
        return require_purchase_order(await intake.why_purchase(po_id), po_id)

    @purchase_orders.post("/{po_id}/acknowledgements", **fact_route(SupplierAcknowledged))
    async def acknowledge(po_id: str, request: Request) -> FactTaken:
        """Record the supplier's acknowledgement of all or part of it."""
        body = await fact_of(request, SupplierAcknowledged, po_id)
        return await record_fact(intake, "purchase_order.acknowledged", "acknowledgement_id", body)

    @purchase_orders.post("/{po_id}/receipts", **fact_route(GoodsReceived))
    async def receive(po_id: str, request: Request) -> FactTaken:
        """Record a goods receipt."""
        body = await fact_of(request, GoodsReceived, po_id)
        return await record_fact(intake, "goods.received", "receipt_id", body)

    @router.get("/purchase-proposals", tags=["stock"])
    async def proposals(state: ProposalState | None = None) -> list[PurchaseProposalView]:
        """List purchases that wait for approval, or were approved or rejected."""
        return await database.read_async(lambda s: purchasing_reading.purchase_proposals(s, state))

    @router.get("/offers/{sku}", tags=["stock"])
    async def offers(sku: str) -> OffersView:
        """Show the offers for a SKU, with landed cost and each supplier's record."""
        now = clock()
        view = await database.read_async(
            lambda s: purchasing_reading.offers_view(s, sku, day_of(s, now))
        )
        return require_sku(view, sku)

    @router.post(
        "/replenishments",
        tags=["stock"],
        status_code=202,
        responses=PROBLEMS,
        openapi_extra=described(ReplenishmentCheck),
    )
    async def replenish(request: Request) -> dict[str, list[str]]:
        """Check now whether a SKU must be purchased, also from suppliers that failed before."""
        body = await body_of(request, ReplenishmentCheck)
        try:
            check = ReplenishmentCheck.model_validate(body)
        except ValidationError as error:
            raise invalid_input(error) from error
        return {"workflow_ids": await intake.replenish(check.sku, check.location)}

    router.include_router(purchase_orders)
    return router

"""Purchase orders over HTTP: looking at them, and what came of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.purchasing import reading as purchasing_reading
from api.bodies import body_of, described
from api.problems import PROBLEMS
from intake import Intake
from models.base import MAX_LISTED
from models.messages.commands import ClosePurchase, CommandDone
from models.messages.facts import Fact, GoodsReceived, SupplierAcknowledged
from models.purchasing import PurchaseOrderState
from models.views.purchasing import PurchaseOrderDetails, PurchaseOrderView, of_purchase_order


class FactTaken(BaseModel):
    """A fact is kept; `workflow_id` is who was told, None: it had been applied before."""

    fact_id: str
    workflow_id: str | None


def purchase_router(intake: Intake, database: Database, clock: Clock) -> APIRouter:
    """Purchase orders, and the facts and commands of buyers."""
    router = APIRouter(prefix="/purchase-orders", tags=["purchase orders"])

    def told(kind: type[Fact]) -> dict[str, Any]:
        """`Any`: FastAPI's own type."""
        extra = described(kind, "po_id")
        return {"status_code": 202, "responses": PROBLEMS, "openapi_extra": extra}

    async def take(request: Request, kind: type[Fact], type_: str, id_: str, po: str) -> FactTaken:
        """A person's word for what a supplier would tell by webhook."""
        body = {"occurred_at": clock().isoformat()} | await body_of(request, kind, po_id=po)
        given = body.get(id_)
        fact_id = given if isinstance(given, str) else ""  # what is wrong with it is told below
        taken = await intake.take_fact("api", fact_id, type_, body, by_person=True)
        return FactTaken(fact_id=taken.fact_id, workflow_id=taken.workflow_id)

    @router.get("")
    async def list_purchase_orders(
        state: PurchaseOrderState | None = None,
        limit: Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")] = 50,
    ) -> list[PurchaseOrderView]:
        """Purchase orders, newest first."""
        return await database.read_async(
            lambda session: purchasing_reading.purchase_orders(session, state, limit),
        )

    @router.get("/{po_id}")
    async def show(po_id: str) -> PurchaseOrderDetails:
        """One purchase order: why it was made, and what happened to it."""
        view = await database.read_async(
            lambda session: purchasing_reading.purchase_order(session, po_id)
        )
        return of_purchase_order(view, po_id)

    @router.post("/{po_id}/acknowledgements", **told(SupplierAcknowledged))
    async def acknowledge(po_id: str, request: Request) -> FactTaken:
        """The supplier has confirmed it, all or in part."""
        type_, id_ = "purchase_order.acknowledged", "acknowledgement_id"
        return await take(request, SupplierAcknowledged, type_, id_, po_id)

    @router.post("/{po_id}/receipts", **told(GoodsReceived))
    async def receive(po_id: str, request: Request) -> FactTaken:
        """Goods have arrived."""
        return await take(request, GoodsReceived, "goods.received", "receipt_id", po_id)

    @router.post(
        "/{po_id}/close",
        responses=PROBLEMS,
        openapi_extra=described(ClosePurchase, "po_id", "kind"),
    )
    async def close(po_id: str, request: Request) -> CommandDone:
        """What hasn't come isn't expected any more."""
        body = await body_of(request, ClosePurchase, po_id=po_id)
        return await intake.command(ClosePurchase, body)

    return router

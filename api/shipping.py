"""Shipments over HTTP: looking at them, what carriers say of them, and their papers."""

import uuid
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.shipping import reading as shipping_reading
from api.bodies import body_of, commanded, described
from api.problems import PROBLEMS
from api.purchasing import FactTaken
from intake import Intake
from models.base import MAX_LISTED, Identifier
from models.messages.commands import CommandDone, RecoverShipment, RefundShipment, Reship
from models.messages.facts import ShipmentTracked
from models.progress import ShipmentState
from models.tracking import TrackingStatus
from models.views.shipping import PaperKind, ShipmentDetails, ShipmentSummary, of_shipment

Result = TypeVar("Result")


def _new_id() -> str:
    return f"api-{uuid.uuid4()}"


class TrackingReport(ShipmentTracked):
    """What a person knows of a shipment. `event_id`: the event's own; absent: each call is
    another."""

    event_id: Identifier = Field(default_factory=_new_id)
    status: TrackingStatus


def shipment_router(intake: Intake, database: Database, clock: Clock) -> APIRouter:
    """Shipments, the facts about them, and their papers."""
    router = APIRouter(prefix="/shipments", tags=["shipments"])

    @router.get("")
    async def list_shipments(
        order_id: str | None = None,
        state: ShipmentState | None = None,
        limit: Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")] = 50,
    ) -> list[ShipmentSummary]:
        """Shipments, newest first."""
        return await database.read_async(
            lambda s: shipping_reading.shipments(s, order_id, state, limit)
        )

    @router.get("/{shipment_id}")
    async def show(shipment_id: str) -> ShipmentDetails:
        """One shipment: why it goes so, what is in it, and what happened to it."""
        view = await database.read_async(lambda s: shipping_reading.shipment(s, shipment_id))
        return of_shipment(view, shipment_id)

    @router.post(
        "/{shipment_id}/events",
        status_code=202,
        responses=PROBLEMS,
        openapi_extra=described(TrackingReport, "order_id", "shipment_id"),
    )
    async def report(shipment_id: str, request: Request) -> FactTaken:
        """What the carrier would tell by webhook."""
        order_id = of_shipment(
            await database.read_async(lambda s: shipping_reading.order_of_shipment(s, shipment_id)),
            shipment_id,
        )
        said = {"event_id": _new_id(), "occurred_at": clock().isoformat()}
        body = said | await body_of(
            request, TrackingReport, order_id=order_id, shipment_id=shipment_id
        )
        given = body["event_id"]
        fact_id = given if isinstance(given, str) else ""  # what is wrong with it is told below
        taken = await intake.take_fact("api", fact_id, "shipment.tracked", body, by_person=True)
        return FactTaken(fact_id=taken.fact_id, workflow_id=taken.workflow_id)

    @router.post("/{shipment_id}/reship", **commanded(Reship, "shipment_id"))
    async def reship(shipment_id: str, request: Request) -> CommandDone:
        """Send goods again that won't arrive."""
        body = await body_of(request, Reship, shipment_id=shipment_id)
        return await intake.command(Reship, body)

    @router.post("/{shipment_id}/refund", **commanded(RefundShipment, "shipment_id"))
    async def refund(shipment_id: str, request: Request) -> CommandDone:
        """Give the price of goods back that won't arrive."""
        body = await body_of(request, RefundShipment, shipment_id=shipment_id)
        return await intake.command(RefundShipment, body)

    @router.post("/{shipment_id}/recovery", **commanded(RecoverShipment, "shipment_id"))
    async def recover(shipment_id: str, request: Request) -> CommandDone:
        """Goods that were given up are in stock again."""
        body = await body_of(request, RecoverShipment, shipment_id=shipment_id)
        return await intake.command(RecoverShipment, body)

    @router.get("/{shipment_id}/{kind}.pdf", response_class=Response, responses=PROBLEMS)
    async def paper(shipment_id: str, kind: PaperKind) -> Response:
        """A paper of the shipment as PDF. 404: it has none of this kind, and why."""
        document = of_shipment(
            await database.read_async(
                lambda s: shipping_reading.shipment_pdf(s, shipment_id, kind)
            ),
            shipment_id,
        )
        headers = {"content-disposition": f'inline; filename="{shipment_id}-{kind}.pdf"'}
        return Response(document, media_type="application/pdf", headers=headers)

    return router

"""Shipping over HTTP: shipments, their events and documents, and claims against carriers."""

import uuid

from fastapi import APIRouter, Request, Response
from pydantic import Field

from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.shipping import reading as shipping_reading
from api.bodies import Limit, body_of, described, pdf_response
from api.facts import FactTaken, record_fact
from api.problems import PROBLEMS
from intake import Intake
from models.base import Identifier
from models.messages.facts import ShipmentTracked
from models.progress import ShipmentState
from models.tracking import TrackingStatus
from models.views.shipping import (
    ClaimView,
    PaperKind,
    ShipmentDetails,
    ShipmentSummary,
    require_claim,
    require_shipment,
)
from models.views.why import Explanation


def _new_id() -> str:
    return f"api-{uuid.uuid4()}"


class TrackingReport(ShipmentTracked):
    """A carrier event recorded by an operator. Without `event_id`, each call is another event."""

    event_id: Identifier = Field(default_factory=_new_id)
    status: TrackingStatus


def shipment_router(intake: Intake, database: Database, clock: Clock) -> APIRouter:
    """Build the routes of shipments."""
    router = APIRouter(prefix="/shipments", tags=["shipments"])

    @router.get("")
    async def list_shipments(
        order_id: str | None = None, state: ShipmentState | None = None, limit: Limit = 50
    ) -> list[ShipmentSummary]:
        """List shipments, newest first."""
        return await database.read_async(
            lambda s: shipping_reading.shipments(s, order_id, state, limit)
        )

    @router.get("/{shipment_id}")
    async def show(shipment_id: str) -> ShipmentDetails:
        """Show a shipment: freight mode, lines, packages, events, proof of delivery, claims."""
        view = await database.read_async(lambda s: shipping_reading.shipment(s, shipment_id))
        return require_shipment(view, shipment_id)

    @router.get("/{shipment_id}/why")
    async def why(shipment_id: str) -> Explanation:
        """Explain what a shipment waits for, and what an operator may do."""
        return require_shipment(await intake.why_part(shipment_id), shipment_id)

    @router.post(
        "/{shipment_id}/events",
        status_code=202,
        responses=PROBLEMS,
        openapi_extra=described(TrackingReport, "order_id", "shipment_id"),
    )
    async def report(shipment_id: str, request: Request) -> FactTaken:
        """Record a carrier event by hand, as a webhook would."""
        order_id = await database.read_async(
            lambda s: shipping_reading.order_of_shipment(s, shipment_id)
        )
        of_path = {"order_id": require_shipment(order_id, shipment_id), "shipment_id": shipment_id}
        defaults = {"event_id": _new_id(), "occurred_at": clock().isoformat()}
        body = defaults | await body_of(request, TrackingReport, **of_path)
        return await record_fact(intake, "shipment.tracked", "event_id", body)

    @router.get("/{shipment_id}/{kind}.pdf", response_class=Response, responses=PROBLEMS)
    async def paper(shipment_id: str, kind: PaperKind) -> Response:
        """Show a document of the shipment as PDF. 404: it has none of this kind."""
        document = await database.read_async(
            lambda s: shipping_reading.shipment_pdf(s, database.rules.documents, shipment_id, kind)
        )
        found = require_shipment(document, shipment_id)
        return pdf_response(found.pdf, f"{shipment_id}-{kind}")

    return router


def claim_router(database: Database) -> APIRouter:
    """Build the routes that show claims."""
    router = APIRouter(prefix="/claims", tags=["claims"])

    @router.get("")
    async def list_claims(open: bool = False, limit: Limit = 50) -> list[ClaimView]:
        """List claims, the latest first."""
        return await database.read_async(lambda s: shipping_reading.claims(s, open, limit))

    @router.get("/{claim_id}")
    async def show(claim_id: str) -> ClaimView:
        """Show a claim against a carrier."""
        view = await database.read_async(lambda s: shipping_reading.claim(s, claim_id))
        return require_claim(view, claim_id)

    return router

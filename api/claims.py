"""Claims against carriers over HTTP, and the commands on them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from activities.database.engine import Database
from activities.shipping import reading as shipping_reading
from api.bodies import body_of, commanded
from intake import Intake
from models.base import MAX_LISTED
from models.messages.commands import CommandDone, FileClaim, SettleClaim, WithdrawClaim
from models.views.shipping import ClaimView, of_claim


def claim_router(intake: Intake, database: Database) -> APIRouter:
    """Claims, and the commands on them."""
    router = APIRouter(tags=["claims"])

    @router.get("/claims")
    async def list_claims(
        open: bool = False,
        limit: Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")] = 50,
    ) -> list[ClaimView]:
        """Claims, the latest first."""
        return await database.read_async(lambda s: shipping_reading.claims(s, open, limit))

    @router.get("/claims/{claim_id}")
    async def show(claim_id: str) -> ClaimView:
        """What we ask of a carrier, and what came of it."""
        view = await database.read_async(lambda s: shipping_reading.claim(s, claim_id))
        return of_claim(view, claim_id)

    @router.post("/shipments/{shipment_id}/claims", **commanded(FileClaim, "shipment_id"))
    async def file(shipment_id: str, request: Request) -> CommandDone:
        """Claim something of the carrier of a shipment that left."""
        body = await body_of(request, FileClaim, shipment_id=shipment_id)
        return await intake.command(FileClaim, body)

    @router.post("/claims/{claim_id}/settlement", **commanded(SettleClaim, "claim_id"))
    async def settle(claim_id: str, request: Request) -> CommandDone:
        """The carrier has paid."""
        body = await body_of(request, SettleClaim, claim_id=claim_id)
        return await intake.command(SettleClaim, body)

    @router.post("/claims/{claim_id}/withdrawal", **commanded(WithdrawClaim, "claim_id"))
    async def withdraw(claim_id: str, request: Request) -> CommandDone:
        """The carrier owes us nothing after all."""
        body = await body_of(request, WithdrawClaim, claim_id=claim_id)
        return await intake.command(WithdrawClaim, body)

    return router

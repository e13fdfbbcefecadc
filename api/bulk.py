"""Bulks over HTTP: one action for many orders."""

from fastapi import APIRouter, Request

from activities.database.engine import Database
from activities.operations import bulk as bulk_reading
from api.bodies import Limit, body_of, described
from api.problems import PROBLEMS
from intake import Intake
from models.messages.bulk import BulkAction, BulkDocument, Outcome
from models.messages.requests import CommandOutcome
from models.views.bulk import BulkOutcomeView, BulkPreview, BulkView

DOCUMENT = described(BulkDocument)


def bulk_router(intake: Intake, database: Database) -> APIRouter:
    """Build the routes of bulks."""
    router = APIRouter()

    @router.get("/bulks/preview", responses=PROBLEMS)
    async def preview_bulk(action: BulkAction, where: str) -> BulkPreview:
        """Show which orders a bulk would act on."""
        return await intake.preview_bulk(action, where)

    @router.post("/bulks", status_code=202, responses=PROBLEMS, openapi_extra=DOCUMENT)
    async def start_bulk(request: Request) -> BulkView:
        """Start a bulk: it acts once on each order that matches, and goes on by itself."""
        return await intake.start_bulk(await body_of(request, BulkDocument))

    @router.get("/bulks")
    async def list_bulks(limit: Limit = 50) -> list[BulkView]:
        """List bulks, the latest first."""
        return await database.read_async(lambda s: bulk_reading.list_bulks(s, limit))

    @router.get("/bulks/{bulk_id}")
    async def show_bulk(bulk_id: str) -> BulkView:
        """Show a bulk with the number of orders that are done, refused and failed."""
        return await intake.bulk(bulk_id)

    @router.get("/bulks/{bulk_id}/outcomes")
    async def list_outcomes(
        bulk_id: str, outcome: Outcome | None = None, after: str = "", limit: Limit = 1_000
    ) -> list[BulkOutcomeView]:
        """List the outcomes of a bulk by order id, those above `after`."""
        await intake.bulk(bulk_id)
        return await database.read_async(
            lambda s: bulk_reading.bulk_outcomes(s, bulk_id, outcome, after, limit)
        )

    @router.post("/bulks/{bulk_id}/stop", responses=PROBLEMS)
    async def stop_bulk(bulk_id: str) -> CommandOutcome:
        """End a bulk after the orders in progress."""
        return await intake.stop_bulk(bulk_id)

    return router

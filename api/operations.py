"""Operations over HTTP: rejected messages, findings of reconciliation, health."""

from fastapi import APIRouter

from activities.database.engine import Database
from activities.masterdata import reading as masterdata_reading
from activities.operations import reading as operations_reading
from api.bodies import Limit
from api.problems import PROBLEMS
from intake import Intake
from models.views.operations import FindingView, RejectedMessageView


def operations_router(intake: Intake, database: Database) -> APIRouter:
    """Build the routes of operations."""
    router = APIRouter()

    @router.get("/odd-facts")
    async def list_odd_facts(limit: Limit = 50) -> list[RejectedMessageView]:
        """List messages that could not be applied, with the reason."""
        return await database.read_async(lambda s: operations_reading.rejected_messages(s, limit))

    @router.get("/findings")
    async def list_findings(gone: bool = False) -> list[FindingView]:
        """List findings of reconciliation; `gone`: also those that are gone."""
        return await database.read_async(lambda s: operations_reading.findings(s, gone))

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answer while the process runs."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: PROBLEMS[503]})
    async def readyz() -> dict[str, str]:
        """Check that database and Temporal server answer."""
        await database.read_async(masterdata_reading.company_currency)
        await intake.check_engine()
        return {"status": "ready"}

    return router

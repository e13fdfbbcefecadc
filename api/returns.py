"""Returns over HTTP, and their labels."""

from fastapi import APIRouter, Response

from activities.database.engine import Database
from activities.returns import reading as returns_reading
from api.bodies import Limit, pdf_response
from intake import Intake
from intake.returns import return_label
from models.returns import ReturnState
from models.views.returns import ReturnDetails, ReturnSummary, require_return
from models.views.why import Explanation


def returns_router(intake: Intake, database: Database) -> APIRouter:
    """Build the routes that show returns."""
    router = APIRouter(prefix="/returns", tags=["returns"])

    @router.get("")
    async def list_returns(
        order_id: str | None = None, state: ReturnState | None = None, limit: Limit = 50
    ) -> list[ReturnSummary]:
        """List returns, the latest first."""
        return await database.read_async(
            lambda s: returns_reading.list_returns(s, order_id, state, limit)
        )

    @router.get("/{return_id}")
    async def show(return_id: str) -> ReturnDetails:
        """Show a return: units, dispositions, refund."""
        view = await database.read_async(lambda s: returns_reading.return_details(s, return_id))
        return require_return(view, return_id)

    @router.get("/{return_id}/why")
    async def why(return_id: str) -> Explanation:
        """Explain what a return waits for, and what an operator may do."""
        return require_return(await intake.why_part(return_id), return_id)

    @router.get("/{return_id}/label.pdf", response_class=Response)
    async def label(return_id: str) -> Response:
        """Show the label of an authorised return as PDF."""
        document = await database.read_async(
            lambda s: return_label(s, database.rules.documents, return_id)
        )
        return pdf_response(document.pdf, return_id)

    return router

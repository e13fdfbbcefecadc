"""Stock over HTTP: looking at it, commands on it, and who sells it to us."""

from fastapi import APIRouter, Request
from pydantic import ValidationError

from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.purchasing import reading as purchasing_reading
from activities.stock import reading as stock_reading
from api.bodies import body_of, commanded, described
from api.problems import PROBLEMS
from intake import Intake
from models.base import Document, Identifier, LocationId
from models.errors import invalid_input
from models.messages.commands import AdjustStock, CommandDone, CountStock, TransferStock
from models.views.purchasing import OffersView
from models.views.stock import StockView, of_sku


class LookAgain(Document):
    """Look at once whether a SKU is to be bought; without a location, wherever it is kept."""

    sku: Identifier
    location: LocationId | None = None


def stock_router(intake: Intake, database: Database, clock: Clock) -> APIRouter:
    """Stock, its commands, offers, and replenishment."""
    router = APIRouter(tags=["stock"])

    @router.get("/stock/{sku}")
    async def show(sku: str) -> StockView:
        """A SKU at every location: counters, what may be promised, who waits, movements."""
        today = clock().date()
        view = await database.read_async(
            lambda session: stock_reading.stock_of(session, sku, today)
        )
        return of_sku(view, sku)

    @router.post("/stock/{sku}/adjustments", **commanded(AdjustStock, "sku"))
    async def adjust(sku: str, request: Request) -> CommandDone:
        """So many units more, or fewer, than the books say."""
        body = await body_of(request, AdjustStock, sku=sku)
        return await intake.command(AdjustStock, body)

    @router.post("/stock/{sku}/counts", **commanded(CountStock, "sku"))
    async def count(sku: str, request: Request) -> CommandDone:
        """So many units are there."""
        body = await body_of(request, CountStock, sku=sku)
        return await intake.command(CountStock, body)

    @router.post("/stock/{sku}/transfers", **commanded(TransferStock, "sku"))
    async def transfer(sku: str, request: Request) -> CommandDone:
        """Units go from one location to another."""
        body = await body_of(request, TransferStock, sku=sku)
        return await intake.command(TransferStock, body)

    @router.get("/offers/{sku}")
    async def offers(sku: str) -> OffersView:
        """Who sells a SKU to us, at what landed cost, and how reliably."""
        today = clock().date()
        view = await database.read_async(
            lambda session: purchasing_reading.offers_of(session, sku, today)
        )
        return of_sku(view, sku)

    @router.post(
        "/replenishments",
        status_code=202,
        responses=PROBLEMS,
        openapi_extra=described(LookAgain),
    )
    async def replenish(request: Request) -> dict[str, list[str]]:
        """Look again at once, also at suppliers that have let us down."""
        body = await body_of(request, LookAgain)
        try:
            wish = LookAgain.model_validate(body)
        except ValidationError as error:
            raise invalid_input(error) from error
        return {"workflow_ids": await intake.look_again(wish.sku, wish.location)}

    return router

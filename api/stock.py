"""Stock over HTTP."""

from fastapi import APIRouter

from activities.database.company import day_of
from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.stock import reading as stock_reading
from models.views.stock import StockView, require_sku


def stock_router(database: Database, clock: Clock) -> APIRouter:
    """Build the routes that show stock."""
    router = APIRouter(tags=["stock"])

    @router.get("/stock/{sku}")
    async def show(sku: str) -> StockView:
        """Show a SKU at every location: counters, units to promise, waiting orders, movements."""
        now = clock()
        view = await database.read_async(lambda s: stock_reading.stock_of(s, sku, day_of(s, now)))
        return require_sku(view, sku)

    return router

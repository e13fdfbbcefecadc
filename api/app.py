"""The HTTP door: orders in, facts in, views out. A composition root."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import RedirectResponse
from temporalio.client import Client

import engine
from activities.database.engine import Database
from activities.database.unit_of_work import utc_now
from api import problems
from api.billing import money_router
from api.claims import claim_router
from api.ledger import ledger_router
from api.orders import order_router
from api.purchasing import purchase_router
from api.returns import return_router
from api.shipping import shipment_router
from api.stock import stock_router
from api.webhooks import webhook_router
from exits import exit_on_error
from intake import Intake
from models.settings import Settings


def create_app(settings: Settings | None = None, client: Client | None = None) -> FastAPI:
    """The app, as uvicorn's factory: then settings and engine come from the environment."""
    with exit_on_error():
        settings = settings or Settings.read()
        if client is None:
            engine.options(os.environ, settings.temporal_port)  # says what is wrong, before serving
    database = Database(settings.database, settings.rules)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """The engine is reached at the first call: the door opens while it is away."""
        reached = client or await engine.connect(os.environ, settings.temporal_port, lazy=True)
        intake = Intake(reached, database, utc_now, settings.buying)
        app.include_router(order_router(intake, database))
        app.include_router(stock_router(intake, database, utc_now))
        app.include_router(purchase_router(intake, database, utc_now))
        app.include_router(shipment_router(intake, database, utc_now))
        app.include_router(claim_router(intake, database))
        app.include_router(money_router(intake, database))
        app.include_router(return_router(intake, database))
        app.include_router(ledger_router(database, utc_now))
        app.include_router(webhook_router(intake, _secrets(settings)))
        yield
        database.close()

    app = FastAPI(title="Order pipeline", lifespan=lifespan)
    problems.install(app)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    return app


def _secrets(settings: Settings) -> dict[str, str]:
    return {
        "payments": settings.webhook_secret_payments,
        "suppliers": settings.webhook_secret_suppliers,
        "carriers": settings.webhook_secret_carriers,
    }

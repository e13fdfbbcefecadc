"""The HTTP API: its routers, settings and connections are put together here."""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.responses import RedirectResponse
from temporalio.client import Client

import engine
from activities.database.engine import Database
from activities.database.unit_of_work import utc_now
from activities.events.feed import EventFeed
from api import problems
from api.access import BEARER, Guard, describe_access
from api.billing import billing_router
from api.bulk import bulk_router
from api.commands import command_router
from api.events import events_router
from api.imports import imports_router
from api.ledger import ledger_router
from api.metrics import add_metrics, metrics_router
from api.operations import operations_router
from api.orders import orders_router
from api.purchasing import purchasing_router
from api.returns import returns_router
from api.shipping import claim_router, shipment_router
from api.stock import stock_router
from api.subscriptions import subscriptions_router
from api.webhooks import webhook_router
from exits import exit_on_error
from intake import Intake
from models.audit import API
from models.settings import Settings


def create_app(settings: Settings | None = None, client: Client | None = None) -> FastAPI:
    """Build the app. Called by uvicorn without arguments, it reads the environment."""
    with exit_on_error():
        settings = settings or Settings.read()
        if client is None:
            # reports wrong variables at start
            engine.connection_options(os.environ, settings.temporal_port)
    database = Database(settings.database, settings.rules)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Connect to the engine at the first call, so that the API starts without it."""
        reached = client or await engine.connect(os.environ, settings.temporal_port, lazy=True)
        intake = Intake(reached, database, API)
        guard = [Depends(BEARER), Depends(Guard(database, intake.orders.placed_by))]
        for router in (
            orders_router(intake, database),
            webhook_router(intake, _secrets(settings)),
            stock_router(database, utc_now),
            purchasing_router(intake, database, utc_now),
            shipment_router(intake, database, utc_now),
            claim_router(database),
            billing_router(database),
            returns_router(intake, database),
            ledger_router(database, utc_now),
            imports_router(intake),
            operations_router(intake, database),
            bulk_router(intake, database),
            events_router(EventFeed(database)),
            subscriptions_router(intake, database, settings.webhook_private_addresses),
            command_router(intake),
            metrics_router(reached, database, registry),
        ):
            app.include_router(router, dependencies=guard)
        gc.freeze()  # modules and routes stay: a full collection takes 0.2 s with them
        yield
        database.close()

    app = FastAPI(title="Order pipeline", lifespan=lifespan)
    problems.install(app)
    registry = add_metrics(app)
    describe_access(app)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    return app


def _secrets(settings: Settings) -> dict[str, str]:
    return {
        "payments": settings.webhook_secret_payments,
        "suppliers": settings.webhook_secret_suppliers,
        "carriers": settings.webhook_secret_carriers,
    }

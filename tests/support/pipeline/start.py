"""Start a pipeline on loopback: partners with their own records, the API, and a worker."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from temporalio.client import Client

from activities.database.engine import Database
from activities.gateways.http import certificate_authorities
from api.app import create_app
from models.settings import Settings
from simulators.app import create_app as create_partners
from simulators.contract import SimulatorConfig
from tests.support.gateways.webhooks import SECRETS
from tests.support.pipeline.access import AUTHORIZATION, store_token
from tests.support.pipeline.serving import served
from tests.support.pipeline.world import World


@asynccontextmanager
async def running_world(
    client: Client,
    engine: str,
    database_url: str,
    folder: Path,
    *,
    worker: bool,
    auto: bool,
    **changes: Any,
) -> AsyncIterator[World]:
    """Run a pipeline on a migrated database.

    `worker`: with a worker in this process. `auto`: partners act by themselves. `changes` are
    settings.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    api_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with _partners(folder, api_url, auto) as (app, partners_url):
        settings = _settings(folder, database_url, engine, partners_url, app.state.smtp_port)
        settings = settings.model_copy(update=changes)
        database = Database(database_url, settings.rules)
        store_token(database)
        async with (
            served(create_app(settings, client), listener),
            httpx.AsyncClient(
                base_url=api_url,
                headers=AUTHORIZATION,
                timeout=30,
                verify=certificate_authorities(),
            ) as api,
            httpx.AsyncClient(
                base_url=partners_url, timeout=30, verify=certificate_authorities()
            ) as control,
        ):
            world = World(client, database, settings, api, control, folder)
            if worker:
                async with world.worker():
                    yield world
            else:
                yield world
        for opened in (database, *world.worker_databases):
            opened.close()


@asynccontextmanager
async def _partners(folder: Path, api_url: str, auto: bool) -> AsyncIterator[tuple[FastAPI, str]]:
    """Run the simulated partners; yields their application and URL."""
    config = SimulatorConfig(
        books=folder / "partners.db",
        mail_dir=folder / "mail",
        smtp_host="127.0.0.1",
        smtp_port=0,
        callback_url=f"{api_url}/webhooks",
        secrets=SECRETS,
        auto=auto,
        delay_seconds=0.0,
    )
    app = create_partners(config)
    async with served(app) as url:
        yield app, url


def _settings(
    folder: Path, database_url: str, engine: str, partners_url: str, smtp_port: int
) -> Settings:
    """Build the settings: short partner timeouts, and first purchases without approval.

    Receivers of events are on loopback.
    """
    return Settings(
        _env_file=None,
        var_dir=folder,
        database_url=database_url,
        temporal_port=int(engine.rpartition(":")[2]),
        payments_url=f"{partners_url}/payments",
        suppliers_url=f"{partners_url}/suppliers",
        carriers_url=f"{partners_url}/carriers",
        smtp_url=f"smtp://127.0.0.1:{smtp_port}",
        webhook_secret_payments=SECRETS["payments"],
        webhook_secret_suppliers=SECRETS["suppliers"],
        webhook_secret_carriers=SECRETS["carriers"],
        partner_timeout=2,
        attention_after_attempts=2,
        replenishment_window=0.2,
        approve_first_purchase=False,
        webhook_private_addresses=True,
    )

"""A whole pipeline on loopback: engine, database, worker, API, partners with their books."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import func
from sqlmodel import Session, select
from standardwebhooks import Webhook
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from activities.database.engine import Database
from activities.database.unit_of_work import Clock, utc_now
from activities.gateways.http import authorities
from activities.ledger import reading as ledger_reading
from activities.masterdata.importing import import_folder
from activities.orders import reading as orders_reading
from api.app import create_app
from intake import Intake
from models.settings import Settings
from models.tables.operations import AuditRow
from models.tables.orders import Order
from simulators.app import create_app as create_partners
from simulators.contract import SimulatorConfig
from tests.support.serving import served
from tests.support.shop import Document, unique, write_shop
from tests.support.waiting import GLANCE_S, PATIENCE_S
from worker import build_worker

QUIET_S = 1.0
"""After which an order that seems unchanged is looked at all the same."""
SECRETS = {
    name: f"whsec_{base64.b64encode(name.encode() * 4).decode()}"
    for name in ("payments", "suppliers", "carriers")
}
PARTNER_OF = {
    "payment.received": "payments",
    "payment.authorised": "payments",
    "payment.reversed": "payments",
    "payout.paid": "payments",
    "shipment.dispatched": "carriers",
    "shipment.delivered": "carriers",
    "shipment.tracked": "carriers",
    "purchase_order.acknowledged": "suppliers",
    "purchase_order.shipped": "suppliers",
    "purchase_order.invoiced": "suppliers",
    "goods.received": "suppliers",
}
SANDBOX = SandboxedWorkflowRunner(
    SandboxRestrictions.default.with_passthrough_modules(
        "structlog", "pydantic", "models", "activities"
    ).with_import_notification_policy(
        SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
)
"""Finds what isn't deterministic; a module that it would load anew for each order is an error."""


@dataclass
class World:
    """What a test works with. Partners do nothing by themselves unless `auto` was said."""

    client: Client
    database: Database
    settings: Settings
    api: httpx.AsyncClient
    partners: httpx.AsyncClient
    folder: Path
    opened: list[Database] = field(default_factory=list)
    """The databases of its workers."""

    def worker(self, clock: Clock = utc_now, **changes: Any) -> Worker:
        """A worker in this process, to be entered; `changes` are settings. Workflows are the same on
        both databases, so they are tried in the sandbox on one."""
        settings = self.settings.model_copy(update=changes)
        runner = SANDBOX if self.database.url.startswith("sqlite") else None
        database = Database(self.database.url, settings.rules, clock)
        self.opened.append(database)
        return build_worker(settings, database, self.client, runner)

    def intake(self, clock: Clock = utc_now) -> Intake:
        """The application service that API and CLI share."""
        return Intake(self.client, self.database, clock, self.settings.buying)

    def shop(self, on_hand: int = 10, **changes: Any) -> tuple[str, str]:
        """Import a shop of one new product and one new customer; returns both ids."""
        sku, customer = unique("SKU"), unique("C")
        folder = self.folder / unique("shop")
        write_shop(folder, sku, customer, on_hand, **changes)
        import_folder(self.database, folder)
        return sku, customer

    async def place(self, document: Document) -> Document:
        """Place an order that must be accepted as new."""
        response = await self.api.post("/orders", json=document)
        assert response.status_code == 201, response.text
        return response.json()

    async def order(self, order_id: str) -> Document:
        """The order as shown."""
        response = await self.api.get(f"/orders/{order_id}")
        assert response.status_code == 200, response.text
        return response.json()

    async def attentions(self) -> dict[str, str]:
        """The orders that are listed as needing somebody, each with the code of why."""
        response = await self.api.get("/orders", params={"attention": True, "limit": 0})
        assert response.status_code == 200, response.text
        return {row["order_id"]: row["attention"]["code"] for row in response.json()}

    async def tell(
        self, type_: str, data: Document, webhook_id: str | None = None
    ) -> httpx.Response:
        """A signed webhook of the partner whose type it is."""
        return await self.post_webhook(PARTNER_OF[type_], type_, data, webhook_id or unique("msg"))

    async def post_webhook(
        self, partner: str, type_: str, data: object, webhook_id: str
    ) -> httpx.Response:
        """Sign and send."""
        now = datetime.now(UTC)
        body = json.dumps({"type": type_, "timestamp": now.isoformat(), "data": data})
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRETS[partner]).sign(webhook_id, now, body),
            "content-type": "application/json",
        }
        return await self.api.post(f"/webhooks/{partner}", content=body, headers=headers)

    async def report(self, type_: str, data: Document) -> None:
        """A webhook that must be taken; sent again, as partners do, while the database is busy."""
        webhook_id = unique("msg")
        async with asyncio.timeout(PATIENCE_S):
            while (response := await self.tell(type_, data, webhook_id)).status_code != 204:
                assert response.json()["code"] == "database_busy", response.text

    async def pay(self, order_id: str, amount: str, payment_id: str | None = None) -> str:
        """The provider reports a payment; returns its id."""
        payment_id = payment_id or unique("pay")
        data = {
            "payment_id": payment_id,
            "order_id": order_id,
            "amount": amount,
            "currency": "EUR",
            "method": "card",
            "received_at": datetime.now(UTC).isoformat(),
        }
        await self.report("payment.received", data)
        return payment_id

    async def ship(self, order_id: str, what: str, shipment_id: str | None = None) -> None:
        """The carrier reports `dispatched` or `delivered`."""
        shipment_id = shipment_id or f"SH-{order_id}-1"
        data = {
            "event_id": unique("ev"),
            "order_id": order_id,
            "shipment_id": shipment_id,
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        await self.report(f"shipment.{what}", data)

    async def receive(
        self, po_id: str, sku: str, quantity: int, receipt_id: str | None = None
    ) -> None:
        """The supplier's goods arrive."""
        data = {
            "receipt_id": receipt_id or unique("rc"),
            "po_id": po_id,
            "sku": sku,
            "quantity": quantity,
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        await self.report("goods.received", data)

    async def complete(self, order_id: str, total: str) -> Document:
        """Tell a prepaid order everything it waits for."""
        await self.until_event(order_id, "payment_requested")
        await self.pay(order_id, total)
        await self.until_event(order_id, "booked")
        await self.ship(order_id, "dispatched")
        await self.ship(order_id, "delivered")
        return await self.until(order_id, "completed")

    async def until(self, order_id: str, stage: str) -> Document:
        """Wait until the order has reached `stage`."""
        its = select(Order.stage).where(Order.order_id == order_id)
        return await self._until(
            order_id,
            lambda session: session.exec(its).first() == stage,
            lambda order: order["stage"] == stage,
        )

    async def until_event(self, order_id: str, event: str) -> Document:
        """Wait until the order's audit trail has `event`."""
        rows = select(AuditRow.order_id).where(
            AuditRow.order_id == order_id, AuditRow.event == event
        )
        return await self._until(
            order_id,
            lambda session: session.exec(rows.limit(1)).first() is not None,
            lambda order: any(row["event"] == event for row in order["history"]),
        )

    async def until_order(self, order_id: str, reached: Callable[[Document], object]) -> Document:
        """Wait until what is shown of the order satisfies `reached`."""
        seen = None

        def may_have(session: Session) -> bool:
            """Whether there is something new."""
            nonlocal seen
            before, seen = seen, _mark(session, order_id)
            return seen is not None and seen != before

        return await self._until(order_id, may_have, reached)

    async def _until(
        self,
        order_id: str,
        may_have: Callable[[Session], bool],
        reached: Callable[[Document], object],
    ) -> Document:
        """Look at what the tables show of the order when they say that it `may_have` reached it;
        now and then ask the API, which knows more: whether its workflow was cut off."""
        shown: Document | None = None
        looked_at = 0.0

        def glance(session: Session) -> Document | None:
            details = orders_reading.order_details(session, order_id) if may_have(session) else None
            return details.model_dump(mode="json") if details is not None else None

        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = self.database.read(glance)
                    if found is None and monotonic() - looked_at > QUIET_S:
                        found, looked_at = await self.order(order_id), monotonic()
                    if found is not None:
                        shown = found
                        if reached(shown):
                            return shown
                    await asyncio.sleep(GLANCE_S)
        raise AssertionError(f"still {json.dumps(shown, indent=1)}")

    async def ended(self, order_id: str) -> WorkflowHandle[Any, Any]:
        """Wait until the order's workflow has ended; what it leaves is final."""
        handle = self.client.get_workflow_handle(f"order-{order_id}")
        async with asyncio.timeout(PATIENCE_S):
            await handle.result()
        return handle

    async def books(self, partner: str) -> Document:
        """What a partner has written down."""
        return (await self.partners.get(f"/control/books/{partner}")).json()

    async def requests(self, partner: str, operation: str, subject: str) -> list[Document]:
        """A partner's own record of what it did for an order, shipment or purchase order."""
        rows = (await self.books(partner))["requests"]
        return [
            row
            for row in rows
            if row["operation"] == operation
            and subject in json.dumps(row["body"])
            and int(row["status"]) < 300
        ]

    async def mails(self, *words: str) -> list[Document]:
        """Mails in the sink whose subject has one of `words`."""
        rows = (await self.partners.get("/control/mail")).json()
        return [row for row in rows if any(word in row["subject"] for word in words)]

    async def misbehave(self, **fault: Any) -> None:
        """Tell a partner to misbehave."""
        response = await self.partners.post("/control/faults", json=fault)
        assert response.is_success, response.text

    def check_books(self) -> None:
        """Everything adds up: the ledger, and the inventory account against the stock."""
        balance = self.database.read(ledger_reading.trial_balance)
        assert balance.balanced, balance.model_dump_json(indent=1)


def _mark(session: Session, order_id: str) -> object:
    """Something else when what is recorded of an order is; None where nothing is."""
    written = select(func.count()).where(AuditRow.order_id == order_id).scalar_subquery()
    row = select(Order.version, Order.attention_code, Order.attention_message, written)
    return session.exec(row.where(Order.order_id == order_id)).first()


@asynccontextmanager
async def partners(folder: Path, api_url: str, auto: bool) -> AsyncIterator[tuple[FastAPI, str]]:
    """The simulated partners, and their address."""
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


def settings_for(
    folder: Path, database_url: str, engine: str, partners_url: str, smtp_port: int
) -> Settings:
    """Settings as a deployment of the tests would have them."""
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
    )


@asynccontextmanager
async def world(
    client: Client, engine: str, database_url: str, folder: Path, *, worker: bool, auto: bool
) -> AsyncIterator[World]:
    """Everything up, on a migrated database; `worker` False: the test brings its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    api_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with partners(folder, api_url, auto) as (app, partners_url):
        settings = settings_for(folder, database_url, engine, partners_url, app.state.smtp_port)
        database = Database(database_url, settings.rules)
        async with (
            served(create_app(settings, client), listener),
            httpx.AsyncClient(base_url=api_url, timeout=30, verify=authorities()) as api,
            httpx.AsyncClient(base_url=partners_url, timeout=30, verify=authorities()) as control,
        ):
            made = World(client, database, settings, api, control, folder)
            if worker:
                async with made.worker():
                    yield made
            else:
                yield made
        for opened in (database, *made.opened):
            opened.close()

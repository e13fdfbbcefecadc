"""The pipeline as tests use it: messages of shops, partners and operators, and waiting.

A test takes the fixture `pipeline`, imports goods and a customer of its own, places an order, sends
the facts it is about, and waits for a stage or an event of the order:

    sku, customer = pipeline.shop(on_hand=1)
    await pipeline.place(document := order(sku, customer))
    await pipeline.until_event(document["order_id"], "payment_requested")
    await pipeline.pay(document["order_id"], "119.00")

`tests.support.orders.stages` has functions for such beginnings. No test sleeps.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
from sqlalchemy import func
from sqlmodel import Session, select
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from activities.database.engine import Database
from activities.database.unit_of_work import Clock, utc_now
from activities.ledger import reading as ledger_reading
from activities.masterdata.importing import import_folder
from activities.orders import reading as orders_reading
from intake import Intake
from models.audit import CLI
from models.settings import Settings
from models.tables.operations import AuditRow
from models.tables.orders import Order
from tests.support.gateways.webhooks import PARTNER_OF, SECRETS, signed_headers, webhook_body
from tests.support.masterdata.shop import Document, unique, write_shop, write_tables
from tests.support.pipeline.waiting import GLANCE_S, PATIENCE_S
from worker import running_worker

QUIET_S = 1.0
"""The time after which the API is asked about an order whose rows don't change."""
SANDBOX = SandboxedWorkflowRunner(
    SandboxRestrictions.default.with_passthrough_modules(
        "structlog", "pydantic", "models", "activities"
    ).with_import_notification_policy(
        SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
)
"""Detects nondeterministic workflow code, and modules that would be loaded again for each order."""


@dataclass
class World:
    """A pipeline: engine, database, API and partners."""

    client: Client
    database: Database
    settings: Settings
    api: httpx.AsyncClient
    partners: httpx.AsyncClient
    """The partners' control interface."""
    folder: Path
    worker_databases: list[Database] = field(default_factory=list)

    # Set up

    def worker(self, clock: Clock = utc_now, **changes: Any) -> AbstractAsyncContextManager[Worker]:
        """Run a worker in this process during a block; `changes` are settings.

        Workflows are the same on both databases, so only those on SQLite run in the sandbox.
        """
        settings = self.settings.model_copy(update=changes)
        runner = SANDBOX if self.database.url.startswith("sqlite") else None
        database = Database(self.database.url, settings.rules, clock)
        self.worker_databases.append(database)
        return running_worker(settings, database, self.client, runner)

    def intake(self) -> Intake:
        """Build the application service that API and CLI share."""
        return Intake(self.client, self.database, CLI)

    def shop(self, on_hand: int = 10, **changes: Any) -> tuple[str, str]:
        """Import a new product and a new customer; returns their ids.

        `changes`: arguments of `write_shop`.
        """
        sku, customer = unique("SKU"), unique("C")
        folder = self.folder / unique("shop")
        write_shop(folder, sku, customer, on_hand, **changes)
        import_folder(self.database, folder)
        return sku, customer

    def import_tables(self, **tables: Sequence[Mapping[str, object]]) -> None:
        """Import rows of CSV files: `stock=[...]` is stock.csv."""
        folder = self.folder / unique("tables")
        write_tables(folder, **tables)
        import_folder(self.database, folder)

    # Orders

    async def place(self, document: Document) -> Document:
        """Place an order that must be accepted as new."""
        response = await self.api.post("/orders", json=document)
        assert response.status_code == 201, response.text
        return _json(response)

    async def order(self, order_id: str) -> Document:
        """Read an order by API."""
        response = await self.api.get(f"/orders/{order_id}")
        assert response.status_code == 200, response.text
        return _json(response)

    def order_workflow(self, order_id: str) -> WorkflowHandle[Any, Any]:
        """Return the handle of an order's workflow, in its latest run."""
        return self.client.get_workflow_handle(f"order-{order_id}")

    def replenishment(self, sku: str) -> WorkflowHandle[Any, Any]:
        """Return the handle of the workflow that purchases a SKU for Berlin."""
        return self.client.get_workflow_handle(f"replenish-BER-{sku}")

    async def attentions(self) -> dict[str, str]:
        """List the orders that need an operator, with the code of their attention."""
        response = await self.api.get("/orders", params={"attention": True, "limit": 0})
        assert response.status_code == 200, response.text
        return {row["order_id"]: row["attention"]["code"] for row in response.json()}

    # Messages of partners

    async def send_fact(
        self, type_: str, data: Document, webhook_id: str | None = None
    ) -> httpx.Response:
        """Send a signed webhook of the partner that sends this type."""
        return await self.post_webhook(PARTNER_OF[type_], type_, data, webhook_id or unique("msg"))

    async def post_webhook(
        self, partner: str, type_: str, data: object, webhook_id: str
    ) -> httpx.Response:
        """Send a webhook signed by `partner`."""
        body = webhook_body(type_, data)
        headers = signed_headers(SECRETS[partner], body, webhook_id)
        return await self.api.post(f"/webhooks/{partner}", content=body, headers=headers)

    async def report(self, type_: str, data: Document) -> None:
        """Send a webhook that must be accepted; it is repeated while the database is busy."""
        webhook_id = unique("msg")
        async with asyncio.timeout(PATIENCE_S):
            while (response := await self.send_fact(type_, data, webhook_id)).status_code != 204:
                assert response.json()["code"] == "database_busy", response.text

    async def pay(self, order_id: str, amount: str, payment_id: str | None = None) -> str:
        """Report a payment; returns its id."""
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

    async def ship(self, order_id: str, event: str, shipment_id: str | None = None) -> None:
        """Report that a shipment, by default the order's first, was `dispatched` or `delivered`."""
        data = {
            "event_id": unique("ev"),
            "order_id": order_id,
            "shipment_id": shipment_id or f"SH-{order_id}-1",
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        await self.report(f"shipment.{event}", data)

    async def receive(
        self, po_id: str, sku: str, quantity: int, receipt_id: str | None = None
    ) -> None:
        """Report a goods receipt."""
        data = {
            "receipt_id": receipt_id or unique("rc"),
            "po_id": po_id,
            "sku": sku,
            "quantity": quantity,
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        await self.report("goods.received", data)

    async def complete(self, order_id: str, total: str) -> Document:
        """Send a prepaid order every fact it waits for, until it is completed."""
        await self.until_event(order_id, "payment_requested")
        await self.pay(order_id, total)
        await self.until_event(order_id, "booked")
        await self.ship(order_id, "dispatched")
        await self.ship(order_id, "delivered")
        return await self.until(order_id, "completed")

    # Waiting

    async def until(self, order_id: str, stage: str) -> Document:
        """Wait until an order has reached `stage`."""
        stored = select(Order.stage).where(Order.order_id == order_id)
        return await self._until(
            order_id,
            lambda session: session.exec(stored).first() == stage,
            lambda order: bool(order["stage"] == stage),
        )

    async def until_event(self, order_id: str, event: str) -> Document:
        """Wait until an order's history has `event`."""
        rows = select(AuditRow.order_id).where(
            AuditRow.order_id == order_id, AuditRow.event == event
        )
        return await self._until(
            order_id,
            lambda session: session.exec(rows.limit(1)).first() is not None,
            lambda order: any(row["event"] == event for row in order["history"]),
        )

    async def until_order(self, order_id: str, reached: Callable[[Document], object]) -> Document:
        """Wait until an order, as the API shows it, satisfies `reached`."""
        version = None

        def has_changed(session: Session) -> bool:
            nonlocal version
            before, version = version, _version(session, order_id)
            return version is not None and version != before

        return await self._until(order_id, has_changed, reached)

    async def _until(
        self,
        order_id: str,
        worth_reading: Callable[[Session], bool],
        reached: Callable[[Document], object],
    ) -> Document:
        """Read an order from the tables when a short query finds it `worth_reading`.

        From time to time ask the API, which also knows whether the workflow has ended early.
        """
        shown: Document | None = None
        asked_at = 0.0

        def read(session: Session) -> Document | None:
            if not worth_reading(session):
                return None
            details = orders_reading.order_details(session, order_id)
            return details.model_dump(mode="json") if details is not None else None

        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = self.database.read(read)
                    if found is None and monotonic() - asked_at > QUIET_S:
                        found, asked_at = await self.order(order_id), monotonic()
                    if found is not None:
                        shown = found
                        if reached(shown):
                            return shown
                    await asyncio.sleep(GLANCE_S)
        raise AssertionError(f"still {json.dumps(shown, indent=1)}")

    async def ended(self, order_id: str) -> WorkflowHandle[Any, Any]:
        """Wait until an order's workflow has ended; the order's rows are final then."""
        handle = self.order_workflow(order_id)
        async with asyncio.timeout(PATIENCE_S):
            await handle.result()
        return handle

    # The partners' records

    async def books(self, partner: str) -> Document:
        """Read a partner's record: all `calls`, and the `requests` it has answered."""
        return _json(await self.partners.get(f"/control/books/{partner}"))

    async def requests(self, partner: str, operation: str, subject: str) -> list[Document]:
        """Read a partner's successful requests about an order, SKU, shipment or purchase order."""
        rows = (await self.books(partner))["requests"]
        return [
            row
            for row in rows
            if row["operation"] == operation
            and subject in json.dumps(row["body"])
            and int(row["status"]) < 300
        ]

    async def mails(self, *words: str) -> list[Document]:
        """Read the delivered mails whose subject contains one of `words`."""
        rows = (await self.partners.get("/control/mail")).json()
        return [row for row in rows if any(word in row["subject"] for word in words)]

    async def misbehave(self, **fault: Any) -> None:
        """Inject a fault into a partner's next answer; `times=None`: into all, until deleted."""
        response = await self.partners.post("/control/faults", json=fault)
        assert response.is_success, response.text

    def check_books(self) -> None:
        """Assert that the ledger balances and the inventory account equals the stock."""
        balance = self.database.read(ledger_reading.trial_balance)
        assert balance.balanced, balance.model_dump_json(indent=1)


def _json(response: httpx.Response) -> Document:
    document: Document = response.json()
    return document


def _version(session: Session, order_id: str) -> object:
    """Read a value that changes with all that is recorded of an order; None where nothing is."""
    written = select(func.count()).where(AuditRow.order_id == order_id).scalar_subquery()
    row = select(Order.version, Order.attention_code, Order.attention_message, written)
    return session.exec(row.where(Order.order_id == order_id)).first()

"""The worker process: it runs workflows and steps until it is stopped.

The pipeline scales by more of these processes, on one machine or many.
"""

import asyncio
import gc
import inspect
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
import uvloop
from temporalio import activity
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
    WorkflowRunner,
)

import engine
from activities.billing import dunning
from activities.billing import steps as billing_steps
from activities.billing.payment_calls import PaymentCalls
from activities.database.engine import Database
from activities.database.step import activity_of, steps_of
from activities.events.delivery import EventDelivery
from activities.gateways.carriers import Carriers, HttpCarriers
from activities.gateways.failures import TranslateErrors, is_unexpected
from activities.gateways.http import PartnerClient
from activities.gateways.payments import HttpPayments, Payments
from activities.gateways.receivers import Receivers
from activities.gateways.smtp import Mailer, SmtpMailer
from activities.gateways.suppliers import HttpSuppliers, Suppliers
from activities.mail.steps import CustomerMail
from activities.operations import commands as command_steps
from activities.operations import notifying
from activities.operations.notifying import Notifier
from activities.operations.reconciliation import Reconciliation
from activities.orders import promises, retries
from activities.orders import steps as orders_steps
from activities.phases.partners import Partners
from activities.phases.steps import OrderPhases
from activities.purchasing import receiving, supplier_invoices, supplier_reports
from activities.purchasing import steps as purchasing_steps
from activities.purchasing.steps import Purchasing
from activities.purchasing.stock_review import StockReview
from activities.returns import steps as returns_steps
from activities.shipping import steps as shipping_steps
from activities.shipping.carrier_calls import CarrierCalls
from activities.stock import steps as stock_steps
from exits import exit_on_error, exit_process
from intake.bulk import BulkSteps
from models.settings import Settings
from workflows.bulk import BulkWorkflow
from workflows.commands import CommandWorkflow, FollowUpWorkflow
from workflows.facts import FactWorkflow
from workflows.order import OrderWorkflow
from workflows.replenishment import ReplenishmentWorkflow
from workflows.returns import ReturnWorkflow
from workflows.schedules import ReconcileWorkflow, StockReviewWorkflow
from workflows.subscriptions import SubscriptionWorkflow

WORKFLOWS = [
    OrderWorkflow,
    ReplenishmentWorkflow,
    ReturnWorkflow,
    FactWorkflow,
    CommandWorkflow,
    FollowUpWorkflow,
    StockReviewWorkflow,
    ReconcileWorkflow,
    BulkWorkflow,
    SubscriptionWorkflow,
]
STEP_MODULES = (
    orders_steps,
    promises,
    retries,
    stock_steps,
    billing_steps,
    dunning,
    shipping_steps,
    returns_steps,
    purchasing_steps,
    supplier_reports,
    receiving,
    supplier_invoices,
    command_steps,
    notifying,
)
"""The modules that define database steps."""
LOCAL_STEPS = 20
"""Steps that run at a time as local activities."""
STICKY_TIMEOUT = timedelta(seconds=5)
"""The time after which another worker takes over the workflows of one that was killed."""
GRACE = timedelta(seconds=20)
"""The time in which running steps may finish when the worker is stopped."""


@dataclass(frozen=True)
class Gateways:
    """The calls to all partners, and to receivers of events."""

    payments: Payments
    suppliers: Suppliers
    carriers: Carriers
    mailer: Mailer
    receivers: Receivers


@asynccontextmanager
async def open_gateways(settings: Settings) -> AsyncIterator[Gateways]:
    """Provide the gateways for a block; close their connections at its end."""
    async with AsyncExitStack() as connections:

        def partner(url: str) -> PartnerClient:
            client = PartnerClient(url, settings.partner_timeout)
            connections.push_async_callback(client.close)
            return client

        mailer = SmtpMailer(settings.smtp_url, settings.partner_timeout)
        connections.push_async_callback(mailer.close)
        receivers = Receivers(settings.webhook_private_addresses)
        connections.push_async_callback(receivers.close)
        yield Gateways(
            payments=HttpPayments(partner(settings.payments_url)),
            suppliers=HttpSuppliers(partner(settings.suppliers_url)),
            carriers=HttpCarriers(partner(settings.carriers_url)),
            mailer=mailer,
            receivers=receivers,
        )


def build_activities(
    settings: Settings, database: Database, client: Client, gateways: Gateways
) -> list[Callable[..., Any]]:
    """Build every step with its dependencies; `Any`: each has its own input and output."""
    partners = Partners(gateways.payments, gateways.carriers, gateways.mailer, settings.mail_from)
    calls = (
        OrderPhases(database, partners),
        PaymentCalls(database, gateways.payments),
        Purchasing(database, gateways.suppliers),
        CarrierCalls(database, gateways.carriers),
        CustomerMail(database, gateways.mailer, settings.mail_from),
        Notifier(database, client, engine.TASK_QUEUE),
        Reconciliation(database, client),
        StockReview(database),
        BulkSteps(client, database),
        EventDelivery(database, gateways.receivers),
    )
    return [
        *(activity_of(step, database) for module in STEP_MODULES for step in steps_of(module)),
        *(method for instance in calls for method in _public_methods(instance)),
    ]


def _public_methods(instance: object) -> list[Callable[..., Any]]:
    """Return the methods of an instance whose public methods are all activities."""
    methods = inspect.getmembers(instance, inspect.ismethod)
    return [method for name, method in methods if not name.startswith("_")]


def _deployment(build_id: str) -> WorkerDeploymentConfig:
    """Make the worker one of a version: its running orders move to the current version by
    themselves, as they last for weeks and a version must end some day."""
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(engine.DEPLOYMENT, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


@asynccontextmanager
async def running_worker(
    settings: Settings,
    database: Database,
    client: Client,
    runner: WorkflowRunner | None = None,
    workflows: Sequence[type] = WORKFLOWS,
) -> AsyncIterator[Worker]:
    """Run a worker during the block. By default it has no sandbox, which costs a third of the
    throughput; tests bring one as `runner`, as it detects workflows that aren't deterministic."""
    async with (
        open_gateways(settings) as gateways,
        Worker(
            client,
            task_queue=engine.TASK_QUEUE,
            workflows=workflows,
            activities=build_activities(settings, database, client, gateways),
            max_concurrent_local_activities=LOCAL_STEPS,  # one that waits has no time-out
            workflow_runner=runner or UnsandboxedWorkflowRunner(),
            interceptors=[TranslateErrors()],
            deployment_config=_deployment(settings.build_id) if settings.build_id else None,
            sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
            graceful_shutdown_timeout=GRACE,
        ) as worker,
    ):
        yield worker


def configure_logging(level: str) -> None:
    """Log each event from a level on as one line of JSON, the SDK's events too."""
    handler = logging.StreamHandler()
    handler.setFormatter(log_formatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    activity.logger.base_logger.addFilter(is_unexpected)


def log_formatter() -> logging.Formatter:
    """Build the formatter of log lines."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
    )


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.read()
    configure_logging(settings.log_level)
    client = await engine.connect(
        os.environ, settings.temporal_port, metrics_port=settings.metrics_port
    )
    database = Database(settings.database, settings.rules)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_worker(settings, database, client):
        logging.getLogger(__name__).info("worker is running")
        gc.freeze()  # modules stay: a full collection takes 0.3 s with them
        await stop.wait()
    database.close()


if __name__ == "__main__":
    with exit_on_error():
        uvloop.run(main())
    exit_process(0)

"""The worker process: it runs workflows and steps until it is stopped.

The pipeline scales by more of these processes, on one machine or many.
"""

import asyncio
import inspect
import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

import engine
from activities.billing import dunning
from activities.billing import steps as billing_steps
from activities.billing.payment_calls import PaymentCalls
from activities.database.engine import Database
from activities.database.step import activity_of, steps_of
from activities.gateways.carriers import HttpCarriers
from activities.gateways.failures import TranslateErrors
from activities.gateways.http import PartnerClient
from activities.gateways.payments import HttpPayments
from activities.gateways.smtp import SmtpMailer
from activities.gateways.suppliers import HttpSuppliers
from activities.mail.steps import CustomerMail
from activities.operations import commands as command_steps
from activities.operations import notifying
from activities.operations.notifying import Notifier
from activities.operations.reconciliation import Reconciliation
from activities.orders import promises
from activities.orders import steps as orders_steps
from activities.purchasing import receiving, supplier_invoices, supplier_reports
from activities.purchasing import steps as purchasing_steps
from activities.purchasing.steps import Purchasing
from activities.purchasing.stock_review import StockReview
from activities.returns import steps as returns_steps
from activities.shipping import steps as shipping_steps
from activities.shipping.carrier_calls import CarrierCalls
from activities.stock import steps as stock_steps
from exits import exit_on_error, exit_process
from models.settings import Settings
from workflows.commands import CommandWorkflow, FollowUpWorkflow
from workflows.facts import FactWorkflow
from workflows.order import OrderWorkflow
from workflows.replenishment import ReplenishmentWorkflow
from workflows.returns import ReturnWorkflow
from workflows.schedules import ReconcileWorkflow, StockReviewWorkflow

WORKFLOWS = [
    OrderWorkflow,
    ReplenishmentWorkflow,
    ReturnWorkflow,
    FactWorkflow,
    CommandWorkflow,
    FollowUpWorkflow,
    StockReviewWorkflow,
    ReconcileWorkflow,
]
STEP_MODULES = (
    orders_steps,
    promises,
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
THREADS = 20
STICKY_TIMEOUT = timedelta(seconds=5)
"""The time after which another worker takes over the workflows of one that was killed."""
GRACE = timedelta(seconds=20)
"""The time in which running steps may finish when the worker is stopped."""


def build_activities(
    settings: Settings, database: Database, client: Client
) -> list[Callable[..., Any]]:
    """Build every step with its dependencies; `Any`: each has its own input and output."""

    def partner(url: str) -> PartnerClient:
        return PartnerClient(url, settings.partner_timeout)

    mailer = SmtpMailer(settings.smtp_url, settings.partner_timeout)
    calls = (
        PaymentCalls(database, HttpPayments(partner(settings.payments_url))),
        Purchasing(database, HttpSuppliers(partner(settings.suppliers_url))),
        CarrierCalls(database, HttpCarriers(partner(settings.carriers_url))),
        CustomerMail(database, mailer, settings.mail_from),
        Notifier(database, client, engine.TASK_QUEUE),
        Reconciliation(database, client),
        StockReview(database),
    )
    return [
        *(activity_of(step, database) for module in STEP_MODULES for step in steps_of(module)),
        *(method for instance in calls for method in _public_methods(instance)),
    ]


def _public_methods(instance: object) -> list[Callable[..., Any]]:
    """Return the methods of an instance whose public methods are all activities."""
    methods = inspect.getmembers(instance, inspect.ismethod)
    return [method for name, method in methods if not name.startswith("_")]


def build_worker(
    settings: Settings,
    database: Database,
    client: Client,
    runner: WorkflowRunner | None = None,
) -> Worker:
    """Build a worker. By default it has no sandbox, which costs a third of the throughput; tests
    bring one as `runner`, as it detects workflows that aren't deterministic."""
    return Worker(
        client,
        task_queue=engine.TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=build_activities(settings, database, client),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="step"),
        max_concurrent_local_activities=THREADS,  # the time-out of one that waits does not run
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        interceptors=[TranslateErrors()],
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=GRACE,
    )


def configure_logging() -> None:
    """Log each event as one line of JSON, the SDK's events too."""
    renderer = structlog.stdlib.ProcessorFormatter(
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
    handler = logging.StreamHandler()
    handler.setFormatter(renderer)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    configure_logging()
    settings = Settings.read()
    client = await engine.connect(os.environ, settings.temporal_port)
    database = Database(settings.database, settings.rules)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with build_worker(settings, database, client):
        logging.getLogger(__name__).info("worker is running")
        await stop.wait()
    database.close()


if __name__ == "__main__":
    with exit_on_error():
        asyncio.run(main())
    exit_process(0)

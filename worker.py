"""The worker: builds what the steps depend on, registers everything, runs until it is told to stop.

More of these processes, on more machines, is how the pipeline scales.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

import engine
from activities.billing import dunning
from activities.billing import steps as billing_steps
from activities.billing.steps import Billing
from activities.database.engine import Database
from activities.database.step import steps_of
from activities.documents.fonts import usual_cut
from activities.gateways.carriers import HttpCarriers
from activities.gateways.failures import Failures
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
from activities.purchasing import receiving
from activities.purchasing import steps as purchasing_steps
from activities.purchasing.steps import Purchasing
from activities.purchasing.stock_review import StockReview
from activities.returns import steps as returns_steps
from activities.shipping import steps as shipping_steps
from activities.shipping.steps import Shipping
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
THREADS = 20
STICKY_TIMEOUT = timedelta(seconds=5)
"""After a kill, another worker gets an order's next task after at most so long."""
GRACE = timedelta(seconds=20)
"""What runs when the worker is told to stop may finish."""


STEP_MODULES = (
    orders_steps,
    promises,
    stock_steps,
    billing_steps,
    dunning,
    shipping_steps,
    returns_steps,
    purchasing_steps,
    receiving,
    command_steps,
    notifying,
)
"""The modules whose steps the worker runs."""


def build_activities(
    settings: Settings, database: Database, client: Client
) -> Sequence[Callable[..., Any]]:
    """Every step with its dependencies; `Any`: each step has its own input and output."""

    def partner(url: str) -> PartnerClient:
        return PartnerClient(url, settings.partner_timeout)

    mailer = SmtpMailer(settings.smtp_url, settings.partner_timeout)
    mail = CustomerMail(database, mailer, settings.mail_from)
    billing = Billing(database, HttpPayments(partner(settings.payments_url)))
    purchasing = Purchasing(database, HttpSuppliers(partner(settings.suppliers_url)))
    shipping = Shipping(database, HttpCarriers(partner(settings.carriers_url)))
    telling = Notifier(database, client, engine.TASK_QUEUE)
    reconciliation = Reconciliation(database, client)
    return [
        *(step.activity(database) for module in STEP_MODULES for step in steps_of(module)),
        billing.request_payment,
        billing.capture_payment,
        billing.void_payment_request,
        billing.refund_payment,
        billing.pay_refund,
        purchasing.send_purchase_order,
        telling.report_shortages,
        telling.tell,
        shipping.book_shipment,
        shipping.cancel_booking,
        shipping.call_back,
        mail.mail_confirmation,
        mail.mail_invoice,
        mail.mail_bill,
        mail.mail_reminder,
        mail.mail_refund,
        mail.mail_settlement,
        mail.mail_dispatch,
        mail.mail_collection,
        mail.mail_return,
        mail.mail_letter,
        StockReview(database).review_stock,
        reconciliation.compare_stock,
        reconciliation.compare_orders,
        reconciliation.compare_ledger,
        reconciliation.close_findings,
    ]


def build_worker(
    settings: Settings,
    database: Database,
    client: Client,
    runner: WorkflowRunner | None = None,
) -> Worker:
    """A worker, ready to run. Without the sandbox unless `runner` brings it, as the tests do: it
    finds what isn't deterministic, and costs a third of the throughput."""
    return Worker(
        client,
        task_queue=engine.TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=build_activities(settings, database, client),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="step"),
        max_concurrent_local_activities=THREADS,  # the others wait before their time runs
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        interceptors=[Failures()],
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=GRACE,
    )


def configure_logging() -> None:
    """One line of JSON for each event, ours and the SDK's alike."""
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
    usual_cut()  # now, as no order waits yet
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

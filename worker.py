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
from activities.billing.commands import MoneyControl
from activities.billing.dunning import Dunning
from activities.billing.steps import Billing
from activities.database.engine import Clock, Database, utc_now
from activities.documents.fonts import usual_cut
from activities.gateways.carriers import HttpCarriers
from activities.gateways.failures import Failures
from activities.gateways.http import PartnerClient
from activities.gateways.payments import HttpPayments
from activities.gateways.smtp import SmtpMailer
from activities.gateways.suppliers import HttpSuppliers
from activities.mail.steps import CustomerMail
from activities.operations.commands import Commands
from activities.operations.notifying import Telling
from activities.operations.reconciliation import Reconciliation
from activities.orders.commands import OrderControl
from activities.orders.promises import Promises
from activities.orders.steps import Orders
from activities.purchasing.receiving import Receiving
from activities.purchasing.steps import Purchasing
from activities.purchasing.stock_review import StockReview
from activities.returns.commands import ReturnsControl
from activities.returns.steps import Returns
from activities.shipping.claims import ClaimControl
from activities.shipping.commands import ShipmentControl
from activities.shipping.steps import Shipping
from activities.stock.commands import StockControl
from activities.stock.steps import Inventory
from exits import leave, told
from models.messages.policy import Policy
from models.money import PPM_PER_PERCENT
from models.promises import PromisePolicy
from models.replenishment import ReviewPolicy
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


def build_activities(
    settings: Settings, database: Database, client: Client, clock: Clock = utc_now
) -> Sequence[Callable[..., Any]]:
    """Every step with its dependencies; `Any`: each step has its own input and output."""
    policy = Policy(
        payment_deadline=settings.payment_deadline,
        partner_timeout=settings.partner_timeout,
        attention_after_attempts=settings.attention_after_attempts,
        late_money=settings.late_money,
        tracking_silence=settings.tracking_silence,
        tracking_silence_ltl=settings.tracking_silence_ltl,
        tracking_silence_truckload=settings.tracking_silence_truckload,
        collect_within=timedelta(days=settings.collect_within_days).total_seconds(),
        promises=PromisePolicy(
            ship_within_days=settings.ship_within_days,
            silent_delay_days=settings.silent_delay_days,
        ),
    )

    def partner(url: str) -> PartnerClient:
        return PartnerClient(url, settings.partner_timeout)

    rules = settings.billing
    mailer = SmtpMailer(settings.smtp_url, settings.partner_timeout)
    orders = Orders(database, clock, policy, rules)
    promises = Promises(database, clock, policy.promises)
    inventory = Inventory(database, clock)
    payments = HttpPayments(partner(settings.payments_url))
    billing = Billing(database, clock, payments, policy, rules)
    suppliers = HttpSuppliers(partner(settings.suppliers_url))
    buying = settings.buying
    purchasing = Purchasing(database, clock, suppliers, policy, buying)
    receiving = Receiving(database, clock, buying)
    commands = Commands(
        database,
        clock,
        StockControl(clock),
        MoneyControl(clock, rules),
        OrderControl(clock),
        ShipmentControl(clock),
        ClaimControl(clock),
        ReturnsControl(clock, settings.returns),
    )
    returns = Returns(database, clock)
    dunning = Dunning(database, clock, rules)
    telling = Telling(database, client, engine.TASK_QUEUE)
    carriers = HttpCarriers(partner(settings.carriers_url))
    shipping = Shipping(database, clock, carriers, settings.packaging)
    mail = CustomerMail(database, clock, mailer, settings.mail_from)
    review = StockReview(database, clock, review_policy(settings))
    reconciliation = Reconciliation(database, clock, client)
    return [
        orders.record_order,
        orders.look_at_order,
        orders.read_policy,
        orders.set_attention,
        orders.keep_odd_fact,
        orders.start_cancelling,
        orders.give_up_cancelling,
        orders.finish_cancelling,
        orders.read_document,
        returns.look_at_return,
        returns.expire_return,
        returns.finish_settlement,
        returns.write_exchange,
        promises.review_promise,
        promises.accept_delay,
        inventory.allocate_stock,
        inventory.release_stock,
        billing.issue_invoice,
        billing.request_payment,
        billing.apply_payment,
        billing.apply_authorisation,
        billing.lapse_authorisation,
        billing.capture_payment,
        billing.apply_reversal,
        billing.record_payout,
        billing.keep_unmatched_payment,
        billing.void_payment_request,
        billing.credit_invoice,
        billing.refund_payment,
        billing.pay_refund,
        purchasing.plan_purchases,
        purchasing.send_purchase_order,
        purchasing.apply_acknowledgement,
        purchasing.apply_ship_notice,
        receiving.receive_goods,
        receiving.record_supplier_invoice,
        telling.report_shortages,
        telling.find_missed,
        telling.tell,
        commands.obey_command,
        dunning.review_dunning,
        shipping.plan_shipments,
        shipping.book_shipment,
        shipping.cancel_booking,
        shipping.call_back,
        shipping.hand_over,
        shipping.apply_dispatch,
        shipping.apply_delivery,
        shipping.apply_tracking,
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
        review.review_stock,
        reconciliation.compare_stock,
        reconciliation.compare_orders,
        reconciliation.compare_ledger,
        reconciliation.close_findings,
    ]


def review_policy(settings: Settings) -> ReviewPolicy:
    """How stock is controlled, as configured."""
    return ReviewPolicy(
        window_days=settings.demand_window_days,
        service_level_ppm=int(settings.service_level_percent * PPM_PER_PERCENT),
        order_cost=settings.order_cost,
        holding_cost_ppm=int(settings.holding_cost_percent * PPM_PER_PERCENT),
    )


def build_worker(
    settings: Settings,
    database: Database,
    client: Client,
    runner: WorkflowRunner | None = None,
    clock: Clock = utc_now,
) -> Worker:
    """A worker, ready to run. Without the sandbox unless `runner` brings it, as the tests do: it
    finds what isn't deterministic, and costs a third of the throughput."""
    return Worker(
        client,
        task_queue=engine.TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=build_activities(settings, database, client, clock),
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
    database = Database(settings.database)
    usual_cut()  # now, as no order waits yet
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with build_worker(settings, database, client):
        logging.getLogger(__name__).info("worker is running")
        await stop.wait()
    database.close()


if __name__ == "__main__":
    with told():
        asyncio.run(main())
    leave(0)

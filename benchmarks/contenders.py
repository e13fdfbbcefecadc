"""Two workflows to compare an order with: `python -m benchmarks.contenders floor|naive`.

`floor` is the least that a Python workflow with two signals costs. `naive` is the business of an
order as five ordinary activities with one plain insert each, in the sandbox, without idempotency,
retries of partners, ledger or documents.
"""

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():  # else the sandbox loads them for each workflow
    from sqlalchemy import create_engine, text
    from temporalio.client import Client
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

    from activities.database.engine import with_driver

STEP_TIMEOUT = timedelta(seconds=10)
STEPS = ("record", "allocate", "bill", "book", "mail")
THREADS = 20


@workflow.defn
class FloorWorkflow:
    """Wait for two signals."""

    def __init__(self) -> None:
        self._signals = 0

    @workflow.run
    async def run(self, order_id: str) -> str:
        """Return the order's id after both signals."""
        await workflow.wait_condition(lambda: self._signals == 2)
        return order_id

    @workflow.signal
    def paid(self) -> None:
        """Count a payment."""
        self._signals += 1

    @workflow.signal
    def delivered(self) -> None:
        """Count a delivery."""
        self._signals += 1


@workflow.defn
class NaiveWorkflow:
    """Five activities, with the payment and the delivery between them."""

    def __init__(self) -> None:
        self._paid = self._delivered = False

    @workflow.run
    async def run(self, order_id: str) -> str:
        """Return the order's id when it is delivered."""
        for step in STEPS[:2]:
            await workflow.execute_activity(step, order_id, start_to_close_timeout=STEP_TIMEOUT)
        await workflow.wait_condition(lambda: self._paid)
        for step in STEPS[2:]:
            await workflow.execute_activity(step, order_id, start_to_close_timeout=STEP_TIMEOUT)
        await workflow.wait_condition(lambda: self._delivered)
        return order_id

    @workflow.signal
    def paid(self) -> None:
        """Record that the payment arrived."""
        self._paid = True

    @workflow.signal
    def delivered(self) -> None:
        """Record that the goods arrived."""
        self._delivered = True


class NaiveSteps:
    """Inserts one row per step."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(with_driver(url))
        with self._engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS naive (order_id TEXT, step TEXT)"))

    def insert(self, order_id: str, step: str) -> None:
        """Insert the row of a step."""
        row = {"order_id": order_id, "step": step}
        with self._engine.begin() as connection:
            connection.execute(text("INSERT INTO naive VALUES (:order_id, :step)"), row)

    @activity.defn
    def record(self, order_id: str) -> None:
        """Record the order."""
        self.insert(order_id, "record")

    @activity.defn
    def allocate(self, order_id: str) -> None:
        """Allocate stock."""
        self.insert(order_id, "allocate")

    @activity.defn
    def bill(self, order_id: str) -> None:
        """Issue the invoice."""
        self.insert(order_id, "bill")

    @activity.defn
    def book(self, order_id: str) -> None:
        """Book a carrier."""
        self.insert(order_id, "book")

    @activity.defn
    def mail(self, order_id: str) -> None:
        """Mail the invoice."""
        self.insert(order_id, "mail")


WORKFLOWS = {"floor": FloorWorkflow, "naive": NaiveWorkflow}


def build_worker(contender: str, client: Client, database_url: str) -> Worker:
    """Build the worker of a contender, on a task queue of its name."""
    if contender == "floor":
        return Worker(
            client,
            task_queue=contender,
            workflows=[FloorWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
    steps = NaiveSteps(database_url)
    return Worker(
        client,
        task_queue=contender,
        workflows=[NaiveWorkflow],
        activities=[getattr(steps, name) for name in STEPS],
        activity_executor=ThreadPoolExecutor(THREADS),
        workflow_runner=SandboxedWorkflowRunner(),
    )


async def main(contender: str) -> None:
    """Run the worker until a signal stops it."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with build_worker(contender, client, os.environ["NAIVE_DATABASE_URL"]):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""Notifier: what one workflow has changed, others are told to look at."""

import asyncio
from collections.abc import Coroutine, Iterable
from itertools import islice

from sqlmodel import Session, col, select
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.database.engine import Database
from activities.database.inbox import waiting_purchase_facts
from activities.database.step import read_step
from models.messages.commands import after_workflow
from models.messages.facts import ShortageReported, StockArrived
from models.messages.steps import (
    REPLENISHES,
    Missed,
    Notification,
    ReportStep,
    ReturnStep,
    StockKey,
)
from models.progress import Stage
from models.stock import ShortageState
from models.tables.orders import Order
from models.tables.stock import Shortage

AT_ONCE = 10
"""Workflows that are told at a time."""


@read_step
def find_missed_notifications(session: Session, place: StockKey) -> Missed:
    """What the last replenishment of a place was told, or was to tell, and didn't: it was
    ended before."""
    return _missed(session, place)


class Notifier:
    """The steps that speak to other workflows: by the client, as the server refuses
    signal-with-start from inside a workflow."""

    def __init__(self, database: Database, client: Client, queue: str) -> None:
        self._database = database
        self._client = client
        self._queue = queue

    @activity.defn
    async def report_shortages(self, step: ReportStep) -> None:
        """Tell (and, where none runs, start) the replenishment of everything an order lacks."""
        places = await self._database.read_async(
            lambda session: _short_places(session, step.order_id)
        )
        await _some_at_once(
            self._look(place, ShortageReported(shortage_id=shortage_id, again=step.again))
            for shortage_id, place in places
        )

    @activity.defn
    async def tell(self, notification: Notification) -> None:
        """Tell orders and replenishments to look. An order that is over needs no telling."""
        cause = notification.cause.replace(":", "-")[:64]
        for return_id in notification.returns:
            await self._follow(ReturnStep(return_id=return_id))
        for command_id in notification.call_backs:
            await self._signal(after_workflow(command_id), "goods_left")
        shortage = ShortageReported(shortage_id=cause)
        await _some_at_once(self._look(place, shortage) for place in notification.places)
        await _some_at_once(self._wake(order_id, cause) for order_id in notification.orders)

    async def _follow(self, step: ReturnStep) -> None:
        """Have a return looked at, by its workflow or a new one."""
        await self._client.start_workflow(
            "ReturnWorkflow",
            step,
            id=step.workflow_id,
            task_queue=self._queue,
            start_signal="return_changed",
            static_summary=f"Return {step.return_id}",
            static_details="Goods that come back, until what they are worth is paid.",
        )

    async def _wake(self, order_id: str, cause: str) -> None:
        await self._signal(f"order-{order_id}", "stock_arrived", StockArrived(receipt_id=cause))

    async def _signal(self, workflow_id: str, signal: str, *said: StockArrived) -> None:
        """One that is over needs no telling."""
        try:
            await self._client.get_workflow_handle(workflow_id).signal(signal, args=said)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def _look(self, place: StockKey, shortage: ShortageReported) -> None:
        await self._client.start_workflow(
            "ReplenishmentWorkflow",
            place,
            id=place.workflow_id,
            task_queue=self._queue,
            start_signal="shortage_reported",
            start_signal_args=[shortage],
            static_summary=place.summary,
            static_details=REPLENISHES,
        )


async def _some_at_once(tellings: Iterable[Coroutine[None, None, None]]) -> None:
    """As many at a time as the engine takes well: of a thousand, all within a step's time."""
    waiting = iter(tellings)
    while some := list(islice(waiting, AT_ONCE)):
        await asyncio.gather(*some)


def _missed(session: Session, place: StockKey) -> Missed:
    """Orders that show that they wait for stock, though nothing of theirs is short any more."""
    short = select(Shortage.order_id).where(Shortage.state == ShortageState.OPEN)
    here = select(Shortage.order_id).where(
        Shortage.sku == place.sku, Shortage.location == place.location
    )
    asleep = select(Order.order_id).where(
        Order.stage == Stage.AWAITING_STOCK,
        col(Order.order_id).in_(here),
        col(Order.order_id).not_in(short),
    )
    return Missed(
        facts=waiting_purchase_facts(session, place.sku, place.location),
        notification=Notification(
            cause="missed", orders=tuple(session.exec(asleep.order_by(Order.order_id)))
        ),
    )


def _short_places(session: Session, order_id: str) -> list[tuple[str, StockKey]]:
    rows = session.exec(
        select(Shortage)
        .where(Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.shortage_id))
    )
    return [(row.shortage_id, StockKey(location=row.location, sku=row.sku)) for row in rows]

"""Orders as they are shown: what the tables say, and what only the engine knows: that a workflow
was cut off or fails, or that an order isn't recorded yet."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

import engine
from activities.database.engine import Database
from activities.orders import reading as orders_reading
from models.errors import EngineUnavailable, NotFound
from models.messages.attention import WORKFLOW_ENDED, WORKFLOW_FAILS, Attention
from models.money import format_amount
from models.orders import OrderDocument
from models.progress import OVER, Stage
from models.views.orders import LineView, OrderDetails, OrderView
from models.visibility import CUT_OFF, FAILING

ASKED_AT_ONCE = 100
"""Orders of one query or, unrecorded ones, of so many questions at a time."""
LOOK_TIMEOUT = timedelta(seconds=1)
"""How long a view waits for what it can do without."""
_NEW = (None, Stage.RECEIVED)


class OrderStatusService:
    """Shows orders; safe to share between requests."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._database = database

    async def status(self, order_id: str) -> OrderDetails:
        """The order as the tables have it, and whether its workflow was cut off or fails; one that
        was started a moment ago as received.

        Raises NotFound.
        """
        details = await self._database.read_async(
            lambda session: orders_reading.order_details(session, order_id)
        )
        if details is not None:
            trouble = await self._trouble(order_id) if details.stage not in OVER else None
            return details.model_copy(update={"attention": trouble}) if trouble else details
        view = await self._from_memo(order_id)
        if view is None:
            raise NotFound("order_unknown", f"there is no order {order_id!r}")
        return OrderDetails(**dict(view), delivery="")

    async def list_orders(
        self, stage: Stage | None, attention: bool, limit: int
    ) -> list[OrderView]:
        """Orders, newest first; one whose workflow was cut off or fails shows that as its
        attention. Those that need attention, or were only received, may not be recorded yet. Where
        the engine doesn't answer, only the tables are asked."""
        troubles, views = dict[str, Attention](), list[OrderView]()
        of_all = attention or stage is Stage.RECEIVED
        if of_all:
            with suppress(EngineUnavailable):
                troubles = await self._troubles(self._orders_where)
                views += await self._unrecorded(troubles, limit) if stage in _NEW else []
        views += await self._database.read_async(
            lambda session: orders_reading.list_orders(session, stage, attention, limit, troubles)
        )
        if not of_all:
            shown = [view.order_id for view in views if view.stage not in OVER]
            with suppress(EngineUnavailable):
                troubles = await self._troubles(partial(self._among, shown))
        views.sort(key=lambda view: view.placed_at, reverse=True)
        views = [
            view.model_copy(update={"attention": troubles[view.order_id]})
            if view.order_id in troubles and view.stage not in OVER
            else view
            for view in views
        ]
        return views[:limit] if limit else views

    async def _troubles(
        self, orders_where: Callable[[str], Awaitable[list[str]]]
    ) -> dict[str, Attention]:
        """What the engine says of orders whose workflow was cut off and not started again, or
        fails; the newest first, of each. Raises EngineUnavailable."""
        failing, ended = await orders_where(FAILING), await orders_where(CUT_OFF)
        again = set(await self._among(ended, "ExecutionStatus IN ('Running', 'Completed')"))
        return {
            **dict.fromkeys(failing, WORKFLOW_FAILS),
            **{order_id: WORKFLOW_ENDED for order_id in ended if order_id not in again},
        }

    async def _among(self, order_ids: Sequence[str], query: str) -> list[str]:
        """As `_orders_where`, of these orders only."""
        found = list[str]()
        for start in range(0, len(order_ids), ASKED_AT_ONCE):
            some = order_ids[start : start + ASKED_AT_ONCE]
            ids = ", ".join(f"'order-{order_id}'" for order_id in some)
            found += await self._orders_where(f"WorkflowId IN ({ids}) AND {query}")
        return found

    async def _orders_where(self, query: str) -> list[str]:
        """Orders by a query on their workflows, the newest first, each once; none where the engine
        is too old to know the query's attributes. Raises EngineUnavailable."""
        try:
            async with asyncio.timeout(engine.CALL_TIMEOUT.total_seconds()):
                ids = await engine.reach(self._ids_where(query))
        except TimeoutError as error:
            raise EngineUnavailable("the engine doesn't answer in time") from error
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            return []
        return [workflow_id.removeprefix("order-") for workflow_id in dict.fromkeys(ids)]

    async def _ids_where(self, query: str) -> list[str]:
        query = f"WorkflowType = 'OrderWorkflow' AND {query}"
        return [run.id async for run in self._client.list_workflows(query)]

    async def _unrecorded(self, troubles: Mapping[str, Attention], limit: int) -> list[OrderView]:
        """Those that their workflow hasn't recorded yet, by what they were started with; of each
        trouble at most `limit`, 0 means all. Raises EngineUnavailable."""
        recorded = await self._database.read_async(
            lambda session: orders_reading.recorded(session, list(troubles))
        )
        new = [order_id for order_id in troubles if order_id not in recorded]
        failing = [order_id for order_id in new if troubles[order_id] is WORKFLOW_FAILS]
        ended = [order_id for order_id in new if troubles[order_id] is WORKFLOW_ENDED]
        most = limit or len(new)
        missing = failing[:most] + ended[:most]
        views = list[OrderView | None]()
        for start in range(0, len(missing), ASKED_AT_ONCE):
            some = missing[start : start + ASKED_AT_ONCE]
            views += await asyncio.gather(*(self._from_memo(order_id) for order_id in some))
        return [view for view in views if view is not None]

    async def _trouble(self, order_id: str) -> Attention | None:
        """Whether the order's workflow is there no more, or fails. None where the engine doesn't
        say."""
        try:
            description = await engine.describe(self._client, f"order-{order_id}", LOOK_TIMEOUT)
        except EngineUnavailable:
            return None
        return WORKFLOW_ENDED if description is None else _trouble_of(description)

    async def _from_memo(self, order_id: str) -> OrderView | None:
        description = await engine.describe(self._client, f"order-{order_id}")
        if description is None:
            return None
        placed_at = await description.memo_value("placed_at", default=None, type_hint=datetime)
        if placed_at is None:
            return None
        total_minor = await description.memo_value("total_minor", default=0, type_hint=int)
        view = as_received(await self._document(order_id), total_minor, placed_at)
        return view.model_copy(update={"attention": _trouble_of(description)})

    async def _document(self, order_id: str) -> OrderDocument:
        """What an order's workflow was started with."""
        handle = self._client.get_workflow_handle(f"order-{order_id}")
        first = await engine.reach(anext(handle.fetch_history_events(page_size=1)))
        given = first.workflow_execution_started_event_attributes.input.payloads
        document: OrderDocument
        [document] = await self._client.data_converter.decode(given, [OrderDocument])
        return document


def _trouble_of(description: WorkflowExecutionDescription) -> Attention | None:
    """What is wrong with an order's workflow that it can't say itself."""
    if engine.is_cut_off(description):
        return WORKFLOW_ENDED
    return WORKFLOW_FAILS if engine.fails(description) else None


def as_received(document: OrderDocument, total_minor: int, now: datetime) -> OrderView:
    """An order that isn't recorded yet."""
    return OrderView(
        order_id=document.order_id,
        customer_id=document.customer_id,
        channel=document.channel,
        terms=document.terms,
        stage=Stage.RECEIVED,
        currency=document.currency,
        total=format_amount(total_minor, document.currency),
        paid=format_amount(0, document.currency),
        lines=tuple(LineView(sku=line.sku, ordered=line.quantity) for line in document.lines),
        placed_at=now,
        updated_at=now,
        workflow_id=f"order-{document.order_id}",
    )

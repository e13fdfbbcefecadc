"""Order status, from the tables and the engine.

Only the engine knows that a workflow was ended from outside or fails, and orders that are not
recorded yet.
"""

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
from models.acceptance import AcceptedOrder
from models.errors import EngineUnavailable, NotFound
from models.messages.attention import WORKFLOW_ENDED, WORKFLOW_FAILS, Attention
from models.money import format_amount
from models.progress import FINAL_STAGES, Stage
from models.views.orders import LineView, OrderDetails, OrderView
from models.visibility import CUT_OFF, FAILING

BATCH_ORDERS = 100
"""Orders of one visibility query, and orders described at the same time."""
OPTIONAL_TIMEOUT = timedelta(seconds=1)
"""How long a view waits for an answer that it can do without."""
_UNRECORDED_STAGES = (None, Stage.RECEIVED)


class OrderStatusService:
    """Show orders; safe to share between requests."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._database = database

    async def status(self, order_id: str) -> OrderDetails:
        """Show an order from the tables, with the attention of its workflow.

        An order that isn't recorded yet is shown as received. Raises NotFound.
        """
        details = await self._database.read_async(
            lambda session: orders_reading.order_details(session, order_id)
        )
        if details is not None:
            attention = (
                await self._attention(order_id) if details.stage not in FINAL_STAGES else None
            )
            return details.model_copy(update={"attention": attention}) if attention else details
        view = await self._unrecorded_order(order_id)
        if view is None:
            raise NotFound("order_unknown", f"there is no order {order_id!r}")
        return OrderDetails(**dict(view), delivery="")

    async def list_orders(
        self,
        stage: Stage | None,
        attention: bool,
        limit: int,
        customer_reference: str | None = None,
        warnings: bool = False,
        placed_by: str | None = None,
    ) -> list[OrderView]:
        """List orders, newest first, with the attentions of their workflows.

        Orders not recorded yet are listed with orders in attention or of the stage received, except
        by the customer's reference, with `warnings` or of one token only. Without the engine, only
        the tables are read.
        """
        attentions, views = dict[str, Attention](), list[OrderView]()
        of_all = attention or stage is Stage.RECEIVED
        of_some = warnings or customer_reference is not None or placed_by is not None
        if of_all:
            with suppress(EngineUnavailable):
                attentions = await self._attentions(self._find_orders)
                if stage in _UNRECORDED_STAGES and not of_some:
                    views += await self._unrecorded_orders(attentions, limit)
        views += await self._database.read_async(
            lambda session: orders_reading.list_orders(
                *(session, stage, attention, limit, attentions),
                *(customer_reference, warnings, placed_by),
            )
        )
        if not of_all:
            open_ids = [view.order_id for view in views if view.stage not in FINAL_STAGES]
            with suppress(EngineUnavailable):
                attentions = await self._attentions(partial(self._filter_orders, open_ids))
        views.sort(key=lambda view: view.placed_at, reverse=True)
        views = [
            view.model_copy(update={"attention": attentions[view.order_id]})
            if view.order_id in attentions and view.stage not in FINAL_STAGES
            else view
            for view in views
        ]
        return views[:limit] if limit else views

    async def _attentions(
        self, find_orders: Callable[[str], Awaitable[list[str]]]
    ) -> dict[str, Attention]:
        """Find orders whose workflow fails, or was ended from outside and not started again.

        The newest of each kind come first. Raises EngineUnavailable.
        """
        failing, ended = await find_orders(FAILING), await find_orders(CUT_OFF)
        again = set(await self._filter_orders(ended, "ExecutionStatus IN ('Running', 'Completed')"))
        return {
            **dict.fromkeys(failing, WORKFLOW_FAILS),
            **{order_id: WORKFLOW_ENDED for order_id in ended if order_id not in again},
        }

    async def _filter_orders(self, order_ids: Sequence[str], query: str) -> list[str]:
        """Find those of these orders whose workflows match a query. Raises EngineUnavailable."""
        found = list[str]()
        for start in range(0, len(order_ids), BATCH_ORDERS):
            batch = order_ids[start : start + BATCH_ORDERS]
            ids = ", ".join(f"'order-{order_id}'" for order_id in batch)
            found += await self._find_orders(f"WorkflowId IN ({ids}) AND {query}")
        return found

    async def _find_orders(self, query: str) -> list[str]:
        """Find orders whose workflows match a query, the newest first, each once.

        Finds none if the engine is too old for the query's attributes. Raises EngineUnavailable.
        """
        try:
            async with asyncio.timeout(engine.CALL_TIMEOUT.total_seconds()):
                ids = await engine.reach(self._workflow_ids(query))
        except TimeoutError as error:
            raise EngineUnavailable("the engine doesn't answer in time") from error
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            return []
        return [workflow_id.removeprefix("order-") for workflow_id in dict.fromkeys(ids)]

    async def _workflow_ids(self, query: str) -> list[str]:
        query = f"WorkflowType = 'OrderWorkflow' AND {query}"
        return [run.id async for run in self._client.list_workflows(query)]

    async def _unrecorded_orders(
        self, attentions: Mapping[str, Attention], limit: int
    ) -> list[OrderView]:
        """Show orders in attention that aren't recorded yet, at most `limit` of each kind.

        0: all. Raises EngineUnavailable.
        """
        recorded = await self._database.read_async(
            lambda session: orders_reading.recorded_order_ids(session, list(attentions))
        )
        new = [order_id for order_id in attentions if order_id not in recorded]
        failing = [order_id for order_id in new if attentions[order_id] is WORKFLOW_FAILS]
        ended = [order_id for order_id in new if attentions[order_id] is WORKFLOW_ENDED]
        most = limit or len(new)
        shown = failing[:most] + ended[:most]
        views = list[OrderView | None]()
        for start in range(0, len(shown), BATCH_ORDERS):
            batch = shown[start : start + BATCH_ORDERS]
            views += await asyncio.gather(*map(self._unrecorded_order, batch))
        return [view for view in views if view is not None]

    async def _attention(self, order_id: str) -> Attention | None:
        """Find whether the order's workflow ended or fails; None if the engine doesn't answer."""
        try:
            description = await engine.describe(self._client, f"order-{order_id}", OPTIONAL_TIMEOUT)
        except EngineUnavailable:
            return None
        return WORKFLOW_ENDED if description is None else _attention_of(description)

    async def _unrecorded_order(self, order_id: str) -> OrderView | None:
        """Show an order from its workflow, as accepted; None if there is none."""
        description = await engine.describe(self._client, f"order-{order_id}")
        if description is None:
            return None
        placed_at = await description.memo_value("placed_at", default=None, type_hint=datetime)
        if placed_at is None:
            return None
        view = received_view(await self.accepted_order(order_id), placed_at)
        return view.model_copy(update={"attention": _attention_of(description)})

    async def placed_by(self, order_id: str) -> str:
        """Return the name of the token that placed an order. Raises NotFound."""
        found = await self._database.glance_async(
            lambda session: orders_reading.placed_by(session, order_id)
        )
        if found is not None:
            return found
        if await engine.describe(self._client, f"order-{order_id}") is None:
            raise NotFound("order_unknown", f"there is no order {order_id!r}")
        return (await self.accepted_order(order_id)).placed_by

    async def accepted_order(self, order_id: str) -> AcceptedOrder:
        """Read the argument of an order's workflow."""
        handle = self._client.get_workflow_handle(f"order-{order_id}")
        first = await engine.reach(anext(handle.fetch_history_events(page_size=1)))
        given = first.workflow_execution_started_event_attributes.input.payloads
        accepted: AcceptedOrder
        [accepted] = await self._client.data_converter.decode(given, [AcceptedOrder])
        return accepted


def _attention_of(description: WorkflowExecutionDescription) -> Attention | None:
    """Find the attention that an order's workflow can't show itself."""
    if engine.is_terminated(description):
        return WORKFLOW_ENDED
    return WORKFLOW_FAILS if engine.is_failing(description) else None


def received_view(order: AcceptedOrder, now: datetime) -> OrderView:
    """Show an order that isn't recorded yet. Without an acceptance its total is 0 until then."""
    total_minor = order.accepted.totals.total_minor if order.accepted is not None else 0
    return OrderView(
        order_id=order.order_id,
        customer_id=order.customer_id,
        customer_reference=order.customer_reference,
        warnings=tuple(order.warnings),
        channel=order.channel,
        terms=order.terms,
        stage=Stage.RECEIVED,
        currency=order.currency,
        total=format_amount(total_minor, order.currency),
        paid=format_amount(0, order.currency),
        lines=tuple(LineView(sku=line.sku, ordered=line.quantity) for line in order.lines),
        placed_at=now,
        updated_at=now,
        workflow_id=f"order-{order.order_id}",
    )

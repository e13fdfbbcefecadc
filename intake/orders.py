"""Placing of orders: each accepted order becomes a workflow."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from sqlmodel import Session
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

import engine
from activities.orders import acceptance
from activities.orders import reading as orders_reading
from intake.connection import Connection
from models.acceptance import Acceptance, AcceptedOrder
from models.billing import InvoiceAt
from models.errors import Conflict, FieldError, InvalidInput
from models.messages.facts import StockArrived
from models.messages.parsing import parse_order
from models.orders import OrderDocument, digest
from models.progress import FINAL_STAGES, Stage
from models.views.orders import OrderView
from order_status import received_view
from workflows import search_attributes
from workflows.order import OrderWorkflow
from workflows.status_text import order_summary


@dataclass(frozen=True)
class Placed:
    """An accepted order; `created` is False if it was placed before."""

    order: OrderView
    created: bool


class OrderIntake(Connection):
    """Accept order documents."""

    async def place(self, sent: JsonValue, placed_by: str = "") -> Placed:
        """Accept an order document; its workflow runs when this returns.

        `placed_by`: the name of a token that may use only its own orders.

        An order that was accepted before and is not recorded yet stays accepted, whatever was
        imported since. Raises InvalidInput (naming each field), Conflict (the id is taken by
        another document), EngineUnavailable.
        """
        document = parse_order(sent)
        sent_digest = digest(sent)
        invoice_at = self._database.rules.billing.invoice_at
        recorded, errors, accepted = await self._database.glance_async(
            lambda session: _check(session, document, invoice_at)
        )
        if recorded is not None and recorded[0] != sent_digest:
            raise taken(document.order_id)
        if recorded is not None and recorded[1] in FINAL_STAGES:
            # a workflow that was terminated may have left something to do, such as a mail
            description = await engine.describe(self._client, f"order-{document.order_id}")
            if not engine.is_terminated(description):
                return Placed(await self.orders.status(document.order_id), created=False)
        new = _NewOrder(
            AcceptedOrder(**dict(document), accepted=accepted, placed_by=placed_by),
            sent_digest,
            self._database.clock(),
        )
        if errors and recorded is None:
            if await engine.describe(self._client, new.workflow_id) is None:
                raise InvalidInput(errors)
            started = await self._continue_order(new)
        else:
            started = await self._start_order(new)
        if started is not None and recorded is None:
            return Placed(received_view(started.order, started.placed_at), created=True)
        return Placed(await self.orders.status(document.order_id), created=False)

    async def notify_orders(self, order_ids: tuple[str, ...], cause: str) -> None:
        """Notify orders of stock reserved for them; orders without a workflow are skipped."""
        for order_id in order_ids:
            await self._signal(f"order-{order_id}", "stock_arrived", StockArrived(receipt_id=cause))

    async def _start_order(self, new: "_NewOrder") -> "_NewOrder | None":
        """Start the order's workflow and return what it runs; None if the same order's runs.

        An earlier workflow is an error here: so a new order needs no query.
        """
        try:
            await self._start_workflow(new, WorkflowIDReusePolicy.REJECT_DUPLICATE)
        except WorkflowAlreadyStartedError:
            return await self._continue_order(new)
        return new

    async def _continue_order(self, new: "_NewOrder") -> "_NewOrder | None":
        """Start a terminated workflow again, as it was accepted; None if it needs no start.

        It continues from the tables, if the order is recorded.
        """
        handle = self._client.get_workflow_handle(new.workflow_id)
        description = await engine.reach(handle.describe(rpc_timeout=engine.CALL_TIMEOUT))
        earlier_digest = await description.memo_value("digest", default="", type_hint=str)
        if earlier_digest != new.digest:
            raise taken(new.order.order_id)
        if not engine.is_terminated(description):
            return None
        order = await self.orders.accepted_order(new.order.order_id)
        placed_at = await description.memo_value("placed_at", default=None, type_hint=datetime)
        earlier = _NewOrder(order, new.digest, placed_at or new.placed_at)
        try:
            await self._start_workflow(earlier, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
        except WorkflowAlreadyStartedError:  # at the same time by another process
            return None
        return earlier

    async def _start_workflow(self, new: "_NewOrder", reuse: WorkflowIDReusePolicy) -> None:
        order = new.order
        await engine.reach(
            self._client.start_workflow(
                OrderWorkflow.run,
                order,
                id=new.workflow_id,
                task_queue=engine.TASK_QUEUE,
                id_reuse_policy=reuse,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={"digest": new.digest, "placed_at": new.placed_at},
                search_attributes=search_attributes.at_start(order.customer_id, order.channel),
                static_summary=order_summary(order),
                static_details=f"Order {order.order_id}, placed {order.channel}.",
                rpc_timeout=engine.CALL_TIMEOUT,
            )
        )


@dataclass(frozen=True)
class _NewOrder:
    """An accepted order, with the digest of its document as sent."""

    order: AcceptedOrder
    digest: str
    placed_at: datetime

    @property
    def workflow_id(self) -> str:
        return f"order-{self.order.order_id}"


def _check(
    session: Session, document: OrderDocument, invoice_at: InvoiceAt
) -> tuple[tuple[str, Stage] | None, list[FieldError], Acceptance | None]:
    """Read whether an order is recorded, and check it as `acceptance.check_order`."""
    recorded = orders_reading.digest_and_stage(session, document.order_id)
    return recorded, *acceptance.check_order(session, document, invoice_at)


def taken(order_id: str) -> Conflict:
    """Build the error for an id that another order has."""
    return Conflict(
        "order_id_taken",
        f"order_id: {order_id!r} is taken by an order with other content; use another id",
    )

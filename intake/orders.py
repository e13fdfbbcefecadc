"""Placing of orders: each accepted order becomes a workflow."""

from dataclasses import dataclass

from pydantic import JsonValue
from sqlmodel import Session
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

import engine
from activities.orders import acceptance
from activities.orders import reading as orders_reading
from intake.connection import Connection
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

    async def place(self, sent: JsonValue) -> Placed:
        """Accept an order document; its workflow runs when this returns.

        Raises InvalidInput (naming each field), Conflict (the id is taken by another document),
        EngineUnavailable.
        """
        document = parse_order(sent)
        sent_digest = digest(sent)
        recorded, errors, total_minor = await self._database.glance_async(
            lambda session: _check(session, document)
        )
        if recorded is not None and recorded[0] != sent_digest:
            raise _taken(document.order_id)
        if recorded is not None and recorded[1] in FINAL_STAGES:
            # a workflow that was terminated may have left something to do, such as a mail
            description = await engine.describe(self._client, f"order-{document.order_id}")
            if not engine.is_terminated(description):
                return Placed(await self.orders.status(document.order_id), created=False)
        if errors and recorded is None:
            raise InvalidInput(errors)
        view = received_view(document, total_minor, self._database.clock())
        started = await self._start_order(document, sent_digest, total_minor, view)
        if started and recorded is None:
            return Placed(view, created=True)
        return Placed(await self.orders.status(document.order_id), created=False)

    async def notify_orders(self, order_ids: tuple[str, ...], cause: str) -> None:
        """Notify orders of stock reserved for them; orders without a workflow are skipped."""
        for order_id in order_ids:
            await self._signal(f"order-{order_id}", "stock_arrived", StockArrived(receipt_id=cause))

    async def _start_order(
        self, document: OrderDocument, sent_digest: str, total_minor: int, view: OrderView
    ) -> bool:
        """Start the order's workflow; False if the same order's runs already.

        A running workflow is an error here: so a new order needs no query. A terminated one starts
        again and continues from the tables.
        """
        try:
            await engine.reach(
                self._client.start_workflow(
                    OrderWorkflow.run,
                    document,
                    id=view.workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={
                        "digest": sent_digest,
                        "placed_at": view.placed_at,
                        "total_minor": total_minor,
                    },
                    search_attributes=search_attributes.at_start(
                        document.customer_id, document.channel
                    ),
                    static_summary=order_summary(document),
                    static_details=f"Order {document.order_id}, placed {document.channel}.",
                    rpc_timeout=engine.CALL_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            handle = self._client.get_workflow_handle(view.workflow_id)
            description = await engine.reach(handle.describe(rpc_timeout=engine.CALL_TIMEOUT))
            if await description.memo_value("digest", default="", type_hint=str) != sent_digest:
                raise _taken(document.order_id) from None
            return False
        return True


def _check(
    session: Session, document: OrderDocument
) -> tuple[tuple[str, Stage] | None, list[FieldError], int]:
    """Read whether an order is recorded, and check it as `acceptance.check_order`."""
    recorded = orders_reading.digest_and_stage(session, document.order_id)
    return recorded, *acceptance.check_order(session, document)


def _taken(order_id: str) -> Conflict:
    return Conflict(
        "order_id_taken",
        f"order_id: {order_id!r} is taken by an order with other content; use another id",
    )

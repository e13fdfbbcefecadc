"""Explanations: what an order, shipment, return or purchase order waits for.

The tables know what is agreed; only the engine knows which steps are tried again, and whether a
workflow was ended from outside or fails.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.failure.v1 import Failure
from temporalio.client import WorkflowExecutionDescription, WorkflowQueryFailedError
from temporalio.service import RPCError

import engine
from activities.orders import situation
from activities.purchasing import reading as purchasing_reading
from intake.connection import Connection
from models.errors import EngineUnavailable, NotFound
from models.messages.attention import WORKFLOW_ENDED, WORKFLOW_FAILS, OpenAttention
from models.messages.steps import OrderStatus
from models.situation import Retrying, Situation
from models.views.why import Explanation
from models.why import explain, of_subject
from order_status import OPTIONAL_TIMEOUT


class ExplanationIntake(Connection):
    """Explain what waits, and for what."""

    async def why(self, subject: str) -> Explanation:
        """Explain an order, or a shipment, return or purchase order. Raises NotFound.

        Without the engine, it is explained as the tables have it.
        """
        found = await self.why_purchase(subject) or await self.why_part(subject)
        return found or await self.why_order(subject)

    async def why_purchase(self, po_id: str) -> Explanation | None:
        """Explain what a purchase order waits for; None if there is none."""
        return await self._read(lambda s: purchasing_reading.why_purchase(s, po_id))

    async def why_part(self, subject: str) -> Explanation | None:
        """Explain what a shipment or a return waits for; None if there is none."""
        part = await self._read(lambda s: situation.order_of(s, subject))
        if part is None:
            return None
        order_id, state = part
        return of_subject(await self.why_order(order_id), subject, state)

    async def why_order(self, order_id: str) -> Explanation:
        """Explain what an order waits for. Raises NotFound."""
        policy = self._database.rules.policy
        found = await self._read(lambda s: situation.read_situation(s, order_id, policy))
        workflow_id = f"order-{order_id}"
        try:
            description = await engine.describe(self._client, workflow_id, OPTIONAL_TIMEOUT)
        except EngineUnavailable:
            if found is None:
                raise
            return explain(found)
        if found is None:
            if description is None:
                raise NotFound("order_unknown", f"there is no order {order_id!r}")
            found = Situation(order_id=order_id, policy=policy, since=description.start_time)
        return explain(await self._with_engine(found, description))

    async def _with_engine(
        self, found: Situation, description: WorkflowExecutionDescription | None
    ) -> Situation:
        """Add what only the engine and the workflow know."""
        if found.is_over:
            return found
        if description is None or engine.is_terminated(description):
            ended_at = description.close_time if description is not None else None
            return found.with_attention(WORKFLOW_ENDED, ended_at or self._database.clock())
        found = replace(found, retrying=tuple(_retrying(description)))
        if engine.is_failing(description):
            return found.with_attention(WORKFLOW_FAILS, self._database.clock())
        own = await self._attentions_of(found.order_id)
        if own is None:
            return found
        others = tuple(each for each in found.attentions if each.source)
        return replace(found, attentions=(*own, *others))

    async def _attentions_of(self, order_id: str) -> tuple[OpenAttention, ...] | None:
        """Ask an order's workflow for all its open attentions; None if no worker answers."""
        handle = self._client.get_workflow_handle(f"order-{order_id}")
        try:
            status: OrderStatus = await handle.query(
                "status", result_type=OrderStatus, rpc_timeout=OPTIONAL_TIMEOUT
            )
        except (RPCError, WorkflowQueryFailedError):
            return None
        return status.attentions


def _retrying(description: WorkflowExecutionDescription) -> Iterator[Retrying]:
    """List the steps that have failed and are tried again."""
    for pending in description.raw_description.pending_activities:
        if pending.attempt > 1 and pending.HasField("last_failure"):
            yield Retrying(
                summary=pending.activity_type.name.replace("_", " "),
                attempts=pending.attempt - 1,
                error=_message(pending.last_failure),
                next_at=_time(pending.next_attempt_schedule_time),
            )


def _message(failure: Failure) -> str:
    """Return the message of the failure behind the engine's own."""
    while failure.HasField("cause"):
        failure = failure.cause
    return failure.message


def _time(moment: Timestamp) -> datetime | None:
    return moment.ToDatetime(UTC) if moment.seconds else None

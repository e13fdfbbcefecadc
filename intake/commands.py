"""Commands of operators, and requests to running orders: cancel, retry, accept a delay."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

from pydantic import JsonValue
from temporalio.client import (
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

import engine
from activities.operations import reading as operations_reading
from activities.shipping import reading as shipping_reading
from intake.connection import Connection
from models.errors import Conflict, EngineUnavailable, FieldError, InvalidInput, NotFound, Refused
from models.messages.attention import WORKFLOW_ENDED, WORKFLOW_FAILS
from models.messages.commands.base import (
    COMMAND_ID_TAKEN,
    UNKNOWN,
    UNKNOWN_PURCHASE_ORDER,
    UNKNOWN_SKU,
    CommandMessage,
    Refusal,
)
from models.messages.commands.orders import Acknowledge
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandDone, follow_up_workflow_id
from models.messages.parsing import parse_command
from models.messages.requests import AcceptRequest, CancelRequest, CommandOutcome, RetryRequest
from models.progress import FINAL_STAGES
from workflows.commands import CommandWorkflow

OrderRequest = CancelRequest | RetryRequest | AcceptRequest


class CommandIntake(Connection):
    """Execute commands, and pass requests to orders."""

    async def command(self, kind: type[CommandMessage], sent: JsonValue) -> CommandDone:
        """Execute a command once per command id.

        Raises InvalidInput (naming the refused field), NotFound, Conflict, Refused,
        EngineUnavailable (it may have been executed; the same command again gives its result).
        """
        command = parse_command(kind, sent)
        handle = await engine.reach(
            self._client.start_workflow(
                CommandWorkflow.run,
                CommandStep(command=command, source=self._source),
                id=f"{'dry-run' if command.dry_run else 'command'}-{command.command_id}",
                task_queue=engine.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"{command.kind}, by {command.actor}",
                static_details=command.reason,
                rpc_timeout=engine.CALL_TIMEOUT,
            )
        )
        try:
            async with asyncio.timeout(engine.UPDATE_TIMEOUT.total_seconds()):
                done = await engine.reach(handle.result())
        except TimeoutError as error:
            raise EngineUnavailable(
                "no worker answered in time; is one running? The command is executed when one "
                f"runs. The same command again, with the id {command.command_id}, gives its result"
            ) from error
        except WorkflowFailureError as error:
            message = "its workflow was ended from outside: send the same command again"
            raise Refused("command_ended", message) from error
        if done.command != command:
            reason = f"{command.command_id!r} is being used for another command; use another id"
            raise _refused(Refusal(code=COMMAND_ID_TAKEN, field="command_id", reason=reason))
        if done.refusal is not None:
            raise _refused(done.refusal)
        if kind.retries and done.effects is None:
            for order_id in done.notification.orders:
                with suppress(Refused, EngineUnavailable):  # nothing waits; it is tried by itself
                    await self._retry_waiting(order_id, command.actor, command.reason)
        return CommandDone(
            command_id=command.command_id, message=done.message, effects=done.effects
        )

    async def preview(
        self,
        kind: type[CommandMessage],
        order_id: str,
        reason: str,
        actor: str,
    ) -> CommandDone:
        """Show what a request to an order would do. Raises as `command`."""
        sent: JsonValue = {
            "command_id": f"preview-{uuid.uuid4()}",
            "order_id": order_id,
            "reason": reason or "dry run",
            "actor": actor,
            "dry_run": True,
        }
        return await self.command(kind, sent)

    async def cancel(
        self, order_id: str, reason: str, actor: str, key: str | None = None
    ) -> CommandOutcome:
        """Cancel an order. Raises NotFound, Refused (with the order's reason).

        `key`: the same again has the same outcome, as for `retry`.
        """
        request = CancelRequest(reason=reason, actor=actor, source=self._source)
        return await self._request(order_id, "cancel", request, key)

    async def accept_delay(
        self, order_id: str, actor: str, reason: str = "accepted"
    ) -> CommandOutcome:
        """Record the customer's consent to a delay. Raises as `cancel`."""
        return await self._request(
            order_id, "accept_delay", AcceptRequest(reason=reason, actor=actor, source=self._source)
        )

    async def retry(
        self, order_id: str, actor: str, reason: str = "retried", key: str | None = None
    ) -> CommandOutcome:
        """Retry all waiting steps of an order and its background workflows.

        Problems that only need an operator's attention are acknowledged. Raises as `cancel`; also
        if nothing waits.
        """
        results = list[str]()
        if await self._read(
            lambda session: operations_reading.needs_acknowledgement(session, order_id)
        ):
            with suppress(Refused):  # another operator was faster
                results.append(await self._acknowledge(order_id, actor, reason, key))
        return await self._retry_waiting(order_id, actor, reason, results, key)

    async def _retry_waiting(
        self,
        order_id: str,
        actor: str,
        reason: str,
        results: Sequence[str] = (),
        key: str | None = None,
    ) -> CommandOutcome:
        """Retry all waiting steps of an order and its background workflows; `results`: done before.

        Raises as `retry`.
        """
        request = RetryRequest(reason=reason, actor=actor, source=self._source)
        results, unreached = list(results), list[EngineUnavailable]()
        workflow_ids = await self._read(
            lambda session: operations_reading.background_workflows(session, order_id)
        )
        for workflow_id in workflow_ids:
            try:
                outcome = await self._update(workflow_id, "retry_step", request, key)
            except Refused:  # it has ended, or nothing of it waits
                continue
            except EngineUnavailable as error:  # the others may answer
                unreached.append(EngineUnavailable(f"{workflow_id}: {error.message}"))
            else:
                results.append(f"{workflow_id}: {outcome.message}")
        results += await self._restart_recalls(order_id)
        try:
            results.append((await self._request(order_id, "retry_step", request, key)).message)
        except Refused:
            if not results and unreached:
                raise unreached[0] from None
            if not results:
                raise
        return CommandOutcome(accepted=True, message="; ".join([*results, *map(str, unreached)]))

    async def _acknowledge(self, order_id: str, actor: str, reason: str, key: str | None) -> str:
        sent: JsonValue = {
            "command_id": operations_reading.acknowledgement_id(key or str(uuid.uuid4())),
            "order_id": order_id,
            "actor": actor,
            "reason": reason,
        }
        return (await self.command(Acknowledge, sent)).message

    async def _restart_recalls(self, order_id: str) -> list[str]:
        """Restart recalls of shipments whose workflow was ended from outside; returns messages."""
        messages = []
        for command in await self._read(
            lambda session: shipping_reading.open_recalls(session, order_id)
        ):
            workflow_id = follow_up_workflow_id(command.command_id)
            description = await engine.describe(self._client, workflow_id)
            if description is None or engine.is_terminated(description):
                await self.command(type(command), command.model_dump(mode="json"))
                messages.append(f"{workflow_id}: started again")
        return messages

    async def _request(
        self, order_id: str, name: str, request: OrderRequest, key: str | None = None
    ) -> CommandOutcome:
        """Send a request to an order. Raises NotFound for an unknown order, Refused."""
        if engine.is_failing(await engine.describe(self._client, f"order-{order_id}")):
            raise Refused(f"{name}_refused", f"order {order_id}: {WORKFLOW_FAILS.message}")
        try:
            return await self._update(f"order-{order_id}", name, request, key)
        except NotFound as error:
            status = await self.orders.status(order_id)
            message = f"order {order_id} is {status.stage}: its workflow has ended"
            if status.stage not in FINAL_STAGES:
                message = f"order {order_id} is {status.stage}; {WORKFLOW_ENDED.message}"
            raise Refused(f"{name}_refused", message) from error

    async def _update(
        self, workflow_id: str, name: str, request: OrderRequest | None, key: str | None = None
    ) -> CommandOutcome:
        """Update a workflow, once per `key`. Raises NotFound if none of that id runs, Refused."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            outcome: CommandOutcome = await engine.reach(
                handle.execute_update(
                    name,
                    request,
                    id=key,
                    result_type=CommandOutcome,
                    rpc_timeout=engine.UPDATE_TIMEOUT,
                )
            )
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise EngineUnavailable("no worker answered in time; is one running?") from error
        except WorkflowUpdateFailedError as error:
            raise Refused(f"{name}_refused", str(error.cause)) from error
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise NotFound("workflow_ended", f"{workflow_id} has ended") from error
        if not outcome.accepted:
            raise Refused(f"{name}_refused", outcome.message)
        return outcome


def _refused(refusal: Refusal) -> Refused:
    """Convert a refusal to the error that API and CLI show."""
    if refusal.code == COMMAND_ID_TAKEN:
        return Conflict(refusal.code, f"{refusal.field}: {refusal.reason}")
    if refusal.code in (UNKNOWN, UNKNOWN_SKU, UNKNOWN_PURCHASE_ORDER):
        return NotFound(refusal.code, refusal.reason)
    return InvalidInput([FieldError(refusal.field, refusal.reason)], refusal.code)

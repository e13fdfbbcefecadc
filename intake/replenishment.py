"""Replenishments checked on request."""

from sqlmodel import Session
from temporalio.common import WorkflowIDConflictPolicy

import engine
from activities.stock import reading as stock_reading
from intake.connection import Connection
from models.errors import FieldError, InvalidInput, NotFound
from models.messages.commands.base import UNKNOWN_SKU
from models.messages.facts import ShortageReported
from models.messages.steps import REPLENISHMENT_DETAILS, StockKey
from workflows.replenishment import ReplenishmentWorkflow


class ReplenishmentIntake(Connection):
    """Check replenishments on request."""

    async def replenish(self, sku: str, location: str | None) -> list[str]:
        """Check now whether a SKU must be purchased, also from suppliers that failed before.

        Checks `location`, or all locations that keep the SKU. Returns the ids of their workflows.
        Raises NotFound, InvalidInput, EngineUnavailable.
        """
        keys = await self._read(lambda session: _stock_keys(session, sku, location))
        for key in keys:
            await engine.reach(
                self._client.start_workflow(
                    ReplenishmentWorkflow.run,
                    key,
                    id=key.workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal="shortage_reported",
                    start_signal_args=[ShortageReported(shortage_id="person", again=True)],
                    static_summary=key.summary,
                    static_details=REPLENISHMENT_DETAILS,
                    rpc_timeout=engine.CALL_TIMEOUT,
                )
            )
        return [key.workflow_id for key in keys]


def _stock_keys(session: Session, sku: str, location: str | None) -> list[StockKey]:
    if not stock_reading.sku_exists(session, sku):
        raise NotFound(UNKNOWN_SKU, f"there is no SKU {sku!r}")
    if stock_reading.is_service(session, sku):
        raise InvalidInput([FieldError("sku", f"{sku} is a service: it is never purchased")])
    if location is not None and not stock_reading.location_exists(session, location):
        raise InvalidInput([FieldError("location", f"there is no location {location!r}")])
    locations = [location] if location else stock_reading.locations_of(session, sku)
    if not locations:
        raise InvalidInput([FieldError("location", f"no location keeps {sku} yet: name one")])
    return [StockKey(location=name, sku=sku) for name in locations]

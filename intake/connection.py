"""The connection of the application service to Temporal server and database."""

from collections.abc import Callable
from typing import TypeVar

from sqlmodel import Session
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

import engine
from activities.database.engine import Database
from models.errors import EngineUnavailable
from order_status import OrderStatusService

Result = TypeVar("Result")


class Connection:
    """Temporal client and database, with its clock and rules; `orders` shows orders.

    `source`: the way by which commands come in, for the audit trail.
    """

    def __init__(self, client: Client, database: Database, source: str) -> None:
        self._source = source
        self._client = client
        self._database = database
        self.orders = OrderStatusService(client, database)

    async def check_engine(self) -> None:
        """Check that the Temporal server answers. Raises EngineUnavailable."""
        if not await engine.reach(
            self._client.service_client.check_health(timeout=engine.CALL_TIMEOUT)
        ):
            raise EngineUnavailable("the engine is not serving")

    async def _read(self, work: Callable[[Session], Result]) -> Result:
        return await self._database.read_async(work)

    async def _signal(self, workflow_id: str, name: str, message: object) -> bool:
        """Signal a workflow; False if none of that id runs."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await engine.reach(handle.signal(name, message, rpc_timeout=engine.CALL_TIMEOUT))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

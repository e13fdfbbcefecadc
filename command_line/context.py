"""What the commands work with."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from pydantic import JsonValue
from sqlmodel import Session

import engine
from activities.database.engine import Database
from activities.database.unit_of_work import utc_now
from command_line.output import show
from intake import Intake
from models.settings import Settings

Result = TypeVar("Result")


class CliContext:
    """Database and engine, for one command."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.database = Database(settings.database, settings.rules)
        self._environment = environment

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Ask the tables."""
        return self.database.read(work)

    def with_intake(self, work: Callable[[Intake], Coroutine[Any, Any, Result]]) -> Result:
        """Run `work` with the engine connected (at its first call)."""

        async def run() -> Result:
            port = self.settings.temporal_port
            client = await engine.connect(self._environment, port, lazy=True)
            return await work(Intake(client, self.database, utc_now, self.settings.buying))

        return asyncio.run(run())

    def tell(
        self, type_: str, fact_id: str, data: JsonValue, as_json: bool, *, by_person: bool = False
    ) -> None:
        """Take a fact, and show who was told."""
        taken = self.with_intake(
            lambda intake: intake.take_fact("cli", fact_id, type_, data, by_person=by_person)
        )
        told = f"told {taken.workflow_id}" if taken.workflow_id else "it was known already"
        show(
            {"fact_id": taken.fact_id, "workflow_id": taken.workflow_id},
            as_json,
            f"{type_} {fact_id} taken, {told}",
        )


OpenContext = Callable[[], CliContext]
"""Opened when a command runs: what is wrong with the environment is told then."""


def new_id() -> str:
    """An id for what was given without one."""
    return f"cli-{uuid.uuid4()}"

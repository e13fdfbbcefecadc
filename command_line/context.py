"""The context of a command: settings, database and application service."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from pydantic import JsonValue
from sqlmodel import Session

import engine
from activities.database.engine import Database
from command_line.output import show
from intake import Intake
from models.audit import CLI
from models.documents import DocumentRules
from models.settings import Settings

Result = TypeVar("Result")


class CliContext:
    """Database and application service of one command."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.database = Database(settings.database, settings.rules)
        self._environment = environment

    @property
    def documents(self) -> DocumentRules:
        """Templates and fonts of documents."""
        return self.database.rules.documents

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Read the database."""
        return self.database.read(work)

    def with_intake(self, work: Callable[[Intake], Coroutine[Any, Any, Result]]) -> Result:
        """Run `work` with the application service; it connects at its first call."""

        async def run() -> Result:
            port = self.settings.temporal_port
            client = await engine.connect(self._environment, port, lazy=True)
            return await work(Intake(client, self.database, CLI))

        return asyncio.run(run())

    def record_fact(
        self, type_: str, fact_id: str, data: JsonValue, as_json: bool, *, by_operator: bool = True
    ) -> None:
        """Record a fact, and print the workflow it was passed to."""
        recorded = self.with_intake(
            lambda intake: intake.record_fact(CLI, fact_id, type_, data, by_operator=by_operator)
        )
        workflow_id = recorded.workflow_id
        outcome = f"passed to {workflow_id}" if workflow_id else "it was applied before"
        show(
            {"fact_id": recorded.fact_id, "workflow_id": workflow_id},
            as_json,
            f"{type_} {fact_id} recorded, {outcome}",
        )


OpenContext = Callable[[], CliContext]
"""Opens the context when a command runs, and then reports invalid variables."""


def new_id() -> str:
    """Make an id for a command or fact given without one."""
    return f"cli-{uuid.uuid4()}"

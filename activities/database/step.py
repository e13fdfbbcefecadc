"""Steps: transactions that workflows call by name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar, get_type_hints

from sqlmodel import Session
from temporalio import activity

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Step(Generic[In, Out]):
    """A step, as workflows call it: its name, and the types of its input and output."""

    name: str
    input_type: type[In]
    output_type: type[Out]


@dataclass(frozen=True)
class WriteStep(Step[In, Out]):
    """A step that changes the tables in one transaction."""

    function: Callable[[UnitOfWork, In], Out]

    def run(self, database: Database, argument: In) -> Out:
        """Run the step in a transaction of its own."""
        return database.transaction(lambda work: self.function(work, argument))

    async def run_async(self, database: Database, argument: In) -> Out:
        """Run the step in a transaction of its own, in a background thread."""
        return await database.transaction_async(lambda work: self.function(work, argument))


@dataclass(frozen=True)
class ReadStep(Step[In, Out]):
    """A step that only reads, from one consistent view."""

    function: Callable[[Session, In], Out]

    def __call__(self, session: Session, argument: In) -> Out:
        """Run the step in the transaction of its caller."""
        return self.function(session, argument)

    def run(self, database: Database, argument: In) -> Out:
        """Run the step on a view of its own."""
        return database.read(lambda session: self.function(session, argument))

    async def run_async(self, database: Database, argument: In) -> Out:
        """Run the step on a view of its own, in a background thread."""
        return await database.read_async(lambda session: self.function(session, argument))


def step(function: Callable[[UnitOfWork, In], Out]) -> WriteStep[In, Out]:
    """Make a function of a unit of work and a message a step, named as the function."""
    return WriteStep(*_signature(function), function=function)


def read_step(function: Callable[[Session, In], Out]) -> ReadStep[In, Out]:
    """Make a function of a session and a message a step, named as the function."""
    return ReadStep(*_signature(function), function=function)


def _signature(function: Callable[[Any, In], Out]) -> tuple[str, type[In], type[Out]]:
    """Return the name of a step's function, and the types of its message and of its result."""
    hints = get_type_hints(function)
    output = hints.pop("return")
    _transaction, argument = hints.values()
    return function.__name__, argument, output


def activity_of(
    step: WriteStep[In, Out] | ReadStep[In, Out], database: Database
) -> Callable[[In], Awaitable[Out]]:
    """Return the activity that runs a step on `database`."""

    async def run(argument: In) -> Out:
        return await step.run_async(database, argument)

    run.__annotations__ = {"argument": step.input_type, "return": step.output_type}
    return activity.defn(name=step.name)(run)


def steps_of(module: ModuleType) -> list[WriteStep[Any, Any] | ReadStep[Any, Any]]:
    """Return the steps that a module defines, in their order."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, WriteStep | ReadStep) and value.function.__module__ == module.__name__
    ]

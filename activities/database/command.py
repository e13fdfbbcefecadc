"""Executors: the functions that execute operators' commands, one for each kind."""

from collections.abc import Callable
from typing import Any, TypeVar

from activities.database.unit_of_work import UnitOfWork
from models.messages.commands.base import CommandMessage
from models.messages.commands.results import CommandResult

CommandType = TypeVar("CommandType", bound=CommandMessage)
Executor = Callable[[UnitOfWork, CommandType], CommandResult]

_EXECUTORS: dict[type[CommandMessage], Executor[Any]] = {}


def executes(kind: type[CommandType]) -> Callable[[Executor[CommandType]], Executor[CommandType]]:
    """Register a function as the executor of a kind of command.

    It runs in the transaction of `execute_command` and raises CommandRefused to refuse the command.
    """

    def register(executor: Executor[CommandType]) -> Executor[CommandType]:
        assert kind not in _EXECUTORS, f"{kind.__name__} has an executor"
        _EXECUTORS[kind] = executor
        return executor

    return register


def executor_of(kind: type[CommandMessage]) -> Executor[Any]:
    """Return the executor of a kind of command."""
    return _EXECUTORS[kind]

"""Wait for a condition: by repeated reads, or along a workflow's history."""

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

PATIENCE_S = 30.0
"""The time after which a wait fails."""
GLANCE_S = 0.06
"""The time between two reads."""

Value = TypeVar("Value")


@overload
async def until(
    read: Callable[[], Awaitable[Value]],
    reached: Callable[[Value], object] = bool,
    patience_s: float = PATIENCE_S,
) -> Value: ...


@overload
async def until(
    read: Callable[[], Value],
    reached: Callable[[Value], object] = bool,
    patience_s: float = PATIENCE_S,
) -> Value: ...


async def until(
    read: Callable[[], Any],
    reached: Callable[[Any], object] = bool,
    patience_s: float = PATIENCE_S,
) -> Any:
    """Read until the value satisfies `reached`; returns the value."""
    value: Any = None
    try:
        async with asyncio.timeout(patience_s):
            while True:
                found = read()
                value = await found if inspect.isawaitable(found) else found
                if reached(value):
                    return value
                await asyncio.sleep(GLANCE_S)
    except TimeoutError:
        raise AssertionError(f"still {value!r}") from None


async def until_history(
    handle: WorkflowHandle[Any, Any], reached: Callable[[HistoryEvent], object]
) -> None:
    """Read a workflow's history, as it grows, up to the first event that satisfies `reached`."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in handle.fetch_history_events(wait_new_event=True):
            if reached(event):
                return
    raise AssertionError("the workflow has ended without such an event")


async def until_timer(handle: WorkflowHandle[Any, Any], summary: str, number: int = 1) -> None:
    """Wait until a workflow has started the `number`th timer with a summary."""
    started = itertools.count(1)

    def is_started(event: HistoryEvent) -> bool:
        is_timer = event.HasField("timer_started_event_attributes")
        is_named = summary.encode() in event.user_metadata.summary.data
        return is_timer and is_named and next(started) == number

    await until_history(handle, is_started)

"""Waiting for what rings no bell when it happens (the tables, a partner's books), and for what does:
a workflow's history."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

PATIENCE_S = 30.0
GLANCE_S = 0.02
QUIET_S = 0.5
CHANGING = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
}
"""Events after which the tables may say something else."""

Seen = TypeVar("Seen")


async def until(
    look: Callable[[], Awaitable[Seen] | Seen],
    reached: Callable[[Seen], object] = bool,
    patience_s: float = PATIENCE_S,
) -> Seen:
    """Look until what is seen satisfies `reached`; returns it."""
    seen: Seen | None = None
    try:
        async with asyncio.timeout(patience_s):
            while True:
                found = look()
                seen = await found if inspect.isawaitable(found) else found
                if reached(seen):
                    return seen
                await asyncio.sleep(GLANCE_S)
    except TimeoutError:
        raise AssertionError(f"still {seen!r}") from None


async def until_history(
    handle: WorkflowHandle[Any, Any], reached: Callable[[HistoryEvent], object]
) -> None:
    """Read the workflow's history, as it grows, up to the first event that satisfies `reached`."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in handle.fetch_history_events(wait_new_event=True):
            if reached(event):
                return
    raise AssertionError("the workflow has ended without it")


async def news(handle: WorkflowHandle[Any, Any], seen: int) -> AsyncIterator[HistoryEvent | None]:
    """The latest of the workflow's events that may have changed something, where it pauses for a
    moment: at first any up to number `seen`, then those after it; and None where it has been quiet
    for a while, or is over."""
    events = handle.fetch_history_events(wait_new_event=True)
    never = asyncio.get_running_loop().create_future()
    coming = asyncio.ensure_future(anext(events, None))
    latest: HistoryEvent | None = None
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=GLANCE_S if latest else QUIET_S)
            event = coming.result() if done else None
            if event is None or event.event_id == seen:
                yield event or latest
                latest = None
            elif event.event_id > seen and event.event_type in CHANGING:
                latest = event
            if done:
                coming = never if event is None else asyncio.ensure_future(anext(events, None))
    finally:
        coming.cancel()

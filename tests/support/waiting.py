"""Waiting for what rings no bell when it happens (the tables, a partner's books), and for what does:
a workflow's history."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

PATIENCE_S = 30.0
GLANCE_S = 0.06

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

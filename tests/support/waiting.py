"""Waiting for what rings no bell when it happens: the tables, a partner's books."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_S = 30.0
GLANCE_S = 0.02

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

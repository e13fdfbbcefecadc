"""One call to a partner, done once: where its idempotency key comes from."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlmodel import Session

from activities.database.engine import Database
from models.errors import PartnerRefused
from models.tables import PartnerCall

Answer = TypeVar("Answer")


async def once(database: Database, call: str, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
    """Run `ask` with the key of `call` (order, step and business number) and its attempt.

    The attempt rises after a definite refusal and only then, and is kept in the tables: after a
    time-out, a crash or a terminated workflow the partner is asked with the same key again.
    """
    attempt = await asyncio.to_thread(database.read, lambda session: _attempt(session, call))
    try:
        return await ask(f"{call}/{attempt}")
    except PartnerRefused:
        await asyncio.to_thread(
            database.transaction, lambda session: _refused(session, call, attempt)
        )
        raise


def _attempt(session: Session, call: str) -> int:
    row = session.get(PartnerCall, call)
    return row.attempt if row else 1


def _refused(session: Session, call: str, attempt: int) -> None:
    row = session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        session.add(PartnerCall(call=call, attempt=attempt + 1))
    elif row.attempt == attempt:
        row.attempt += 1

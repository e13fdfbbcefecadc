"""One call to a partner, done once: where its idempotency key and its words come from."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel
from sqlmodel import Session

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from models.errors import PartnerRefused
from models.tables.operations import PartnerCall

Wish = TypeVar("Wish", bound=BaseModel)
Answer = TypeVar("Answer")


async def call_idempotently(
    database: Database, call: str, wish: Wish, ask: Callable[[Wish, str], Awaitable[Answer]]
) -> tuple[Wish, Answer]:
    """Run `ask` with the key of `call` (order, step and business number) and its attempt; returns
    what was asked, and the answer.

    The attempt rises after a definite refusal and only then. Attempt and wish are written down
    before the partner is asked: after a time-out, a crash or a terminated workflow it is asked for
    the same under the same key, whatever has changed since (money has come, the date has).
    """
    attempt, asked = await asyncio.to_thread(
        database.transaction, lambda work: _write_down(work, call, wish)
    )
    try:
        return asked, await ask(asked, f"{call}/{attempt}")
    except PartnerRefused:
        await asyncio.to_thread(database.transaction, lambda work: refused(work, call, attempt))
        raise


def asked_before(session: Session, call: str, kind: type[Wish]) -> tuple[int, Wish | None]:
    """Which attempt of a call we are at, and what was written down for it; None: nothing yet."""
    row = session.get(PartnerCall, call)
    if row is None or row.asked is None:
        return (row.attempt if row else 1), None
    return row.attempt, kind.model_validate(row.asked)


def _write_down(work: UnitOfWork, call: str, wish: Wish) -> tuple[int, Wish]:
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        row = PartnerCall(call=call, attempt=1)
        work.session.add(row)
    if row.asked is None:
        row.asked = wish.model_dump(mode="json")
    work.session.flush()
    return row.attempt, type(wish).model_validate(row.asked)


def refused(work: UnitOfWork, call: str, attempt: int) -> None:
    """There was a definite no: what is asked next is the next attempt; again does nothing."""
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        work.session.add(PartnerCall(call=call, attempt=attempt + 1))
    elif row.attempt == attempt:
        row.attempt, row.asked = attempt + 1, None

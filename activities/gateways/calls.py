"""Idempotent calls to partners: their idempotency keys and recorded requests."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel
from sqlmodel import Session

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from models.errors import PartnerRefused
from models.tables.operations import PartnerCall

Request = TypeVar("Request", bound=BaseModel)
Answer = TypeVar("Answer")


async def call_idempotently(
    database: Database,
    call: str,
    request: Request,
    send: Callable[[Request, str], Awaitable[Answer]],
) -> tuple[Request, Answer]:
    """Call a partner with an idempotency key; return the request that was sent, and the answer.

    The key is `call` (order, step and business number) and the number of the attempt, which rises
    after a refusal only. Attempt and request are recorded before the call: after a timeout, a crash
    or a terminated workflow the same request is sent under the same key, also if another one is
    given by then. Raises as `send`.
    """
    attempt, recorded = await database.transaction_async(
        lambda work: _record_request(work, call, request)
    )
    try:
        return recorded, await send(recorded, f"{call}/{attempt}")
    except PartnerRefused:
        await database.transaction_async(lambda work: record_refusal(work, call, attempt))
        raise


def recorded_request(
    session: Session, call: str, kind: type[Request]
) -> tuple[int, Request | None]:
    """Read the attempt of a call and the request recorded for it, if any."""
    row = session.get(PartnerCall, call)
    if row is None or row.asked is None:
        return (row.attempt if row else 1), None
    return row.attempt, kind.model_validate(row.asked)


def _record_request(work: UnitOfWork, call: str, request: Request) -> tuple[int, Request]:
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        row = PartnerCall(call=call, attempt=1)
        work.session.add(row)
    if row.asked is None:
        row.asked = request.model_dump(mode="json")
    work.session.flush()
    return row.attempt, type(request).model_validate(row.asked)


def record_refusal(work: UnitOfWork, call: str, attempt: int) -> None:
    """Record the refusal of an attempt once: the next request is the next attempt."""
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        work.session.add(PartnerCall(call=call, attempt=attempt + 1))
    elif row.attempt == attempt:
        row.attempt, row.asked = attempt + 1, None

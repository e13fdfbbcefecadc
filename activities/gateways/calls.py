"""Idempotent calls to partners: prepared in a transaction, made after it, recorded in another.

A call has a key, made of order, step and business number, and the number of the attempt, which
rises after a refusal only. Attempt and request are recorded before the call: after a timeout, a
crash or a terminated workflow the same request is sent under the same key, also if another one
would be prepared by then.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel
from sqlmodel import Session

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from models.errors import PartnerRefused, PartnerUnavailable, Refused
from models.progress import Progress
from models.tables.operations import PartnerCall

Request = TypeVar("Request", bound=BaseModel)
Answer = TypeVar("Answer")
Result = TypeVar("Result")
Record = Callable[[UnitOfWork, Progress | None], Progress | None]
"""Records an answer, with the order's progress before, if known; returns the progress after it
where that has changed."""


def record_nothing(_work: UnitOfWork, _known: Progress | None) -> None:
    """Record nothing."""


class NothingAsked(PartnerUnavailable):
    """No answer to a question that commits to nothing: another one may be asked instead."""


@dataclass(frozen=True)
class PreparedCall:
    """A call that a transaction has prepared and written down, to be made after it.

    `step`: the partner step that makes the same call, with what it is about: "request_payment" or
    "book_shipment/SH-1". `partner`: whom it calls. `send` returns what records the answer; it
    raises as the gateways do. `refuse` records a refusal, `forget` that nothing was asked.
    """

    step: str
    partner: str
    send: Callable[[], Awaitable[Record]]
    refuse: Record = record_nothing
    forget: Record = record_nothing


async def make_call(
    database: Database,
    prepare: Callable[[UnitOfWork], PreparedCall | None],
    finish: Callable[[UnitOfWork], Result],
) -> Result:
    """Make the call that `prepare` returns, if any; return the result of `finish` after its answer.

    Without a call both are one transaction. Raises as the gateways do.
    """

    def begin(work: UnitOfWork) -> tuple[PreparedCall, None] | tuple[None, Result]:
        call = prepare(work)
        return (None, finish(work)) if call is None else (call, None)

    begun = await database.transaction_async(begin)
    if begun[0] is None:
        return begun[1]
    call = begun[0]
    try:
        record = await call.send()
    except Refused:
        await database.transaction_async(lambda work: call.refuse(work, None))
        raise
    except NothingAsked:
        await database.transaction_async(lambda work: call.forget(work, None))
        raise

    def conclude(work: UnitOfWork) -> Result:
        record(work, None)
        return finish(work)

    return await database.transaction_async(conclude)


async def call_idempotently(
    database: Database,
    call: str,
    request: Request,
    send: Callable[[Request, str], Awaitable[Answer]],
) -> tuple[Request, Answer]:
    """Call a partner with the key of `call`; return the request that was sent, and the answer.

    Raises as `send`.
    """
    attempt, recorded = await database.transaction_async(
        lambda work: record_request(work, call, request)
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


def is_refused(session: Session, call: str) -> bool:
    """Return whether the latest request of a call was refused."""
    row = session.get(PartnerCall, call)
    return row is not None and row.asked is None and row.attempt > 1


def record_request(work: UnitOfWork, call: str, request: Request) -> tuple[int, Request]:
    """Record the request of a call, unless it has one; return its attempt and its request."""
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        return record_first_request(work, call, request)
    if row.asked is None:
        row.asked = request.model_dump(mode="json")
    return row.attempt, type(request).model_validate(row.asked)


def record_first_request(work: UnitOfWork, call: str, request: Request) -> tuple[int, Request]:
    """As `record_request`, for a call that can't have been made before."""
    row = PartnerCall(call=call, attempt=1, asked=request.model_dump(mode="json"))
    work.session.add(row)
    return 1, request


def record_refusal(work: UnitOfWork, call: str, attempt: int) -> None:
    """Record the refusal of an attempt once: the next request is the next attempt."""
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is None:
        work.session.add(PartnerCall(call=call, attempt=attempt + 1))
    elif row.attempt == attempt:
        row.attempt, row.asked = attempt + 1, None


def forget_request(work: UnitOfWork, call: str, attempt: int) -> None:
    """Forget the request of an attempt that the partner was not asked for."""
    row = work.session.get(PartnerCall, call, with_for_update=True)
    if row is not None and row.attempt == attempt:
        row.asked = None

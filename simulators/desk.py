"""Where every call to a partner is answered: log, key, body, fault, books - in that order."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from simulators import clock
from simulators.books import Answered, Books
from simulators.callbacks import Callbacks
from simulators.contract import Body, Callback, Outcome, Partner, SimulatorConfig, problem
from simulators.faults import Fault, Faults

B = TypeVar("B", bound=Body)


@dataclass(frozen=True)
class Operation(Generic[B]):
    """One call of the contract; `do` reads and changes the books, within one transaction."""

    partner: Partner
    name: str
    path: str
    body: type[B]
    subject: Callable[[B], str]
    do: Callable[[Books, B], Outcome]
    conduct: Callable[[Faults, B], tuple[Callback, ...] | None] | None = None
    """What it tells later where it was told to do something wrong; None: as it should."""


class Desk:
    """Answers each key once and repeats that answer; plans the callbacks if PARTNERS=auto."""

    def __init__(
        self, books: Books, faults: Faults, callbacks: Callbacks, config: SimulatorConfig
    ) -> None:
        self._books = books
        self._faults = faults
        self._callbacks = callbacks
        self._auto = config.auto
        self._delay = timedelta(seconds=config.delay_seconds)

    async def answer(self, operation: Operation[B], request: Request) -> JSONResponse:
        """Answer one call, with the fault that is pending for it."""
        text = (await request.body()).decode(errors="replace")
        key = request.headers.get("idempotency-key")
        self._books.note_call(operation.partner, operation.name, key, text)
        if not key:
            return refusal(400, "idempotency_key_missing", "the header Idempotency-Key is missing")
        try:
            body = operation.body.model_validate_json(text)
        except ValidationError as error:
            return refusal(422, "invalid_input", explained(error.errors()))
        fault = self._faults.take(operation.partner, operation.name)
        if fault and fault.fault == "delay":
            await asyncio.sleep(fault.seconds)
        if fault and fault.fault == "error":
            return refusal(fault.status, "unavailable", "something went wrong; try again")
        answer = self._answer_once(operation, key, body, fault)
        if fault and fault.fault == "timeout_after":
            await asyncio.sleep(fault.seconds)
        return answer

    def _answer_once(
        self, operation: Operation[B], key: str, body: B, fault: Fault | None
    ) -> JSONResponse:
        """The key's first answer; nothing else runs between the look and the write."""
        first = self._books.first_answer(operation.partner, key)
        if first is None and fault and fault.fault == "refuse":
            return refusal(422, fault.code, f"the {operation.name} was refused")
        if first is None:
            first = self._do(operation, key, body)
        elif (first.operation, first.body) != (operation.name, body.model_dump_json()):
            return refusal(409, "idempotency_key_reused", f"{key} was used for something else")
        return JSONResponse(first.answer, first.status)

    def _do(self, operation: Operation[B], key: str, body: B) -> Answered:
        """Do it, in one transaction with its answer and its callbacks."""
        partner, subject = operation.partner, operation.subject(body)
        with self._books.transaction():
            done = operation.do(self._books, body)
            wrong = (
                operation.conduct(self._faults, body) if operation.conduct and done.state else None
            )
            told = done.callbacks if wrong is None else wrong
            answered = Answered(operation.name, body.model_dump_json(), done.status, done.answer)
            self._books.record(partner, key, subject, done.state, answered)
            for callback in told if self._auto else ():
                self._plan(partner, subject, callback)
        self._callbacks.wake()
        return answered

    def _plan(self, partner: Partner, subject: str, callback: Callback) -> None:
        happens = clock.now() + callback.delays * self._delay
        body = callback.body(happens)
        self._books.plan(partner, subject, f"msg_{callback.event_id}", body, happens)


def refusal(status: int, code: str, message: str) -> JSONResponse:
    """An answer that something was not done."""
    return JSONResponse(problem(code, message), status)


def explained(errors: Sequence[Mapping[str, Any]]) -> str:
    """One sentence that names each wrong field; from pydantic's or FastAPI's list of errors."""
    return "; ".join(
        f"{'.'.join(str(part) for part in error['loc']) or 'body'}: {error['msg']}"
        for error in errors
    )

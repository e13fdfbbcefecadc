"""Answer calls to partners: log, check the key, validate, apply a fault, execute once."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from simulators import clock
from simulators.books import Books, RecordedAnswer
from simulators.callbacks import Callbacks
from simulators.contract import (
    Body,
    Callback,
    Data,
    Outcome,
    Partner,
    SimulatorConfig,
    error_body,
)
from simulators.faults import Fault, Faults

B = TypeVar("B", bound=Body)


@dataclass(frozen=True)
class Operation(Generic[B]):
    """One operation of the contract; `execute` reads and changes the books in one transaction."""

    partner: Partner
    name: str
    path: str
    body: type[B]
    subject: Callable[[B], str]
    execute: Callable[[Books, B], Outcome]
    faulty_callbacks: Callable[[Faults, B, Data], tuple[Callback, ...] | None] | None = None
    """Return the callbacks that pending faults cause, for request and answer; None: no fault
    applies."""


class Desk:
    """Execute each idempotency key once and repeat its answer; schedule callbacks if `auto`."""

    def __init__(
        self, books: Books, faults: Faults, callbacks: Callbacks, config: SimulatorConfig
    ) -> None:
        self._books = books
        self._faults = faults
        self._callbacks = callbacks
        self._auto = config.auto
        self._delay = timedelta(seconds=config.delay_seconds)

    async def answer(self, operation: Operation[B], request: Request) -> JSONResponse:
        """Answer one call, applying the fault pending for its operation."""
        text = (await request.body()).decode(errors="replace")
        key = request.headers.get("idempotency-key")
        self._books.log_call(operation.partner, operation.name, key, text)
        if not key:
            return error_response(
                400, "idempotency_key_missing", "the header Idempotency-Key is missing"
            )
        try:
            body = operation.body.model_validate_json(text)
        except ValidationError as error:
            return error_response(422, "invalid_input", format_validation_errors(error.errors()))
        fault = self._faults.take(operation.partner, operation.name)
        if fault and fault.fault == "delay":
            await asyncio.sleep(fault.seconds)
        if fault and fault.fault == "error":
            return error_response(fault.status, "unavailable", "temporarily unavailable; retry")
        answer = self._answer_once(operation, key, body, fault)
        if fault and fault.fault == "timeout_after":
            await asyncio.sleep(fault.seconds)
        return answer

    def _answer_once(
        self, operation: Operation[B], key: str, body: B, fault: Fault | None
    ) -> JSONResponse:
        """Return the key's first answer, executing the request if there is none.

        Nothing is awaited between the read and the write, so no call with the same key interferes.
        """
        first = self._books.first_answer(operation.partner, key)
        if first is None and fault and fault.fault == "refuse":
            return error_response(422, fault.code, f"the {operation.name} was rejected")
        if first is None:
            first = self._execute(operation, key, body)
        elif (first.operation, first.body) != (operation.name, body.model_dump_json()):
            return error_response(
                409, "idempotency_key_reused", f"{key} was used for another request"
            )
        return JSONResponse(first.answer, first.status)

    def _execute(self, operation: Operation[B], key: str, body: B) -> RecordedAnswer:
        """Execute a request; record its answer and callbacks in the same transaction."""
        partner, subject = operation.partner, operation.subject(body)
        with self._books.transaction():
            outcome = operation.execute(self._books, body)
            answer = RecordedAnswer(
                operation.name, body.model_dump_json(), outcome.status, outcome.answer
            )
            self._books.record_answer(partner, key, subject, outcome.state, answer)
            for callback in self._resulting_callbacks(operation, body, outcome):
                self._schedule(partner, subject, callback)
        self._callbacks.wake()
        return answer

    def _resulting_callbacks(
        self, operation: Operation[B], body: B, outcome: Outcome
    ) -> tuple[Callback, ...]:
        """Return the callbacks to schedule; faults are used up in manual mode too."""
        faulty = None
        if operation.faulty_callbacks and outcome.state:
            faulty = operation.faulty_callbacks(self._faults, body, outcome.answer)
        if not self._auto:
            return ()
        return outcome.callbacks if faulty is None else faulty

    def _schedule(self, partner: Partner, subject: str, callback: Callback) -> None:
        due = clock.now() + callback.delays * self._delay
        webhook_id = f"msg_{callback.event_id}"
        self._books.schedule_callback(partner, subject, webhook_id, callback.body(due), due)


def error_response(status: int, code: str, message: str) -> JSONResponse:
    """Build an error answer."""
    return JSONResponse(error_body(code, message), status)


def format_validation_errors(errors: Sequence[Mapping[str, Any]]) -> str:
    """Format the errors of pydantic or FastAPI as one line that names each invalid field."""
    return "; ".join(
        f"{'.'.join(str(part) for part in error['loc']) or 'body'}: {error['msg']}"
        for error in errors
    )

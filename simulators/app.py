"""Assemble the simulators' web application: partner APIs, test controls and stored mail."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue
from starlette.exceptions import HTTPException

from simulators import carriers, payments, suppliers
from simulators.books import Books
from simulators.callbacks import Callbacks, Response, SendCallback
from simulators.contract import Partner, SimulatorConfig
from simulators.desk import Desk, Operation, error_response, format_validation_errors
from simulators.faults import Fault, Faults
from simulators.mail import MailDirectory, smtp_sink
from simulators.mail_pages import mail_routes

# Any: each operation has its own type of body.
OPERATIONS: tuple[Operation[Any], ...] = (
    *payments.OPERATIONS,
    *suppliers.OPERATIONS,
    *carriers.OPERATIONS,
)


def create_app(config: SimulatorConfig) -> FastAPI:
    """Create the application. Run it once; after startup `app.state.smtp_port` is the SMTP port."""
    books, faults = Books(config.books), Faults()
    callbacks = Callbacks(books, faults, config)
    mail = MailDirectory(config.mail_dir)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with closing(books):
            async with (
                smtp_sink(mail, config.smtp_host, config.smtp_port) as smtp_port,
                callbacks.running(),
            ):
                app.state.smtp_port = smtp_port
                yield

    app = FastAPI(title="Simulated partners of the order pipeline", lifespan=lifespan)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.include_router(_partner_routes(Desk(books, faults, callbacks, config)))
    app.include_router(_fault_routes(faults))
    app.include_router(_book_routes(books, callbacks))
    app.include_router(mail_routes(mail))
    return app


def _partner_routes(desk: Desk) -> APIRouter:
    """Route the requests that docs/partners.md defines."""
    router = APIRouter()

    def endpoint(operation: Operation[Any]) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def answer(request: Request) -> JSONResponse:
            return await desk.answer(operation, request)

        return answer

    for operation in OPERATIONS:
        router.add_api_route(
            operation.path, endpoint(operation), methods=["POST"], name=operation.name
        )
    return router


def _fault_routes(faults: Faults) -> APIRouter:
    router = APIRouter(prefix="/control/faults")

    @router.post("", status_code=201)
    async def add(fault: Fault) -> Fault:
        """Add a fault, effective at once."""
        faults.add(fault)
        return fault

    @router.get("")
    async def list_pending() -> list[Fault]:
        """List the pending faults."""
        return faults.pending

    @router.delete("", status_code=204)
    async def clear() -> None:
        """Remove all pending faults."""
        faults.clear()

    return router


def _book_routes(books: Books, callbacks: Callbacks) -> APIRouter:
    router = APIRouter(prefix="/control")

    @router.get("/books/{partner}")
    async def contents(partner: Partner) -> dict[str, list[dict[str, JsonValue]]]:
        """List a partner's requests, logged calls and callbacks."""
        return books.contents(partner)

    @router.post("/send")
    async def send(command: SendCallback) -> JSONResponse:
        """Send one signed callback now; return the receiver's `status` and `body`."""
        try:
            response = await callbacks.send_now(command)
        except (aiohttp.ClientError, TimeoutError) as error:
            return error_response(
                502, "receiver_unreachable", f"the receiver did not answer: {error!r}"
            )
        return JSONResponse({"status": response.status, "body": _decoded_body(response)})

    return router


def _decoded_body(response: Response) -> JsonValue:
    """Decode a JSON body by its content type; return any other body as text."""
    is_json = response.content_type in ("application/json", "application/problem+json")
    body: JsonValue = json.loads(response.body) if is_json else response.body.decode()
    return body


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    return error_response(422, "invalid_input", format_validation_errors(error.errors()))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return error_response(error.status_code, f"http_{error.status_code}", str(error.detail))

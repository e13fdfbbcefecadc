"""The one app of all partners: their calls, the controls for tests, and the kept mail."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue
from starlette.exceptions import HTTPException

from simulators import carriers, payments, suppliers
from simulators.books import Books
from simulators.callbacks import Callbacks, Send
from simulators.contract import Partner, SimulatorConfig
from simulators.desk import Desk, Operation, explained, refusal
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
    """The app, to be run once; `app.state.smtp_port` is set when it has started."""
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

    app = FastAPI(title="Partners of the order pipeline, simulated", lifespan=lifespan)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_problem)
    app.include_router(_partner_routes(Desk(books, faults, callbacks, config)))
    app.include_router(_fault_routes(faults))
    app.include_router(_book_routes(books, callbacks))
    app.include_router(mail_routes(mail))
    return app


def _partner_routes(desk: Desk) -> APIRouter:
    """The calls of docs/partners.md."""
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
        """Let something go wrong from now on."""
        faults.add(fault)
        return fault

    @router.get("")
    async def pending() -> list[Fault]:
        """What is still to go wrong."""
        return faults.pending

    @router.delete("", status_code=204)
    async def clear() -> None:
        """Let nothing go wrong any more."""
        faults.clear()

    return router


def _book_routes(books: Books, callbacks: Callbacks) -> APIRouter:
    router = APIRouter(prefix="/control")

    @router.get("/books/{partner}")
    async def contents(partner: Partner) -> dict[str, list[dict[str, JsonValue]]]:
        """All that a partner knows: requests, calls and callbacks."""
        return books.contents(partner)

    @router.post("/send")
    async def send(send: Send) -> JSONResponse:
        """Send one signed callback now; the receiver's `status` and `body`."""
        try:
            response = await callbacks.send_now(send)
        except httpx.HTTPError as error:
            return refusal(502, "receiver_unreachable", f"no answer: {error!r}")
        return JSONResponse({"status": response.status_code, "body": _opened(response)})

    return router


def _opened(response: httpx.Response) -> JsonValue:
    """The body as JSON if it is said to be, else as text."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    opened: JsonValue = response.json() if is_json else response.text
    return opened


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    return refusal(422, "invalid_input", explained(error.errors()))


async def _http_problem(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return refusal(error.status_code, f"http_{error.status_code}", str(error.detail))

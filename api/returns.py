"""Returns over HTTP: goods that come back, the commands on them, and their labels."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response

from activities.database.engine import Database
from activities.returns import reading as returns_reading
from api.bodies import body_of, commanded
from intake import Intake, return_label
from models.base import MAX_LISTED
from models.messages.commands import (
    AuthoriseReturn,
    CloseReturn,
    CommandDone,
    InspectReturn,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ReturnOnItsWay,
)
from models.returns import ReturnState
from models.views.returns import ReturnDetails, ReturnSummary, of_return

Result = TypeVar("Result")


def return_router(intake: Intake, database: Database) -> APIRouter:
    """Returns, and the commands on them."""
    router = APIRouter(tags=["returns"])

    @router.get("/returns")
    async def list_returns(
        order_id: str | None = None,
        state: ReturnState | None = None,
        limit: Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")] = 50,
    ) -> list[ReturnSummary]:
        """Returns, the latest first."""
        return await database.read_async(
            lambda s: returns_reading.list_returns(s, order_id, state, limit)
        )

    @router.get("/returns/{return_id}")
    async def show(return_id: str) -> ReturnDetails:
        """A return: its units, what became of them, and what the customer got."""
        view = await database.read_async(lambda s: returns_reading.return_details(s, return_id))
        return of_return(view, return_id)

    @router.get("/returns/{return_id}/label.pdf", response_class=Response)
    async def label(return_id: str) -> Response:
        """The label of an authorised return, as PDF."""
        document = await database.read_async(lambda s: return_label(s, return_id))
        headers = {"content-disposition": f'inline; filename="{return_id}.pdf"'}
        return Response(document, media_type="application/pdf", headers=headers)

    @router.post("/returns", **commanded(RequestReturn))
    async def request_return(request: Request) -> CommandDone:
        """A customer wants to send goods of an order back."""
        return await intake.command(RequestReturn, await body_of(request, RequestReturn))

    @router.post("/returns/{return_id}/authorisation", **commanded(AuthoriseReturn, "return_id"))
    async def authorise(return_id: str, request: Request) -> CommandDone:
        """The goods may come."""
        body = await body_of(request, AuthoriseReturn, return_id=return_id)
        return await intake.command(AuthoriseReturn, body)

    @router.post("/returns/{return_id}/rejection", **commanded(RejectReturn, "return_id"))
    async def reject(return_id: str, request: Request) -> CommandDone:
        """The goods may not come; the customer reads why."""
        body = await body_of(request, RejectReturn, return_id=return_id)
        return await intake.command(RejectReturn, body)

    @router.post("/returns/{return_id}/closing", **commanded(CloseReturn, "return_id"))
    async def close(return_id: str, request: Request) -> CommandDone:
        """Nothing more is expected: the customer keeps the goods, or they got lost."""
        body = await body_of(request, CloseReturn, return_id=return_id)
        return await intake.command(CloseReturn, body)

    @router.post("/returns/{return_id}/dispatch", **commanded(ReturnOnItsWay, "return_id"))
    async def dispatch(return_id: str, request: Request) -> CommandDone:
        """The customer has sent the goods: the authorisation expires no more."""
        body = await body_of(request, ReturnOnItsWay, return_id=return_id)
        return await intake.command(ReturnOnItsWay, body)

    @router.post(
        "/returns/{return_id}/receipts", **commanded(ReceiveReturn, "return_id", "order_id")
    )
    async def receive(return_id: str, request: Request) -> CommandDone:
        """Goods of a return have come."""
        body = await body_of(request, ReceiveReturn, return_id=return_id)
        return await intake.command(ReceiveReturn, body)

    @router.post("/returns/{return_id}/inspections", **commanded(InspectReturn, "return_id"))
    async def inspect(return_id: str, request: Request) -> CommandDone:
        """Somebody has looked at them: the customer gets what they are worth."""
        body = await body_of(request, InspectReturn, return_id=return_id)
        return await intake.command(InspectReturn, body)

    @router.post(
        "/orders/{order_id}/unannounced-returns",
        **commanded(ReceiveReturn, "order_id", "return_id"),
    )
    async def receive_unannounced(order_id: str, request: Request) -> CommandDone:
        """Goods of an order have come back that nobody had announced."""
        body = await body_of(request, ReceiveReturn, order_id=order_id)
        return await intake.command(ReceiveReturn, body)

    return router

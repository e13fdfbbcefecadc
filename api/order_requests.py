"""Requests to running orders over HTTP: cancel, retry, accept a delay."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field, ValidationError

from api.bodies import body_of, described
from api.problems import PROBLEMS
from intake import Intake
from models.audit import OPERATOR
from models.base import Document, Payload, Text
from models.errors import invalid_input
from models.messages.commands.orders import PreviewCancellation, PreviewConsent, PreviewRetry
from models.messages.commands.results import CommandDone, ShownEffects
from models.messages.requests import CommandOutcome


class RequestBody(Document):
    """Why an operator sends a request; or a dry run, which only shows what would change."""

    reason: Text
    actor: Text = OPERATOR
    dry_run: Annotated[bool, Field(strict=True)] = False


class RequestDone(Payload):
    """The answer of an order, with the effects of a dry run."""

    accepted: bool
    message: str
    effects: ShownEffects = None


def add_order_requests(router: APIRouter, intake: Intake) -> None:
    """Add the routes of requests to running orders."""

    @router.post(
        "/orders/{order_id}/cancellation",
        responses=PROBLEMS,
        openapi_extra=described(RequestBody),
        tags=["orders"],
    )
    async def cancel(order_id: str, request: Request) -> RequestDone:
        """Cancel an order and undo its steps. Refused after goods have left."""
        body = await _read(request)
        if body.dry_run:
            return _shown(
                await intake.preview(PreviewCancellation, order_id, body.reason, body.actor)
            )
        return _done(await intake.cancel(order_id, body.reason, body.actor))

    @router.post(
        "/orders/{order_id}/delay-acceptance",
        responses=PROBLEMS,
        openapi_extra=described(RequestBody),
        tags=["orders"],
    )
    async def accept_delay(order_id: str, request: Request) -> RequestDone:
        """Record that the customer accepts a delay."""
        body = await _read(request)
        if body.dry_run:
            return _shown(await intake.preview(PreviewConsent, order_id, body.reason, body.actor))
        return _done(await intake.accept_delay(order_id, body.actor, body.reason))

    @router.post(
        "/orders/{order_id}/retry",
        responses=PROBLEMS,
        openapi_extra=described(RequestBody),
        tags=["orders"],
    )
    async def retry(order_id: str, request: Request) -> RequestDone:
        """Retry all waiting steps of an order, and acknowledge its problems."""
        body = await _read(request)
        if body.dry_run:
            return _shown(await intake.preview(PreviewRetry, order_id, body.reason, body.actor))
        return _done(await intake.retry(order_id, body.actor, body.reason))


async def _read(request: Request) -> RequestBody:
    """Read the body of a request. Raises InvalidInput."""
    try:
        return RequestBody.model_validate(await body_of(request, RequestBody))
    except ValidationError as error:
        raise invalid_input(error) from error


def _done(outcome: CommandOutcome) -> RequestDone:
    return RequestDone(accepted=outcome.accepted, message=outcome.message)


def _shown(done: CommandDone) -> RequestDone:
    return RequestDone(accepted=done.accepted, message=done.message, effects=done.effects)

"""Routes of all commands, built from their messages."""

from collections.abc import Awaitable, Callable
from inspect import Parameter, Signature

from fastapi import APIRouter, Request

from api.bodies import body_of, described
from api.problems import PROBLEMS
from intake import Intake
from models.messages.commands.base import CommandMessage
from models.messages.commands.interface import Route
from models.messages.commands.registry import COMMANDS
from models.messages.commands.results import CommandDone


def command_router(intake: Intake) -> APIRouter:
    """Build `POST` routes for the routes that the commands declare."""
    router = APIRouter()
    for kind in COMMANDS:
        for route in kind.routes:
            undescribed = ("kind", *route.path_fields, *filter(None, [route.undescribed]))
            router.add_api_route(
                route.path,
                _endpoint(intake, kind, route),
                methods=["POST"],
                name=route.operation,
                tags=[kind.tag] if kind.tag else None,
                description=route.description or kind.description(),
                response_model=CommandDone,
                responses=PROBLEMS,
                openapi_extra=described(kind, *undescribed),
            )
    return router


def _endpoint(
    intake: Intake, kind: type[CommandMessage], route: Route
) -> Callable[..., Awaitable[CommandDone]]:
    """Build the function of a route; FastAPI reads the path's fields from its signature."""

    async def execute(request: Request, **path: str) -> CommandDone:
        return await intake.command(kind, await body_of(request, kind, **path))

    given = {"request": Request, **dict.fromkeys(route.path_fields, str)}
    execute.__signature__ = Signature(  # type: ignore[attr-defined]  # a standard attribute
        [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)
            for name, annotation in given.items()
        ]
    )
    return execute

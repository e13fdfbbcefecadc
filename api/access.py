"""Access by bearer tokens: who sends a request, and whether the table allows it."""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.security import HTTPBearer

from activities.database.engine import Database
from activities.operations import tokens
from api.access_table import ACCESS, OPEN
from api.bodies import Caller
from models.access import Forbidden, Scope, TokenView, Unauthorised, hash_of
from models.errors import NotFound, Unavailable

REMEMBERED_S = 5.0
"""How long a token is used as read: a revoked one may be used for so long."""
MOST_REMEMBERED = 1_000
BEARER = HTTPBearer(auto_error=False, description="A token of `starter.py tokens create`.")


class Guard:
    """Check requests of one API process; keeps tokens for a few seconds."""

    def __init__(self, database: Database, placed_by: Callable[[str], Awaitable[str]]) -> None:
        self._database = database
        self._placed_by = placed_by
        self._read = dict[str, tuple[float, TokenView | None]]()

    async def __call__(self, request: Request) -> None:
        """Check a request, and note its caller. Raises Unauthorised, Forbidden, NotFound."""
        endpoint = f"{request.method} {request.scope['route'].path}"
        if endpoint in OPEN:
            return
        token, needed = await self._token(request), ACCESS[endpoint]
        granted = [scope for scope in token.scopes if scope in (*needed, Scope.ADMIN)]
        if not granted:
            raise Forbidden(token.name, needed)
        owns = token.name if granted == [Scope.SHOP] else None
        request.state.caller = Caller(token.name, owns)
        order_id = request.path_params.get("order_id")
        if owns is not None and order_id is not None:
            await self.check_owner(order_id, owns)

    async def check_owner(self, order_id: str, name: str) -> None:
        """Check that an order was placed by a token of this name. Raises NotFound, as if absent."""
        if await self._placed_by(order_id) != name:
            raise NotFound("order_unknown", f"there is no order {order_id!r}")

    async def _token(self, request: Request) -> TokenView:
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise Unauthorised
        secret_hash = hash_of(secret.strip())
        read_at, token = self._read.get(secret_hash, (float("-inf"), None))
        if time.monotonic() - read_at > REMEMBERED_S:
            token = await self._look_up(secret_hash)
        if token is None or not token.is_valid(self._database.clock()):
            raise Unauthorised
        return token

    async def _look_up(self, secret_hash: str) -> TokenView | None:
        token = await self._database.glance_async(lambda s: tokens.find_token(s, secret_hash))
        if len(self._read) >= MOST_REMEMBERED:
            self._read.clear()
        self._read[secret_hash] = (time.monotonic(), token)
        now = self._database.clock()
        if token is not None and token.is_valid(now) and token.last_used_on != now.date():
            with suppress(Unavailable):  # the next look-up notes it
                await self._database.transaction_async(lambda w: tokens.note_use(w, secret_hash))
        return token


def describe_access(app: FastAPI) -> None:
    """Describe in OpenAPI which scopes an endpoint needs; open endpoints need no token."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        described = app.openapi_schema is not None
        schema = build()
        if not described:
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _describe(f"{method.upper()} {path}", operation)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _describe(endpoint: str, operation: dict[str, Any]) -> None:
    """Describe one endpoint. `Any`: OpenAPI's document."""
    if endpoint in OPEN:
        operation.pop("security", None)
        return
    scopes = " or ".join((*ACCESS[endpoint], Scope.ADMIN))
    form: dict[str, Any] = {"application/problem+json": {}}
    operation["responses"] |= {
        "401": {"description": "No valid token", "content": form},
        "403": {"description": f"The token needs the scope {scopes}", "content": form},
    }

"""Access to the API: tokens, scopes, and the orders of a shop."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from activities.operations import tokens
from api.access_table import ACCESS, OPEN
from api.app import create_app
from models.access import Scope
from models.settings import Settings
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import order, unique
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World

ROOT = Path(__file__).parents[3]
ENDPOINTS = sorted({*OPEN, *ACCESS})


def token_of(world: World, *scopes: Scope, name: str = "") -> tuple[str, str]:
    """Create a token; returns its name and secret."""
    name = name or unique("token")
    made = world.database.transaction(lambda w: tokens.create_token(w, name, scopes, None))
    return name, made.secret


async def send(
    world: World, secret: str | None, endpoint: str, **content: object
) -> httpx.Response:
    """Send a request to an endpoint, with the same word for each part of its path."""
    method, path = endpoint.split(" ")
    path = re.sub(r"\{\w+\}", "none", path.replace("{kind}", "label"))
    headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
    url = httpx.URL(str(world.api.base_url)).join(path)
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.request(method, url, headers=headers, **content)  # type: ignore[arg-type]  # its own keywords


async def test_every_endpoint_has_scopes(tmp_path: Path) -> None:
    """In the code and in docs/security.md: a new endpoint without a row fails."""
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'orders.db'}"))
    async with app.router.lifespan_context(app):
        paths = app.openapi()["paths"]
    served = {
        f"{method.upper()} {path}": op for path, ops in paths.items() for method, op in ops.items()
    }
    assert sorted(served) == ENDPOINTS
    page = (ROOT / "docs/security.md").read_text()
    described = dict(re.findall(r"^\| `((?:GET|POST) [^`]+)` \| ([^|]+) \|$", page, re.M))
    assert described == {
        **dict.fromkeys(OPEN, "open"),
        **{name: ", ".join((*scopes, Scope.ADMIN)) for name, scopes in ACCESS.items()},
    }
    for endpoint, operation in served.items():
        assert ({"401", "403"} <= set(operation["responses"])) == (endpoint in ACCESS), endpoint
        assert ("security" in operation) == (endpoint in ACCESS), endpoint


async def test_scope_decides_about_every_endpoint(pipeline: World) -> None:
    """Without a token 401; with a token of each scope 403, unless the table allows it."""
    secrets = {scope: token_of(pipeline, scope)[1] for scope in Scope}
    for endpoint in ENDPOINTS:
        if endpoint == "GET /events/stream":
            continue  # it doesn't end: `test_stream_needs_a_scope`
        anonymous = await send(pipeline, None, endpoint)
        if endpoint in OPEN:
            assert anonymous.status_code != 403, endpoint
            continue
        assert anonymous.status_code == 401, endpoint
        assert anonymous.headers["www-authenticate"] == "Bearer"
        assert anonymous.json()["code"] == "token_invalid"
        for scope, secret in secrets.items():
            answer = await send(pipeline, secret, endpoint)
            allowed = scope in (*ACCESS[endpoint], Scope.ADMIN)
            assert (answer.status_code != 403) == allowed, (endpoint, scope, answer.text)
            assert answer.status_code not in (401, 500), (endpoint, scope, answer.text)
            if not allowed:
                assert answer.json()["code"] == "scope_missing"
                assert answer.json()["detail"].endswith("admin")


async def test_stream_needs_a_scope(pipeline: World) -> None:
    _, secret = token_of(pipeline, Scope.SHOP)
    assert (await send(pipeline, None, "GET /events/stream")).status_code == 401
    assert (await send(pipeline, secret, "GET /events/stream")).status_code == 403


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker: accepted orders wait to be recorded."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


async def test_shop_uses_its_own_orders_only(idle: World) -> None:
    """Before and after they are recorded; those of another token are unknown."""
    (name, mine), (_, other) = token_of(idle, Scope.SHOP), token_of(idle, Scope.SHOP)
    sku, customer = idle.shop()
    document = order(sku, customer)
    shown = f"GET /orders/{document['order_id']}"
    placed = await send(idle, mine, "POST /orders", json=document)
    assert placed.status_code == 201, placed.text
    assert (await send(idle, mine, shown)).status_code == 200
    assert (await send(idle, other, shown)).status_code == 404
    assert (await send(idle, other, "POST /orders", json=document)).status_code == 409
    async with idle.worker():
        await idle.until_event(document["order_id"], "payment_requested")
        foreign = order(sku, customer)
        await idle.place(foreign)
        await idle.until_event(foreign["order_id"], "payment_requested")
        assert (await send(idle, mine, "POST /orders", json=document)).status_code == 200
        assert (await send(idle, other, "POST /orders", json=document)).status_code == 409
        listed = (await send(idle, mine, "GET /orders")).json()
        assert [each["order_id"] for each in listed] == [document["order_id"]]
        assert (await send(idle, other, "GET /orders")).json() == []
        cancel = f"POST /orders/{document['order_id']}/cancellation"
        assert (await send(idle, other, cancel, json={"reason": "no"})).status_code == 404
        unowned = f"POST /orders/{foreign['order_id']}/cancellation"
        assert (await send(idle, mine, unowned, json={"reason": "no"})).status_code == 404
        assert (await send(idle, mine, cancel, json={"reason": "no"})).status_code == 200
        await idle.ended(document["order_id"])
        trail = (await idle.api.get(f"/orders/{document['order_id']}/audit")).json()["entries"]
    [asked] = [row for row in trail if row["event"] == "cancel_requested"]
    assert asked["actor"] == name


async def test_tokens_are_made_rotated_and_revoked(
    pipeline: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotated token's old secret stays valid as long as asked; a revoked one is refused."""
    monkeypatch.setattr("api.access.REMEMBERED_S", -1.0)
    name = unique("shop")
    made = await run_json(pipeline, "tokens", "create", name, "--scope", "auditor", "--days", "1")
    first = made["secret"]
    taken = await run(pipeline, "tokens", "create", name, "--scope", "shop")
    assert (taken[0], "token_name_taken" in taken[2]) == (1, True)
    second = (await run_json(pipeline, "tokens", "rotate", name))["secret"]
    for secret in (first, second):
        assert (await send(pipeline, secret, "GET /stock/X")).status_code != 401
    third = (await run_json(pipeline, "tokens", "rotate", name, "--keep-hours", "0"))["secret"]
    codes = [(await send(pipeline, s, "GET /orders")).status_code for s in (first, second, third)]
    assert codes == [401, 401, 200]
    rows = [row for row in await run_json(pipeline, "tokens", "list") if row["name"] == name]
    assert [row["last_used_on"] is not None for row in rows] == [True, True, True]
    assert not any(secret in str(rows) for secret in (first, second, third))
    assert (await run_json(pipeline, "tokens", "revoke", name))["revoked"] == 1
    assert (await send(pipeline, third, "GET /orders")).status_code == 401
    assert (await run(pipeline, "tokens", "revoke", name))[0] == 1
    wrong = await run(pipeline, "tokens", "create", "a b", "--scope", "shop")
    assert (wrong[0], "name" in wrong[2]) == (1, True)


async def test_expired_token_is_refused(pipeline: World) -> None:
    name, secret = token_of(pipeline, Scope.AUDITOR)
    pipeline.database.transaction(lambda w: tokens.rotate_token(w, name, timedelta(seconds=-1)))
    assert (await send(pipeline, secret, "GET /orders")).status_code == 401

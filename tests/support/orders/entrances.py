"""Both entrances of an order: the HTTP API and the command line."""

import json
from collections.abc import Awaitable, Callable

from tests.support.masterdata.shop import Document
from tests.support.pipeline.command_line import run_json
from tests.support.pipeline.world import World

Place = Callable[[World, Document], Awaitable[Document]]


async def by_api(world: World, document: Document) -> Document:
    """Place an order over HTTP."""
    return await world.place(document)


async def by_cli(world: World, document: Document) -> Document:
    """Place an order with `starter.py place`."""
    placed: Document = await run_json(world, "place", "-", stdin=json.dumps(document))
    return placed


ENTRANCES = (by_api, by_cli)

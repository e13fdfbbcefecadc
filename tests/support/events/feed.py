"""Reading the feed of events over HTTP."""

from typing import Any

from models.events import Event
from tests.support.masterdata.shop import unique
from tests.support.pipeline.world import World


async def pages(world: World, after: int, **parameters: Any) -> list[Event]:
    """Read all pages of events above a number."""
    found: list[Event] = []
    while True:
        response = await world.api.get("/events", params={"after": after, **parameters})
        assert response.status_code == 200, response.text
        page = response.json()
        found += [Event.model_validate(event) for event in page["events"]]
        after = page["next"]
        if not page["more"]:
            return found


async def newest(world: World) -> int:
    """Return the number of the last event."""
    response = await world.api.get("/events", params={"limit": 1, "order_id": unique("none")})
    return int(response.json()["next"])

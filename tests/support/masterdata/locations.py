"""Locations of a test's own, besides the location BER of every shop."""

from datetime import UTC, datetime

from tests.support.masterdata.shop import location_row, stock_row, unique
from tests.support.pipeline.world import World

NOON = 12


def open_location(world: World, sku: str = "", on_hand: int = 0, **changes: object) -> str:
    """Import a location with stock of a SKU; returns its id.

    It sorts last, so allocation tries it after all others at the same distance. `changes`:
    timezone, cutoff.
    """
    location = unique("ZZ")
    row = location_row(location, postal_code="15806", **changes)
    world.import_tables(locations=[row])
    if on_hand:
        world.import_tables(stock=[stock_row(location, sku, on_hand)])
    return location


def closed_location(world: World, sku: str, on_hand: int) -> str:
    """Import a location that hands nothing over today: its cut-off is at the start of the day.

    Its timezone is chosen so that it is noon there, and its next day hours away.
    """
    hours_ahead = NOON - datetime.now(UTC).hour
    zone = f"Etc/GMT{-hours_ahead:+d}" if hours_ahead else "UTC"  # the signs of Etc are reversed
    return open_location(world, sku, on_hand, timezone=zone, cutoff="00:00")

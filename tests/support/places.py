"""Locations of a test's own, beside the Berlin of every shop."""

from datetime import UTC, datetime

from activities.masterdata.importing import import_folder
from tests.support.shop import unique, write_csv
from tests.support.world import World

NOON = 12


def open_location(world: World, sku: str = "", on_hand: int = 0, **changes: object) -> str:
    """A new location with stock of `sku`; of all that are as far away the last that is asked.

    `changes`: timezone, cutoff.
    """
    location = unique("ZZ")
    folder = world.folder / unique("place")
    folder.mkdir()
    row = {"location": location, "name": "Zossen", "country": "DE", "postal_code": "15806"}
    write_csv(folder, "locations.csv", [row | changes])
    if on_hand:
        stock = {"location": location, "sku": sku, "on_hand": on_hand, "unit_cost": "60.00"}
        write_csv(folder, "stock.csv", [stock])
    import_folder(world.database, folder)
    return location


def closed_location(world: World, sku: str, on_hand: int) -> str:
    """A location that hands nothing over today, whenever that is: its cut-off is when the day
    begins. It is noon there, so that the next day is hours away however late it is here."""
    ahead = NOON - datetime.now(UTC).hour
    zone = f"Etc/GMT{-ahead:+d}" if ahead else "UTC"  # their sign is the other way round
    return open_location(world, sku, on_hand, timezone=zone, cutoff="00:00")

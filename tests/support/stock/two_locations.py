"""Stock at two locations, and what a refused command must leave unchanged."""

from typing import Any

from sqlmodel import Session, func, select

from activities.masterdata.importing import import_folder
from models.tables.ledger import JournalEntry
from models.tables.operations import CommandRow, FactRow
from models.tables.purchasing import GoodsReceipt
from models.tables.stock import Stock, StockMovement
from tests.support.masterdata.shop import Document, unique, write_csv
from tests.support.pipeline.world import World

ELSEWHERE = "HALLE-2"
"""A second location, after BER by name: no order is allocated there."""


def shop(world: World, on_hand: int = 10, **changes: Any) -> tuple[str, str]:
    """Make a SKU and a customer, and a second, empty location."""
    folder = world.folder / unique("elsewhere")
    folder.mkdir()
    location = {"location": ELSEWHERE, "name": "Zwei", "country": "DE", "postal_code": "80331"}
    write_csv(folder, "locations.csv", [location])
    import_folder(world.database, folder)
    return world.shop(on_hand, **changes)


def second_offer(world: World, sku: str, **changes: object) -> None:
    """Import a second, dearer offer of a SKU."""
    folder = world.folder / unique("offer")
    folder.mkdir()
    supplier_id = f"ZETA-{sku}"
    supplier = {"supplier_id": supplier_id, "name": "Zeta", "email": "z@a.example", "country": "DE"}
    write_csv(folder, "suppliers.csv", [supplier])
    offer = {
        "supplier_id": supplier_id,
        "sku": sku,
        "unit_cost": "70.00",
        "currency": "EUR",
        "minimum_quantity": 1,
        "pack_size": 1,
        "lead_time_days": 3,
    }
    write_csv(folder, "offers.csv", [offer | changes])
    import_folder(world.database, folder)


def counters(world: World, sku: str) -> dict[str, tuple[int, int, int]]:
    """Return on hand, reserved and value in cents by location, zeros left out."""
    rows = world.database.read(lambda s: s.exec(select(Stock).where(Stock.sku == sku)).all())
    found = {row.location: (row.on_hand, row.reserved, row.value_minor) for row in rows}
    return {location: counted for location, counted in found.items() if any(counted)}


def everything(world: World, sku: str) -> tuple[dict[str, tuple[int, int, int]], tuple[int, ...]]:
    """Return the counters of a SKU and the sizes of tables that a refusal must not change."""

    def count(session: Session, table: Any) -> int:
        return session.exec(select(func.count()).select_from(table)).one()

    tables = (CommandRow, StockMovement, JournalEntry, FactRow, GoodsReceipt)
    counts = world.database.read(lambda s: tuple(count(s, table) for table in tables))
    return counters(world, sku), counts


async def stock(world: World, sku: str) -> Document:
    """Read the stock of a SKU by API."""
    response = await world.api.get(f"/stock/{sku}")
    assert response.status_code == 200, response.text
    answer: Document = response.json()
    return answer

"""Many clients order far more of one SKU than is available: no unit is promised twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.importing import import_folder
from models.stock import MovementKind, ReservationState, ShortageState
from models.tables.masterdata import Distance, Location
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrderLine
from models.tables.stock import Reservation, Shortage, Stock, StockMovement
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import SHIP_TO, Document, order, unique, write_csv
from tests.support.pipeline.processes import WorkerProcess
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import bought, offer

CLIENTS, TIMES, UNITS = (16, 64), (4, 100), (6, 12)
"""Small and full: concurrent clients, times oversubscribed, available units."""
WORKERS = 3
LOCATIONS = {"BER": "10115", "HAM": "20095", "MUC": "80331"}
COST_MINOR = 5_000
LONGEST_S = 900.0


@pytest.fixture(params=DATABASES)
async def crowded(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline with several worker processes, whose suppliers promise and do not deliver."""
    async with new_world(request, engine_address, worker=False, auto=True) as made:
        made.settings = made.settings.model_copy(update={"replenishment_window": 1.0})
        processes = [WorkerProcess(made) for _ in range(WORKERS)]
        try:
            for process in processes:
                process.start()
            yield made
        finally:
            for process in processes:
                process.kill()


def shop(world: World, units: int) -> tuple[str, str]:
    """Make a SKU with `units` spread over locations, each near to a part of the customers."""
    sku, customer = world.shop(on_hand=units // len(LOCATIONS), offers=False)
    folder = world.folder / unique("locations")
    folder.mkdir()
    locations = [
        {"location": name, "name": name, "country": "DE", "postal_code": code}
        for name, code in LOCATIONS.items()
    ]
    write_csv(folder, "locations.csv", locations)
    stock = {"sku": sku, "on_hand": units // len(LOCATIONS), "unit_cost": "60.00"}
    write_csv(folder, "stock.csv", [stock | {"location": name} for name in ("HAM", "MUC")])
    import_folder(world.database, folder)

    def change(work: UnitOfWork) -> None:
        for name, code in LOCATIONS.items():
            assert work.session.get(Location, name) is not None
            near = Distance(location=name, country="DE", postal_prefix=code[0], distance_km=5)
            work.session.add(near)

    world.database.transaction(change)
    offer(world, sku, unique("S"), COST_MINOR)
    return sku, customer


@pytest.mark.sized
async def test_no_unit_is_promised_twice_to_concurrent_clients(crowded: World, full: bool) -> None:
    """Each order is reserved or has a purchase order and a date; first promised, first served."""
    clients, times, units = (sizes[full] for sizes in (CLIENTS, TIMES, UNITS))
    sku, customer = shop(crowded, units)
    await crowded.misbehave(
        partner="suppliers", operation="fulfilment", fault="ship_short", units=10**9, times=None
    )
    documents = [
        order(sku, customer, terms="cash", channel="store", ship_to=SHIP_TO | {"postal_code": code})
        for code in chain.from_iterable([LOCATIONS.values()] * (units * times // len(LOCATIONS)))
    ]

    async def buy(client: int) -> None:
        for document in documents[client::clients]:
            while not await is_accepted(crowded, document):  # as a shop retries after a 503
                pass

    finished = asyncio.Event()
    check = asyncio.create_task(check_counters(crowded, sku, finished))
    await asyncio.gather(*(buy(client) for client in range(clients)))
    await until_tables(crowded, lambda session: is_settled(session, len(documents)))
    crowded.database.read(lambda session: assert_nothing_oversold(session, sku, units))
    crowded.database.read(lambda session: assert_no_newcomer_first(session, sku))
    shown = [await crowded.order(document["order_id"]) for document in documents]
    stages = Counter(o["stage"] for o in shown)
    assert stages == {"awaiting_payment": units, "awaiting_stock": len(documents) - units}
    waiting = [b for o in shown for b in o["backorders"]]
    assert len(waiting) == len(documents) - units
    assert all(b["po_id"] and b["expected_date"] for b in waiting)

    half = (len(documents) - units) // 2
    received = await receive(crowded, sku, half)
    await until_tables(crowded, lambda session: filled(session) == received)
    crowded.database.read(lambda session: assert_nothing_oversold(session, sku, units + received))
    crowded.database.read(assert_first_promised_first_served)
    finished.set()
    await check
    orders = len(bought(crowded.database, sku))
    print(f"\n{len(documents)} orders of {units} units, {orders} purchase orders")


async def is_accepted(world: World, document: Document) -> bool:
    """Whether the order was accepted; a busy engine answers 503."""
    response = await world.api.post("/orders", json=document)
    assert response.status_code in (200, 201, 503), response.text
    return response.is_success


async def check_counters(world: World, sku: str, finished: asyncio.Event) -> None:
    """Check again and again that no counter is negative, until `finished`."""

    def read(session: Session) -> None:
        for row in _stock(session, sku):
            assert 0 <= row.reserved <= row.on_hand, row
            assert row.value_minor >= 0, row

    await until(
        lambda: asyncio.to_thread(world.database.read, read), lambda _: finished.is_set(), LONGEST_S
    )


def _stock(session: Session, sku: str) -> list[Stock]:
    return list(session.exec(select(Stock).where(Stock.sku == sku)))


async def until_tables(world: World, reached: Any) -> None:
    """Wait until a condition on the tables holds."""
    await until(lambda: asyncio.to_thread(world.database.read, reached), patience_s=LONGEST_S)


def is_settled(session: Session, count: int) -> bool:
    """Whether all orders are allocated, and all shortages have an expected date."""
    allocated = select(func.count()).select_from(Order).where(col(Order.allocated))
    undated = (
        select(func.count())
        .select_from(Shortage)
        .where(col(Shortage.state) == ShortageState.OPEN, col(Shortage.expected_date).is_(None))
    )
    return session.exec(allocated).one() == count and not session.exec(undated).one()


def assert_nothing_oversold(session: Session, sku: str, units: int) -> None:
    """Assert that counters, reservations and movements agree."""
    rows = {row.location: row for row in _stock(session, sku)}
    assert sum(row.on_hand for row in rows.values()) == units
    assert sum(row.reserved for row in rows.values()) == units
    held = Counter[str]()
    for reservation in session.exec(select(Reservation).where(Reservation.sku == sku)):
        assert reservation.state is ReservationState.HELD
        held[reservation.location] += reservation.quantity
    assert held == {location: row.reserved for location, row in rows.items() if row.reserved}
    sums: dict[str, list[int]] = {location: [0, 0, 0] for location in rows}
    for moved in session.exec(select(StockMovement).where(StockMovement.sku == sku)):
        changes = (moved.on_hand_change, moved.reserved_change, moved.value_change_minor)
        sums[moved.location] = [a + b for a, b in zip(sums[moved.location], changes, strict=True)]
    assert sums == {
        location: [row.on_hand, row.reserved, row.value_minor] for location, row in rows.items()
    }


def assert_no_newcomer_first(session: Session, sku: str) -> None:
    """Assert that no order reserved stock after the first shortage was recorded."""
    first = session.exec(select(func.min(Shortage.promised_at))).one()
    late = session.exec(
        select(StockMovement).where(
            StockMovement.sku == sku,
            StockMovement.kind == MovementKind.RESERVE,
            StockMovement.recorded_at > first,
        )
    ).all()
    assert late == []


async def receive(world: World, sku: str, at_most: int) -> int:
    """Receive up to `at_most` units of the purchase orders; return how many."""
    received = 0
    for purchase in bought(world.database, sku):
        units = min(purchase.lines[sku].quantity, at_most - received)
        if units:
            await world.receive(purchase.order.po_id, sku, units)
            received += units
    return received


def filled(session: Session) -> int:
    """Sum the filled units of shortages."""
    return session.exec(select(func.sum(Shortage.filled))).one() or 0


def assert_first_promised_first_served(session: Session) -> None:
    """Assert that at each location the first promised shortages are filled.

    The others keep purchase order and date, and no more is bought for them.
    """
    query = select(Shortage).order_by(col(Shortage.promised_at), col(Shortage.shortage_id))
    rows = session.exec(query).all()
    for location in LOCATIONS:
        states = [row.state for row in rows if row.location == location]
        assert states == sorted(states, key=[ShortageState.FILLED, ShortageState.OPEN].index)
    waiting = [row for row in rows if row.state is ShortageState.OPEN]
    assert all(row.po_id and row.expected_date for row in waiting)
    ordered = session.exec(select(func.sum(PurchaseOrderLine.quantity))).one()
    assert ordered == len(rows)

"""Reading stock and offers: what CLI and API show of a SKU."""

from collections import Counter
from datetime import date

from sqlmodel import Session, col, select

from activities.stock.backorders import backordered, incoming, open_shortages
from models.messages.steps import StockKey
from models.money import format_amount
from models.replenishment import Promisable, available_to_promise
from models.tables.masterdata import Company, Location, Product
from models.tables.stock import Shortage, Stock, StockMovement, StockPolicy
from models.views.stock import MovementView, StockAtLocation, StockView, WaitingView

LAST_MOVEMENTS = 20


def stock_of(session: Session, sku: str, today: date) -> StockView | None:
    """A SKU's stock as of `today`; None where there is no such SKU."""
    product = session.get(Product, sku)
    if product is None:
        return None
    currency = session.exec(select(Company.currency)).one()
    locations = [
        _at_location(session, StockKey(sku=sku, location=location), currency, today)
        for location in places_of(session, sku)
    ]
    on_hand, reserved = sum(p.on_hand for p in locations), sum(p.reserved for p in locations)
    waiting = open_shortages(session, [sku])
    return StockView(
        sku=sku,
        name=product.name,
        currency=currency,
        on_hand=on_hand,
        reserved=reserved,
        available=on_hand - reserved,
        locations=tuple(locations),
        available_to_promise=_promisable(session, sku, on_hand - reserved, waiting, today),
        waiting=tuple(waiting_view(row) for row in waiting),
        movements=tuple(_movements(session, sku, currency)),
    )


def places_of(session: Session, sku: str) -> list[str]:
    """The locations where a SKU is kept, short, or reviewed, in sorted order."""
    kept = session.exec(select(Stock.location).where(Stock.sku == sku)).all()
    reviewed = session.exec(select(StockPolicy.location).where(StockPolicy.sku == sku)).all()
    return sorted({*kept, *reviewed})


def is_sku(session: Session, sku: str) -> bool:
    """Whether we know a SKU."""
    return session.get(Product, sku) is not None


def is_location(session: Session, location: str) -> bool:
    """Whether we know a location."""
    return session.get(Location, location) is not None


def waiting_view(row: Shortage) -> WaitingView:
    """An open shortage as shown."""
    return WaitingView(
        order_id=row.order_id,
        location=row.location,
        quantity=row.quantity - row.filled,
        po_id=row.po_id,
        expected_date=row.expected_date,
        problem=row.problem,
    )


def _at_location(session: Session, key: StockKey, currency: str, today: date) -> StockAtLocation:
    stock = session.get(Stock, key.primary_key) or Stock(sku=key.sku, location=key.location)
    review = session.get(StockPolicy, key.primary_key)
    return StockAtLocation(
        location=key.location,
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        available=stock.on_hand - stock.reserved,
        on_order=sum(coming.units for coming in incoming(session, key, today)),
        backordered=backordered(session, key),
        value=format_amount(stock.value_minor, currency),
        reorder_point=review.reorder_point if review else None,
        safety_stock=review.safety_stock if review else None,
        order_quantity=review.order_quantity if review else None,
        demand_a_day=review.demand_a_day if review else None,
        lead_time_days=review.lead_time_days if review else None,
        reviewed_at=review.reviewed_at if review else None,
    )


def _promisable(
    session: Session, sku: str, available: int, waiting: list[Shortage], today: date
) -> tuple[Promisable, ...]:
    """What comes without a date promises nothing to others than those who wait for it."""
    receipts: list[tuple[date, int]] = []
    undated = Counter[str]()
    for location in places_of(session, sku):
        for coming in incoming(session, StockKey(sku=sku, location=location), today):
            if coming.expected_date:
                receipts.append((coming.expected_date, coming.units))
            else:
                undated[location] += coming.units
    promised = []
    for row in waiting:
        units = row.quantity - row.filled
        covered = min(units, undated[row.location]) if row.expected_date is None else 0
        undated[row.location] -= covered
        promised.append((row.expected_date, units - covered))
    return tuple(available_to_promise(available, receipts, promised, today))


def _movements(session: Session, sku: str, currency: str) -> list[MovementView]:
    rows = session.exec(
        select(StockMovement)
        .where(StockMovement.sku == sku)
        .order_by(col(StockMovement.recorded_at).desc(), col(StockMovement.movement_id))
        .limit(LAST_MOVEMENTS)
    )
    return [
        MovementView(
            recorded_at=row.recorded_at,
            movement_id=row.movement_id,
            kind=row.kind,
            location=row.location,
            on_hand=row.on_hand_change,
            reserved=row.reserved_change,
            value=format_amount(row.value_change_minor, currency),
            order_id=row.order_id,
            reason=row.reason,
            actor=row.actor,
        )
        for row in rows
    ]

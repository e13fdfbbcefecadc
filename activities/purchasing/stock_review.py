"""The nightly stock review: reorder point and order quantity of each SKU at each location.

They follow from observed demand and lead times by the formulas of `models.replenishment`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.company import day_of, find_company, start_of
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.purchasing.offers import read_offers
from activities.purchasing.proposals import end_proposals
from activities.purchasing.track_records import lead_times, track_records
from activities.stock.backorders import low_keys
from models.billing import AuthorisationState
from models.messages.nightly import ReviewedBatch, ReviewStep
from models.messages.steps import StockKey
from models.offers import Offer, Requirement, compare_offers
from models.replenishment import (
    ReviewPolicy,
    demand_of_window,
    is_reordered,
    lead_time,
    lot_size,
    observed_window,
    reorder_point,
    service_factor,
)
from models.stock import SERVING, ReservationState, ShortageState
from models.tables.billing import Authorisation
from models.tables.masterdata import Product
from models.tables.orders import Order
from models.tables.stock import Reservation, Shortage, Stock, StockPolicy

UnitsByDay = dict[date, int]
"""Units by the day of the order."""


@dataclass
class Observed:
    """Stock, demand, lead times and offers of a batch of SKUs.

    Demand is of the `days` days that end with `last_day`.
    """

    at: datetime
    last_day: date
    days: int
    currency: str
    stock: dict[StockKey, Stock]
    demand: dict[StockKey, UnitsByDay]
    lead_times: dict[StockKey, list[int]]
    best_offers: dict[str, Offer]
    reviewed_before: set[StockKey]
    ended: set[str]
    """SKUs that are no longer sold or bought: no further demand is expected of them."""

    @property
    def keys(self) -> list[StockKey]:
        """The stock keys with stock, demand or a policy."""
        return sorted({*self.stock, *self.demand, *self.reviewed_before})


class StockReview:
    """The step of the stock review."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def review_stock(self, step: ReviewStep) -> ReviewedBatch:
        """Review a batch of SKUs at all locations; again gives the same result.

        All is read and computed before the transaction that writes, to keep its locks short.
        """
        rules, now = self._database.rules.review, self._database.clock()
        batch, policies = await self._database.read_async(
            lambda session: _review(session, step, rules, now)
        )
        if policies:
            await self._database.transaction_async(lambda work: _write(work, policies, batch.low))
        return batch


def _review(
    session: Session, step: ReviewStep, rules: ReviewPolicy, now: datetime
) -> tuple[ReviewedBatch, list[StockPolicy]]:
    skus = next_skus(session, step.after, step.batch_skus)
    observed = _observe(session, skus, rules, now)
    policies = [_policy(key, observed, rules) for key in observed.keys]
    batch = ReviewedBatch(
        last_sku=skus[-1] if len(skus) == step.batch_skus else None,
        skus=len(skus),
        stock_keys=len(policies),
        low=_low(session, policies, observed.stock, day_of(session, now)),
    )
    return batch, policies


def next_skus(session: Session, after: str, count: int) -> list[str]:
    """Return the next `count` SKUs after a SKU, sorted; fewer where there are no more."""
    query = select(Product.sku).where(Product.sku > after).order_by(Product.sku).limit(count)
    return list(session.exec(query))


def _policy(key: StockKey, observed: Observed, rules: ReviewPolicy) -> StockPolicy:
    ordered = {} if key.sku in observed.ended else observed.demand.get(key, {})
    demand = demand_of_window(ordered, observed.last_day, observed.days)
    offer = observed.best_offers.get(key.sku)
    lead = lead_time(observed.lead_times.get(key, ()), offer.lead_time_days if offer else None)
    point = reorder_point(service_factor(rules.service_level_ppm), demand, lead)
    value_minor, units = _value(observed, key)
    lot = lot_size(
        rules,
        observed.currency,
        units_ordered=sum(n for day, n in ordered.items() if day <= observed.last_day),
        days=observed.days,
        value_minor=value_minor,
        units=units,
    )
    return StockPolicy(
        sku=key.sku,
        location=key.location,
        demand_a_day=demand.mean,
        demand_deviation=demand.deviation,
        observed_days=demand.days,
        lead_time_days=lead.mean_days,
        lead_time_deviation=lead.deviation_days,
        safety_stock=point.safety_units,
        reorder_point=point.units,
        order_quantity=0 if lead.mean_days is None else lot,
        reviewed_at=observed.at,
    )


def _observe(session: Session, skus: Sequence[str], rules: ReviewPolicy, now: datetime) -> Observed:
    first_order = session.exec(select(func.min(Order.placed_at))).one()
    company, today = find_company(session), day_of(session, now)
    last_day, days = observed_window(
        day_of(session, first_order) if first_order else None, today, rules.window_days
    )
    since = start_of(session, last_day - timedelta(days=days - 1))
    stock = session.exec(select(Stock).where(col(Stock.sku).in_(skus)))
    reviewed = select(StockPolicy.sku, StockPolicy.location).where(col(StockPolicy.sku).in_(skus))
    ended = select(Product.sku).where(
        col(Product.sku).in_(skus), ~(col(Product.is_sold) & col(Product.is_bought))
    )
    return Observed(
        at=now,
        last_day=last_day,
        days=days,
        currency=company.currency if company else "EUR",
        stock={row.key: row for row in stock},
        demand=_demand(session, skus, since),
        lead_times=lead_times(session, skus),
        best_offers=_best_offers(session, skus, today),
        reviewed_before={
            StockKey(sku=sku, location=location) for sku, location in session.exec(reviewed)
        },
        ended=set(session.exec(ended)),
    )


def _demand(session: Session, skus: Sequence[str], since: datetime) -> dict[StockKey, UnitsByDay]:
    """Sum the units of certain orders since then, where they were reserved or are short."""
    reserved = (
        select(Reservation.sku, Reservation.location, Order.placed_at, Reservation.quantity)
        .join(Order, col(Order.order_id) == col(Reservation.order_id))
        .where(
            col(Reservation.sku).in_(skus),
            col(Reservation.state).in_(SERVING),
            (col(Reservation.state) != ReservationState.WRITTEN_OFF)
            | col(Reservation.shipment_id).is_not(None),  # without a shipment it was cancelled
            Order.placed_at >= since,
            _certain(),
        )
    )
    short = (
        select(
            Shortage.sku,
            Shortage.location,
            Order.placed_at,
            col(Shortage.quantity) - col(Shortage.filled),
        )
        .join(Order, col(Order.order_id) == col(Shortage.order_id))
        .where(
            col(Shortage.sku).in_(skus),
            Shortage.state == ShortageState.OPEN,
            Order.placed_at >= since,
            _certain(),
        )
    )
    demand: dict[StockKey, UnitsByDay] = defaultdict(lambda: defaultdict(int))
    for query in (reserved, short):
        for sku, location, placed_at, units in session.exec(query):
            demand[StockKey(sku=sku, location=location)][day_of(session, placed_at)] += units
    return demand


def _certain() -> ColumnElement[bool]:
    """Match orders that are paid, authorised or on credit: an unpaid order may never be paid."""
    guaranteed = (
        select(Authorisation.order_id)
        .where(
            Authorisation.order_id == Order.order_id,
            col(Authorisation.state).in_((AuthorisationState.LIVE, AuthorisationState.CAPTURED)),
        )
        .exists()
    )
    paid = col(Order.paid_minor) + col(Order.forgiven_minor) >= col(Order.total_minor)
    return paid | col(Order.credit_accepted) | guaranteed


def _best_offers(session: Session, skus: Sequence[str], today: date) -> dict[str, Offer]:
    """Return the offer by which one unit of each SKU would be purchased today."""
    offers = read_offers(session, skus)
    records = track_records(session, {offer.supplier_id for offer in offers})
    by_sku: dict[str, list[Offer]] = defaultdict(list)
    for offer in offers:
        by_sku[offer.sku].append(offer)
    best = {}
    for sku, rivals in by_sku.items():
        one_unit = Requirement(sku=sku, short=0, restock=1, needed_by=None)
        chosen = compare_offers(one_unit, rivals, records, today, {}).chosen
        if chosen is not None:
            best[sku] = next(offer for offer in rivals if chosen.is_of(offer))
    return best


def _value(observed: Observed, key: StockKey) -> tuple[int, int]:
    """Return a value in minor units and its units: on hand here, elsewhere, or one as offered."""
    here = observed.stock.get(key)
    if here and here.on_hand:
        return here.value_minor, here.on_hand
    rows = [row for row in observed.stock.values() if row.sku == key.sku]
    units = sum(row.on_hand for row in rows)
    if units:
        return sum(row.value_minor for row in rows), units
    offer = observed.best_offers.get(key.sku)
    return (offer.unit_cost_minor, 1) if offer else (0, 1)


def _low(
    session: Session, policies: Sequence[StockPolicy], stock: Mapping[StockKey, Stock], today: date
) -> tuple[StockKey, ...]:
    """Return the stock keys at or below their reorder point.

    Most are excluded by their counters alone: where units are available, no order is short.
    """
    points = {
        policy.key: policy.reorder_point
        for policy in policies
        if is_reordered(policy.reorder_point, policy.order_quantity)
        and _available(stock.get(policy.key)) <= policy.reorder_point
    }
    return tuple(low_keys(session, points, today))


def _available(stock: Stock | None) -> int:
    return stock.on_hand - stock.reserved if stock else 0


def _write(work: UnitOfWork, policies: Sequence[StockPolicy], low: Sequence[StockKey]) -> None:
    skus = {policy.sku for policy in policies}
    work.session.execute(delete(StockPolicy).where(col(StockPolicy.sku).in_(skus)))
    work.session.execute(insert(StockPolicy), [policy.model_dump() for policy in policies])
    end_proposals(work, skus, low)

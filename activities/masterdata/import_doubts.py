"""Warnings of an import: rows that are unlikely by themselves, or beside other rows."""

from collections.abc import Iterator, Mapping
from itertools import chain

from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.masterdata.customers import KEYED, blocked_customers, keys_of
from activities.masterdata.planning import Context, Plan, PlannedRow
from activities.masterdata.price_tiers import doubtful_tiers
from models.cells import CellKind, kinds_of
from models.customers import CustomerStatus
from models.identity import KEYS
from models.import_problems import Problem
from models.import_warnings import (
    doubts_of_change,
    doubts_of_customer,
    doubts_of_offer,
    doubts_of_product,
    doubts_of_text,
    lookalikes,
)
from models.money import format_amount
from models.tables.masterdata import Product, SupplierOffer

IDS = ("products", "customers", "suppliers", "locations")
"""Files whose key is an id of its own."""
_COMPARED = KEYED | {"status"}
"""The columns by which customers are compared with blocked ones."""
_COLUMNS = {"mail_key": "email", "vat_key": "vat_id", "phone_key": "phone", "address_key": "name"}
"""The column that shows a key of a customer."""


def doubts(context: Context, plan: Plan) -> Iterator[Problem]:
    """Find what is unlikely about the planned rows of a file."""
    yield from _texts(plan)
    yield from _changes(plan)
    if plan.file.name in IDS:
        yield from _ids(context.session, plan)
    match plan.file.name:
        case "products":
            yield from _products(context, plan)
        case "customers":
            yield from _customers(plan)
            yield from _like_blocked(context.session, plan)
        case "offers":
            yield from _offers(context, plan)
        case "stock":
            yield from _openings(context, plan)


def _doubt(plan: Plan, row: PlannedRow, column: str, reason: str) -> Problem:
    return Problem(plan.content.name, row.line, column, reason)


def _texts(plan: Plan) -> Iterator[Problem]:
    for row in plan.content.rows:
        for column, cell in row.cells.items():
            for reason in doubts_of_text(cell):
                yield Problem(plan.content.name, row.line, column, reason)


def _changes(plan: Plan) -> Iterator[Problem]:
    kinds = kinds_of(plan.file.model)
    for row in plan.rows:
        for column, change in row.changed.items():
            if kinds[column] is CellKind.AMOUNT:
                for reason in doubts_of_change(change.before, change.after):
                    yield _doubt(plan, row, column, reason)


def _ids(session: Session, plan: Plan) -> Iterator[Problem]:
    """Find new ids that differ from others in case or leading zeros only."""
    column = plan.file.key[0]
    new = {row.key[0]: row for row in plan.rows if row.is_new}
    if not new:
        return
    stored = session.exec(select(getattr(plan.file.table, column)))
    for group in lookalikes({*new, *stored}):
        added = [id_ for id_ in group if id_ in new]
        for id_ in sorted(added, key=lambda id_: new[id_].line)[len(added) == len(group) :]:
            what = "leading zeros" if id_.isdigit() else "case"
            others = ", ".join(sorted(other for other in group if other != id_))
            yield _doubt(plan, new[id_], column, f"{id_} differs from {others} in {what} only")


def _customers(plan: Plan) -> Iterator[Problem]:
    """Find unlikely contact data, and customers whose block ends."""
    for row in plan.rows:
        for column, reason in doubts_of_customer(row.document):
            yield _doubt(plan, row, column, reason)
        change = row.changed.get("status")
        if change is not None and change.before == CustomerStatus.BLOCKED:
            yield _doubt(plan, row, "status", f"{row.key[0]} was blocked, and is active again")


def _like_blocked(session: Session, plan: Plan) -> Iterator[Problem]:
    """Find active customers that get the contact data of a blocked one: their orders wait."""
    keys = {row.key[0]: keys_of(row.after) for row in plan.rows}
    blocked = {
        row.key[0]: keys[row.key[0]]
        for row in plan.rows
        if row.after["status"] == CustomerStatus.BLOCKED
    }
    active = [
        row
        for row in plan.rows
        if row.key[0] not in blocked and (row.is_new or not _COMPARED.isdisjoint(row.changed))
    ]
    compared = {key for row in active for key in keys[row.key[0]].values() if key is not None}
    stored = blocked_customers(session, compared)
    blocked |= {id_: found for id_, found in stored.items() if id_ not in keys}
    holders: dict[tuple[str, str], list[str]] = {}
    for id_ in sorted(blocked):
        for name, key in blocked[id_].items():
            if key is not None:
                holders.setdefault((name, key), []).append(id_)
    for row in active:
        cleared = (row.before or {}).get("distinct_from") or ()
        for name, key in keys[row.key[0]].items():
            others = [id_ for id_ in holders.get((name, key or ""), ()) if id_ not in cleared]
            if others:
                reason = f"has {KEYS[name]} of {others[0]}, who is blocked: orders will wait"
                yield _doubt(plan, row, _COLUMNS[name], reason)


def _products(context: Context, plan: Plan) -> Iterator[Problem]:
    costs = _cheapest_offers(context, plan)
    holders = _gtins(context.session, plan)
    for row in plan.rows:
        for column, reason in doubts_of_product(row.document):
            yield _doubt(plan, row, column, reason)
        sku, gtin, price_minor = row.key[0], row.document.gtin, row.after["unit_price_minor"]
        if gtin and (others := [other for other in holders[gtin] if other != sku]):
            yield _doubt(plan, row, "gtin", f"{gtin} is the GTIN of {', '.join(others[:3])} too")
        cost_minor = costs.get(sku, 0)
        if 0 < price_minor < cost_minor:
            price, cost = (format_amount(a, plan.currency) for a in (price_minor, cost_minor))
            yield _doubt(plan, row, "unit_price", f"{price} is below {cost}, the cheapest offer")


def _gtins(session: Session, plan: Plan) -> Mapping[str, list[str]]:
    """Return the SKUs of each GTIN in the file, those of other products included."""
    planned = {row.key[0]: row.document.gtin for row in plan.rows}
    holders: dict[str, list[str]] = {}
    for sku, gtin in planned.items():
        if gtin:
            holders.setdefault(gtin, []).append(sku)
    for some in chunks(sorted(holders)):
        for sku, gtin in session.exec(
            select(Product.sku, Product.gtin).where(col(Product.gtin).in_(some))
        ):
            if sku not in planned:
                holders[gtin].append(sku)
    return holders


def _cheapest_offers(context: Context, plan: Plan) -> dict[str, int]:
    """Return the lowest price of each SKU's offers, without price breaks."""
    planned = {
        (row.document.supplier_id, row.document.sku, row.document.from_quantity): row.after[
            "unit_cost_minor"
        ]
        for row in context.planned("offers")
    }
    skus = sorted(row.key[0] for row in plan.rows)
    stored = (
        ((offer.supplier_id, offer.sku, offer.from_quantity), offer.unit_cost_minor)
        for some in chunks(skus)
        for offer in context.session.exec(
            select(SupplierOffer).where(col(SupplierOffer.sku).in_(some))
        )
    )
    costs: dict[str, int] = {}
    for (_, sku, _), cost_minor in chain(
        planned.items(), ((key, cost) for key, cost in stored if key not in planned)
    ):
        costs[sku] = min(cost_minor, costs.get(sku, cost_minor))
    return costs


def _offers(context: Context, plan: Plan) -> Iterator[Problem]:
    prices = _stored_prices(context, plan)
    for row in plan.rows:
        for column, reason in doubts_of_offer(row.document, context.today):
            yield _doubt(plan, row, column, reason)
        yield from _above_price(plan, row, prices)
    for line, column, reason in doubtful_tiers(context, plan):
        yield Problem(plan.content.name, line, column, reason)


def _openings(context: Context, plan: Plan) -> Iterator[Problem]:
    prices = _stored_prices(context, plan) | {
        row.key[0]: row.after["unit_price_minor"] for row in context.planned("products")
    }
    for row in plan.rows:
        if row.document.on_hand and not row.after["unit_cost_minor"]:
            yield _doubt(plan, row, "unit_cost", "is 0: the goods have no value")
        yield from _above_price(plan, row, prices)


def _stored_prices(context: Context, plan: Plan) -> dict[str, int]:
    """Return the prices of the SKUs in a file whose products aren't imported with it."""
    planned = {row.key[0] for row in context.planned("products")}
    skus = sorted({row.document.sku for row in plan.rows} - planned)
    return {
        sku: price_minor
        for some in chunks(skus)
        for sku, price_minor in context.session.exec(
            select(Product.sku, Product.unit_price_minor).where(col(Product.sku).in_(some))
        )
    }


def _above_price(plan: Plan, row: PlannedRow, prices: Mapping[str, int]) -> Iterator[Problem]:
    price_minor = prices.get(row.document.sku, 0)
    cost_minor = row.after["unit_cost_minor"]
    if 0 < price_minor < cost_minor:
        price, cost = (format_amount(a, plan.currency) for a in (price_minor, cost_minor))
        yield _doubt(plan, row, "unit_cost", f"{cost} is above {price}, the price of the product")

"""Services among the products: never stocked or purchased, and never turned into goods."""

from sqlmodel import col, select

from activities.database.chunks import chunks
from activities.masterdata.planning import Context, Plan, drop
from models.tables.masterdata import Product
from models.tax import ProductKind


def check_kinds(_: Context, plan: Plan) -> None:
    """Refuse another kind of a known product: orders and stock rest on it."""
    for row in plan.rows:
        if row.before is not None and row.before["kind"] != row.document.kind:
            reason = (
                f"{row.key[0]} is {row.before['kind']} already: import the {row.document.kind} "
                "under another SKU"
            )
            drop(plan, row, "kind", reason)


def drop_services(context: Context, plan: Plan, why: str) -> None:
    """Refuse the rows of a file whose SKU is a service; `why`: what a service never is."""
    kinds = {row.key[0]: row.document.kind for row in context.planned("products")}
    skus = sorted({row.document.sku for row in plan.rows} - kinds.keys())
    for some in chunks(skus):
        stored = select(Product.sku, Product.kind).where(col(Product.sku).in_(some))
        kinds |= dict(context.session.exec(stored).all())
    for row in plan.rows:
        if kinds.get(row.document.sku) is ProductKind.SERVICE:
            drop(plan, row, "sku", f"{row.document.sku} is a service: it is never {why}")
    plan.rows = [row for row in plan.rows if not row.is_dropped]

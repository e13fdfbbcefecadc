"""The inbox: facts recorded under their source and id before a workflow applies them."""

from typing import Any

from sqlalchemy import String, and_, bindparam, func, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from activities.database.duplicates import repeats
from activities.database.unit_of_work import UnitOfWork, table_of
from models.audit import origin_of_fact
from models.errors import Conflict
from models.messages.facts import Fact, StoredFact, business_id, type_of
from models.tables.operations import FactRow
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine

TIMES = ("received_at", "occurred_at")
"""Fields in which a repeated fact may differ."""
_IS_THE_FACT = and_(
    col(FactRow.type) == bindparam("fact_type"),
    col(FactRow.business_id) == bindparam("fact_business_id"),
    col(FactRow.order_id).is_not_distinct_from(bindparam("fact_order_id", type_=String)),
    col(FactRow.po_id).is_not_distinct_from(bindparam("fact_po_id", type_=String)),
)
"""The rows of a fact, whatever their source and id."""
_MARK_APPLIED = (
    update(table_of(FactRow))
    .where(_IS_THE_FACT, col(FactRow.applied_at).is_(None))
    .values(applied_at=bindparam("now"))
    .returning(col(FactRow.source))
)
_APPLIED_AT = select(FactRow.applied_at).where(_IS_THE_FACT)


def store_fact(work: UnitOfWork, source: str, fact_id: str, fact: Fact) -> bool:
    """Record a fact once under (source, fact_id); return whether it is still to be applied.

    Raises Conflict where the id is recorded with other content, apart from times.
    """
    data = fact.model_dump(mode="json")
    is_new = work.insert_new(
        FactRow,
        source=source,
        fact_id=fact_id,
        type=type_of(fact),
        business_id=business_id(fact),
        order_id=getattr(fact, "order_id", None),
        po_id=getattr(fact, "po_id", None),
        data=data,
        received_at=work.now,
    )
    if is_new:
        return True
    recorded = _find(work.session, source, fact_id)
    assert recorded is not None, "its key is taken"
    times = {name: recorded.data[name] for name in TIMES if name in recorded.data}
    if not repeats(recorded, type=type_of(fact), data=data | times):
        raise Conflict(
            "fact_id_taken",
            f"{source} has sent {fact_id!r} before, with other content ({recorded.type}): "
            "a new fact needs an id of its own",
        )
    return recorded.applied_at is None


def mark_applied(work: UnitOfWork, fact: Fact) -> bool:
    """Mark a fact as applied, in the transaction that applies it; its source is the origin then.

    Returns whether it was recorded and not applied before.
    """
    marked = work.session.connection().execute(_MARK_APPLIED, _key(fact) | {"now": work.now})
    sources = marked.scalars().all()
    if sources:
        work.origin = origin_of_fact(sources[0])
    return bool(sources)


def was_applied(session: Session, fact: Fact) -> bool:
    """Return whether a fact is recorded and applied.

    A step that runs again after its commit only has to notify.
    """
    rows = session.exec(_APPLIED_AT, params=_key(fact)).all()
    return bool(rows) and None not in rows


def _key(fact: Fact) -> dict[str, Any]:
    return {
        "fact_type": type_of(fact),
        "fact_business_id": business_id(fact),
        "fact_order_id": getattr(fact, "order_id", None),
        "fact_po_id": getattr(fact, "po_id", None),
    }


def waiting_facts(session: Session, order_id: str) -> tuple[StoredFact, ...]:
    """Read the facts of an order that its workflow ended without applying."""
    rows = session.exec(
        select(FactRow)
        .where(FactRow.order_id == order_id, col(FactRow.applied_at).is_(None))
        .order_by(col(FactRow.fact_no))
    )
    return tuple(StoredFact(type=row.type, data=row.data) for row in rows)


def waiting_purchase_facts(session: Session, sku: str, location: str) -> tuple[StoredFact, ...]:
    """Read the facts that the replenishment of a SKU at a location ended without applying.

    These are facts of its purchase orders; one that names no SKU belongs to the first of its order.
    """
    this_sku = aliased(PurchaseOrderLine)
    first_sku = (
        select(func.min(PurchaseOrderLine.sku))
        .where(PurchaseOrderLine.po_id == PurchaseOrder.po_id)
        .correlate(PurchaseOrder)
        .scalar_subquery()
    )
    rows = session.exec(
        select(FactRow, first_sku)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(FactRow.po_id))
        .join(this_sku, col(this_sku.po_id) == col(PurchaseOrder.po_id))
        .where(
            this_sku.sku == sku,
            PurchaseOrder.location == location,
            col(FactRow.applied_at).is_(None),
        )
        .order_by(col(FactRow.fact_no))
    )
    return tuple(
        StoredFact(type=row.type, data=row.data)
        for row, first in rows
        if (row.data.get("sku") or first) == sku
    )


def is_recorded(session: Session, source: str, fact_id: str) -> bool:
    """Return whether a fact is recorded under (source, fact_id)."""
    return _find(session, source, fact_id) is not None


def _find(session: Session, source: str, fact_id: str) -> FactRow | None:
    query = select(FactRow).where(FactRow.source == source, FactRow.fact_id == fact_id)
    return session.exec(query).one_or_none()

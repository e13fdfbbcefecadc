"""Facts at the door: kept under their source and id before anybody acts on them."""

from collections.abc import Mapping

from pydantic import JsonValue
from sqlalchemy import func, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from models.errors import Conflict
from models.messages.facts import Fact, StoredFact, business_id, type_of
from models.tables.operations import FactRow
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine

TIMES = ("received_at", "occurred_at")


def store_fact(
    work: UnitOfWork,
    source: str,
    fact_id: str,
    fact: Fact,
) -> bool:
    """Keep `fact` once under (source, fact_id). True while it still waits to be applied.

    Raises Conflict where the id was used for something else; the same told at another time is the
    same.
    """
    query = select(FactRow).where(FactRow.source == source, FactRow.fact_id == fact_id)
    known = work.session.exec(query).one_or_none()
    if known is not None:
        if known.type != type_of(fact) or _told(known.data) != _told(fact.model_dump(mode="json")):
            raise Conflict(
                "fact_id_taken",
                f"{source} has sent {fact_id!r} before, with other content ({known.type}): "
                "what is new needs an id of its own",
            )
        return known.applied_at is None
    work.session.add(
        FactRow(
            source=source,
            fact_id=fact_id,
            type=type_of(fact),
            business_id=business_id(fact),
            order_id=getattr(fact, "order_id", None),
            po_id=getattr(fact, "po_id", None),
            data=fact.model_dump(mode="json"),
            received_at=work.now,
        )
    )
    return True


def mark_applied(
    work: UnitOfWork,
    fact: Fact,
) -> None:
    """In the transaction that uses `fact`: it waits no longer, however often it came."""
    work.session.execute(
        update(FactRow)
        .where(
            col(FactRow.type) == type_of(fact),
            col(FactRow.business_id) == business_id(fact),
            col(FactRow.order_id).is_not_distinct_from(getattr(fact, "order_id", None)),
            col(FactRow.po_id).is_not_distinct_from(getattr(fact, "po_id", None)),
            col(FactRow.applied_at).is_(None),
        )
        .values(applied_at=work.now)
    )


def was_applied(session: Session, fact: Fact) -> bool:
    """Whether the door kept `fact`, and all that it kept of it was applied: the step that asks runs
    again after its commit, and has only to tell whom it concerns."""
    applied = select(FactRow.applied_at).where(
        FactRow.type == type_of(fact),
        FactRow.business_id == business_id(fact),
        col(FactRow.order_id).is_not_distinct_from(getattr(fact, "order_id", None)),
        col(FactRow.po_id).is_not_distinct_from(getattr(fact, "po_id", None)),
    )
    rows = session.exec(applied).all()
    return bool(rows) and None not in rows


def _told(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What a fact says, but for when: a command that is given again says another time."""
    return {name: value for name, value in data.items() if name not in TIMES}


def waiting_purchase_facts(session: Session, sku: str, location: str) -> tuple[StoredFact, ...]:
    """Facts of purchase orders that were kept and never applied, and that the replenishment of
    this place was to apply: its workflow was ended before."""
    ours = aliased(PurchaseOrderLine)
    first = (
        select(func.min(PurchaseOrderLine.sku))
        .where(PurchaseOrderLine.po_id == PurchaseOrder.po_id)
        .correlate(PurchaseOrder)
        .scalar_subquery()
    )
    rows = session.exec(
        select(FactRow, first)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(FactRow.po_id))
        .join(ours, col(ours.po_id) == col(PurchaseOrder.po_id))
        .where(
            ours.sku == sku,
            PurchaseOrder.location == location,
            col(FactRow.applied_at).is_(None),
        )
        .order_by(col(FactRow.fact_no))
    )
    return tuple(
        StoredFact(type=row.type, data=row.data)
        for row, first_sku in rows
        if (row.data.get("sku") or first_sku) == sku
    )


def waiting_facts(session: Session, order_id: str) -> tuple[StoredFact, ...]:
    """Facts of an order that were kept and never applied: its workflow was ended before."""
    rows = session.exec(
        select(FactRow)
        .where(FactRow.order_id == order_id, col(FactRow.applied_at).is_(None))
        .order_by(col(FactRow.fact_no))
    )
    return tuple(StoredFact(type=row.type, data=row.data) for row in rows)


def is_known_fact(session: Session, source: str, fact_id: str) -> bool:
    """Whether a fact came through this door before."""
    known = select(FactRow.fact_no).where(FactRow.source == source, FactRow.fact_id == fact_id)
    return session.exec(known).first() is not None

"""Facts at the door: kept under their source and id before anybody acts on them."""

from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col, select

from models.messages import Fact, StoredFact, business_id, type_of
from models.tables import FactRow


def keep_fact(session: Session, source: str, fact_id: str, fact: Fact, now: datetime) -> bool:
    """Keep `fact` once under (source, fact_id). True while it still waits to be applied."""
    query = select(FactRow).where(FactRow.source == source, FactRow.fact_id == fact_id)
    known = session.exec(query).one_or_none()
    if known is not None:
        return known.applied_at is None
    session.add(
        FactRow(
            source=source,
            fact_id=fact_id,
            type=type_of(fact),
            business_id=business_id(fact),
            order_id=getattr(fact, "order_id", None),
            po_id=getattr(fact, "po_id", None),
            data=fact.model_dump(mode="json"),
            received_at=now,
        )
    )
    return True


def mark_applied(session: Session, fact: Fact, now: datetime) -> None:
    """In the transaction that uses `fact`: it waits no longer, however often it came."""
    session.execute(
        update(FactRow)
        .where(
            col(FactRow.type) == type_of(fact),
            col(FactRow.business_id) == business_id(fact),
            col(FactRow.applied_at).is_(None),
        )
        .values(applied_at=now)
    )


def waiting_facts(session: Session, order_id: str) -> tuple[StoredFact, ...]:
    """Facts of an order that were kept and never applied: its workflow was ended before."""
    rows = session.exec(
        select(FactRow)
        .where(FactRow.order_id == order_id, col(FactRow.applied_at).is_(None))
        .order_by(col(FactRow.fact_no))
    )
    return tuple(StoredFact(type=row.type, data=row.data) for row in rows)

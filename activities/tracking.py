"""Tracking: what carriers report is kept, once, in the caller's transaction."""

from datetime import datetime

from sqlmodel import Session, select

from activities.progress import note
from models.messages import ShipmentFact
from models.returns import ReturnState
from models.tables import AuditRow, ReturnRow, Shipment, TrackingRow
from models.tracking import TrackingEvent, TrackingStatus

NOTED_ANYWAY = (TrackingStatus.PICKED_UP, TrackingStatus.DELIVERED)


def keep_report(
    session: Session,
    shipment: Shipment,
    fact: ShipmentFact,
    status: TrackingStatus,
    now: datetime,
) -> bool:
    """Keep a carrier's report, once; False where it was kept before."""
    if session.get(TrackingRow, (shipment.shipment_id, fact.event_id)) is not None:
        return False
    session.add(
        TrackingRow(
            shipment_id=shipment.shipment_id,
            event_id=fact.event_id,
            status=status,
            occurred_at=fact.occurred_at or now,
            place=fact.place,
            detail=fact.detail,
            signed_by=fact.signed_by,
            reference=fact.reference,
            recorded_at=now,
        )
    )
    session.flush()
    if status not in NOTED_ANYWAY:
        said = [shipment.shipment_id, status.words, fact.place, fact.detail]
        note(session, shipment.order_id, "tracked", ", ".join(filter(None, said)), now)
    return True


def follow_return(
    session: Session, row: ReturnRow, fact: ShipmentFact, status: TrackingStatus, now: datetime
) -> None:
    """Note what a carrier reports of goods that come back, once; that it has them, keeps their
    authorisation from running out."""
    said = [row.return_id, status.words, fact.place, fact.detail]
    detail = f"{', '.join(filter(None, said))} ({fact.event_id})"
    noted = select(AuditRow).where(AuditRow.order_id == row.order_id, AuditRow.detail == detail)
    if session.exec(noted).first() is not None:
        return
    note(session, row.order_id, "tracked", detail, now)
    carries = status.has_goods and not status.wants_a_person
    if carries and row.state is ReturnState.AUTHORISED:
        row.state = ReturnState.IN_TRANSIT
        note(session, row.order_id, "return_on_its_way", row.return_id, now)


def reports_of(session: Session, shipment_id: str) -> list[TrackingEvent]:
    """All that the carrier said of a shipment."""
    rows = session.exec(select(TrackingRow).where(TrackingRow.shipment_id == shipment_id))
    return [
        TrackingEvent(event_id=row.event_id, status=row.status, at=row.occurred_at) for row in rows
    ]

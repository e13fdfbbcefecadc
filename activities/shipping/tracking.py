"""Tracking: what carriers report is kept, once, in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from models.messages.facts import ShipmentFact
from models.returns import ReturnState
from models.tables.returns import ReturnRow
from models.tables.shipping import ReturnTrackingRow, Shipment, TrackingRow
from models.tracking import TrackingEvent, TrackingStatus, fold

NOTED_ANYWAY = (TrackingStatus.PICKED_UP, TrackingStatus.DELIVERED)


def record_report(
    work: UnitOfWork,
    shipment: Shipment,
    fact: ShipmentFact,
    status: TrackingStatus,
) -> bool:
    """Keep a carrier's report, once; False where it was kept before."""
    if work.session.get(TrackingRow, (shipment.shipment_id, fact.event_id)) is not None:
        return False
    told = _as_told(fact, status, work.now)
    work.session.add(TrackingRow(shipment_id=shipment.shipment_id, **told))
    work.session.flush()
    if status not in NOTED_ANYWAY:
        _note(work, shipment.order_id, shipment.shipment_id, fact, status)
    return True


def follow_return(
    work: UnitOfWork,
    row: ReturnRow,
    fact: ShipmentFact,
    status: TrackingStatus,
) -> None:
    """Keep what a carrier reports of goods that come back, once; that it has (or had) them, keeps
    their authorisation from running out."""
    if work.session.get(ReturnTrackingRow, (row.return_id, fact.event_id)) is not None:
        return
    told = _as_told(fact, status, work.now)
    work.session.add(ReturnTrackingRow(return_id=row.return_id, **told))
    work.session.flush()
    _note(work, row.order_id, row.return_id, fact, status)
    row.news_at = work.now
    apply_earlier_reports(work, row)


def apply_earlier_reports(
    work: UnitOfWork,
    row: ReturnRow,
) -> None:
    """What all reports of a return say together. An authorised one that a carrier has, or had, is
    on its way."""
    tracked = fold(_events(return_reports(work.session, row.return_id)))
    if tracked is None:
        return
    row.tracking = tracked.status
    if tracked.left_at is not None and row.state is ReturnState.AUTHORISED:
        row.state = ReturnState.IN_TRANSIT
        record_event(work, row.order_id, "return_on_its_way", row.return_id)


def reports_of(session: Session, shipment_id: str) -> list[TrackingEvent]:
    """All that the carrier said of a shipment."""
    return _events(
        session.exec(select(TrackingRow).where(TrackingRow.shipment_id == shipment_id)).all()
    )


def return_reports(session: Session, return_id: str) -> Sequence[ReturnTrackingRow]:
    """All that carriers said of a return, the earliest first."""
    rows = select(ReturnTrackingRow).where(ReturnTrackingRow.return_id == return_id)
    return session.exec(rows.order_by(col(ReturnTrackingRow.occurred_at))).all()


def _events(rows: Sequence[TrackingRow] | Sequence[ReturnTrackingRow]) -> list[TrackingEvent]:
    return [
        TrackingEvent(event_id=row.event_id, status=row.status, at=row.occurred_at) for row in rows
    ]


def _as_told(fact: ShipmentFact, status: TrackingStatus, now: datetime) -> dict[str, Any]:
    """What both kinds of report keep."""
    return {
        "event_id": fact.event_id,
        "status": status,
        "occurred_at": fact.occurred_at or now,
        "place": fact.place,
        "detail": fact.detail,
        "signed_by": fact.signed_by,
        "reference": fact.reference,
        "recorded_at": now,
    }


def _note(
    work: UnitOfWork,
    order_id: str,
    subject: str,
    fact: ShipmentFact,
    status: TrackingStatus,
) -> None:
    said = [subject, status.words, fact.place, fact.detail]
    record_event(work, order_id, "tracked", ", ".join(filter(None, said)))

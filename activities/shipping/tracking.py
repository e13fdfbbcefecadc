"""Tracking: apply what a carrier reports of a shipment or a return.

A report is recorded once. All reports of a shipment together give its status, whatever their order
(`models.tracking`). What they mean for the shipment:

- Picked up or on the way: goods are issued, and the shipment is dispatched.
- Delivered: the shipment is delivered. This is final.
- An exception (lost, damaged, refused, undeliverable, returned to sender): the shipment has left,
  and keeps this status. Its order's workflow raises an attention, until an operator reships or
  refunds the shipment (`activities.shipping.commands`) or it is delivered after all.
- Reports on a failed or cancelled shipment record a problem, which an operator acknowledges.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from activities.billing.deliveries import invoice_delivery
from activities.database.inbox import mark_applied
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event, reject_fact
from activities.order_record.lines import shipments_of
from activities.order_record.progress import lock_order, save_progress
from activities.shipping.goods_issue import issue_goods
from models.messages.facts import ShipmentFact
from models.progress import Progress, ShipmentProblem, ShipmentState
from models.returns import ReturnState
from models.tables.orders import Order
from models.tables.returns import ReturnRow
from models.tables.shipping import ReturnTrackingRow, Shipment, TrackingRow
from models.tracking import TrackingEvent, TrackingStatus, summarise

WITH_OWN_EVENT = (TrackingStatus.PICKED_UP, TrackingStatus.DELIVERED)
"""Statuses of shipments that the audit trail records as "dispatched" and "delivered"."""


class Reported(NamedTuple):
    """The order's progress after a report, and the shipment that has left by it."""

    progress: Progress
    left: Shipment | None = None


def apply_report(
    work: UnitOfWork, order_id: str, fact: ShipmentFact, status: TrackingStatus | None
) -> Reported:
    """Apply a carrier's report to the order's shipment or return that it names.

    A report without a status, or on another order's shipment, is rejected. The progress names the
    workflows to notify: of the return, or of a recall whose shipment has left.
    """
    order = lock_order(work, order_id)
    mark_applied(work, fact)
    subject = _subject(work.session, order.order_id, fact)
    if subject is None or status is None:
        reason = "status: missing" if subject else "shipment_id: not one of this order"
        reject_fact(work, order.order_id, fact, reason)
        return Reported(save_progress(work, order))
    if isinstance(subject, ReturnRow):
        _apply_to_return(work, subject, fact, status)
        # A repeated report notifies again: the first answer may have been lost.
        tracked = () if subject.state.is_over else (subject.return_id,)
        return Reported(save_progress(work, order).model_copy(update={"reported_returns": tracked}))
    if subject.state is ShipmentState.CANCELLED:
        _apply_to_cancelled(work, subject, fact, status)
        return Reported(save_progress(work, order))
    had_left = subject.state.has_left
    if _record_report(work, subject, fact, status):
        _update_shipment(work, order, subject, fact, status)
    progress = save_progress(work, order)
    if subject.called_back_by and subject.state.has_left:
        progress = progress.model_copy(update={"ended_recalls": (subject.called_back_by,)})
    return Reported(progress, subject if subject.state.has_left and not had_left else None)


def _subject(session: Session, order_id: str, fact: ShipmentFact) -> Shipment | ReturnRow | None:
    """Find the order's shipment or return that a report names, else its only open shipment."""
    if fact.order_id not in (None, order_id):
        return None
    shipments = shipments_of(session, order_id)
    if fact.shipment_id is None:
        over = (ShipmentState.CANCELLED, ShipmentState.FAILED)
        open_shipments = [row for row in shipments if row.state not in over]
        return open_shipments[0] if len(open_shipments) == 1 else None
    for shipment in shipments:
        if shipment.shipment_id == fact.shipment_id:
            return shipment
    row = session.get(ReturnRow, fact.shipment_id)
    return row if row is not None and row.order_id == order_id else None


def _update_shipment(
    work: UnitOfWork, order: Order, shipment: Shipment, fact: ShipmentFact, status: TrackingStatus
) -> None:
    """Bring a shipment up to date with all its reports, of which `fact` is the latest recorded."""
    if shipment.tracking is None:  # the first one
        reports = [TrackingEvent(status=status, at=fact.occurred_at or work.now)]
    else:
        reports = reports_of(work.session, shipment.shipment_id)
    summary = summarise(reports)
    assert summary is not None, "a report was recorded"
    was_delivered = shipment.delivered_at is not None
    was_returned = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
    shipment.tracking, shipment.news_at = summary.status, work.now
    if summary.left_at is None:
        return
    shipment.dispatched_at, shipment.delivered_at = summary.left_at, summary.arrived_at
    if not shipment.state.has_left:
        shipment.state = ShipmentState.DISPATCHED
        invoice_delivery(work, order, shipment)
        issue_goods(work, order, shipment)
        record_event(work, order.order_id, "dispatched", shipment.shipment_id)
    if shipment.state is ShipmentState.FAILED:
        is_returned = summary.status is TrackingStatus.RETURNED_TO_SENDER
        if is_returned and not was_returned and shipment.restocked_at is None:
            _record_problem(work, shipment, ShipmentProblem.CAME_BACK_AFTER_ALL)
        elif summary.arrived_at is not None and not was_delivered:
            _record_problem(work, shipment, ShipmentProblem.ARRIVED_AFTER_ALL)
    elif summary.arrived_at is not None and shipment.state is ShipmentState.DISPATCHED:
        shipment.state = ShipmentState.DELIVERED
        record_event(work, order.order_id, "delivered", shipment.shipment_id)


def _apply_to_cancelled(
    work: UnitOfWork, shipment: Shipment, fact: ShipmentFact, status: TrackingStatus
) -> None:
    """Record and reject a report. The first one showing that the carrier has the goods becomes a
    problem."""
    reject_fact(work, shipment.order_id, fact, "its booking was cancelled")
    if _record_report(work, shipment, fact, status) and status.has_goods:
        reports = reports_of(work.session, shipment.shipment_id)
        if sum(report.status.has_goods for report in reports) == 1:
            _record_problem(work, shipment, ShipmentProblem.CALLED_BACK_IN_VAIN)


def _record_problem(work: UnitOfWork, shipment: Shipment, problem: ShipmentProblem) -> None:
    """Show a problem until it is resolved, or an operator acknowledges it."""
    shipment.problem = problem
    record_event(work, shipment.order_id, problem, shipment.shipment_id)


def _record_report(
    work: UnitOfWork, shipment: Shipment, fact: ShipmentFact, status: TrackingStatus
) -> bool:
    """Record a report on a shipment; False if it was recorded before."""
    columns = _report_columns(fact, status, work.now)
    if not work.insert_new(TrackingRow, shipment_id=shipment.shipment_id, **columns):
        return False
    if status not in WITH_OWN_EVENT:
        _record_tracked(work, shipment.order_id, shipment.shipment_id, fact, status)
    return True


def reports_of(session: Session, shipment_id: str) -> list[TrackingEvent]:
    """Return the reports on a shipment."""
    return _events(
        session.exec(select(TrackingRow).where(TrackingRow.shipment_id == shipment_id)).all()
    )


def _apply_to_return(
    work: UnitOfWork, row: ReturnRow, fact: ShipmentFact, status: TrackingStatus
) -> None:
    """Record a report on a return once, and update the return."""
    if work.session.get(ReturnTrackingRow, (row.return_id, fact.event_id)) is not None:
        return
    columns = _report_columns(fact, status, work.now)
    work.session.add(ReturnTrackingRow(return_id=row.return_id, **columns))
    work.session.flush()
    _record_tracked(work, row.order_id, row.return_id, fact, status)
    row.news_at = work.now
    update_return(work, row)


def update_return(work: UnitOfWork, row: ReturnRow) -> None:
    """Update a return by all its reports.

    An authorised return that a carrier has, or had, is in transit: it doesn't expire.
    """
    summary = summarise(_events(return_reports(work.session, row.return_id)))
    if summary is None:
        return
    row.tracking = summary.status
    if summary.left_at is not None and row.state is ReturnState.AUTHORISED:
        row.state = ReturnState.IN_TRANSIT
        record_event(work, row.order_id, "return_on_its_way", row.return_id)


def return_reports(session: Session, return_id: str) -> Sequence[ReturnTrackingRow]:
    """Return the reports on a return, the earliest first."""
    rows = select(ReturnTrackingRow).where(ReturnTrackingRow.return_id == return_id)
    return session.exec(rows.order_by(col(ReturnTrackingRow.occurred_at))).all()


def _events(rows: Sequence[TrackingRow] | Sequence[ReturnTrackingRow]) -> list[TrackingEvent]:
    return [TrackingEvent(status=row.status, at=row.occurred_at) for row in rows]


def _report_columns(fact: ShipmentFact, status: TrackingStatus, now: datetime) -> dict[str, Any]:
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


def _record_tracked(
    work: UnitOfWork, order_id: str, subject_id: str, fact: ShipmentFact, status: TrackingStatus
) -> None:
    parts = [subject_id, status.words, fact.place, fact.detail]
    record_event(work, order_id, "tracked", ", ".join(filter(None, parts)))

"""Invoices of deliveries: of orders on credit, each shipment is invoiced with its goods issue.

Goods that are sent again are on the invoice of the shipment that failed. Units that are cancelled
before goods issue are never invoiced: they lower the order's total.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlmodel import Session, col, select

from activities.billing.invoicing import issue_invoice, priced_lines
from activities.billing.on_account import payments_of, tax_on_account
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, invoice_numbers, money_of
from activities.order_record.lines import reservations_of
from models import billing_entries
from models.billing import MORE_THAN_DUE, Invoice
from models.deliveries import CancelledUnits, cancel_units, part_of_order, totals_of_units
from models.pricing import PricedLine
from models.services import services_of
from models.stock import ReservationState
from models.tables.billing import InvoiceRow
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tables.stock import Reservation


def invoice_delivery(work: UnitOfWork, order: Order, shipment: Shipment) -> None:
    """Invoice the goods of a shipment that is about to be issued, due from today.

    Nothing if the order is invoiced as a whole, or all units are on earlier invoices. Services are
    on the first one. The day of supply is the day on which the goods left.
    """
    if not order.invoiced_by_delivery:
        return
    issued = units_by_line(
        row
        for row in reservations_of(work.session, order.order_id)
        if is_issued(row) or row.shipment_id == shipment.shipment_id
    )
    lines = priced_lines(work.session, order)
    issued.update({line.line_no: line.quantity for line in services_of(lines)})
    invoiced = invoiced_units(work.session, order)
    units = {number: count - invoiced[number] for number, count in issued.items()}
    units = {number: count for number, count in units.items() if count > 0}
    if not units:
        return
    part = part_of_order(lines, invoiced, units)
    left_on = work.day_of(shipment.dispatched_at) if shipment.dispatched_at else work.today
    issue_invoice(work, order, part, shipment=shipment, taxed_on=min(left_on, work.today))


def units_by_line(rows: Iterable[Reservation]) -> Counter[int]:
    """Count units by their line."""
    units = Counter[int]()
    for row in rows:
        units[row.line_no] += row.quantity
    return units


def is_issued(row: Reservation) -> bool:
    """Return whether units have left and are not sent again: delivered, on the way or lost.

    Units cancelled before goods issue are written off without a shipment.
    """
    is_lost = row.state is ReservationState.WRITTEN_OFF and row.shipment_id is not None
    return row.state is ReservationState.SHIPPED or is_lost


def invoiced_units(session: Session, order: Order) -> Counter[int]:
    """Count the units of each line that are on invoices of an order."""
    units = Counter[int]()
    if not invoice_numbers(session, order.order_id):
        return units
    for _, line in invoiced_lines(session, [order.order_id]):
        units[line.line_no] += line.quantity
    return units


def invoiced_lines(
    session: Session, order_ids: Collection[str]
) -> Iterator[tuple[str, PricedLine]]:
    """Read the lines of all invoices of orders, with the order of each."""
    contents = select(InvoiceRow.order_id, InvoiceRow.content).where(
        col(InvoiceRow.order_id).in_(order_ids)
    )
    for order_id, content in session.exec(contents):
        for line in Invoice.model_validate(content).lines:
            yield order_id, line


def cancel_uninvoiced(
    work: UnitOfWork, order: Order, rows: Sequence[Reservation]
) -> dict[int, CancelledUnits]:
    """Lower the total of an order by units that are cancelled before goods issue.

    Returns those that are on invoices, by line: they are to be credited. What was paid beyond the
    new total becomes a deposit.
    """
    of_order = select(Reservation).where(
        Reservation.order_id == order.order_id, Reservation.state == ReservationState.WRITTEN_OFF
    )
    earlier = [row for row in work.session.exec(of_order) if row.shipment_id is None]
    now = {id(row) for row in rows}
    before = units_by_line(row for row in earlier if id(row) not in now)
    cancelled, invoiced = units_by_line(rows), invoiced_units(work.session, order)
    lines = priced_lines(work.session, order)
    by_line = {
        line.line_no: cancel_units(
            line,
            invoiced=invoiced[line.line_no],
            cancelled_before=before[line.line_no],
            cancelled=cancelled[line.line_no],
        )
        for line in lines
        if cancelled[line.line_no]
    }
    left = {
        line.line_no: max(
            invoiced[line.line_no],
            line.quantity - before[line.line_no] - cancelled[line.line_no],
        )
        for line in lines
    }
    totals = totals_of_units(lines, left)
    lowered_minor = order.total_minor - totals.total_minor
    order.net_minor, order.total_minor = totals.net_minor, totals.total_minor
    if lowered_minor:
        record_event(work, order.order_id, "total_lowered", f"by {money_of(order, lowered_minor)}")
    _free_excess(work, order)
    return {number: units for number, units in by_line.items() if units.credited}


def _free_excess(work: UnitOfWork, order: Order) -> None:
    """Turn what was paid beyond the total of an order into a deposit, and adjust its tax."""
    balance = balance_of(order)
    excess_minor = order.paid_minor - max(0, balance.total_minor + balance.charges_minor)
    if excess_minor > 0:
        order.paid_minor -= excess_minor
        order.deposit_minor += excess_minor
        for payment in reversed(payments_of(work.session, order)):
            part_minor = min(excess_minor, payment.applied_minor)
            payment.applied_minor -= part_minor
            excess_minor -= part_minor
            if part_minor:
                payment.unmatched_reason = MORE_THAN_DUE
    added_minor = tax_on_account(order, work.rules.billing) - order.taxed_minor
    order.taxed_minor += added_minor
    key = f"{order.order_id}:{order.version}"
    entry = billing_entries.on_account_entry(key, order.order_id, order.currency, added_minor)
    post(work, entry)

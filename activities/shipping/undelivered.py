"""Undelivered units: cancelled, and their price credited, in the caller's transaction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlmodel import Session

from activities.billing.deliveries import cancel_uninvoiced
from activities.billing.exchanges import PaidOrder, credit_and_refund, settle_units
from activities.billing.invoicing import CreditedLine
from activities.billing.refunds import request_refunds
from activities.billing.services import recognise_services
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.balance import money_of
from activities.order_record.lines import order_lines
from activities.shipping.goods_issue import recognise_revenue
from models import ledger
from models.messages.commands.results import FollowUp
from models.messages.steps import BillStep
from models.stock import ReservationState
from models.tables.orders import Order
from models.tables.stock import Reservation


class InvoicedUnits(NamedTuple):
    """Units of a line that won't be delivered and are on an invoice, with their revenue."""

    line_no: int
    units: int
    net_minor: int
    shipment_id: str | None = None


def cancel_undelivered(
    work: UnitOfWork, order: Order, rows: Sequence[Reservation], *, goods_left: bool = True
) -> list[InvoicedUnits]:
    """Cancel units that haven't left: they won't be delivered. Returns those to credit.

    Of an order that is invoiced by delivery, all others lower its total. Services are supplied all
    the same: their price isn't credited with that of the goods. `goods_left`: others have left, so
    that no later goods issue supplies the services.
    """
    if not order.invoiced_by_delivery:
        recognise_revenue(work.session, order, rows)
    for row in rows:
        row.state = ReservationState.WRITTEN_OFF
    work.session.add_all(rows)
    if goods_left:
        recognise_services(work, order)
    if not order.invoiced_by_delivery:
        return [*invoiced_units_of(rows)]
    work.session.flush()
    credited = cancel_uninvoiced(work, order, rows)
    for line_no, units in credited.items():
        first = next(row for row in rows if row.line_no == line_no)
        first.revenue_minor = units.net_minor
    return [
        InvoicedUnits(line_no, units.credited, units.net_minor)
        for line_no, units in credited.items()
    ]


def invoiced_units_of(
    rows: Iterable[Reservation], shipment_id: str | None = None
) -> list[InvoicedUnits]:
    """Sum up units by line, with the revenue that was posted for them."""
    units, net_minor = Counter[int](), Counter[int]()
    for row in rows:
        units[row.line_no] += row.quantity
        net_minor[row.line_no] += row.revenue_minor
    return [
        InvoicedUnits(line_no, count, net_minor[line_no], shipment_id)
        for line_no, count in sorted(units.items())
    ]


def credit_undelivered(
    work: UnitOfWork,
    order: Order,
    payer: PaidOrder,
    undelivered: Sequence[InvoicedUnits],
    entry_id: str,
    reason: str,
) -> tuple[str, FollowUp | None]:
    """Credit the price of undelivered units of `order` to the order that paid for them, and refund
    what was paid. Returns a sentence, and the refund and mails that follow.

    `entry_id` names the journal entry for what had been credited before, as an allowance.
    """
    credit = None
    if undelivered:
        lines = _credit_lines(work.session, order, payer, undelivered)
        credit = credit_and_refund(work, payer, lines, reason, delivered=False)
    notes = credit.credit_notes if credit else ()
    if not payer.is_exchange:
        before_minor = sum(one.net_minor for one in undelivered)
        before_minor -= sum(note.net_minor for note in notes)
        before = ledger.credited_before_entry(
            entry_id, payer.order.order_id, payer.order.currency, before_minor
        )
        post(work, before)
    summary = credit.summary if credit else "nothing is left to credit"
    refund_keys = credit.refund_keys if credit else ()
    if order.invoiced_by_delivery:
        if not undelivered:
            summary = "they were not invoiced"
        deposits = request_refunds(work, order, reason, order.deposit_minor or None)
        refund_keys += tuple(refund.refund_key for refund in deposits)
        if deposits:
            refunded = money_of(order, sum(refund.amount_minor for refund in deposits))
            summary += f"; {refunded} are being refunded"
    if not notes and not refund_keys:
        return summary, None
    follow_up = FollowUp(
        order_id=payer.order.order_id,
        refund_keys=refund_keys,
        bills=tuple(BillStep(number=note.number) for note in notes),
    )
    return summary, follow_up


def _credit_lines(
    session: Session, order: Order, payer: PaidOrder, undelivered: Sequence[InvoicedUnits]
) -> list[CreditedLine]:
    """Build the lines of credit notes to the order that paid for undelivered units."""
    by_line = {one.line_no: one for one in undelivered}
    return [
        CreditedLine(settle_units(payer, line, one.units, one.net_minor), one.shipment_id)
        for line in order_lines(session, order.order_id)
        if (one := by_line.get(line.line_no)) is not None
    ]

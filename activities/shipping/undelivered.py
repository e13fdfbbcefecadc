"""Undelivered units: cancelled, and their price credited, in the caller's transaction."""

from collections import Counter
from collections.abc import Sequence

from sqlmodel import Session

from activities.billing.exchanges import PaidOrder, credit_and_refund, settle_units
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.lines import order_lines
from activities.shipping.goods_issue import recognise_revenue
from models import ledger
from models.messages.commands.results import FollowUp
from models.messages.steps import BillStep
from models.pricing import PricedLine
from models.stock import ReservationState
from models.tables.stock import Reservation


def cancel_undelivered(work: UnitOfWork, order_id: str, rows: Sequence[Reservation]) -> None:
    """Cancel units that haven't left: they won't be delivered."""
    recognise_revenue(work.session, order_id, rows)
    for row in rows:
        row.state = ReservationState.WRITTEN_OFF
    work.session.add_all(rows)


def credit_undelivered(
    work: UnitOfWork,
    payer: PaidOrder,
    rows: Sequence[Reservation],
    entry_id: str,
    reason: str,
) -> tuple[str, FollowUp | None]:
    """Credit the price of undelivered units to the order that paid for them, and refund what was
    paid. Returns a sentence, and the refund and mail that follow.

    `entry_id` names the journal entry for what had been credited before, as an allowance.
    """
    order, lines = payer.order, _credit_lines(work.session, payer, rows)
    credit = credit_and_refund(work, payer, lines, reason, delivered=False)
    if not payer.is_exchange:
        credited_minor = credit.credit_note.net_minor if credit else 0
        before_minor = sum(row.revenue_minor for row in rows) - credited_minor
        before = ledger.credited_before_entry(
            entry_id, order.order_id, order.currency, before_minor
        )
        post(work, before)
    if credit is None:
        return "nothing is left to credit", None
    follow_up = FollowUp(
        order_id=order.order_id,
        refund_keys=credit.refund_keys,
        bill=BillStep(number=credit.credit_note.number),
    )
    return credit.summary, follow_up


def _credit_lines(
    session: Session, payer: PaidOrder, rows: Sequence[Reservation]
) -> list[PricedLine]:
    """Build the lines of a credit note to the order that paid for undelivered units."""
    units, net_minor = Counter[int](), Counter[int]()
    for row in rows:
        units[row.line_no] += row.quantity
        net_minor[row.line_no] += row.revenue_minor
    return [
        settle_units(payer, line, units[line.line_no], net_minor[line.line_no])
        for line in order_lines(session, rows[0].order_id)
        if units[line.line_no]
    ]

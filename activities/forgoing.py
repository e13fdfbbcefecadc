"""Forgoing: the price of what a customer won't get is credited and given back, in the caller's
transaction."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from activities.invoicing import credit_units
from activities.ledger import post
from activities.refunds import ask_credit_back
from models import ledger
from models.billing import units_of
from models.commands import FollowUp
from models.messages import BillStep
from models.orders import PricedLine
from models.tables import Order, OrderLineRow, Reservation


def give_price_back(
    session: Session,
    order: Order,
    rows: Sequence[Reservation],
    entry_id: str,
    reason: str,
    now: datetime,
) -> tuple[str, FollowUp | None]:
    """Credit what was invoiced for units that won't come, and give back what was paid of it; in
    words, and what follows. `entry_id`: of what had been credited of them before."""
    credit_note = credit_units(
        session, order, _lines(session, order.order_id, rows), reason, now, delivered=False
    )
    revenue_minor = sum(row.revenue_minor for row in rows)
    credited_minor = credit_note.net_minor if credit_note else 0
    before = ledger.credited_before_entry(
        entry_id, order.order_id, order.currency, revenue_minor - credited_minor
    )
    post(session, before, now)
    if credit_note is None:
        return "nothing of its price is left to give back", None
    refund, words = ask_credit_back(session, order, credit_note, reason, now)
    follow_up = FollowUp(
        order_id=order.order_id,
        refund_key=refund.refund_key if refund else None,
        bill=BillStep(number=credit_note.number),
    )
    return words, follow_up


def _lines(session: Session, order_id: str, rows: Sequence[Reservation]) -> list[PricedLine]:
    """Units that won't come, as lines of a credit note."""
    units, net_minor = Counter[int](), Counter[int]()
    for row in rows:
        units[row.line_no] += row.quantity
        net_minor[row.line_no] += row.revenue_minor
    of_order = select(OrderLineRow).where(OrderLineRow.order_id == order_id)
    return [
        units_of(
            PricedLine.model_validate(line.model_dump()),
            units[line.line_no],
            net_minor[line.line_no],
        )
        for line in session.exec(of_order.order_by(col(OrderLineRow.line_no)))
        if units[line.line_no]
    ]

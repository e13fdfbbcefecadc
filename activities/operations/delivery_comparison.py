"""Comparison of issued goods with the invoices of orders that are invoiced by delivery."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select

from activities.billing.deliveries import invoiced_lines, is_issued
from models.findings import Difference, delivery_difference
from models.stock import ReservationState
from models.tables.orders import Order
from models.tables.stock import Reservation

Lines = Counter[tuple[str, int]]
"""Units by order and line."""


def compare_deliveries(session: Session, orders: Sequence[Order]) -> Iterable[Difference]:
    """Find lines with goods issued and not invoiced, or invoiced and not issued.

    Goods that are to be sent again are invoiced before.
    """
    order_ids = [order.order_id for order in orders if order.invoiced_by_delivery]
    if not order_ids:
        return
    issued, again = Lines(), Lines()
    rows = select(Reservation).where(col(Reservation.order_id).in_(order_ids))
    for row in session.exec(rows):
        if is_issued(row):
            issued[row.order_id, row.line_no] += row.quantity
        elif row.state is ReservationState.RESHIPPED:
            again[row.order_id, row.line_no] += row.quantity
    invoiced = Lines()
    for order_id, line in invoiced_lines(session, order_ids):
        if line.is_goods:
            invoiced[order_id, line.line_no] += line.quantity
    for key in sorted({*issued, *invoiced}):
        if not issued[key] <= invoiced[key] <= issued[key] + again[key]:
            yield delivery_difference(*key, issued[key], invoiced[key])

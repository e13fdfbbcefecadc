"""Orders and their customers, as CLI and API show them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeVar

from sqlalchemy import String, bindparam, func
from sqlmodel import Session, col, select

from activities.masterdata.customers import exposure
from activities.order_record.balance import balance_of_row
from activities.orders.acceptance import company_currency
from models.billing import RefundState
from models.errors import NotFound
from models.messages.attention import Attention
from models.money import format_amount
from models.progress import OVER, Cancellation, ShipmentState, Stage
from models.stock import ReservationState, ShortageState
from models.tables.billing import InvoiceRow, Refund
from models.tables.masterdata import Customer
from models.tables.operations import AuditRow, RejectedMessageRow
from models.tables.orders import Order, OrderLineRow
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage
from models.views.operations import RejectedMessageView
from models.views.orders import (
    BackorderView,
    CustomerView,
    HistoryView,
    LineView,
    OrderDetails,
    OrderView,
    ShipmentView,
)

AT_ONCE = 500
"""Orders of one query."""
_OF = bindparam("order_id", type_=String)
_HISTORY = select(AuditRow).where(col(AuditRow.order_id) == _OF).order_by(col(AuditRow.audit_no))
_ODD = (
    select(RejectedMessageRow)
    .where(col(RejectedMessageRow.subject) == _OF)
    .order_by(col(RejectedMessageRow.recorded_at))
)
_THESE = bindparam("order_ids", type_=String, expanding=True)
_LINES = (
    select(OrderLineRow)
    .where(col(OrderLineRow.order_id).in_(_THESE))
    .order_by(col(OrderLineRow.line_no))
)
_RESERVATIONS = select(Reservation).where(col(Reservation.order_id).in_(_THESE))
_SHORT = (
    select(Shortage)
    .where(col(Shortage.order_id).in_(_THESE), col(Shortage.state) == ShortageState.OPEN)
    .order_by(col(Shortage.line_no), col(Shortage.shortage_id))
)
_SHIPMENTS = (
    select(Shipment).where(col(Shipment.order_id).in_(_THESE)).order_by(col(Shipment.shipment_id))
)
_RETURNED = (
    select(ReturnRow.order_id, ReturnLine.line_no, ReturnLine.received)
    .join(ReturnLine, col(ReturnLine.return_id) == col(ReturnRow.return_id))
    .where(col(ReturnRow.order_id).in_(_THESE))
)
_INVOICES = select(InvoiceRow.order_id, InvoiceRow.number).where(
    col(InvoiceRow.order_id).in_(_THESE)
)
_REFUNDED = (
    select(Refund.order_id, func.sum(col(Refund.amount_minor)))
    .where(col(Refund.order_id).in_(_THESE), col(Refund.state) == RefundState.REFUNDED)
    .group_by(col(Refund.order_id))
)
"""One for each kind of row, made once: making them takes longer than having them answered."""
OfOrder = TypeVar("OfOrder", OrderLineRow, Reservation, Shortage, Shipment)


class _Known(NamedTuple):
    """What there is of some orders, by order."""

    lines: Mapping[str, Sequence[OrderLineRow]]
    reservations: Mapping[str, Sequence[Reservation]]
    short: Mapping[str, Sequence[Shortage]]
    shipments: Mapping[str, Sequence[Shipment]]
    returned: Mapping[tuple[str, int], int]
    """By order and line."""
    invoices: Mapping[str, str]
    refunded: Mapping[str, int]


def order_details(session: Session, order_id: str) -> OrderDetails | None:
    """One order with its history; None where it isn't recorded."""
    order = session.get(Order, order_id)
    if order is None:
        return None
    known = _known(session, [order_id])
    its = {"order_id": order_id}
    return OrderDetails(
        **dict(_view(order, known)),
        delivery=order.delivery,
        fulfilment=order.fulfilment,
        location=order.location,
        taken_by=order.taken_by or None,
        backorders=tuple(
            BackorderView(
                sku=row.sku,
                quantity=row.quantity - row.filled,
                location=row.location,
                po_id=row.po_id,
                expected_date=row.expected_date,
            )
            for row in known.short[order_id]
        ),
        history=tuple(
            HistoryView.model_validate(row.model_dump())
            for row in session.exec(_HISTORY, params=its)
        ),
        odd_facts=tuple(
            RejectedMessageView.model_validate(row.model_dump())
            for row in session.exec(_ODD, params=its)
        ),
    )


def list_orders(
    session: Session,
    stage: Stage | None = None,
    attention: bool = False,
    limit: int = 50,
    troubled: Collection[str] = (),
) -> list[OrderView]:
    """Orders, newest first; `limit` 0 means all. `troubled`: those whose workflow was cut off or
    fails need attention too."""
    query = select(Order).order_by(col(Order.placed_at).desc(), col(Order.order_id))
    if stage is not None:
        query = query.where(Order.stage == stage)
    if attention:
        stuck = col(Order.order_id).in_(troubled) & col(Order.stage).not_in(OVER)
        query = query.where(col(Order.attention_code).is_not(None) | stuck)
    if limit:
        query = query.limit(limit)
    return _views(session, session.exec(query).all())


def customer(session: Session, customer_id: str) -> CustomerView:
    """A customer with its orders. Raises NotFound."""
    row = session.get(Customer, customer_id)
    if row is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    currency = company_currency(session) or ""
    query = select(Order).where(Order.customer_id == customer_id)
    orders = session.exec(query.order_by(col(Order.placed_at).desc())).all()
    counted = [o for o in orders if o.cancellation is Cancellation.NONE]
    return CustomerView(
        **row.model_dump(include={"customer_id", "name", "email", "phone", "country", "language"}),
        status=row.status,
        payment_preference=row.payment_preference,
        credit_limit=format_amount(row.credit_limit_minor, currency),
        currency=currency,
        open_credit=format_amount(exposure(session, customer_id), currency),
        order_count=len(orders),
        volume=format_amount(sum(o.total_minor for o in counted), currency),
        first_order_at=orders[-1].placed_at if orders else None,
        last_order_at=orders[0].placed_at if orders else None,
        orders=tuple(_views(session, orders)),
    )


def _views(session: Session, orders: Sequence[Order]) -> list[OrderView]:
    """Views of many orders."""
    views: list[OrderView] = []
    for start in range(0, len(orders), AT_ONCE):
        some = orders[start : start + AT_ONCE]
        known = _known(session, [order.order_id for order in some])
        views += (_view(order, known) for order in some)
    return views


def _known(session: Session, order_ids: Sequence[str]) -> _Known:
    """All that is shown of some orders."""
    these = {"order_ids": order_ids}
    returned = Counter[tuple[str, int]]()
    for order_id, line_no, received in session.exec(_RETURNED, params=these):
        returned[order_id, line_no] += received
    return _Known(
        lines=_by_order(session.exec(_LINES, params=these)),
        reservations=_by_order(session.exec(_RESERVATIONS, params=these)),
        short=_by_order(session.exec(_SHORT, params=these)),
        shipments=_by_order(session.exec(_SHIPMENTS, params=these)),
        returned=returned,
        invoices=dict(session.exec(_INVOICES, params=these).all()),
        refunded={
            order_id or "": int(amount_minor)
            for order_id, amount_minor in session.exec(_REFUNDED, params=these)
        },
    )


def _by_order(rows: Iterable[OfOrder]) -> Mapping[str, Sequence[OfOrder]]:
    found: dict[str, list[OfOrder]] = defaultdict(list)
    for row in rows:
        found[row.order_id].append(row)
    return found


def _view(order: Order, known: _Known) -> OrderView:
    """One order, of which all is known."""
    short = known.short[order.order_id]
    return OrderView(
        order_id=order.order_id,
        customer_id=order.customer_id,
        channel=order.channel,
        terms=order.terms,
        stage=order.stage,
        attention=_attention(order),
        currency=order.currency,
        total=format_amount(order.total_minor, order.currency),
        paid=format_amount(order.paid_minor, order.currency),
        due=format_amount(_due(order), order.currency),
        refunded=format_amount(known.refunded.get(order.order_id, 0), order.currency),
        invoice_number=known.invoices.get(order.order_id),
        lines=tuple(_lines(order.order_id, known)),
        shipments=tuple(
            ShipmentView(
                shipment_id=row.shipment_id,
                state=row.state,
                carrier=row.carrier,
                tracking_number=row.tracking_number,
                tracking=row.tracking,
            )
            for row in known.shipments[order.order_id]
        ),
        promised_date=order.promised_date,
        expected_date=_expected_date(short),
        consent_by=order.consent_by if short else None,
        placed_at=order.placed_at,
        updated_at=order.updated_at,
        workflow_id=order.workflow_id,
    )


def _due(order: Order) -> int:
    """What a customer is asked for; nothing once the order is (being) cancelled."""
    if order.cancellation is not Cancellation.NONE:
        return 0
    return balance_of_row(order, invoiced=False).due_minor


def _expected_date(short: Sequence[Shortage]) -> date | None:
    """When the last of what is short comes, if all of it has a date."""
    dates = [row.expected_date for row in short]
    known = [day for day in dates if day is not None]
    return max(known, default=None) if len(known) == len(dates) else None


def _lines(order_id: str, known: _Known) -> Iterator[LineView]:
    """What became of each line's units."""
    units = Counter[tuple[int, ReservationState]]()
    delivered, short = Counter[int](), Counter[int]()
    arrived = {
        row.shipment_id for row in known.shipments[order_id] if row.state is ShipmentState.DELIVERED
    }
    for row in known.reservations[order_id]:
        units[row.line_no, row.state] += row.quantity
        if row.shipment_id in arrived:
            delivered[row.line_no] += row.quantity
    for lacking in known.short[order_id]:
        short[lacking.line_no] += lacking.quantity - lacking.filled
    for line in known.lines[order_id]:
        number = line.line_no
        yield LineView(
            sku=line.sku,
            ordered=line.quantity,
            reserved=units[number, ReservationState.HELD] + units[number, ReservationState.PICKED],
            backordered=short[number],
            shipped=units[number, ReservationState.SHIPPED],
            returned=known.returned.get((order_id, number), 0),
            delivered=delivered[number],
            given_up=units[number, ReservationState.FORGONE],
        )


def _attention(order: Order) -> Attention | None:
    if order.attention_code is None:
        return None
    return Attention(code=order.attention_code, message=order.attention_message or "")

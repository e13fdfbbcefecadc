"""Reading of orders and customers, as API and CLI show them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeVar

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.masterdata.reading import company_currency, duplicates_of
from activities.order_record.balance import balance_of
from activities.order_record.open_invoices import invoice_rows, open_by_invoices
from activities.order_record.standing import exposure
from models.billing import Balance, issue_order
from models.errors import NotFound
from models.messages.attention import Attention
from models.money import format_amount
from models.progress import FINAL_STAGES, Cancellation, ShipmentState, Stage
from models.refunds import RefundState
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
    InvoiceView,
    LineView,
    OrderDetails,
    OrderView,
    RefundView,
    ShipmentView,
)

# Statements for each kind of row, built once, as building takes longer than executing.
_ORDER_ID = bindparam("order_id", type_=String)
_HISTORY = (
    select(AuditRow).where(col(AuditRow.order_id) == _ORDER_ID).order_by(col(AuditRow.audit_no))
)
_REJECTED = (
    select(RejectedMessageRow)
    .where(col(RejectedMessageRow.subject) == _ORDER_ID)
    .order_by(col(RejectedMessageRow.recorded_at))
)
_ORDER_IDS = bindparam("order_ids", type_=String, expanding=True)
_LINES = (
    select(OrderLineRow)
    .where(col(OrderLineRow.order_id).in_(_ORDER_IDS))
    .order_by(col(OrderLineRow.line_no))
)
_RESERVATIONS = select(Reservation).where(col(Reservation.order_id).in_(_ORDER_IDS))
_SHORTAGES = (
    select(Shortage)
    .where(col(Shortage.order_id).in_(_ORDER_IDS), col(Shortage.state) == ShortageState.OPEN)
    .order_by(col(Shortage.line_no), col(Shortage.shortage_id))
)
_SHIPMENTS = (
    select(Shipment)
    .where(col(Shipment.order_id).in_(_ORDER_IDS))
    .order_by(col(Shipment.shipment_id))
)
_RETURNED = (
    select(ReturnRow.order_id, ReturnLine.line_no, ReturnLine.received)
    .join(ReturnLine, col(ReturnLine.return_id) == col(ReturnRow.return_id))
    .where(col(ReturnRow.order_id).in_(_ORDER_IDS))
)
_INVOICES = select(InvoiceRow.order_id, InvoiceRow.number).where(
    col(InvoiceRow.order_id).in_(_ORDER_IDS)
)
_REFUNDS = select(Refund).where(col(Refund.order_id).in_(_ORDER_IDS)).order_by(col(Refund.number))

OrderPart = TypeVar("OrderPart", OrderLineRow, Reservation, Shortage, Shipment, Refund)


class _Rows(NamedTuple):
    """The rows of some orders, by order id."""

    lines: Mapping[str, Sequence[OrderLineRow]]
    reservations: Mapping[str, Sequence[Reservation]]
    shortages: Mapping[str, Sequence[Shortage]]
    shipments: Mapping[str, Sequence[Shipment]]
    returned: Mapping[tuple[str, int], int]
    """Units received, by order and line."""
    invoices: Mapping[str, str]
    """The numbers of the first invoices."""
    refunds: Mapping[str, Sequence[Refund]]


CONTACT = {"customer_id", "name", "company", "email", "phone", "country", "language"}
"""The fields of a customer that are shown as they are."""


def order_details(session: Session, order_id: str) -> OrderDetails | None:
    """Read an order with its history; None if it is not recorded."""
    order = session.get(Order, order_id)
    if order is None:
        return None
    rows, bound = _rows_of(session, [order_id]), {"order_id": order_id}
    return OrderDetails(
        **dict(_view(order, rows)),
        delivery=order.delivery,
        fulfilment=order.fulfilment,
        location=order.location,
        taken_by=order.taken_by or None,
        phone=order.phone or None,
        backorders=tuple(
            BackorderView(
                sku=row.sku,
                quantity=row.quantity - row.filled,
                location=row.location,
                po_id=row.po_id,
                expected_date=row.expected_date,
            )
            for row in rows.shortages[order_id]
        ),
        refunds=tuple(_refund(row) for row in rows.refunds[order_id]),
        invoices=tuple(_invoices(session, order)),
        uninvoiced=format_amount(_uninvoiced(order), order.currency),
        history=tuple(
            HistoryView.model_validate(row.model_dump())
            for row in session.exec(_HISTORY, params=bound)
        ),
        odd_facts=tuple(
            RejectedMessageView.model_validate(row.model_dump())
            for row in session.exec(_REJECTED, params=bound)
        ),
    )


def list_orders(
    session: Session,
    stage: Stage | None = None,
    attention: bool = False,
    limit: int = 50,
    troubled: Collection[str] = (),
    customer_reference: str | None = None,
    warnings: bool = False,
    placed_by: str | None = None,
) -> list[OrderView]:
    """Read orders, the latest first; `limit` 0 means all.

    `attention`: only orders that need an operator, including open orders of `troubled`, the ids of
    orders whose workflow ended abnormally or fails. `warnings`: only orders with a warning.
    `placed_by`: only orders of this token.
    """
    query = select(Order).order_by(col(Order.placed_at).desc(), col(Order.order_id))
    if stage is not None:
        query = query.where(Order.stage == stage)
    if attention:
        is_troubled = col(Order.order_id).in_(troubled) & col(Order.stage).not_in(FINAL_STAGES)
        query = query.where(col(Order.attention_code).is_not(None) | is_troubled)
    if customer_reference is not None:
        query = query.where(Order.customer_reference == customer_reference)
    if placed_by is not None:
        query = query.where(Order.placed_by == placed_by)
    if warnings:
        query = query.where(col(Order.warnings).is_not(None))
    if limit:
        query = query.limit(limit)
    return _views(session, session.exec(query).all())


def customer(session: Session, customer_id: str) -> CustomerView:
    """Read a customer with its orders; a merged one is the other. Raises NotFound."""
    row = session.get(Customer, customer_id)
    if row is not None and row.merged_into is not None:
        row = session.get_one(Customer, row.merged_into)
    if row is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    merged = select(Customer.customer_id).where(Customer.merged_into == row.customer_id)
    currency = company_currency(session) or ""
    query = select(Order).where(Order.customer_id == row.customer_id)
    orders = session.exec(query.order_by(col(Order.placed_at).desc())).all()
    return CustomerView(
        **row.model_dump(include=CONTACT),
        vat_id=row.vat_id,
        merged_ids=tuple(session.exec(merged.order_by(col(Customer.customer_id)))),
        possible_duplicates=tuple(duplicates_of(session, row)),
        status=row.status,
        payment_preference=row.payment_preference,
        credit_limit=format_amount(row.credit_limit_minor, currency),
        currency=currency,
        open_credit=format_amount(exposure(session, row.customer_id), currency),
        order_count=len(orders),
        volume=format_amount(
            sum(o.total_minor for o in orders if o.cancellation is Cancellation.NONE), currency
        ),
        first_order_at=orders[-1].placed_at if orders else None,
        last_order_at=orders[0].placed_at if orders else None,
        orders=tuple(_views(session, orders)),
    )


def placed_by(session: Session, order_id: str) -> str | None:
    """Read the name of the token that placed an order; None if it is not recorded."""
    return session.exec(select(Order.placed_by).where(Order.order_id == order_id)).one_or_none()


def digest_and_stage(session: Session, order_id: str) -> tuple[str, Stage] | None:
    """Read the digest of an order's document, and its stage; None if it is not recorded."""
    query = select(Order.digest, Order.stage).where(Order.order_id == order_id)
    found = session.exec(query).one_or_none()
    return (found[0], Stage(found[1])) if found else None


def order_terms(session: Session, order_id: str) -> tuple[str, str] | None:
    """Read an order's currency and terms; None if it is not recorded."""
    row = session.get(Order, order_id)
    return (row.currency, row.terms.value) if row else None


def recorded_order_ids(session: Session, order_ids: Collection[str]) -> set[str]:
    """Read which of the orders are recorded."""
    return set(session.exec(select(Order.order_id).where(col(Order.order_id).in_(order_ids))))


def _views(session: Session, orders: Sequence[Order]) -> list[OrderView]:
    views: list[OrderView] = []
    for batch in chunks(orders):
        rows = _rows_of(session, [order.order_id for order in batch])
        views += (_view(order, rows) for order in batch)
    return views


def _rows_of(session: Session, order_ids: Sequence[str]) -> _Rows:
    bound = {"order_ids": order_ids}
    returned = Counter[tuple[str, int]]()
    for order_id, line_no, received in session.exec(_RETURNED, params=bound):
        returned[order_id, line_no] += received
    return _Rows(
        lines=_by_order(session.exec(_LINES, params=bound)),
        reservations=_by_order(session.exec(_RESERVATIONS, params=bound)),
        shortages=_by_order(session.exec(_SHORTAGES, params=bound)),
        shipments=_by_order(session.exec(_SHIPMENTS, params=bound)),
        returned=returned,
        invoices=_first_invoices(session, order_ids),
        refunds=_by_order(session.exec(_REFUNDS, params=bound)),
    )


def _first_invoices(session: Session, order_ids: Sequence[str]) -> dict[str, str]:
    """Read the number of the first invoice of each order that has any."""
    first: dict[str, str] = {}
    for order_id, number in session.exec(_INVOICES, params={"order_ids": order_ids}):
        known = first.get(order_id, number)
        first[order_id] = min(known, number, key=issue_order)
    return first


def _by_order(rows: Iterable[OrderPart]) -> Mapping[str, Sequence[OrderPart]]:
    by_order: dict[str, list[OrderPart]] = defaultdict(list)
    for row in rows:
        by_order[row.order_id or ""].append(row)
    return by_order


def _view(order: Order, rows: _Rows) -> OrderView:
    shortages, balance = rows.shortages[order.order_id], _balance(order)
    return OrderView(
        order_id=order.order_id,
        customer_id=order.customer_id,
        customer_reference=order.customer_reference or None,
        warnings=tuple(order.warnings or ()),
        channel=order.channel,
        terms=order.terms,
        stage=order.stage,
        attention=_attention(order),
        currency=order.currency,
        total=format_amount(order.total_minor, order.currency),
        paid=format_amount(order.paid_minor, order.currency),
        due=format_amount(balance.due_minor, order.currency),
        refunded=format_amount(_refunded(rows.refunds[order.order_id]), order.currency),
        overpaid=format_amount(balance.owed_minor - balance.owed_payable_minor, order.currency),
        credit=format_amount(balance.owed_payable_minor, order.currency),
        invoice_number=rows.invoices.get(order.order_id),
        lines=tuple(_lines(order.order_id, rows)),
        shipments=tuple(
            ShipmentView(
                shipment_id=row.shipment_id,
                state=row.state,
                carrier=row.carrier,
                tracking_number=row.tracking_number,
                tracking=row.tracking,
            )
            for row in rows.shipments[order.order_id]
        ),
        promised_date=order.promised_date,
        expected_date=_expected_date(shortages),
        consent_by=order.consent_by if shortages else None,
        placed_at=order.placed_at,
        updated_at=order.updated_at,
        workflow_id=order.workflow_id,
    )


def invoices(session: Session, order_id: str) -> list[InvoiceView]:
    """Read the invoices of an order, in the order of issue. Raises NotFound."""
    order = session.get(Order, order_id)
    if order is None:
        raise NotFound("order_unknown", f"there is no order {order_id}")
    return list(_invoices(session, order))


def _invoices(session: Session, order: Order) -> Iterator[InvoiceView]:
    rows = invoice_rows(session, [order.order_id])
    open_minor = open_by_invoices(session, [order], rows)[order.order_id]
    for row in sorted(rows[order.order_id], key=lambda row: issue_order(row.number)):
        yield InvoiceView(
            number=row.number,
            shipment_id=row.shipment_id,
            issued_on=row.issued_on,
            due_on=row.due_on,
            total=format_amount(row.total_minor, row.currency),
            open=format_amount(open_minor[row.number], row.currency),
        )


def _uninvoiced(order: Order) -> int:
    """Return the amount that is still to be invoiced; 0 once a cancellation is requested."""
    if order.cancellation is not Cancellation.NONE:
        return 0
    return balance_of(order).uninvoiced_minor


def _refunded(refunds: Sequence[Refund]) -> int:
    """Return the amount that was paid back, in minor units."""
    return sum(row.amount_minor for row in refunds if row.state is RefundState.REFUNDED)


def _refund(row: Refund) -> RefundView:
    return RefundView(
        **row.model_dump(include={"number", "payment_id", "reason", "asked_at"}),
        amount=format_amount(row.amount_minor, row.currency),
        paid_by=row.paid_by.value,
        state=row.state.value,
    )


def _balance(order: Order) -> Balance:
    """Read what the customer is asked for, and owns: once a cancellation is requested, nothing;
    once it is done, what is due because a refunded payment was reversed."""
    balance = balance_of(order)
    if order.cancellation is Cancellation.NONE:
        return balance
    is_done = order.cancellation is Cancellation.DONE
    return Balance(total_minor=balance.receivable_minor if is_done else 0, tax_minor=0)


def _expected_date(shortages: Sequence[Shortage]) -> date | None:
    """Return the date of the last shortage, if every shortage has one."""
    dates = [row.expected_date for row in shortages if row.expected_date is not None]
    return max(dates, default=None) if len(dates) == len(shortages) else None


def _lines(order_id: str, rows: _Rows) -> Iterator[LineView]:
    """Count the units of each line by what became of them."""
    units = Counter[tuple[int, ReservationState]]()
    delivered, short = Counter[int](), Counter[int]()
    arrived = {
        row.shipment_id for row in rows.shipments[order_id] if row.state is ShipmentState.DELIVERED
    }
    for row in rows.reservations[order_id]:
        units[row.line_no, row.state] += row.quantity
        if row.shipment_id in arrived:
            delivered[row.line_no] += row.quantity
    for shortage in rows.shortages[order_id]:
        short[shortage.line_no] += shortage.quantity - shortage.filled
    for line in rows.lines[order_id]:
        number = line.line_no
        yield LineView(
            sku=line.sku,
            kind=line.kind.value,
            ordered=line.quantity,
            reserved=units[number, ReservationState.HELD] + units[number, ReservationState.PICKED],
            backordered=short[number],
            shipped=units[number, ReservationState.SHIPPED],
            returned=rows.returned.get((order_id, number), 0),
            delivered=delivered[number],
            given_up=units[number, ReservationState.WRITTEN_OFF],
        )


def _attention(order: Order) -> Attention | None:
    if order.attention_code is None:
        return None
    return Attention(code=order.attention_code, message=order.attention_message or "")

"""The progress of an order: locked, read from the tables, and saved with its stage."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, case, func, true
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from activities.database.company import keep_company
from activities.database.kept import forget, keep, kept
from activities.database.unit_of_work import UnitOfWork
from activities.order_record import problems
from activities.order_record.audit import TIP_OF, keep_tip
from activities.order_record.balance import (
    ALL_NUMBERS,
    INVOICE_NUMBERS,
    balance_of,
    invoice_numbers,
    requested_refunds,
    split_numbers,
)
from activities.order_record.lines import SHIPMENTS, forget_rows, shipments_of
from models.billing import AuthorisationState, Balance
from models.errors import NotFound
from models.orders import Capture, Delivery
from models.progress import (
    Cancellation,
    Pause,
    Progress,
    ShipmentProgress,
    ShipmentState,
    Stage,
    stage,
)
from models.stock import ReservationState, ShortageState
from models.tables.billing import Authorisation, InvoiceRow
from models.tables.masterdata import Company
from models.tables.orders import Order, OrderLineRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage
from models.tax import ProductKind

FOR_CHANGE: dict[str, Any] = {"key_share": True}
"""How to lock an order's row: exclude other changes of it, but not rows that refer to it, such as
goods receipts for its shortages."""
UNATTENDED = (Stage.COMPLETED, Stage.CANCELLING, Stage.CANCELLED)
"""Stages in which no workflow shows the problems of an order."""
KNOWN = "known progress"
"""The name under which a transaction keeps a progress to update."""
_SHIPMENT_FIELDS = set(ShipmentProgress.model_fields) - {"units", "is_booked"}
_PLAIN_STATES = (
    *(ShipmentState.PLANNED, ShipmentState.BOOKED),
    *(ShipmentState.DISPATCHED, ShipmentState.DELIVERED),
)
"""The states of shipments whose units are counted once."""

# Statements that every step executes: built once, as building takes longer than executing.
_ORDER_ID = bindparam("order_id", type_=String)
_SEEN = aliased(Order)
_LOCKED = (
    select_columns(
        Order,
        Company,
        TIP_OF,
        select(_SEEN.updated_at).where(col(_SEEN.order_id) == _ORDER_ID).scalar_subquery(),
    )
    .select_from(Order)
    .outerjoin(Company, true())
    .where(col(Order.order_id) == _ORDER_ID)
    .with_for_update(**FOR_CHANGE, of=Order)
)
"""The company is read with the order: its days are those of most changes. The end of the audit
trail is that of the moment at which the statement began. If it waited for the lock since then, the
order has been updated, and the end is read again."""
_SHORTAGES = select_columns(
    func.sum(col(Shortage.quantity) - col(Shortage.filled)),
    case(  # the latest date, if every shortage has one
        (
            func.count() == func.count(col(Shortage.expected_date)),
            func.max(col(Shortage.expected_date)),
        )
    ),
    select(func.sum(OrderLineRow.quantity))
    .where(col(OrderLineRow.order_id) == _ORDER_ID, OrderLineRow.kind == ProductKind.GOODS)
    .scalar_subquery(),
    select(ALL_NUMBERS).where(col(InvoiceRow.order_id) == _ORDER_ID).scalar_subquery(),
    problems.HAS_SUSPECT_PAYMENTS,
).where(col(Shortage.order_id) == _ORDER_ID, col(Shortage.state) == ShortageState.OPEN)
_RESERVATIONS = (
    select(Reservation.state, Reservation.shipment_id, func.sum(Reservation.quantity))
    .where(col(Reservation.order_id) == _ORDER_ID)
    .group_by(col(Reservation.state), col(Reservation.shipment_id))
)

Units = dict[tuple[ReservationState, str | None], int]
"""Units of an order by state and shipment."""


def lock_order(work: UnitOfWork, order_id: str) -> Order:
    """Lock the order's row until the transaction ends. Raises NotFound."""
    order = find_order(work, order_id)
    if order is None:
        raise NotFound("order_unknown", f"there is no order {order_id}")
    return order


def find_order(work: UnitOfWork, order_id: str) -> Order | None:
    """Lock the order's row until the transaction ends; None if the order is not recorded."""
    if order_id in work.locked:
        return work.session.get(Order, order_id)
    found = work.session.execute(_LOCKED, {"order_id": order_id}).one_or_none()
    order: Order | None = found[0] if found else None
    forget(work.session, INVOICE_NUMBERS, order_id)
    forget_rows(work.session, order_id)
    work.restart_clock()
    if found is not None:
        order, company, tip, seen = found
        keep_company(work.session, company)
        if order.updated_at == seen:
            keep_tip(work.session, order_id, tip)
        work.locked.add(order_id)
    return order


def save_progress(work: UnitOfWork, order: Order) -> Progress:
    """Recompute the stage of a changed order, and raise its version."""
    version = order.version + 1
    known: Progress | None = kept(work.session, KNOWN, order.order_id)
    if known is not None:
        progress = _update(work.session, order, known)
    else:
        work.session.flush()
        progress = read_progress(work.session, order)
    order.version, order.updated_at = version, work.now
    save_stage(work, order, progress)
    return progress.model_copy(update={"version": version})


def use_known(work: UnitOfWork, order: Order, known: Progress | None) -> None:
    """Let `save_progress` update a known progress instead of reading it again, where that is exact.

    For a change of the order's row, or of the state of its shipments by a carrier's report. It is
    exact if the order has not changed since: every change raises its version, apart from units that
    arrive for a shortage.
    """
    if (
        known is not None
        and known.version == order.version
        and not known.backordered
        and known.cancellation is Cancellation.NONE
        and known.money_problem is None
        and known.pause is None
        and all(one.state in _PLAIN_STATES for one in known.shipments)
    ):
        keep(work.session, KNOWN, order.order_id, known.notifying(None))
        keep(work.session, INVOICE_NUMBERS, order.order_id, known.invoices)


def forget_known(work: UnitOfWork, order_id: str) -> None:
    """Read the progress again after all: more has changed than `use_known` expects."""
    forget(work.session, KNOWN, order_id)


def _update(session: Session, order: Order, known: Progress) -> Progress:
    """Update a known progress by the order's row, and by its shipments if they were read."""
    money = _money_of_row(session, order, balance_of(order))
    progress = known.with_invoices(invoice_numbers(session, order.order_id)).model_copy(
        update=money
    )
    rows: Sequence[Shipment] | None = kept(session, SHIPMENTS, order.order_id)
    if rows is None:
        return progress
    shipments = [shipment_progress(row, known.shipment(row.shipment_id).units) for row in rows]
    goods_problem = problems.goods_problem(rows)
    return progress.with_shipments(shipments).model_copy(update={"goods_problem": goods_problem})


def save_stage(work: UnitOfWork, order: Order, progress: Progress) -> None:
    """Write the stage of a progress to its order, and a problem that no workflow shows."""
    reached = stage(progress)
    if reached is not order.stage:
        order.stage, order.stage_since = reached, work.now
    is_shown = order.attention_code in problems.CODES or progress.is_paused
    if order.stage in UNATTENDED or is_shown:
        problems.show_problem(order, progress)


def read_progress(session: Session, order: Order) -> Progress:
    """Read the order's progress from the tables."""
    bound = {"order_id": order.order_id}
    shipments = shipments_of(session, order.order_id)
    # Shortages before reservations: units allocated in between are counted in both, not in none.
    short, expected, ordered, invoices, has_suspects = session.execute(
        _SHORTAGES, bound | {"currency": order.currency}
    ).one()
    keep(session, INVOICE_NUMBERS, order.order_id, split_numbers(invoices))
    units: Units = {
        (ReservationState(state), shipment_id): int(count)
        for state, shipment_id, count in session.exec(_RESERVATIONS, params=bound)
    }
    goods = _Goods(shipments, units, int(ordered or 0), int(short or 0), expected)
    return _compose(session, order, goods, has_suspects=has_suspects)


def progress_of_new(session: Session, order: Order, ordered: int) -> Progress:
    """Return the progress of an order that this transaction records, without payments.

    `ordered`: its units of goods.
    """
    keep(session, INVOICE_NUMBERS, order.order_id, ())
    keep(session, SHIPMENTS, order.order_id, [])
    return _compose(session, order, _Goods((), {}, ordered, 0, None), has_suspects=False)


class _Goods(NamedTuple):
    shipments: Sequence[Shipment]
    units: Units
    ordered: int
    short: int
    expected: date | None


def _compose(session: Session, order: Order, goods: _Goods, *, has_suspects: bool) -> Progress:
    shipments, units, short = goods.shipments, goods.units, goods.short
    delivered = [s.shipment_id for s in shipments if s.state is ShipmentState.DELIVERED]
    money = balance_of(order)
    progress = Progress(
        **_money_of_row(session, order, money),
        order_id=order.order_id,
        version=order.version,
        terms=order.terms,
        currency=order.currency,
        captured_later=order.capture is Capture.AT_DISPATCH,
        money_problem=problems.money_problem(session, order, money) if has_suspects else None,
        goods_problem=problems.goods_problem(shipments),
        invoiced_by_delivery=order.invoiced_by_delivery,
        allocated=order.allocated,
        fulfilment=order.fulfilment,
        in_parts=order.delivery is Delivery.PARTIAL,
        ordered=goods.ordered,
        held=_units_in(units, ReservationState.HELD),
        backordered=short,
        shipped=_units_in(units, ReservationState.SHIPPED),
        delivered=sum(units.get((ReservationState.SHIPPED, by), 0) for by in delivered),
        written_off=_units_in(units, ReservationState.WRITTEN_OFF),
        given_up=units.get((ReservationState.WRITTEN_OFF, None), 0),
        promised_date=order.promised_date,
        expected_date=goods.expected,
        consent_by=order.consent_by if short else None,
        supply_problem=_supply_problem(session, order.order_id) if short else None,
        pause=pause_of(order),
        cancellation=order.cancellation,
        shipments=tuple(
            shipment_progress(row, sum(n for (_, of), n in units.items() if of == row.shipment_id))
            for row in shipments
        ),
    )
    return progress.with_invoices(invoice_numbers(session, order.order_id))


def pause_of(order: Order) -> Pause | None:
    """Return the pause of an order, if an operator has paused it."""
    if order.paused_at is None:
        return None
    return Pause(by=order.paused_by or "", since=order.paused_at, reason=order.pause_reason)


def shipment_progress(row: Shipment, units: int) -> ShipmentProgress:
    """Return the progress of a shipment of so many units."""
    fields = row.model_dump(include=_SHIPMENT_FIELDS)
    return ShipmentProgress(**fields, units=units, is_booked=row.booking_id is not None)


def _money_of_row(session: Session, order: Order, money: Balance) -> dict[str, Any]:
    """Return the fields of the progress that follow from the order's row, and its authorisation."""
    return {
        "total_minor": order.total_minor,
        "paid_minor": order.paid_minor,
        "received_minor": order.paid_minor + order.deposit_minor,
        "due_minor": money.due_minor,
        "receivable_minor": money.receivable_minor,
        "pay_by": order.pay_by if money.due_minor else None,
        "authorised_until": _authorised_until(session, order, money.due_minor),
        "refund_due_minor": _refund_due(session, order, money),
    }


def _refund_due(session: Session, order: Order, money: Balance) -> int:
    """Return the amount still to be refunded to the customer of a cancelled order."""
    if order.cancellation is Cancellation.NONE:
        return 0
    return money.owed_minor + sum(row.amount_minor for row in requested_refunds(session, order))


def _authorised_until(session: Session, order: Order, due_minor: int) -> datetime | None:
    """Read the time until which a live card authorisation covers the amount due."""
    if order.capture is not Capture.AT_DISPATCH:
        return None
    live = select(func.max(Authorisation.expires_at)).where(
        Authorisation.order_id == order.order_id,
        Authorisation.state == AuthorisationState.LIVE,
        Authorisation.amount_minor >= due_minor,
    )
    return session.exec(live).one()


def _supply_problem(session: Session, order_id: str) -> str | None:
    problem = select(Shortage.problem).where(
        col(Shortage.order_id) == order_id,
        col(Shortage.state) == ShortageState.OPEN,
        col(Shortage.problem).is_not(None),
    )
    return session.exec(problem.order_by(Shortage.shortage_id)).first()


def _units_in(units: Units, state: ReservationState) -> int:
    return sum(count for (of_state, _), count in units.items() if of_state is state)

"""What every step ends with: the order's progress, read from the tables, and its stage."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam, case, func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from models.billing import BEING_GIVEN_BACK, AuthorisationState, Balance, RefundState
from models.errors import NotFound
from models.money import Money
from models.orders import Capture, Delivery
from models.progress import (
    Cancellation,
    Problem,
    Progress,
    ShipmentProblem,
    ShipmentProgress,
    ShipmentState,
    Stage,
    stage,
)
from models.stock import ReservationState, ShortageState
from models.tables.billing import Authorisation, InvoiceRow, Payment, Refund
from models.tables.orders import Order, OrderLineRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage

PROBLEMS = ("payment_reversed", "payment_currency", *ShipmentProblem)
"""What an order may show without a workflow of its own."""
FOR_CHANGE: dict[str, Any] = {"key_share": True}
"""How an order's row is locked: against whoever changes it too, not against whoever writes what
refers to it, as goods do that arrive."""
_ITS = bindparam("order_id", type_=String)
_LOCKED = select(Order).where(col(Order.order_id) == _ITS).with_for_update(**FOR_CHANGE)
_SHIPMENTS = (
    select(Shipment).where(col(Shipment.order_id) == _ITS).order_by(col(Shipment.shipment_id))
)
_SHORT = select(
    func.sum(col(Shortage.quantity) - col(Shortage.filled)),
    case(  # the last of them, if all have a date
        (
            func.count() == func.count(col(Shortage.expected_date)),
            func.max(col(Shortage.expected_date)),
        )
    ),
    select(func.sum(OrderLineRow.quantity))
    .where(col(OrderLineRow.order_id) == _ITS)
    .scalar_subquery(),
    select(InvoiceRow.number).where(col(InvoiceRow.order_id) == _ITS).scalar_subquery(),
).where(col(Shortage.order_id) == _ITS, col(Shortage.state) == ShortageState.OPEN)
_RESERVED = (
    select(Reservation.state, Reservation.shipment_id, func.sum(Reservation.quantity))
    .where(col(Reservation.order_id) == _ITS)
    .group_by(col(Reservation.state), col(Reservation.shipment_id))
)
_TROUBLED = (
    select(Payment)
    .where(
        col(Payment.order_id) == _ITS,
        (col(Payment.currency) != bindparam("currency", type_=String))
        | (col(Payment.reversed_minor) > 0),
    )
    .order_by(col(Payment.payment_id))
)
"""What every step asks, made once: making a statement takes longer than having it answered."""


def lock_order(work: UnitOfWork, order_id: str) -> Order:
    """The order's row, held until the transaction ends. Raises NotFound."""
    order = find_order(work, order_id)
    if order is None:
        raise NotFound("order_unknown", f"there is no order {order_id}")
    return order


def find_order(work: UnitOfWork, order_id: str) -> Order | None:
    """As `lock_order`, or None."""
    return work.session.exec(_LOCKED, params={"order_id": order_id}).one_or_none()


def save_progress(
    work: UnitOfWork,
    order: Order,
) -> Progress:
    """After a change: recompute the stage and count up the version."""
    work.session.flush()
    order.version += 1
    order.updated_at = work.now
    progress = read_progress(work.session, order)
    order.stage = stage(progress)
    unattended = order.stage in (Stage.COMPLETED, Stage.CANCELLING, Stage.CANCELLED)
    if unattended or order.attention_code in PROBLEMS:
        show_problem(order, progress)
    return progress


def show_problem(order: Order, progress: Progress) -> None:
    """Show what a person has to see to, unless something else is shown: of an order that is over,
    or being cancelled, no workflow does."""
    problem = progress.money_problem or progress.goods_problem
    if order.attention_code in (None, *PROBLEMS):
        order.attention_code = problem.code if problem else None
        order.attention_message = problem.message if problem else None


def money_of(order: Order, amount_minor: int) -> Money:
    """An amount in the order's currency."""
    return Money(amount_minor=amount_minor, currency=order.currency)


def read_progress(session: Session, order: Order) -> Progress:
    """The order's progress as the tables say."""
    its = {"order_id": order.order_id}
    shipments = session.exec(_SHIPMENTS, params=its).all()
    # before what is reserved: what arrives meanwhile isn't lost
    short, expected, ordered, number = session.exec(_SHORT, params=its).one()
    units: Units = {
        (ReservationState(state), by): int(count)
        for state, by, count in session.exec(_RESERVED, params=its)
    }
    delivered = [s.shipment_id for s in shipments if s.state is ShipmentState.DELIVERED]
    money = balance(order, invoiced=number is not None)
    return Progress(
        order_id=order.order_id,
        version=order.version,
        terms=order.terms,
        currency=order.currency,
        total_minor=order.total_minor,
        paid_minor=order.paid_minor,
        received_minor=order.paid_minor + order.deposit_minor,
        charges_minor=money.charges_minor,
        captured_later=order.capture is Capture.AT_DISPATCH,
        authorised_until=_authorised_until(session, order, money.due_minor),
        money_problem=_money_problem(session, order, missing_minor(money)),
        goods_problem=_goods_problem(shipments),
        invoice_number=number,
        allocated=order.allocated,
        fulfilment=order.fulfilment,
        in_parts=order.delivery is Delivery.PARTIAL,
        ordered=int(ordered or 0),
        held=_units(units, ReservationState.HELD),
        backordered=int(short or 0),
        shipped=_units(units, ReservationState.SHIPPED),
        delivered=sum(units.get((ReservationState.SHIPPED, by), 0) for by in delivered),
        forgone=_units(units, ReservationState.FORGONE),
        promised_date=order.promised_date,
        expected_date=expected,
        consent_by=order.consent_by if short else None,
        supply_problem=_problem(session, order.order_id) if short else None,
        cancellation=order.cancellation,
        refund_due_minor=_refund_due(session, order, money),
        shipments=tuple(
            ShipmentProgress(**s.model_dump(include=_SHOWN), is_booked=s.booking_id is not None)
            for s in shipments
        ),
    )


def balance_of(session: Session, order: Order) -> Balance:
    """The order's money as its row has it now."""
    return balance(order, invoiced=invoice_number(session, order.order_id) is not None)


def balance(order: Order, *, invoiced: bool) -> Balance:
    """As `balance_of`, where it is known whether there is an invoice."""
    return Balance(
        **order.model_dump(include=set(Balance.model_fields)),
        tax_minor=order.total_minor - order.net_minor,
        invoiced=invoiced,
        cancelled=order.cancellation is not Cancellation.NONE,
    )


def missing_minor(money: Balance) -> int:
    """What is due; of an order that is cancelled, what is due all the same."""
    return money.receivable_minor if money.cancelled else money.due_minor


def _refund_due(session: Session, order: Order, money: Balance) -> int:
    """What the customer of an order that is being cancelled is still to get back."""
    if order.cancellation is Cancellation.NONE:
        return 0
    return money.owed_minor + sum(row.amount_minor for row in asked_refunds(session, order))


def asked_refunds(session: Session, order: Order) -> Sequence[Refund]:
    """What the provider is being asked to give back."""
    asked = select(Refund).where(
        Refund.order_id == order.order_id, Refund.state == RefundState.ASKED
    )
    return session.exec(asked.order_by(col(Refund.asked_at), col(Refund.refund_key))).all()


def _authorised_until(session: Session, order: Order, due_minor: int) -> datetime | None:
    """Until when a card's authorisation stands for what is due."""
    if order.capture is not Capture.AT_DISPATCH:
        return None
    live = select(func.max(Authorisation.expires_at)).where(
        Authorisation.order_id == order.order_id,
        Authorisation.state == AuthorisationState.LIVE,
        Authorisation.amount_minor >= due_minor,
    )
    return session.exec(live).one()


def _money_problem(session: Session, order: Order, due_minor: int) -> Problem | None:
    """Money that a person has to look at, and nobody has seen to."""
    return next((problem for _, problem in money_problems(session, order, due_minor)), None)


def money_problems(
    session: Session, order: Order, due_minor: int
) -> Iterator[tuple[Payment, Problem]]:
    """Payments that nobody has seen to: in another currency, or taken back."""
    its = {"order_id": order.order_id, "currency": order.currency}
    for row in session.exec(_TROUBLED, params=its):
        problem = _problem_with(row, order, due_minor)
        if problem is not None and acknowledged_text(row, problem) != row.acknowledged:
            yield row, problem


def acknowledged_text(row: Payment, problem: Problem) -> str:
    """Names a problem with a payment, whatever else its order comes to owe."""
    return f"{problem.code} {row.reversed_minor}"


def _problem_with(row: Payment, order: Order, due_minor: int) -> Problem | None:
    paid = Money(amount_minor=row.amount_minor, currency=row.currency)
    if row.reversed_minor and due_minor:
        due = money_of(order, due_minor)
        return Problem(
            code="payment_reversed",
            message=f"payment {row.payment_id} of {paid} was taken back by the payer's bank: "
            f"{due} are due; retry once it is seen to",
        )
    if row.unmatched_reason in (None, BEING_GIVEN_BACK) or row.currency == order.currency:
        return None
    return Problem(
        code="payment_currency",
        message=f"payment {row.payment_id} is {paid}, the order is in {order.currency}: "
        "give it back or assign it elsewhere; retry once it is seen to",
    )


def _goods_problem(shipments: Sequence[Shipment]) -> Problem | None:
    """What happened to a shipment, and nobody has seen to."""
    for row in shipments:
        if row.problem is not None:
            return Problem(code=row.problem, message=row.problem.words(row.shipment_id))
    return None


def invoice_number(session: Session, order_id: str) -> str | None:
    """The order's invoice, if it was issued (also when it was credited since)."""
    return session.exec(
        select(InvoiceRow.number).where(InvoiceRow.order_id == order_id)
    ).one_or_none()


def _problem(session: Session, order_id: str) -> str | None:
    problem = select(Shortage.problem).where(
        col(Shortage.order_id) == order_id,
        col(Shortage.state) == ShortageState.OPEN,
        col(Shortage.problem).is_not(None),
    )
    return session.exec(problem.order_by(Shortage.shortage_id)).first()


_SHOWN = set(ShipmentProgress.model_fields)
Units = dict[tuple[ReservationState, str | None], int]
"""Units of an order by state and shipment."""


def _units(units: Units, state: ReservationState) -> int:
    return sum(count for (of_state, _), count in units.items() if of_state is state)

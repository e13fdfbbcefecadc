"""Problems with an order's money or goods that need an operator although no workflow waits."""

from collections.abc import Iterator, Sequence

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from activities.order_record.balance import balance_of, money_of
from models.billing import BEING_REFUNDED, Balance
from models.messages.attention import REFUND_HELD
from models.money import Money
from models.progress import PAUSED, Problem, Progress, ShipmentProblem
from models.refunds import RefundState
from models.tables.billing import Payment, Refund
from models.tables.orders import Order
from models.tables.shipping import Shipment

CODES = ("payment_reversed", "payment_currency", REFUND_HELD, PAUSED, *ShipmentProblem)
"""The codes of problems, as attentions of an order show them."""
_ORDER_ID = bindparam("order_id", type_=String)
_SUSPECT = (col(Payment.order_id) == _ORDER_ID) & (
    (col(Payment.currency) != bindparam("currency", type_=String))
    | (col(Payment.reversed_minor) > 0)
    | (col(Payment.refund_failed) != "")
)
_PAYMENTS = select(Payment).where(_SUSPECT).order_by(col(Payment.payment_id))
_HELD = select(Refund).where(
    col(Refund.order_id) == _ORDER_ID, col(Refund.state) == RefundState.HELD
)
HAS_SUSPECT_PAYMENTS = select(Payment.payment_id).where(_SUSPECT).exists()
"""Whether an order (parameters `order_id`, `currency`) has payments that may be a problem."""


def money_problem(session: Session, order: Order, balance: Balance) -> Problem | None:
    """Read the first problem with a payment that is not acknowledged."""
    return next((problem for _, problem in _money_problems(session, order, balance)), None)


def goods_problem(shipments: Sequence[Shipment]) -> Problem | None:
    """Return the first problem with a shipment that is not acknowledged."""
    for row in shipments:
        if row.problem is not None:
            return Problem(code=row.problem, message=row.problem.describe(row.shipment_id))
    return None


def show_problem(order: Order, progress: Progress) -> None:
    """Show the order's problem as its attention, unless the attention is a workflow's."""
    problem = progress.money_problem or progress.goods_problem
    if progress.pause is not None and progress.is_paused:
        problem = progress.pause.describe(order.order_id)
    if order.attention_code in (None, *CODES):
        order.attention_code = problem.code if problem else None
        order.attention_message = problem.message if problem else None


def acknowledge_problems(session: Session, order: Order) -> list[str]:
    """Acknowledge all problems of an order; return the code and id of each."""
    acknowledged = []
    for payment, problem in list(_money_problems(session, order, balance_of(order))):
        payment.acknowledged = _acknowledgement(payment, problem)
        acknowledged.append(f"{problem.code} ({payment.payment_id})")
    shipments = select(Shipment).where(
        Shipment.order_id == order.order_id, col(Shipment.problem).is_not(None)
    )
    for shipment in session.exec(shipments.order_by(Shipment.shipment_id)):
        acknowledged.append(f"{shipment.problem} ({shipment.shipment_id})")
        shipment.problem = None
    return acknowledged


def _money_problems(
    session: Session, order: Order, balance: Balance
) -> Iterator[tuple[Payment, Problem]]:
    due_minor = balance.receivable_minor if balance.cancelled else balance.due_minor
    bound = {"order_id": order.order_id, "currency": order.currency}
    held = session.exec(_HELD, params=bound).all()
    for row in session.exec(_PAYMENTS, params=bound):
        problem = _problem_of(row, order, due_minor, held)
        if problem is not None and _acknowledgement(row, problem) != row.acknowledged:
            yield row, problem


def _acknowledgement(payment: Payment, problem: Problem) -> str:
    """Return the text that records an acknowledgement; a further reversal or failure changes it."""
    return f"{problem.code} {payment.reversed_minor} {payment.refund_failed}".strip()


def _problem_of(
    payment: Payment, order: Order, due_minor: int, held: Sequence[Refund]
) -> Problem | None:
    paid = Money(amount_minor=payment.amount_minor, currency=payment.currency)
    if payment.reversed_minor and due_minor:
        due = money_of(order, due_minor)
        return Problem(
            code="payment_reversed",
            message=f"payment {payment.payment_id} of {paid} was reversed by the payer's bank, and "
            f"{due} are due: acknowledge it with `retry`",
        )
    if payment.reversed_minor and held:
        first = min(held, key=lambda row: (row.payment_id != payment.payment_id, row.number))
        amount = money_of(order, first.amount_minor)
        return Problem(
            code=REFUND_HELD,
            message=f"refund {first.number} of {amount} was stopped, as a payment was reversed by "
            f"the payer's bank: pay it all the same (`refund {order.order_id} --payment "
            f"{first.payment_id}`) or withdraw it (`refunds withdraw {order.order_id} --number "
            f"{first.number}`), or acknowledge it with `retry`",
        )
    failed = [row for row in held if row.payment_id == payment.payment_id]
    if payment.refund_failed and failed:
        number, amount = failed[0].number, money_of(order, failed[0].amount_minor)
        return Problem(
            code=REFUND_HELD,
            message=f"refund {number} of {amount} was not paid ({payment.refund_failed}): ask for "
            f"it again (`refund {order.order_id} --payment {payment.payment_id}`), pay it by hand "
            f"(`--paid-by transfer`), withdraw it (`refunds withdraw {order.order_id} --number "
            f"{number}`), or acknowledge it with `retry`",
        )
    matched = payment.unmatched_reason in (None, BEING_REFUNDED)
    if matched or payment.currency == order.currency:
        return None
    return Problem(
        code="payment_currency",
        message=f"payment {payment.payment_id} is {paid}, the order is in {order.currency}: "
        "refund it or assign it to another order, then acknowledge it with `retry`",
    )

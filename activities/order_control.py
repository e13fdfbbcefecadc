"""Order control: a person's commands on orders as a whole."""

from sqlmodel import Session, col, select

from activities.commanding import order_of
from activities.database.engine import Clock
from activities.progress import balance_of, missing_minor, money_problems, note, touch
from models.commands import ORDER_REFUSED, Commanded, SeeTo, refuse
from models.messages import Echo
from models.tables import Order, Shipment


class OrderControl:
    """What people command on orders."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def do(self, session: Session, command: SeeTo) -> Commanded:
        """What happened to the order's money or goods is shown no longer. Raises NoChange."""
        order, now = order_of(session, command.order_id), self._clock()
        seen = [*_see_to_money(session, order), *_see_to_goods(session, order)]
        if not seen:
            reason = f"nothing of {order.order_id} is to be seen to"
            refuse("order_id", reason, ORDER_REFUSED)
        codes = ", ".join(seen)
        detail = f"{codes} by {command.actor}: {command.reason}"
        note(session, order.order_id, "seen_to", detail, now)
        touch(session, order, now)
        echo = Echo(cause=f"{command.kind}:{command.command_id}", orders=(order.order_id,))
        return Commanded(command=command, message=f"seen to: {codes}", echo=echo)


def _see_to_money(session: Session, order: Order) -> list[str]:
    """Returns what was said of each payment, in short."""
    due_minor = missing_minor(balance_of(session, order))
    seen = []
    for row, problem in list(money_problems(session, order, due_minor)):
        row.seen_to = problem.message
        seen.append(f"{problem.code} ({row.payment_id})")
    return seen


def _see_to_goods(session: Session, order: Order) -> list[str]:
    """As `_see_to_money`, of each shipment."""
    rows = select(Shipment).where(
        Shipment.order_id == order.order_id, col(Shipment.problem).is_not(None)
    )
    seen = []
    for row in session.exec(rows.order_by(Shipment.shipment_id)):
        seen.append(f"{row.problem} ({row.shipment_id})")
        row.problem = None
    return seen

"""What becomes of the paid part of credit notes: kept as the customer's credit, given back, used.

Every credit note, whatever its origin, has one row for it. The sums of an order's rows equal the
amounts of the order (`payable_minor`, and its refunds' part of it).
"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from models.refunds import draw
from models.tables.billing import CreditBalance


def open_credit(work: UnitOfWork, number: str, order_id: str, payable_minor: int) -> None:
    """Record the paid part of a new credit note as the customer's credit."""
    balance = CreditBalance(number=number, order_id=order_id, payable_minor=payable_minor)
    work.session.add(balance)


def credit_balances(session: Session, order_id: str) -> Sequence[CreditBalance]:
    """Lock and read the credit of an order's credit notes, the oldest first."""
    rows = select(CreditBalance).where(CreditBalance.order_id == order_id)
    return session.exec(rows.order_by(col(CreditBalance.number)).with_for_update()).all()


def give_back(
    session: Session, order_id: str, amount_minor: int, number: str | None = None
) -> dict[str, int]:
    """Give credit back: of the credit note `number` first, then of the oldest ones.

    Returns the amounts by credit note.
    """
    rows = sorted(credit_balances(session, order_id), key=lambda row: row.number != number)
    given = draw(amount_minor, {row.number: row.kept_minor for row in rows})
    for row in rows:
        row.refunded_minor += given.get(row.number, 0)
    return given


def keep_again(session: Session, order_id: str, given: dict[str, int]) -> None:
    """Keep credit that was to be given back: its refund is withdrawn."""
    for row in credit_balances(session, order_id):
        row.refunded_minor -= given.get(row.number, 0)


def use_credit(session: Session, order_id: str, amount_minor: int) -> None:
    """Use credit for an amount due, of the oldest credit notes first."""
    if not amount_minor:
        return
    rows = credit_balances(session, order_id)
    used = draw(amount_minor, {row.number: row.kept_minor for row in rows})
    for row in rows:
        row.used_minor += used.get(row.number, 0)

"""Where an exchange comes from: the return that it settles and the order that was paid."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from models.tables.returns import ReturnRow, Settlement


class Replaced(NamedTuple):
    """What an exchange comes from: the settlement of a return, and the order that was paid."""

    settlement: Settlement
    paid_id: str


def replaced_by(session: Session, order_id: str) -> Replaced | None:
    """Where an exchange comes from, back to the first of a chain; None for any other order."""
    promised = (
        select(Settlement, ReturnRow.order_id)
        .join(ReturnRow, col(ReturnRow.return_id) == col(Settlement.return_id))
        .where(Settlement.exchange_order_id == order_id)
    )
    found = session.exec(promised).one_or_none()
    if found is None:
        return None
    settlement, returned_id = found
    before = replaced_by(session, returned_id)
    return Replaced(settlement, before.paid_id if before else returned_id)

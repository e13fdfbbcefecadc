"""The origin of an exchange: the return that it settles and the order that was paid."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from models.tables.returns import ReturnRow, Settlement


class ExchangeOrigin(NamedTuple):
    """The settlement of a return by an exchange, and the id of the order that was paid."""

    settlement: Settlement
    paid_id: str


def exchange_origin(session: Session, order_id: str) -> ExchangeOrigin | None:
    """Read the origin of an exchange order; None for any other order.

    The order that was paid is the first one of a chain of exchanges.
    """
    query = (
        select(Settlement, ReturnRow.order_id)
        .join(ReturnRow, col(ReturnRow.return_id) == col(Settlement.return_id))
        .where(Settlement.exchange_order_id == order_id)
    )
    found = session.exec(query).one_or_none()
    if found is None:
        return None
    settlement, returned_id = found
    before = exchange_origin(session, returned_id)
    return ExchangeOrigin(settlement, before.paid_id if before else returned_id)

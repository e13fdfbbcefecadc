"""Exchanges: orders that send returned goods again, at no charge.

The price of their goods was paid with the returned order. If the customer doesn't keep them either,
that order is credited and refunded.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import select

from activities.billing.invoicing import CreditedLine, credit_units
from activities.billing.refunds import request_credit_refund
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.exchange_origin import exchange_origin
from activities.order_record.progress import lock_order, save_progress
from models.billing import credited_units
from models.pricing import PricedLine
from models.progress import Cancellation
from models.returns import ExchangeLine
from models.tables.billing import CreditNoteRow
from models.tables.orders import Order, OrderLineRow
from models.tables.returns import Settlement


class PaidOrder(NamedTuple):
    """The order whose invoice has the price of an order's goods.

    It is the order itself, or the order paid before an exchange, with the exchange's `settlement`.
    """

    order: Order
    settlement: Settlement | None = None

    @property
    def is_exchange(self) -> bool:
        """The goods are an exchange for goods that were delivered and returned."""
        return self.settlement is not None


def lock_paid_order(work: UnitOfWork, order: Order) -> PaidOrder:
    """Lock the paid order of an order's goods. `order` must be locked."""
    origin = exchange_origin(work.session, order.order_id)
    if origin is None:
        return PaidOrder(order)
    # Lock order: the exchange, then the paid order, then stock. Only returned goods can serve an
    # exchange while their own order is locked. A deadlock found by PostgreSQL (40P01) is retried
    # as DatabaseBusy.
    return PaidOrder(lock_order(work, origin.paid_id), origin.settlement)


def settle_units(
    paid: PaidOrder, line: OrderLineRow, units: int, net_minor: int, *, before: int = 0
) -> PricedLine:
    """Settle units that the customer doesn't keep, and return them as a line of the paid order.

    `net_minor`: their revenue; `before`: the units settled before. Those of an exchange have the
    price that was paid for them.
    """
    if paid.settlement is not None:
        return _settle_exchange_units(paid.settlement, line.line_no, units)
    priced = PricedLine.model_validate(line.model_dump())
    return credited_units(priced, units, net_minor, before=before)


def _settle_exchange_units(settlement: Settlement, line_no: int, units: int) -> PricedLine:
    lines = exchange_lines_of(settlement)
    lines[line_no - 1], settled = lines[line_no - 1].take(units)
    settlement.exchange_lines = [line.model_dump(mode="json") for line in lines]
    return settled


def exchange_lines_of(settlement: Settlement) -> list[ExchangeLine]:
    """Return the lines of an exchange; line n is element n-1."""
    return [ExchangeLine.model_validate(line) for line in settlement.exchange_lines or ()]


class CreditWithRefund(NamedTuple):
    """Credit notes, the refunds of their paid parts, and a summary of both."""

    credit_notes: tuple[CreditNoteRow, ...]
    refund_keys: tuple[str, ...]
    summary: str


def credit_and_refund(
    work: UnitOfWork,
    paid: PaidOrder,
    lines: Sequence[CreditedLine],
    reason: str,
    *,
    delivered: bool,
) -> CreditWithRefund | None:
    """Credit units to the paid order and reserve the refund of their paid part.

    Returns None if nothing is left to credit. `delivered`: returned goods; else they never arrived.
    An exchange's audit trail records it as well.
    """
    delivered = delivered or paid.is_exchange
    credit_notes = credit_units(work, paid.order, lines, reason, delivered=delivered)
    if not credit_notes:
        return None
    refund_keys, summaries = [], []
    for credit_note in credit_notes:
        refunds, summary = request_credit_refund(work, paid.order, credit_note, reason)
        refund_keys += [refund.refund_key for refund in refunds]
        summaries.append(summary)
    summary = "; ".join(summaries)
    if paid.settlement is not None:
        detail = f"{summary}, of {paid.order.order_id}"
        record_event(work, paid.settlement.exchange_order_id or "", "credited", detail)
        save_progress(work, paid.order)
    return CreditWithRefund(tuple(credit_notes), tuple(refund_keys), summary)


def new_settlement(work: UnitOfWork, return_id: str) -> Settlement:
    """Build the next, empty settlement of a return."""
    before = select(func.count()).select_from(Settlement).where(Settlement.return_id == return_id)
    number = work.session.exec(before).one() + 1
    return Settlement(
        settlement_id=f"{return_id}/{number}", return_id=return_id, settled_at=work.now
    )


def credit_cancelled_exchange(work: UnitOfWork, order: Order) -> bool:
    """Credit the unsettled units of a cancelled exchange once; False if there are none.

    The credit note and its refund are another settlement of the exchange's return, whose workflow
    executes it.
    """
    paid = lock_paid_order(work, order)
    if paid.settlement is None or order.cancellation is Cancellation.NONE:
        return False
    lines = [CreditedLine(line) for line in _settle_all(paid.settlement)]
    reason = f"{order.order_id} is cancelled: {order.cancel_reason}".removesuffix(": ")
    credit = credit_and_refund(work, paid, lines, reason, delivered=False)
    if credit is None:
        return False
    settlement = new_settlement(work, paid.settlement.return_id)
    settlement.credit_notes = [note.number for note in credit.credit_notes]
    settlement.refund_keys = list(credit.refund_keys)
    work.session.add(settlement)
    return True


def _settle_all(settlement: Settlement) -> list[PricedLine]:
    settled = [
        _settle_exchange_units(settlement, line_no, line.quantity - line.settled)
        for line_no, line in enumerate(exchange_lines_of(settlement), start=1)
    ]
    return [line for line in settled if line.quantity]

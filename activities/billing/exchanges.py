"""Exchanges: orders that send returned goods once more, for nothing. What their goods are worth was
paid with the order whose goods came back: where they don't stay with the customer either, that is
the order which gives it back."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import select

from activities.billing.invoicing import credit_units
from activities.billing.refunds import ask_credit_back
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.exchange_origin import replaced_by
from activities.order_record.progress import lock_order, save_progress
from models.pricing import PricedLine
from models.progress import Cancellation
from models.returns import ExchangeLine
from models.tables.billing import CreditNoteRow
from models.tables.orders import Order
from models.tables.returns import Settlement


class Payer(NamedTuple):
    """The order whose invoice has the price of an order's goods: itself, or (with the `settlement`
    that it comes from) the one that was paid before an exchange."""

    order: Order
    settlement: Settlement | None = None

    @property
    def is_of_exchange(self) -> bool:
        """The goods were paid for with others, which had been delivered, and came back."""
        return self.settlement is not None


def payer_of(work: UnitOfWork, order: Order) -> Payer:
    """Who has paid for the goods of `order`, which is locked; so is its payer then."""
    replaced = replaced_by(work.session, order.order_id)
    if replaced is None:
        return Payer(order)
    # Always the exchange before the order that was paid, and both before any stock. Only goods that
    # come back may serve the exchange while their own order is locked: where PostgreSQL finds the
    # two waiting for each other (40P01), one of them is tried again, as DatabaseBusy.
    return Payer(lock_order(work, replaced.paid_id), replaced.settlement)


def take(payer: Payer, line_no: int, units: int) -> PricedLine | None:
    """Units of an exchange's line that the customer doesn't keep, as a line of the order that was
    paid: see `ExchangeLine.take`. None for any other order, or where nobody kept the price."""
    if payer.settlement is None:
        return None
    lines = lines_of(payer.settlement)
    lines[line_no - 1], taken = lines[line_no - 1].take(units)
    payer.settlement.exchange_lines = [line.model_dump(mode="json") for line in lines]
    return taken


def lines_of(settlement: Settlement) -> list[ExchangeLine]:
    """What an exchange sends: its line n is element n-1."""
    return [ExchangeLine.model_validate(line) for line in settlement.exchange_lines or ()]


class GivenBack(NamedTuple):
    """A credit note, the refund of what was paid of it, and both in words."""

    credit_note: CreditNoteRow
    refund_key: str | None
    words: str


def give_back(
    work: UnitOfWork,
    payer: Payer,
    lines: Sequence[PricedLine],
    reason: str,
    *,
    delivered: bool,
) -> GivenBack | None:
    """Credit units to who has paid for them, see `credit_units`, and ask back what was paid of it;
    None where nothing is left. `delivered`: they were, and come back. An exchange's history tells
    of it too."""
    delivered = delivered or payer.is_of_exchange
    credit_note = credit_units(work, payer.order, lines, reason, delivered=delivered)
    if credit_note is None:
        return None
    refund, words = ask_credit_back(work, payer.order, credit_note, reason)
    if payer.settlement is not None:
        told = f"{words}, of {payer.order.order_id}"
        record_event(work, payer.settlement.exchange_order_id or "", "credited", told)
        save_progress(work, payer.order)
    return GivenBack(credit_note, refund.refund_key if refund else None, words)


def new_settlement(
    work: UnitOfWork,
    return_id: str,
) -> Settlement:
    """The next of a return; what it consists of is the caller's to say."""
    before = select(func.count()).select_from(Settlement).where(Settlement.return_id == return_id)
    number = work.session.exec(before).one() + 1
    return Settlement(
        settlement_id=f"{return_id}/{number}", return_id=return_id, settled_at=work.now
    )


def settle_cancelled(
    work: UnitOfWork,
    order: Order,
) -> bool:
    """What a cancelled exchange won't send is given back, once: as a settlement more of the return
    that it comes from, whose workflow sees to it. Whether there was anything."""
    payer = payer_of(work, order)
    if payer.settlement is None or order.cancellation is Cancellation.NONE:
        return False
    lines = _take_rest(payer)
    reason = f"{order.order_id} is cancelled: {order.cancel_reason}".removesuffix(": ")
    given_back = give_back(work, payer, lines, reason, delivered=False)
    if given_back is None:
        return False
    settlement = new_settlement(work, payer.settlement.return_id)
    settlement.credit_note = given_back.credit_note.number
    settlement.refund_key = given_back.refund_key
    work.session.add(settlement)
    return True


def _take_rest(payer: Payer) -> list[PricedLine]:
    """All units of an exchange that weren't settled yet."""
    assert payer.settlement is not None, f"{payer.order.order_id} is no exchange"
    rest = [
        take(payer, line_no, line.quantity - line.settled)
        for line_no, line in enumerate(lines_of(payer.settlement), start=1)
    ]
    return [line for line in rest if line is not None and line.quantity]

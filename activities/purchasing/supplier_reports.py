"""The steps that apply reports of suppliers: acknowledgements and ship notices."""

from collections.abc import Sequence

from activities.database.inbox import mark_applied, was_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import reject_fact
from activities.purchasing.purchase_orders import (
    UNANSWERED,
    complete_purchase,
    keys_of,
    lock_purchase,
    quoted_date,
    record_sent,
    repeated_notification,
)
from activities.stock.backorders import set_expected_dates, unless_passed
from activities.stock.notifications import notification_of_changes, read_shortages
from models.messages.facts import GoodsShipped, SupplierAcknowledged
from models.messages.steps import Notification
from models.money import parse_amount
from models.purchasing import PurchaseOrderState as State
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine


@step
def apply_acknowledgement(work: UnitOfWork, fact: SupplierAcknowledged) -> Notification:
    """Apply a supplier's acknowledgement: the promised units and dates, or a refusal.

    An acknowledgement older than the one applied last changes nothing. A date that has passed is
    no date.
    """
    cause = fact.acknowledgement_id
    if was_applied(work.session, fact):
        return repeated_notification(work.session, fact.po_id or "", cause)
    mark_applied(work, fact)
    order, lines = _lock_reported(work, fact)
    reported_at = min(fact.occurred_at or work.now, work.now)
    if order is None or (order.acknowledged_at and reported_at < order.acknowledged_at):
        return Notification(cause=cause)
    before = read_shortages(work.session, [line.sku for line in lines])
    is_latest = order.reported_at is None or reported_at >= order.reported_at
    order.acknowledged_at = reported_at
    _apply_promises(work, fact, order, lines, is_latest)
    if is_latest:
        expected = unless_passed(fact.expected_date, work.today)
        order.expected_date, order.reported_at = expected or order.expected_date, reported_at
    if all(line.expected == 0 for line in lines) and is_latest and order.state.is_open:
        order.state, order.ended_at = State.REFUSED, work.now
        order.ended_reason = "refused: it promises nothing"
    elif order.state in UNANSWERED:
        order.state = State.ACKNOWLEDGED
    complete_purchase(work, order)
    set_expected_dates(work, [line.sku for line in lines])
    return notification_of_changes(work, cause, before, keys_of(order, lines))


def _apply_promises(
    work: UnitOfWork,
    fact: SupplierAcknowledged,
    order: PurchaseOrder,
    lines: Sequence[PurchaseOrderLine],
    is_latest: bool,
) -> None:
    """Set the promised units and price of each line, and its date where the report `is_latest`.

    Without lines in the acknowledgement, all units are promised. Lines that are not on the
    purchase order are rejected.
    """
    today = work.today
    for_all = unless_passed(fact.expected_date, today)
    promised = {line.sku: line for line in fact.lines or ()}
    for line in lines:
        promise = promised.pop(line.sku, None)
        if promise is not None or not fact.lines:
            units = line.quantity if promise is None else promise.quantity
            line.expected = max(line.received, min(units, line.quantity))
            is_less = line.expected < line.quantity
            line.failed_at = (line.failed_at or work.now) if is_less else None
        if promise is not None and promise.unit_cost is not None:
            line.acknowledged_unit_cost_minor = parse_amount(promise.unit_cost, order.currency)
        if is_latest:
            expected = unless_passed(promise.expected_date, today) if promise else None
            line.expected_date = expected or for_all or quoted_date(line)
    if promised:
        reason = f"lines: {', '.join(promised)} aren't on {order.po_id}"
        reject_fact(work, order.po_id, fact, reason)


@step
def apply_ship_notice(work: UnitOfWork, fact: GoodsShipped) -> Notification:
    """Apply a supplier's report that goods are on their way, and the date it names."""
    if was_applied(work.session, fact):
        return repeated_notification(work.session, fact.po_id or "", fact.notice_id)
    mark_applied(work, fact)
    order, lines = _lock_reported(work, fact)
    if order is None:
        return Notification(cause=fact.notice_id)
    before = read_shortages(work.session, [line.sku for line in lines])
    reported_at = min(fact.occurred_at or work.now, work.now)
    if order.state in (*UNANSWERED, State.ACKNOWLEDGED):
        order.state = State.SHIPPED
    if order.reported_at is None or reported_at >= order.reported_at:
        order.reported_at = reported_at
        expected = unless_passed(fact.expected_date, work.today)
        order.expected_date = expected or order.expected_date
        for line in lines:
            line.expected_date = expected or line.expected_date or quoted_date(line)
    set_expected_dates(work, [line.sku for line in lines])
    return notification_of_changes(work, fact.notice_id, before, keys_of(order, lines))


def _lock_reported(
    work: UnitOfWork, fact: SupplierAcknowledged | GoodsShipped
) -> tuple[PurchaseOrder | None, list[PurchaseOrderLine]]:
    """Lock the purchase order of a report, with its lines; reject a report that can't apply."""
    order, lines = lock_purchase(work, fact.po_id or "")
    problem = _why_not_apply(fact, order, lines)
    if order is None or problem is not None:
        reject_fact(work, fact.po_id or "", fact, problem or "")
        return None, []
    record_sent(work, order)
    return order, lines


def _why_not_apply(
    fact: SupplierAcknowledged | GoodsShipped,
    order: PurchaseOrder | None,
    lines: Sequence[PurchaseOrderLine],
) -> str | None:
    if order is None:
        return "po_id: no such purchase order"
    if isinstance(fact, SupplierAcknowledged) and fact.repeated_line:
        return fact.repeated_line
    if isinstance(fact, SupplierAcknowledged) and (problem := fact.wrong_price(order.currency)):
        return problem
    if order.state is State.PLANNED:
        return f"po_id: {order.po_id} hasn't been sent yet"
    if order.state in (State.LAPSED, State.REFUSED, State.CANCELLED, State.CLOSED):
        return f"too late: {order.po_id} is {order.state}, {order.ended_reason or ''}"
    is_over = not order.state.is_open and any(line.received < line.quantity for line in lines)
    if isinstance(fact, SupplierAcknowledged) and is_over:
        return f"too late: {order.po_id} is {order.state}: nothing more is expected of it"
    return None

"""What is due for an order: allocation, invoice, payment request and shipments.

It is decided from the tables alone, in the transaction of the fact that makes it due. The workflow
finds it done, and waits for what is to come.
"""

from dataclasses import dataclass, field

from activities.billing.invoicing import create_invoice
from activities.billing.payment_requests import prepare_first_try
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import PreparedCall
from activities.mail.drafts import draft_bill
from activities.order_record.balance import balance_of, invoice_numbers
from activities.order_record.progress import read_progress, save_stage, shipment_progress
from activities.phases.partners import Partners, prepare_mail
from activities.shipping.booking import prepare_first_booking
from activities.shipping.planning import plan_held_goods
from activities.stock.steps import allocate_order, low_keys_held, notification_of_low_stock
from models.audit import Tip
from models.messages.steps import BillStep, Notification
from models.orders import Fulfilment, Terms
from models.progress import Cancellation, Progress
from models.tables.orders import Order


@dataclass
class Advance:
    """An order after a transaction, and what follows from it."""

    progress: Progress
    calls: list[PreparedCall] = field(default_factory=list)
    notification: Notification | None = None
    tip: Tip | None = None
    """The end of the order's audit trail."""


def advance(
    work: UnitOfWork,
    order: Order,
    progress: Progress,
    partners: Partners,
    *,
    invoices_before: tuple[str, ...],
    is_new: bool = False,
    is_repeated: bool = False,
) -> Advance:
    """Do what is due for an order whose change is saved with `progress`.

    `is_new`: the order is being recorded. `is_repeated`: an earlier attempt may have allocated
    stock, and its notification was lost. `invoices_before`: its invoices before the change; a new
    one is mailed. Raises Refused where a step of it is refused: the caller then leaves all to
    the workflow.
    """
    result = Advance(progress)
    if not _may_advance(order):
        return result
    allocated = allocate_order(work, order)
    if allocated is not None:
        if is_new and not allocated.allocation.shortages:
            held = sum(part.quantity for part in allocated.allocation.reservations)
            result.progress = progress.model_copy(update={"allocated": True, "held": held})
        else:
            result.progress = read_progress(work.session, order)
        result.notification = notification_of_low_stock(order, allocated.low)
    elif is_repeated:
        low = low_keys_held(work, order.order_id)
        result.notification = notification_of_low_stock(order, low)
    lacks_stock, by_delivery = result.progress.lacks_stock, order.invoiced_by_delivery
    if by_delivery or not lacks_stock:
        is_first = by_delivery and not invoices_before
        _bill(work, order, result, partners, is_new or is_first)
    if not lacks_stock:
        _ship(work, order, result, partners)
    for number in invoice_numbers(work.session, order.order_id)[len(invoices_before) :]:
        work.session.flush()
        draft = draft_bill(work.session, BillStep(number=number))
        name = f"mail_invoice/{number}" if order.invoiced_by_delivery else "mail_invoice"
        result.calls.append(prepare_mail(work, draft, partners, name))
    save_stage(work, order, result.progress)
    return result


def _may_advance(order: Order) -> bool:
    """Whether nothing holds the order: no cancellation, pause, exceeded credit limit or doubt about
    its customer."""
    if order.paused_at is not None:
        return False
    is_held = order.resembles is not None or (order.terms.on_credit and not order.credit_accepted)
    return order.cancellation is Cancellation.NONE and not is_held


def _bill(
    work: UnitOfWork, order: Order, result: Advance, partners: Partners, is_new: bool
) -> None:
    """Issue the invoice of an order on credit or paid in full; request what is due.

    `is_new`: nothing was requested before.

    Deliveries are invoiced with their goods issue: then only what is invoiced is requested.
    """
    progress = result.progress
    is_due = order.terms.on_credit or progress.paid_in_full
    if is_due and create_invoice(work, order):
        numbers = invoice_numbers(work.session, order.order_id)
        result.progress = progress.with_invoices(numbers).model_copy(
            update={"receivable_minor": balance_of(order).receivable_minor}
        )
    if order.invoiced_by_delivery and not progress.receivable_minor:
        return
    if order.terms is not Terms.CASH and not progress.paid_in_full:
        request = prepare_first_try(work, order, partners.payments, is_new=is_new)
        if request is not None:
            result.calls.append(request)
            result.progress = result.progress.model_copy(update={"pay_by": order.pay_by})


def _ship(work: UnitOfWork, order: Order, result: Advance, partners: Partners) -> None:
    """Plan shipments of held goods once the payment is secured; book those that leave now."""
    progress = result.progress
    is_captured = progress.paid_in_full or not progress.captured_later
    if not (progress.may_consign and progress.secured and is_captured):
        return
    planned = plan_held_goods(work, order, len(progress.shipments))
    result.progress = progress.with_shipments(
        shipment_progress(shipment, units) for shipment, _, units in planned
    )
    for shipment, packages, _ in planned:
        if order.fulfilment is Fulfilment.CARRIER and shipment.book_from is None:
            booking = prepare_first_booking(work, order, shipment, packages, partners.carriers)
            result.calls.append(booking)

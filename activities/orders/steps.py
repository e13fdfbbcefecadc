"""Steps of orders: show an attention, cancel; and the recording, which is part of a phase."""

from typing import NamedTuple

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from activities.billing.payments import apply_deposit, apply_early_payments
from activities.database.company import keep_company
from activities.database.inbox import mark_applied, waiting_facts
from activities.database.kept import keep
from activities.database.step import read_step, step
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata import customers
from activities.masterdata.reading import company_currency
from activities.order_record.audit import TIP_OF, keep_tip, record_event, record_rejected
from activities.order_record.lines import LINES, goods_lines
from activities.order_record.problems import show_problem
from activities.order_record.progress import (
    FOR_CHANGE,
    find_order,
    lock_order,
    progress_of_new,
    read_progress,
    save_progress,
)
from activities.order_record.standing import judge_customer
from activities.orders.acceptance import price_order
from models.audit import CUSTOMER, Origin
from models.billing import InvoiceAt
from models.customers import Address, CustomerStatus
from models.errors import Refused
from models.identity import KEYS
from models.messages.attention import Attention, SetAttention
from models.messages.facts import FACT_TYPES, RejectedMessage
from models.messages.policy import Policy
from models.messages.steps import (
    CancelOrder,
    CancelOutcome,
    OrderStep,
    Recorded,
    RecordedOrder,
    RecordOrder,
)
from models.money import parse_percent
from models.orders import OrderDocument
from models.progress import Cancellation, Progress
from models.promises import promised_date
from models.services import is_service_order
from models.tables.billing import Payment
from models.tables.masterdata import Company, Customer, Location
from models.tables.operations import AttentionRow, FactRow
from models.tables.orders import Order, OrderLineRow

_ORDER_ID = bindparam("order_id", type_=String)
_BEFORE_ORDER = select(
    Company,
    select(Payment.payment_id).where(col(Payment.claimed_order_id) == _ORDER_ID).exists()
    | select(FactRow.fact_no)
    .where(col(FactRow.order_id) == _ORDER_ID, col(FactRow.applied_at).is_(None))
    .exists(),
    TIP_OF,
)


class Recording(NamedTuple):
    """An order that is recorded, now or since earlier, and the answer to its workflow."""

    order: Order
    is_new: bool
    recorded: Recorded


def record_order(work: UnitOfWork, step: RecordOrder) -> Recording:
    """Record customer and order once, and judge the customer."""
    document = step.order
    order = work.session.get(Order, document.order_id, with_for_update=FOR_CHANGE)
    is_new, has_early = order is None, True
    if order is None:
        has_early = _read_before_order(work.session, document.order_id)
        order = _insert_order(work, step)
        work.origin = Origin(actor=document.taken_by or CUSTOMER, source=document.channel)
        record_event(work, order.order_id, "recorded", f"placed {order.channel}")
    # Read before the payments: one that is being recorded without its order is a waiting fact.
    facts = waiting_facts(work.session, order.order_id) if has_early else ()
    if is_new and has_early:
        apply_early_payments(work, order)
    if order.attention_code is not None:  # from an earlier run of the workflow
        record_attention(work, SetAttention(order_id=order.order_id, attention=None))
    refusal = _resemblance(work, order) or _judge_customer(work.session, order, is_new=is_new)
    if has_early:
        progress = save_progress(work, order)
    else:
        ordered = sum(line.quantity for line in goods_lines(work.session, order.order_id))
        progress = progress_of_new(work.session, order, ordered)
    recorded = Recorded(
        progress=progress, policy=work.rules.policy, refusal=refusal, waiting_facts=facts
    )
    return Recording(order, is_new, recorded)


def _read_before_order(session: Session, order_id: str) -> bool:
    """Read the company, and whether payments or other facts were received before the order."""
    found = session.exec(_BEFORE_ORDER, params={"order_id": order_id}).one_or_none()
    keep_company(session, found[0] if found else None)
    if found:
        keep_tip(session, order_id, found[2])
    return bool(found and found[1])


@step
def read_order_progress(work: UnitOfWork, step: OrderStep) -> Progress:
    """Recompute the order's progress and stage."""
    return save_progress(work, lock_order(work, step.order_id))


@step
def read_policy(work: UnitOfWork, step: OrderStep) -> Policy:
    """Read the policy for workflows other than the order's own."""
    return work.rules.policy


@step
def set_attention(work: UnitOfWork, step: SetAttention) -> None:
    """Show or clear an attention of the order."""
    record_attention(work, step)


@step
def record_rejected_message(work: UnitOfWork, message: RejectedMessage) -> None:
    """Record a rejected message once; a fact in it counts as applied."""
    record_rejected(work, message.subject, message.name, message.body, message.reason)
    if message.fact is not None:
        kind = FACT_TYPES[message.fact.type]
        mark_applied(work, kind.model_validate(message.fact.data))


@step
def start_cancelling(work: UnitOfWork, step: CancelOrder) -> CancelOutcome:
    """Request the cancellation of an order, unless goods have left or it is cancelled."""
    work.origin = step.request.origin
    order = lock_order(work, step.order_id)
    progress = read_progress(work.session, order)
    refusal = _why_not_cancel(progress, step)
    if refusal:
        record_event(work, order.order_id, "cancel_refused", refusal)
        return CancelOutcome(accepted=False, message=refusal, progress=progress)
    if order.cancellation is Cancellation.NONE:
        order.cancellation = Cancellation.REQUESTED
        order.cancel_reason = step.request.reason
        order.expired = step.unless_paid
        end_pause(order)
        detail = f"by {step.request.actor}: {step.request.reason}".removesuffix(": ")
        record_event(work, order.order_id, "cancel_requested", detail)
        progress = save_progress(work, order)
    return CancelOutcome(accepted=True, message="the order is being cancelled", progress=progress)


@step
def withdraw_cancellation(work: UnitOfWork, step: OrderStep) -> Progress:
    """Withdraw a requested cancellation, as the carrier has the goods; the order continues."""
    order = lock_order(work, step.order_id)
    if order.cancellation is not Cancellation.REQUESTED:
        return read_progress(work.session, order)
    order.cancellation = Cancellation.NONE
    record_event(work, order.order_id, "cancel_given_up", "the carrier has the goods")
    apply_deposit(work, order)
    return save_progress(work, order)


@read_step
def read_document(session: Session, step: OrderStep) -> RecordedOrder:
    """Read the document of an order, as it was placed."""
    order = session.get_one(Order, step.order_id)
    document = OrderDocument.model_validate(order.document)
    return RecordedOrder(document=document, digest=order.digest)


@step
def finish_cancelling(work: UnitOfWork, step: OrderStep) -> Progress:
    """Complete the cancellation, unless a refund is still due."""
    order = lock_order(work, step.order_id)
    progress = read_progress(work.session, order)
    if order.cancellation is not Cancellation.REQUESTED or progress.refund_due_minor:
        return progress
    order.cancellation = Cancellation.DONE
    record_event(work, order.order_id, "cancelled", order.cancel_reason)
    return save_progress(work, order)


def end_pause(order: Order) -> None:
    """End the pause of an order, if it is paused."""
    order.paused_by, order.paused_at, order.pause_reason = None, None, ""


def record_attention(work: UnitOfWork, step: SetAttention) -> None:
    """Record or clear the attention of one workflow of an order, and show the oldest of them.

    Without an attention the order shows a problem that is not acknowledged, if any.
    """
    order, new, source = find_order(work, step.order_id), step.attention, step.source
    if order is None:
        return  # refused before it was recorded: shown by the workflow's search attributes
    row = work.session.get(AttentionRow, (order.order_id, source))
    if (new and (new.code, new.message)) == (row and (row.code, row.message)):
        return
    if new is not None:
        row = row or AttentionRow(
            order_id=order.order_id, source=source, code="", message="", since=work.now
        )
        row.code, row.message, row.subject = new.code, new.message, new.subject
        work.session.add(row)
        record_event(work, order.order_id, "attention", f"{new.code}: {new.message}")
    elif row is not None:
        work.session.delete(row)
        record_event(work, order.order_id, "mended", row.code)
    order.updated_at = work.now
    work.session.flush()
    _show_oldest(work.session, order)


def _show_oldest(session: Session, order: Order) -> None:
    query = select(AttentionRow).where(AttentionRow.order_id == order.order_id)
    oldest = session.exec(query.order_by(col(AttentionRow.since), col(AttentionRow.source))).first()
    order.attention_code = oldest.code if oldest else None
    order.attention_message = oldest.message if oldest else None
    if oldest is None:
        show_problem(order, read_progress(session, order))


def _why_not_cancel(progress: Progress, step: CancelOrder) -> str | None:
    if progress.goods_left:
        if not progress.fulfilled:
            return "goods have left: only the outstanding units can be cancelled (`cancel-rest`)"
        return "goods have left: the order can be returned, not cancelled"
    if progress.cancellation is Cancellation.DONE:
        return "the order is already cancelled"
    if step.unless_accepted and progress.consent_by is None:
        return "the delay was accepted, or the goods have arrived"
    return "the order is paid" if step.unless_paid and progress.paid_in_full else None


def _insert_order(work: UnitOfWork, step: RecordOrder) -> Order:
    document = step.order
    if company_currency(work.session) is None:
        raise Refused("nothing_imported", "there are no products: import some, then retry")
    customer, resembles = customers.record_buyer(work, document)
    bill_to = document.bill_to or document.ship_to
    ship_to = document.ship_to or _counter_address(work.session, document, customer.name)
    accepted = step.accepted or price_order(
        work.session, document, customer, work.rules.billing.invoice_at
    )
    totals = accepted.totals
    order = Order(
        order_id=document.order_id,
        customer_id=customer.customer_id,
        resembles=resembles,
        channel=document.channel,
        terms=document.terms,
        delivery=document.delivery,
        currency=document.currency,
        ship_to=ship_to.model_dump(),
        bill_to=bill_to.model_dump() if bill_to is not None else None,
        requested_delivery_date=document.requested_delivery_date,
        tax_case=accepted.tax_case,
        prices_include_tax=accepted.prices_include_tax,
        vat_id=accepted.vat_id,
        digest=step.digest,
        workflow_id=step.workflow_id,
        discount_ppm=parse_percent(document.discount_percent or "0"),
        payment_method=document.payment_method,
        capture=document.capture,
        invoiced_by_delivery=(
            document.terms.on_credit
            and accepted.invoice_at is InvoiceAt.GOODS_ISSUE
            and not is_service_order(accepted.lines)
        ),
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        promised_date=promised_date(
            work.day_of(step.placed_at),
            document.requested_delivery_date,
            work.rules.policy.promises,
        ),
        fulfilment=document.fulfilment,
        location=document.location,
        taken_by=document.taken_by or "",
        placed_by=step.placed_by,
        warnings=[*document.warnings, *accepted.warnings] or None,
        customer_reference=document.customer_reference or "",
        phone=document.phone or "",
        document=document.model_dump(mode="json"),
        placed_at=step.placed_at,
        stage_since=work.now,
        updated_at=work.now,
    )
    work.session.add(order)
    work.session.flush()
    rows = [OrderLineRow(order_id=order.order_id, **line.model_dump()) for line in accepted.lines]
    work.session.add_all(rows)
    work.session.flush()
    keep(work.session, LINES, order.order_id, rows)
    return order


def _resemblance(work: UnitOfWork, order: Order) -> Attention | None:
    """Return a refusal while the order's customer resembles one that is blocked."""
    if order.resembles is None:
        return None
    blocked = work.session.get_one(Customer, order.resembles)
    if blocked.status is not CustomerStatus.BLOCKED:
        order.resembles = None
        return None
    customer = work.session.get_one(Customer, order.customer_id)
    same = [words for key, words in KEYS.items() if _are_equal(customer, blocked, key)]
    return Attention(
        code="resembles_blocked_customer",
        message=f"customer {order.customer_id} has {' and '.join(same or ['name and address'])} of "
        f"{order.resembles}, who is blocked: `accept-customer {order.order_id}` if it is another, "
        f"`cancel {order.order_id}` if it is the same",
    )


def _are_equal(one: Customer, other: Customer, key: str) -> bool:
    return getattr(one, key) is not None and getattr(one, key) == getattr(other, key)


def _counter_address(session: Session, document: OrderDocument, name: str) -> Address:
    """Return where a sale at the counter is handed over: the address of its location. Raises
    Refused for an unknown location."""
    location = session.get(Location, document.location)
    if location is None:
        message = f"there is no location {document.location}: import it, then retry"
        raise Refused("no_location", message)
    return Address(
        name=name,
        street=location.street or location.name,
        line2=location.line2 or None,
        city=location.city or None,
        postal_code=location.postal_code or None,
        country=location.country,
    )


def _judge_customer(session: Session, order: Order, *, is_new: bool) -> Attention | None:
    """Judge the customer of an order before stock is reserved; return why the order must wait.

    An order on credit is accepted with it. Its customer's row is locked, so that credit is judged
    for one order at a time; that of a new order is locked already.
    """
    if order.allocated or order.credit_accepted:
        return None
    on_credit = order.terms.on_credit and not is_new
    customer = (
        customers.lock_customer(session, order.customer_id)
        if on_credit
        else session.get_one(Customer, order.customer_id)
    )
    attention = judge_customer(session, order, customer)
    order.credit_accepted = order.terms.on_credit and attention is None
    return attention

"""Orders: recording them, showing their attention, cancelling them."""

from datetime import datetime

from sqlmodel import Session, col, select
from temporalio import activity

from activities import customers
from activities.database.door import mark_applied, waiting_facts
from activities.database.engine import Clock, Database
from activities.progress import (
    FOR_CHANGE,
    balance_of,
    find_order,
    lock_order,
    look,
    money_of,
    note,
    note_odd,
    show_problem,
    touch,
)
from activities.settling import use_deposit, use_waiting_money
from models.billing import BillingRules
from models.customers import TaxTreatment
from models.errors import Refused
from models.messages import (
    FACT_TYPES,
    Attention,
    Cancelled,
    CancelOrder,
    OddFact,
    OrderStep,
    Policy,
    Recorded,
    RecordedOrder,
    RecordOrder,
    SetAttention,
)
from models.money import parse_percent
from models.orders import (
    Cancellation,
    OrderDocument,
    PricedLine,
    ProductPrice,
    Progress,
    price_lines,
    total,
)
from models.promises import PromisePolicy, promised_date
from models.tables import AttentionRow, Company, Customer, Order, OrderLineRow, Product


class Orders:
    """Steps on the order as a whole."""

    def __init__(
        self, database: Database, clock: Clock, policy: Policy, rules: BillingRules
    ) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy
        self._rules = rules

    @activity.defn
    def record_order(self, step: RecordOrder) -> Recorded:
        """Record customer and order once, and check the credit of an order on credit."""
        return self._database.transaction(lambda session: self._record(session, step))

    @activity.defn
    def look_at_order(self, step: OrderStep) -> Progress:
        """Read the order's progress again, and its stage with it."""

        def work(session: Session) -> Progress:
            return touch(session, lock_order(session, step.order_id), self._clock())

        return self._database.transaction(work)

    @activity.defn
    def read_policy(self, step: OrderStep) -> Policy:
        """The durations that whoever works beside an order's own workflow lives by."""
        return self._policy

    @activity.defn
    def set_attention(self, step: SetAttention) -> None:
        """Show or clear the order's attention."""
        self._database.transaction(lambda session: attend(session, step, self._clock()))

    @activity.defn
    def keep_odd_fact(self, odd: OddFact) -> None:
        """Keep a message that can't be used; the same one is kept once."""

        def work(session: Session) -> None:
            now = self._clock()
            note_odd(session, odd.subject, odd.name, odd.body, odd.reason, now)
            if odd.fact is not None:
                kind = FACT_TYPES[odd.fact.type]
                mark_applied(session, kind.model_validate(odd.fact.data), now)

        self._database.transaction(work)

    @activity.defn
    def start_cancelling(self, step: CancelOrder) -> Cancelled:
        """Put the order into cancelling, unless goods have left or it is over."""
        return self._database.transaction(lambda session: self._start_cancelling(session, step))

    @activity.defn
    def give_up_cancelling(self, step: OrderStep) -> Progress:
        """The goods could not be called back: the order goes on."""

        def work(session: Session) -> Progress:
            order, now = lock_order(session, step.order_id), self._clock()
            if order.cancellation is not Cancellation.REQUESTED:
                return look(session, order)
            order.cancellation = Cancellation.NONE
            note(session, order.order_id, "cancel_given_up", "the carrier has the goods", now)
            use_deposit(session, order, self._rules, now)
            return touch(session, order, now)

        return self._database.transaction(work)

    @activity.defn
    def read_document(self, step: OrderStep) -> RecordedOrder:
        """Read the order as it was placed."""
        order = self._database.read(lambda session: session.get_one(Order, step.order_id))
        document = OrderDocument.model_validate(order.document)
        return RecordedOrder(document=document, digest=order.digest)

    @activity.defn
    def finish_cancelling(self, step: OrderStep) -> Progress:
        """Everything is undone. While money is still owed back, nothing changes."""

        def work(session: Session) -> Progress:
            order, now = lock_order(session, step.order_id), self._clock()
            progress = look(session, order)
            if order.cancellation is not Cancellation.REQUESTED or progress.refund_due_minor:
                return progress
            order.cancellation = Cancellation.DONE
            note(session, order.order_id, "cancelled", order.cancel_reason, now)
            return touch(session, order, now)

        return self._database.transaction(work)

    def _record(self, session: Session, step: RecordOrder) -> Recorded:
        document, now = step.order, self._clock()
        order = session.get(Order, document.order_id, with_for_update=FOR_CHANGE)
        if order is None:
            order = _insert_order(session, step, self._policy.promises)
            order.updated_at = now
            note(session, order.order_id, "recorded", f"placed {order.channel}", now)
            use_waiting_money(session, order, self._rules, now)
        if order.attention_code is not None:  # this run hasn't raised any
            attend(session, SetAttention(order_id=order.order_id, attention=None), now)
        refusal = _check_credit(session, order)
        return Recorded(
            progress=touch(session, order, now),
            policy=self._policy,
            refusal=refusal,
            waiting_facts=waiting_facts(session, order.order_id),
        )

    def _start_cancelling(self, session: Session, step: CancelOrder) -> Cancelled:
        order, now = lock_order(session, step.order_id), self._clock()
        progress = look(session, order)
        refusal = _why_not_cancel(progress, step)
        if refusal:
            note(session, order.order_id, "cancel_refused", refusal, now)
            return Cancelled(accepted=False, message=refusal, progress=progress)
        if order.cancellation is Cancellation.NONE:
            order.cancellation = Cancellation.REQUESTED
            order.cancel_reason = step.request.reason
            order.expired = step.unless_paid
            detail = f"by {step.request.actor}: {step.request.reason}".removesuffix(": ")
            note(session, order.order_id, "cancel_requested", detail, now)
            progress = touch(session, order, now)
        return Cancelled(accepted=True, message="the order is being cancelled", progress=progress)


def attend(session: Session, step: SetAttention, now: datetime) -> None:
    """A workflow waits for a person because of an order, or does no longer, in the caller's
    transaction. Of several the one that waits longest is shown; where none does any more, what a
    person has yet to see to."""
    order, new, source = find_order(session, step.order_id), step.attention, step.beside or ""
    if order is None:
        return  # refused before it was recorded: the workflow's search attributes show it
    row = session.get(AttentionRow, (order.order_id, source))
    if (new and (new.code, new.message)) == (row and (row.code, row.message)):
        return
    if new is not None:
        row = row or AttentionRow(
            order_id=order.order_id, source=source, code="", message="", since=now
        )
        row.code, row.message = new.code, new.message
        session.add(row)
        note(session, order.order_id, "attention", f"{new.code}: {new.message}", now)
    elif row is not None:
        session.delete(row)
        note(session, order.order_id, "mended", row.code, now)
    order.updated_at = now
    session.flush()
    _show_oldest(session, order)


def _show_oldest(session: Session, order: Order) -> None:
    waits = select(AttentionRow).where(AttentionRow.order_id == order.order_id)
    first = session.exec(waits.order_by(col(AttentionRow.since), col(AttentionRow.source))).first()
    order.attention_code = first.code if first else None
    order.attention_message = first.message if first else None
    if first is None:
        show_problem(order, look(session, order))


def _why_not_cancel(progress: Progress, step: CancelOrder) -> str | None:
    if progress.goods_left:
        if not progress.fulfilled:
            return "goods have left: only what is still to come can be cancelled (`cancel-rest`)"
        return "goods have left: the order can be returned, not cancelled"
    if progress.cancellation is Cancellation.DONE:
        return "the order is cancelled already"
    if step.unless_accepted and progress.consent_by is None:
        return "the delay was accepted, or the goods have come"
    return "it is paid" if step.unless_paid and progress.paid_in_full else None


def _insert_order(session: Session, step: RecordOrder, promises: PromisePolicy) -> Order:
    document = step.order
    company = session.exec(select(Company)).one_or_none()
    if company is None:
        raise Refused("nothing_imported", "there are no products: import some, then retry")
    customer = (
        customers.lock_customer(session, document.customer)
        if isinstance(document.customer, str)
        else customers.record_customer(session, document.customer)
    )
    lines = _price(session, document, customer.tax_treatment)
    totals = total(lines)
    order = Order(
        order_id=document.order_id,
        customer_id=customer.customer_id,
        channel=document.channel,
        terms=document.terms,
        delivery=document.delivery,
        currency=document.currency,
        ship_to=document.ship_to.model_dump(),
        bill_to=(document.bill_to or document.ship_to).model_dump(),
        requested_delivery_date=document.requested_delivery_date,
        tax_treatment=customer.tax_treatment,
        digest=step.digest,
        workflow_id=step.workflow_id,
        discount_ppm=parse_percent(document.discount_percent or "0"),
        payment_method=document.payment_method,
        capture=document.capture,
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        promised_date=promised_date(
            step.placed_at.date(), document.requested_delivery_date, promises
        ),
        fulfilment=document.fulfilment,
        location=document.location,
        taken_by=document.taken_by or "",
        document=document.model_dump(mode="json"),
        placed_at=step.placed_at,
        updated_at=step.placed_at,
    )
    session.add(order)
    session.flush()
    session.add_all(OrderLineRow(order_id=order.order_id, **line.model_dump()) for line in lines)
    session.flush()
    return order


def _price(session: Session, document: OrderDocument, tax: TaxTreatment) -> list[PricedLine]:
    skus = {line.sku for line in document.lines}
    rows = session.exec(select(Product).where(col(Product.sku).in_(skus)))
    products = {row.sku: ProductPrice.model_validate(row.model_dump()) for row in rows}
    if missing := sorted(skus - products.keys()):
        raise Refused("sku_unknown", f"there is no SKU {', '.join(missing)}: import it, then retry")
    return price_lines(document, products, tax)


def _check_credit(session: Session, order: Order) -> Attention | None:
    """Open receivables, accepted orders and this one within the limit (customer's row locked)."""
    if not order.terms.on_credit or order.credit_accepted:
        return None
    customer: Customer = customers.lock_customer(session, order.customer_id)
    owed_minor = customers.exposure(session, order.customer_id, order.order_id)
    due_minor = balance_of(session, order).due_minor
    if not due_minor or owed_minor + due_minor <= customer.credit_limit_minor:
        order.credit_accepted = True
        return None
    limit = money_of(order, customer.credit_limit_minor)
    exposed = money_of(order, owed_minor + due_minor)
    return Attention(
        code="credit_limit_exceeded",
        message=f"with this order customer {order.customer_id} would owe {exposed}, the limit is "
        f"{limit}: wait for payments or raise the limit, then retry; or cancel",
    )

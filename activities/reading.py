"""Reading: what CLI and API show, and what the doors ask before they let something in."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities import progress
from activities.customers import exposure
from models.billing import RefundState
from models.commands import RefundShipment, after_workflow, refund_workflow
from models.customers import CustomerStatus, TaxTreatment
from models.errors import FieldError, NotFound
from models.messages import Attention, ReturnStep
from models.money import format_amount, parse_amount
from models.orders import (
    Cancellation,
    OrderDocument,
    ProductPrice,
    ShipmentState,
    Stage,
    price_lines,
    total,
)
from models.stock import ReservationState, ShortageState
from models.tables import (
    AuditRow,
    CommandRow,
    Company,
    Customer,
    FactRow,
    Finding,
    InvoiceRow,
    Location,
    OddFactRow,
    Order,
    OrderLineRow,
    Payment,
    Product,
    PurchaseOrder,
    PurchaseOrderLine,
    Refund,
    Reservation,
    ReturnLine,
    ReturnRow,
    Shipment,
    Shortage,
)
from models.views import (
    BackorderView,
    CustomerView,
    FindingView,
    HistoryView,
    LineView,
    OddFactView,
    OrderDetails,
    OrderView,
    PaymentView,
    ShipmentView,
)

MAX_LISTED = 1_000_000
"""The largest `limit` that a list takes."""


def company_currency(session: Session) -> str | None:
    """The currency of ledger and stock; None before anything was imported."""
    return session.exec(select(Company.currency)).one_or_none()


def digest_and_stage(session: Session, order_id: str) -> tuple[str, Stage] | None:
    """What was recorded under an order id, if anything."""
    row = session.get(Order, order_id)
    return (row.digest, row.stage) if row else None


def check_order(session: Session, document: OrderDocument) -> tuple[list[FieldError], int]:
    """What the tables have against an order (field by field), and its total in minor units."""
    errors = _check_customer(session, document)
    currency = company_currency(session)
    if currency is None:
        errors.append(FieldError("lines", "there are no products: import some first"))
    elif document.currency != currency:
        errors.append(FieldError("currency", f"we trade in {currency}, not {document.currency}"))
    if document.location is not None and session.get(Location, document.location) is None:
        errors.append(FieldError("location", f"there is no location {document.location!r}"))
    products = _prices(session, document)
    for number, line in enumerate(document.lines):
        if line.sku not in products:
            errors.append(FieldError(f"lines.{number}.sku", f"there is no SKU {line.sku!r}"))
    if errors:
        return errors, 0
    try:
        priced = price_lines(document, products, _treatment(session, document))
        return [], total(priced).total_minor
    except ValueError as error:
        return [FieldError("lines", str(error))], 0


def purchase_place(session: Session, po_id: str, sku: str | None) -> tuple[str, str] | None:
    """Location and SKU whose replenishment a supplier's fact concerns."""
    order = session.get(PurchaseOrder, po_id)
    lines = select(PurchaseOrderLine.sku).where(PurchaseOrderLine.po_id == po_id)
    skus = session.exec(lines.order_by(PurchaseOrderLine.sku)).all()
    if order is None or not skus:
        return None
    return order.location, sku if sku and sku in skus else skus[0]


def is_known_fact(session: Session, source: str, fact_id: str) -> bool:
    """Whether a fact came through this door before."""
    known = select(FactRow.fact_no).where(FactRow.source == source, FactRow.fact_id == fact_id)
    return session.exec(known).first() is not None


def order_of_shipment(session: Session, shipment_id: str) -> str | None:
    """The order that a shipment belongs to, or a return: carriers know it as a shipment."""
    row = session.get(Shipment, shipment_id) or session.get(ReturnRow, shipment_id)
    return row.order_id if row else None


def order_of_invoice(session: Session, number: str) -> str | None:
    """The order that an invoice is for; None where there is no such invoice."""
    row = session.get(InvoiceRow, number)
    return row.order_id if row else None


def order_of_payment(session: Session, payment_id: str) -> str | None:
    """The order that a payment is of; None where there is no such payment, or it has no order."""
    row = session.get(Payment, payment_id)
    return row.order_id if row else None


def waiting_beside(session: Session, order_id: str) -> list[str]:
    """The workflows beside its own that may wait for a person because of an order: its refunds, its
    returns, what calls its shipments back, and what gives late money of a cancelled one back."""
    refunds = select(Refund.refund_key).where(Refund.order_id == order_id)
    returns = select(ReturnRow.return_id).where(ReturnRow.order_id == order_id)
    called_back = select(Shipment.called_back_by).where(Shipment.order_id == order_id)
    beside = [
        *(refund_workflow(key) for key in session.exec(refunds.order_by(Refund.refund_key))),
        *(after_workflow(command_id) for command_id in session.exec(called_back) if command_id),
        *(
            ReturnStep(return_id=return_id).workflow_id
            for return_id in session.exec(returns.order_by(ReturnRow.return_id))
        ),
    ]
    order = session.get(Order, order_id)
    if order is None or order.stage is not Stage.CANCELLED:
        return beside
    facts = (
        select(FactRow.source, FactRow.fact_id)
        .where(FactRow.order_id == order_id, FactRow.type == "payment.received")
        .order_by(col(FactRow.fact_no))
    )
    return [*beside, *(f"fact-{source}-{fact_id}" for source, fact_id in session.exec(facts))]


def call_backs(session: Session, order_id: str) -> list[RefundShipment]:
    """The commands by which shipments of an order are being called back."""
    rows = (
        select(CommandRow.outcome)
        .join(Shipment, col(Shipment.called_back_by) == col(CommandRow.command_id))
        .where(Shipment.order_id == order_id)
        .order_by(Shipment.shipment_id)
    )
    return [RefundShipment.model_validate(outcome["command"]) for outcome in session.exec(rows)]


def is_to_be_seen_to(session: Session, order_id: str) -> bool:
    """Whether something happened to an order's money or goods that nobody has seen to."""
    order = session.get(Order, order_id)
    if order is None:
        return False
    known = progress.look(session, order)
    return bool(known.money_problem or known.goods_problem)


def order_terms(session: Session, order_id: str) -> tuple[str, str] | None:
    """Currency and terms of an order."""
    row = session.get(Order, order_id)
    return (row.currency, row.terms.value) if row else None


def order_details(session: Session, order_id: str) -> OrderDetails | None:
    """One order with its history; None where it isn't recorded."""
    order = session.get(Order, order_id)
    if order is None:
        return None
    [view] = _views(session, [order])
    history = select(AuditRow).where(AuditRow.order_id == order_id).order_by(col(AuditRow.audit_no))
    odd = select(OddFactRow).where(OddFactRow.subject == order_id)
    shortages = select(Shortage).where(
        Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN
    )
    return OrderDetails(
        **dict(view),
        delivery=order.delivery,
        fulfilment=order.fulfilment,
        location=order.location,
        taken_by=order.taken_by or None,
        backorders=tuple(
            BackorderView(
                sku=row.sku,
                quantity=row.quantity - row.filled,
                location=row.location,
                po_id=row.po_id,
                expected_date=row.expected_date,
            )
            for row in session.exec(shortages)
        ),
        history=tuple(HistoryView.model_validate(r.model_dump()) for r in session.exec(history)),
        odd_facts=tuple(
            OddFactView.model_validate(r.model_dump())
            for r in session.exec(odd.order_by(col(OddFactRow.recorded_at)))
        ),
    )


def list_orders(
    session: Session,
    stage: Stage | None = None,
    attention: bool = False,
    limit: int = 50,
    ended: Collection[str] = (),
) -> list[OrderView]:
    """Orders, newest first; `limit` 0 means all. `ended`: those whose workflow was cut off need
    attention too."""
    query = select(Order).order_by(col(Order.placed_at).desc(), col(Order.order_id))
    if stage is not None:
        query = query.where(Order.stage == stage)
    if attention:
        query = query.where(col(Order.attention_code).is_not(None) | col(Order.order_id).in_(ended))
    if limit:
        query = query.limit(limit)
    return _views(session, session.exec(query).all())


def customer(session: Session, customer_id: str) -> CustomerView:
    """A customer with its orders. Raises NotFound."""
    row = session.get(Customer, customer_id)
    if row is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    currency = company_currency(session) or ""
    query = select(Order).where(Order.customer_id == customer_id)
    orders = session.exec(query.order_by(col(Order.placed_at).desc())).all()
    counted = [o for o in orders if o.cancellation is Cancellation.NONE]
    return CustomerView(
        **row.model_dump(include={"customer_id", "name", "email", "phone", "country", "language"}),
        status=row.status,
        payment_preference=row.payment_preference,
        credit_limit=format_amount(row.credit_limit_minor, currency),
        currency=currency,
        open_credit=format_amount(exposure(session, customer_id), currency),
        order_count=len(orders),
        volume=format_amount(sum(o.total_minor for o in counted), currency),
        first_order_at=orders[-1].placed_at if orders else None,
        last_order_at=orders[0].placed_at if orders else None,
        orders=tuple(_views(session, orders)),
    )


def unmatched_payments(session: Session) -> list[PaymentView]:
    """Money that has, at least in part, no use yet."""
    query = select(Payment).where(col(Payment.unmatched_reason).is_not(None))
    return [
        PaymentView(
            payment_id=row.payment_id,
            claimed_order_id=row.claimed_order_id,
            order_id=row.order_id,
            amount=format_amount(row.amount_minor, row.currency),
            applied=format_amount(row.applied_minor, row.currency),
            reversed=format_amount(row.reversed_minor, row.currency),
            currency=row.currency,
            method=row.method,
            reason=row.unmatched_reason or "",
            received_at=row.received_at,
        )
        for row in session.exec(query.order_by(col(Payment.received_at), col(Payment.payment_id)))
    ]


def odd_facts(session: Session, limit: int) -> list[OddFactView]:
    """Messages that could not be used, whatever they were about, the latest first; 0: all."""
    query = select(OddFactRow).order_by(col(OddFactRow.recorded_at).desc())
    rows = session.exec(query.limit(limit) if limit else query)
    return [OddFactView.model_validate(row.model_dump()) for row in rows]


def findings(session: Session, gone: bool = False) -> list[FindingView]:
    """What reconciliation found to differ; `gone`: also what has come right since."""
    query = select(Finding).order_by(col(Finding.found_at), col(Finding.finding_id))
    if not gone:
        query = query.where(col(Finding.gone_at).is_(None))
    return [FindingView.model_validate(row.model_dump()) for row in session.exec(query)]


def _check_customer(session: Session, document: OrderDocument) -> list[FieldError]:
    known = session.get(Customer, document.customer_id)
    if known is None and isinstance(document.customer, str):
        reason = (
            f"there is no customer {document.customer!r}: import it, or send the whole customer"
        )
        return [FieldError("customer", reason)]
    status = known.status if known else None
    if known is None and not isinstance(document.customer, str):
        status = document.customer.status
        try:
            if parse_amount(document.customer.credit_limit, document.currency) < 0:
                return [FieldError("customer.credit_limit", "is below zero")]
        except ValueError as error:
            return [FieldError("customer.credit_limit", str(error))]
    if status is CustomerStatus.BLOCKED:
        return [FieldError("customer", f"customer {document.customer_id!r} is blocked")]
    return []


def _treatment(session: Session, document: OrderDocument) -> TaxTreatment:
    known = session.get(Customer, document.customer_id)
    return known.tax_treatment if known is not None else TaxTreatment.STANDARD


def _prices(session: Session, document: OrderDocument) -> dict[str, ProductPrice]:
    rows = session.exec(
        select(Product).where(col(Product.sku).in_({line.sku for line in document.lines}))
    )
    return {row.sku: ProductPrice.model_validate(row.model_dump()) for row in rows}


def _views(session: Session, orders: Sequence[Order]) -> list[OrderView]:
    """Views of many orders with one query for each kind of row."""
    shipments = _shipments(session, orders)
    lines = _line_views(session, orders, shipments)
    invoices: dict[str, str] = {}
    for batch in _batches(orders):
        query = select(InvoiceRow.order_id, InvoiceRow.number)
        invoices.update(session.exec(query.where(col(InvoiceRow.order_id).in_(batch))).all())
    short, refunded = _expected_dates(session, orders), _refunded(session, orders)
    return [
        OrderView(
            order_id=order.order_id,
            customer_id=order.customer_id,
            channel=order.channel,
            terms=order.terms,
            stage=order.stage,
            attention=_attention(order),
            currency=order.currency,
            total=format_amount(order.total_minor, order.currency),
            paid=format_amount(order.paid_minor, order.currency),
            due=format_amount(_due(order), order.currency),
            refunded=format_amount(refunded.get(order.order_id, 0), order.currency),
            invoice_number=invoices.get(order.order_id),
            lines=tuple(lines[order.order_id]),
            shipments=tuple(
                ShipmentView(
                    shipment_id=row.shipment_id,
                    state=row.state,
                    carrier=row.carrier,
                    tracking_number=row.tracking_number,
                    tracking=row.tracking,
                )
                for row in shipments[order.order_id]
            ),
            promised_date=order.promised_date,
            expected_date=short.get(order.order_id),
            consent_by=order.consent_by if order.order_id in short else None,
            placed_at=order.placed_at,
            updated_at=order.updated_at,
            workflow_id=order.workflow_id,
        )
        for order in orders
    ]


def _due(order: Order) -> int:
    """What a customer is asked for; nothing once the order is (being) cancelled."""
    if order.cancellation is not Cancellation.NONE:
        return 0
    return progress.balance(order, invoiced=False).due_minor


def _refunded(session: Session, orders: Sequence[Order]) -> dict[str, int]:
    """What has been given back, by order."""
    found: dict[str, int] = {}
    for batch in _batches(orders):
        query = select(Refund.order_id, func.sum(col(Refund.amount_minor))).where(
            col(Refund.order_id).in_(batch), Refund.state == RefundState.REFUNDED
        )
        for order_id, amount_minor in session.exec(query.group_by(col(Refund.order_id))):
            found[order_id or ""] = int(amount_minor)
    return found


def _expected_dates(session: Session, orders: Sequence[Order]) -> dict[str, date | None]:
    """By order that is short of something: when the last of it comes, if all of it has a date."""
    found: dict[str, date | None] = {}
    for batch in _batches(orders):
        query = select(
            Shortage.order_id,
            func.max(col(Shortage.expected_date)),
            func.count(),
            func.count(col(Shortage.expected_date)),
        ).where(col(Shortage.order_id).in_(batch), Shortage.state == ShortageState.OPEN)
        for order_id, last, shortages, dated in session.exec(query.group_by(Shortage.order_id)):
            found[order_id] = last if shortages == dated else None
    return found


def _line_views(
    session: Session, orders: Sequence[Order], shipments: Mapping[str, Sequence[Shipment]]
) -> dict[str, list[LineView]]:
    reserved: dict[tuple[str, int, str], int] = defaultdict(int)
    delivered = {
        row.shipment_id
        for rows in shipments.values()
        for row in rows
        if row.state is ShipmentState.DELIVERED
    }
    for batch in _batches(orders):
        for row in session.exec(select(Reservation).where(col(Reservation.order_id).in_(batch))):
            reserved[row.order_id, row.line_no, row.state.value] += row.quantity
            if row.shipment_id in delivered:
                reserved[row.order_id, row.line_no, "delivered"] += row.quantity
        for short in session.exec(select(Shortage).where(col(Shortage.order_id).in_(batch))):
            if short.state is ShortageState.OPEN:
                reserved[short.order_id, short.line_no, "short"] += short.quantity - short.filled
        came_back = (
            select(ReturnRow.order_id, ReturnLine.line_no, ReturnLine.received)
            .join(ReturnLine, col(ReturnLine.return_id) == col(ReturnRow.return_id))
            .where(col(ReturnRow.order_id).in_(batch))
        )
        for order_id, line_no, received in session.exec(came_back):
            reserved[order_id, line_no, "returned"] += received
    views: dict[str, list[LineView]] = defaultdict(list)
    for batch in _batches(orders):
        rows = select(OrderLineRow).where(col(OrderLineRow.order_id).in_(batch))
        for line in session.exec(rows.order_by(col(OrderLineRow.line_no))):
            key = (line.order_id, line.line_no)
            views[line.order_id].append(
                LineView(
                    sku=line.sku,
                    ordered=line.quantity,
                    reserved=reserved[*key, ReservationState.HELD.value]
                    + reserved[*key, ReservationState.PICKED.value],
                    backordered=reserved[*key, "short"],
                    shipped=reserved[*key, ReservationState.SHIPPED.value],
                    returned=reserved[*key, "returned"],
                    delivered=reserved[*key, "delivered"],
                    given_up=reserved[*key, ReservationState.FORGONE.value],
                )
            )
    return views


def _shipments(session: Session, orders: Sequence[Order]) -> dict[str, list[Shipment]]:
    found: dict[str, list[Shipment]] = defaultdict(list)
    for batch in _batches(orders):
        query = select(Shipment).where(col(Shipment.order_id).in_(batch))
        for row in session.exec(query.order_by(col(Shipment.shipment_id))):
            found[row.order_id].append(row)
    return found


def _attention(order: Order) -> Attention | None:
    if order.attention_code is None:
        return None
    return Attention(code=order.attention_code, message=order.attention_message or "")


def _batches(orders: Sequence[Order], size: int = 500) -> Iterable[list[str]]:
    """Order ids in lists short enough for one query."""
    for start in range(0, len(orders), size):
        yield [order.order_id for order in orders[start : start + size]]

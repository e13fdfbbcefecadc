"""Reading: what the doors ask before they let something in, and what is kept beside the orders."""

from collections.abc import Collection

from sqlmodel import Session, col, select

from activities import progress
from models.commands import RefundShipment, after_workflow, refund_workflow
from models.customers import CustomerStatus, TaxTreatment
from models.errors import FieldError
from models.messages import ReturnStep
from models.money import format_amount, parse_amount
from models.orders import OrderDocument, ProductPrice, Stage, price_lines, total
from models.tables import (
    AttentionRow,
    CommandRow,
    Company,
    Customer,
    FactRow,
    Finding,
    InvoiceRow,
    Location,
    OddFactRow,
    Order,
    Payment,
    Product,
    PurchaseOrder,
    PurchaseOrderLine,
    Refund,
    ReturnRow,
    Shipment,
)
from models.views import FindingView, OddFactView, PaymentView

MAX_LISTED = 1_000_000
"""The largest `limit` that a list takes."""


def company_currency(session: Session) -> str | None:
    """The currency of ledger and stock; None before anything was imported."""
    return session.exec(select(Company.currency)).one_or_none()


def digest_and_stage(session: Session, order_id: str) -> tuple[str, Stage] | None:
    """What was recorded under an order id, if anything."""
    row = session.get(Order, order_id)
    return (row.digest, row.stage) if row else None


def recorded(session: Session, order_ids: Collection[str]) -> set[str]:
    """Those of the ids under which an order is recorded."""
    return set(session.exec(select(Order.order_id).where(col(Order.order_id).in_(order_ids))))


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
    """The workflows beside its own that may wait for a person because of an order: those that say
    so, its refunds, its returns, what calls its shipments back, and what gives late money of a
    cancelled one back."""
    attended = select(AttentionRow.source).where(
        AttentionRow.order_id == order_id, AttentionRow.source != ""
    )
    refunds = select(Refund.refund_key).where(Refund.order_id == order_id)
    returns = select(ReturnRow.return_id).where(ReturnRow.order_id == order_id)
    called_back = select(Shipment.called_back_by).where(Shipment.order_id == order_id)
    beside = [
        *session.exec(attended.order_by(col(AttentionRow.since))),
        *(refund_workflow(key) for key in session.exec(refunds.order_by(Refund.refund_key))),
        *(after_workflow(command_id) for command_id in session.exec(called_back) if command_id),
        *(
            ReturnStep(return_id=return_id).workflow_id
            for return_id in session.exec(returns.order_by(ReturnRow.return_id))
        ),
    ]
    order = session.get(Order, order_id)
    if order is not None and order.stage is Stage.CANCELLED:
        facts = (
            select(FactRow.source, FactRow.fact_id)
            .where(FactRow.order_id == order_id, FactRow.type == "payment.received")
            .order_by(col(FactRow.fact_no))
        )
        beside += (f"fact-{source}-{fact_id}" for source, fact_id in session.exec(facts))
    return list(dict.fromkeys(beside))


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
